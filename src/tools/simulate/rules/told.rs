//! What one person was told over the socket, to be held in the end against what the calls say. While a subscription lasts,
//! nothing goes past it. Where it begins anew, what happened just before may be in the snapshot alone; so it is remembered
//! when that was, and what happened then need not have been told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Break;
use super::ends::{Entry, Message, Row};
use crate::domain::group::GroupKey;
use crate::domain::ids::OrderId;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;

/// By how much more than was noticed the server's clock may be ahead: what is told takes its time.
const LEEWAY: Duration = Duration::from_millis(300);
/// A group's events come in the order of their commits: one may be told this long after younger ones.
const LATE: Duration = Duration::from_secs(5);
/// The same where things go wrong: a server may have stood still in the middle of a transaction.
const VERY_LATE: Duration = Duration::from_secs(15);
/// Most orders that are remembered of one person; of more, the oldest are forgotten, and not asked for.
const ORDERS: usize = 1_000;
/// Most movements of money, likewise.
const ENTRIES: usize = 4_096;
/// Versions that are remembered one by one.
const VERSIONS: i64 = 64;

/// What one person was told, over as many connections as it took.
#[derive(Debug, Default)]
pub struct Told {
    /// Since when the connection stands and the server has answered on it in time; none while there is none.
    pub line: Option<Instant>,
    user: Coverage,
    partner: Coverage,
    orders: BTreeMap<OrderId, Known>,
    /// Up to this one they are forgotten.
    forgotten: Option<OrderId>,
    /// Movements of money, and by how much.
    entries: BTreeMap<(Timestamp, Uuid), i64>,
    /// Up to then they are forgotten.
    spent: Option<Timestamp>,
    is_shaken: bool,
    /// By how much the server's clock was seen to be ahead.
    ahead: Duration,
}

/// What was told of one order.
#[derive(Debug, Default)]
struct Known {
    coverage: Coverage,
    /// A bit for each version that an `order_update` told of.
    versions: u64,
    /// The highest version, in a snapshot, too.
    latest: i64,
    messages: BTreeSet<String>,
}

/// How much of what happened somebody had to be told.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// What they had to be told for certain.
    pub due: usize,
    /// What was told, though it may have been in a snapshot alone.
    pub told: usize,
    /// What was not, which is excused by that.
    pub excused: usize,
}

impl Held {
    /// And so much more.
    pub fn add(&mut self, other: Self) {
        self.due += other.due;
        self.told += other.told;
        self.excused += other.excused;
    }

    /// One more, of which that is known.
    fn count(mut self, (is_due, is_told): (bool, bool)) -> Self {
        match (is_due, is_told) {
            (true, _) => self.due += 1,
            (false, true) => self.told += 1,
            (false, false) => self.excused += 1,
        }
        self
    }
}

/// When a group's events could not go past.
#[derive(Debug)]
struct Coverage {
    /// The youngest event that was told.
    last: Option<Timestamp>,
    /// What happened in these spells may be in a snapshot alone. Oldest first, apart from each other.
    gaps: Vec<(Timestamp, Timestamp)>,
    /// Since then it is not listened to.
    open: Option<Timestamp>,
}

impl Default for Coverage {
    /// Never listened to.
    fn default() -> Self {
        Self { last: None, gaps: Vec::new(), open: Some(Timestamp::from_millis(0)) }
    }
}

impl Coverage {
    /// A subscription begins anew, with a snapshot.
    fn begin(&mut self, now: Timestamp, late: Duration) {
        let mut from = self.open.take().unwrap_or_else(|| self.sure(late));
        while let Some((earlier, _)) = self.gaps.pop_if(|(_, end)| *end >= from) {
            from = from.min(earlier);
        }
        self.gaps.push((from, now));
    }

    /// It is listened to no longer.
    fn end(&mut self, late: Duration) {
        let sure = self.sure(late);
        self.open.get_or_insert(sure);
    }

    /// Up to when all has been told.
    fn sure(&self, late: Duration) -> Timestamp {
        self.last.map_or(Timestamp::from_millis(0), |last| last.before(late))
    }

    /// Whether what happened then, by the server's clock, cannot have gone past.
    fn holds(&self, at: Timestamp, ahead: Duration) -> bool {
        let is_in = |(from, to): &(Timestamp, Timestamp)| *from <= at && at <= to.after(ahead + LEEWAY);
        self.open.is_none_or(|open| at < open) && !self.gaps.iter().any(is_in)
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    group: Option<String>,
    at: Option<Timestamp>,
    seq: Option<u64>,
    position: Option<Value>,
    #[serde(default)]
    recovered: bool,
}

#[derive(Deserialize)]
struct Step {
    order_id: OrderId,
    version: i64,
}

#[derive(Deserialize)]
struct Standing {
    id: OrderId,
    version: i64,
}

#[derive(Deserialize)]
struct Words {
    id: String,
    order_id: OrderId,
}

impl Told {
    /// Takes in a frame that came at `now`; `is_shaken` if ever anything went wrong.
    pub fn hear(&mut self, frame: &Value, now: Timestamp, is_shaken: bool) -> Option<Break> {
        self.is_shaken = is_shaken;
        // What has no sound envelope is noticed elsewhere.
        let envelope = Envelope::deserialize(frame).ok()?;
        self.ahead = envelope.at.map_or(self.ahead, |at| self.ahead.max(at.since(now)));
        let late = self.late();
        let group = envelope.group.as_deref().and_then(|group| group.parse::<GroupKey>().ok());
        if let Some(coverage) = group.and_then(|group| self.coverage(group)) {
            match envelope.kind.as_str() {
                "subscribed" if envelope.recovered => {}
                "subscribed" | "resync" => coverage.begin(now, late),
                "unsubscribed" => coverage.end(late),
                _ if envelope.position.is_some() => coverage.begin(now, late),
                _ if envelope.seq.is_some() => coverage.last = coverage.last.max(envelope.at),
                _ => {}
            }
        }
        self.take(&envelope.kind, frame)
    }

    /// A group is left: what is still under way from it need not come.
    pub fn leave(&mut self, group: &str) {
        let late = self.late();
        if let Some(coverage) = group.parse::<GroupKey>().ok().and_then(|group| self.coverage(group)) {
            coverage.end(late);
        }
    }

    fn late(&self) -> Duration {
        if self.is_shaken { VERY_LATE } else { LATE }
    }

    fn coverage(&mut self, group: GroupKey) -> Option<&mut Coverage> {
        match group {
            GroupKey::User(_) => Some(&mut self.user),
            GroupKey::Partner(_) => Some(&mut self.partner),
            GroupKey::Order(id) => Some(&mut self.order(id)?.coverage),
            GroupKey::Admin => None,
        }
    }

    /// What is known of an order, unless it is forgotten.
    fn order(&mut self, id: OrderId) -> Option<&mut Known> {
        if self.is_forgotten(id) {
            return None;
        }
        if !self.orders.contains_key(&id) && self.orders.len() >= ORDERS {
            self.forgotten = self.orders.pop_first().map(|(oldest, _)| oldest);
            if self.is_forgotten(id) {
                return None;
            }
        }
        Some(self.orders.entry(id).or_default())
    }

    fn is_forgotten(&self, id: OrderId) -> bool {
        self.forgotten.is_some_and(|forgotten| id <= forgotten)
    }

    fn take(&mut self, kind: &str, frame: &Value) -> Option<Break> {
        match kind {
            "order_update" => {
                let Step { order_id, version } = Step::deserialize(frame.get("update")?).ok()?;
                let known = self.order(order_id)?;
                known.versions |= bit(version);
                known.latest = known.latest.max(version);
                None
            }
            "order_status" => {
                let Standing { id, version } = Standing::deserialize(frame.get("order")?).ok()?;
                let known = self.order(id)?;
                known.latest = known.latest.max(version);
                None
            }
            "chat_message" => {
                let Words { id, order_id } = Words::deserialize(frame.get("message")?).ok()?;
                self.order(order_id)?.messages.insert(id);
                None
            }
            "wallet_update" | "earnings_update" => self.money(kind, frame),
            // Of any other frame nothing is left in the end.
            _ => None,
        }
    }

    fn money(&mut self, kind: &str, frame: &Value) -> Option<Break> {
        let entry = Entry::deserialize(frame.get("entry")?).ok()?;
        if self.spent.is_none_or(|spent| spent < entry.created_at) {
            self.entries.insert((entry.created_at, entry.id), entry.amount);
        }
        if self.entries.len() > ENTRIES {
            self.spent = self.entries.pop_first().map(|((at, _), _)| at);
        }
        (entry.balance_after < 0)
            .then(|| Break::new(kind, "no balance below zero", entry.balance_after.to_string()))
    }

    /// Whether this person was told how the order stands in this version.
    #[must_use]
    pub fn knows(&self, id: OrderId, version: i64) -> bool {
        self.is_forgotten(id) || self.orders.get(&id).is_some_and(|known| known.latest >= version)
    }

    /// What this person was told last of an order of theirs is how it stands.
    #[must_use]
    pub fn stands(&self, id: OrderId, version: i64) -> Option<Break> {
        let latest = self.orders.get(&id).map_or(0, |known| known.latest);
        (!self.is_forgotten(id) && latest != version).then(|| {
            Break::new(
                id,
                format!("to be told of version {version}"),
                format!("version {latest} by the socket"),
            )
        })
    }

    /// Steps of an order that this person had to be told of and was not: as its customer, or as its partner then.
    #[must_use]
    pub fn untold_steps(&self, id: OrderId, role: Role, rows: &[Row]) -> Vec<Break> {
        let untold = self.steps(id, role, rows).filter(|(_, how)| *how == (true, false));
        let broken = |(row, _): (&Row, _)| {
            let expected =
                format!("the {} to be told that it is {} (version {})", role.as_str(), row.to, row.version);
            Break::new(id, expected, "nothing")
        };
        untold.map(broken).collect()
    }

    /// How many steps of an order that is.
    #[must_use]
    pub fn held_steps(&self, id: OrderId, role: Role, rows: &[Row]) -> Held {
        self.steps(id, role, rows).map(|(_, how)| how).fold(Held::default(), Held::count)
    }

    /// Steps that are remembered, whether each had to be told, and whether it was.
    fn steps<'a>(
        &self,
        id: OrderId,
        role: Role,
        rows: &'a [Row],
    ) -> impl Iterator<Item = (&'a Row, (bool, bool))> {
        let known = self.orders.get(&id);
        let own = if role == Role::Customer { &self.user } else { &self.partner };
        let order = known.map(|known| &known.coverage);
        let is_due =
            move |at| [Some(own), order].into_iter().flatten().any(|part| part.holds(at, self.ahead));
        let versions = known.map_or(0, |known| known.versions);
        let rows = if self.is_forgotten(id) { &[] } else { rows };
        // Nobody is told by an `order_update` that an order was placed.
        let steps = rows.iter().filter(|row| row.from.is_some() && (0..VERSIONS).contains(&row.version));
        steps.map(move |row| (row, (is_due(row.at), versions & bit(row.version) != 0)))
    }

    /// Messages that this person had to be told of and was not.
    #[must_use]
    pub fn untold_messages(&self, id: OrderId, role: Role, messages: &[Message]) -> Vec<Break> {
        let untold = self.messages(id, messages).filter(|(_, how)| *how == (true, false));
        let broken = |(message, _): (&Message, _)| {
            Break::new(id, format!("the {} to be told of message {}", role.as_str(), message.id), "nothing")
        };
        untold.map(broken).collect()
    }

    /// How many messages about an order that is.
    #[must_use]
    pub fn held_messages(&self, id: OrderId, messages: &[Message]) -> Held {
        self.messages(id, messages).map(|(_, how)| how).fold(Held::default(), Held::count)
    }

    fn messages<'a>(
        &self,
        id: OrderId,
        messages: &'a [Message],
    ) -> impl Iterator<Item = (&'a Message, (bool, bool))> {
        let known = self.orders.get(&id);
        let how = move |known: &Known, message: &Message| {
            (known.coverage.holds(message.created_at, self.ahead), known.messages.contains(&message.id))
        };
        messages.iter().filter_map(move |message| Some((message, how(known?, message))))
    }

    /// Movements of money that this person had to be told of and was not.
    #[must_use]
    pub fn untold_entries(&self, role: Role, entries: &[Entry]) -> Vec<Break> {
        let untold = self.movements(role, entries).filter(|(_, how)| *how == (true, false));
        let broken = |(entry, _): (&Entry, _)| {
            let expected = format!("to be told of {} of {}", entry.kind, entry.amount);
            Break::new(format!("movement {}", entry.id), expected, "nothing")
        };
        untold.map(broken).collect()
    }

    /// How many movements that is.
    #[must_use]
    pub fn held_entries(&self, role: Role, entries: &[Entry]) -> Held {
        self.movements(role, entries).map(|(_, how)| how).fold(Held::default(), Held::count)
    }

    fn movements<'a>(
        &self,
        role: Role,
        entries: &'a [Entry],
    ) -> impl Iterator<Item = (&'a Entry, (bool, bool))> {
        let own = if role == Role::Customer { &self.user } else { &self.partner };
        let is_kept = |entry: &&Entry| self.spent.is_none_or(|spent| spent < entry.created_at);
        let is_told = |entry: &Entry| self.entries.contains_key(&(entry.created_at, entry.id));
        let how = move |entry: &Entry| (own.holds(entry.created_at, self.ahead), is_told(entry));
        entries.iter().filter(is_kept).map(move |entry| (entry, how(entry)))
    }

    /// The movements of money that were told.
    #[must_use]
    pub fn entries(&self) -> Vec<((Timestamp, Uuid), i64)> {
        self.entries.iter().map(|(key, amount)| (*key, *amount)).collect()
    }
}

/// Of the movements that were told, those that are none of the account's.
#[must_use]
pub fn made_up(told: &[((Timestamp, Uuid), i64)], entries: &[Entry]) -> Vec<Break> {
    let listed: BTreeMap<Uuid, i64> = entries.iter().map(|entry| (entry.id, entry.amount)).collect();
    let untrue = told.iter().filter(|((_, id), amount)| listed.get(id) != Some(amount));
    let broken = |((_, id), amount): &((Timestamp, Uuid), i64)| {
        let came = listed.get(id).map_or("none".to_owned(), |listed| format!("one of {listed}"));
        Break::new(format!("movement {id}"), format!("one of {amount}, as was told"), came)
    };
    untrue.map(broken).collect()
}

fn bit(version: i64) -> u64 {
    u32::try_from(version).ok().and_then(|version| 1_u64.checked_shl(version)).unwrap_or(0)
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
