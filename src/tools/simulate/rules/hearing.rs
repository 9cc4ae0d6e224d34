//! What one session hears: each group's numbers, each order's steps, and when its partner may be seen.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::memory::Memory;
use super::{Break, is_legal, shows_code};
use crate::domain::group::GroupKey;
use crate::domain::ids::OrderId;
use crate::domain::order::OrderStatus;
use crate::domain::time::Timestamp;
use crate::protocol::client::Since;
use crate::protocol::views::Freshness;

/// A step and a position go different ways, so either may be a little early.
const GRACE: Duration = Duration::from_secs(2);
/// Most orders that one group's steps are followed of; a partner never hears how one ends that was given back.
const FOLLOWED: usize = 2_000;

/// What one person hears, over as many connections as it takes.
#[derive(Debug)]
pub struct Hearing {
    /// Whether the orders' own customer listens.
    sees_codes: bool,
    streams: BTreeMap<String, Stream>,
    lives: HashMap<OrderId, Life>,
    memory: Memory,
}

/// What there is to say of a frame.
#[derive(Debug, Default)]
pub struct Heard {
    /// The rules that it breaks.
    pub broken: Vec<Break>,
    /// It was heard before, under the same id: through another group, or again after a fault.
    pub is_again: bool,
    /// The same, and in the same group: only a fault does that.
    pub is_repeated: bool,
    /// A subscription begins with it, or anew.
    pub begins: Option<Begins>,
    /// It shows a partner sooner than what was heard of the order explains.
    pub sighting: Option<Sighting>,
}

/// How a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// With what was missed.
    Resumed,
    /// With a snapshot.
    Snapshot,
    /// Anew, unasked.
    Resync,
}

/// A position that is early, or whose step is late: the timeline tells which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Whose partner was seen.
    pub order_id: OrderId,
    /// When the server told of it.
    pub at: Timestamp,
}

/// A group's events.
#[derive(Debug, Default)]
struct Stream {
    position: Option<Since>,
    /// Whether it was asked to end.
    is_leaving: bool,
    /// The last change of each order that is not over, since the position was not carried on from an earlier one.
    steps: HashMap<OrderId, Stand>,
}

/// Where an order stands in a group's stream.
#[derive(Debug, Clone, Copy)]
struct Stand {
    /// The first version that was heard. What is older was told before the subscription, and may be told again.
    first: i64,
    last: i64,
    status: OrderStatus,
}

/// An order, as far as positions go.
#[derive(Debug)]
struct Life {
    version: i64,
    status: OrderStatus,
    since: Instant,
    /// When the server told of it.
    told_at: Option<Timestamp>,
    dot: Option<(Timestamp, String)>,
}

#[derive(Deserialize)]
struct Envelope {
    group: Option<String>,
    #[serde(default)]
    id: String,
    at: Option<Timestamp>,
    seq: Option<u64>,
    epoch: Option<String>,
    position: Option<Since>,
    #[serde(default)]
    recovered: bool,
}

#[derive(Deserialize)]
struct Step {
    order_id: OrderId,
    status: OrderStatus,
    previous_status: OrderStatus,
    version: i64,
}

#[derive(Deserialize)]
struct Standing {
    id: OrderId,
    status: OrderStatus,
    version: i64,
}

#[derive(Deserialize)]
struct Dot {
    timestamp: Timestamp,
    age: u64,
    freshness: String,
}

impl Hearing {
    /// Nothing yet. Only the customer of orders `sees_codes`.
    #[must_use]
    pub fn new(sees_codes: bool) -> Self {
        Self { sees_codes, streams: BTreeMap::new(), lives: HashMap::new(), memory: Memory::default() }
    }

    /// Where to go on with each group.
    pub fn positions(&self) -> impl Iterator<Item = (&String, Option<&Since>)> {
        let staying = self.streams.iter().filter(|(_, stream)| !stream.is_leaving);
        staying.map(|(group, stream)| (group, stream.position.as_ref()))
    }

    /// A group is about to be listened to; whether that is new.
    pub fn expect(&mut self, group: &str) -> bool {
        let is_new = !self.streams.contains_key(group);
        if is_new {
            self.streams.insert(group.to_owned(), Stream::default());
        }
        is_new
    }

    /// A group is about to be left; whether that is new. What is still under way from it counts as heard.
    pub fn leave(&mut self, group: &str) -> bool {
        let stream = self.streams.get_mut(group);
        stream.is_some_and(|stream| !std::mem::replace(&mut stream.is_leaving, true))
    }

    /// The connection has ended: what was about to be left is. Positions are kept by no server that is killed, so the next
    /// may be an older one.
    pub fn disconnect(&mut self) {
        self.streams.retain(|_, stream| !stream.is_leaving);
        let streams = &self.streams;
        self.lives.retain(|id, life| {
            life.dot = None;
            streams.contains_key(&GroupKey::Order(*id).to_string())
        });
    }

    /// There is nothing to go on from: a connection that broke before anything was heard has left nothing to listen to.
    pub fn start_over(&mut self) {
        self.streams.clear();
    }

    /// A group is listened to no longer.
    pub fn forget(&mut self, group: &str) {
        self.streams.remove(group);
        if let Ok(GroupKey::Order(id)) = group.parse() {
            self.lives.remove(&id);
        }
    }

    /// Takes in a frame that came at `at`.
    pub fn hear(&mut self, frame: &Value, at: Instant) -> Heard {
        let mut heard = Heard::default();
        let kind = frame.get("type").and_then(Value::as_str).unwrap_or_default();
        let Ok(envelope) = Envelope::deserialize(frame) else {
            heard.broken.push(Break::new(kind, "a frame with a sound envelope", frame.to_string()));
            return heard;
        };
        if !self.sees_codes && shows_code(frame) {
            let expected = "no hand-over code for anybody but the customer";
            heard.broken.push(Break::new(kind, expected, frame.to_string()));
        }
        let Some(group) = envelope.group.clone() else { return heard };
        match kind {
            "subscribed" | "resync" => {
                let begins = envelope.epoch.zip(envelope.seq).map(|(epoch, seq)| Since { epoch, seq });
                heard.begins = Some(match (kind, envelope.recovered) {
                    ("resync", _) => Begins::Resync,
                    (_, true) => Begins::Resumed,
                    (_, false) => Begins::Snapshot,
                });
                heard.broken.extend(self.begin(group, begins, envelope.recovered));
                return heard;
            }
            "unsubscribed" => {
                self.forget(&group);
                return heard;
            }
            // Any other frame comes through the group.
            _ => {}
        }
        if let Some(position) = envelope.position {
            self.streams.entry(group.clone()).or_default().position.get_or_insert(position);
        }
        heard.broken.extend(self.count(&group, envelope.epoch, envelope.seq, frame));
        let again = self.memory.again(kind, &envelope.id, &group, frame, at);
        heard.broken.extend(again.broken);
        (heard.is_again, heard.is_repeated) = (again.anywhere, again.here);
        match kind {
            // What comes again in the same group says nothing of what follows what.
            "order_update" if !again.here => {
                if let Some(step) = frame.get("update").and_then(|update| Step::deserialize(update).ok()) {
                    heard.broken.extend(self.step(&group, &step));
                    let Step { order_id: id, status, version, .. } = step;
                    self.stand(Standing { id, status, version }, envelope.at, at);
                }
            }
            "order_status" => {
                if let Some(order) = frame.get("order").and_then(|order| Standing::deserialize(order).ok()) {
                    self.stand(order, envelope.at, at);
                }
            }
            "location" => {
                if let (Ok(GroupKey::Order(id)), Ok(dot)) = (group.parse(), Dot::deserialize(frame)) {
                    let (broken, is_early) = self.see(id, dot, envelope.at, at);
                    heard.broken.extend(broken);
                    let told_at = envelope.at.filter(|_| is_early);
                    heard.sighting = told_at.map(|at| Sighting { order_id: id, at });
                }
            }
            // Any other frame has no more rules than that.
            _ => {}
        }
        heard
    }

    /// A subscription stands at `begins`.
    fn begin(&mut self, group: String, begins: Option<Since>, recovered: bool) -> Option<Break> {
        let stream = self.streams.entry(group.clone()).or_default();
        let before = std::mem::replace(&mut stream.position, begins);
        if !recovered {
            stream.steps.clear();
            return None;
        }
        let words = |position: Option<&Since>| {
            position.map_or("no position".to_owned(), |Since { epoch, seq }| format!("{seq} of {epoch}"))
        };
        (before != stream.position).then(|| {
            let expected = format!("to go on after {}", words(before.as_ref()));
            Break::new(&group, expected, format!("recovered at {}", words(stream.position.as_ref())))
        })
    }

    /// The numbers of a group have no hole and never go back.
    fn count(
        &mut self,
        group: &str,
        epoch: Option<String>,
        seq: Option<u64>,
        frame: &Value,
    ) -> Option<Break> {
        let position = epoch.zip(seq).map(|(epoch, seq)| Since { epoch, seq })?;
        let Some(stream) = self.streams.get_mut(group) else {
            return Some(Break::new(group, "no event of a group that is not listened to", frame.to_string()));
        };
        let before = stream.position.replace(position.clone());
        let expected = match before {
            Some(Since { epoch, seq }) if epoch == position.epoch && seq + 1 == position.seq => return None,
            Some(Since { epoch, seq }) => format!("{} of {epoch}", seq + 1),
            None => "a position before the first event".to_owned(),
        };
        Some(Break::new(group, expected, format!("{} of {}", position.seq, position.epoch)))
    }

    /// An order goes from version to version by steps that the machine has.
    fn step(&mut self, group: &str, step: &Step) -> Option<Break> {
        let Step { order_id, status, previous_status, version } = *step;
        let stream = self.streams.get_mut(group)?;
        let before = stream.steps.get(&order_id).copied();
        if let Some(Stand { first, last, .. }) = before.filter(|stand| version <= stand.last) {
            let expected = format!("a version after {last}");
            return (version >= first)
                .then(|| Break::new(order_id, expected, format!("{version} in {group}")));
        }
        if status.is_end() {
            stream.steps.remove(&order_id);
        } else {
            if stream.steps.len() >= FOLLOWED {
                stream.steps.clear();
            }
            let first = before.map_or(version, |stand| stand.first);
            stream.steps.insert(order_id, Stand { first, last: version, status });
        }
        let before = before.map(|stand| (stand.last, stand.status));
        let follows = before.is_none_or(|(last, was)| last + 1 != version || was == previous_status);
        (!follows || !is_legal(previous_status, status)).then(|| {
            let was = before.map_or(previous_status, |(_, was)| was);
            Break::new(order_id, format!("a legal step from {was}"), format!("{previous_status} to {status}"))
        })
    }

    fn stand(&mut self, standing: Standing, told_at: Option<Timestamp>, at: Instant) {
        let Standing { id, status, version } = standing;
        if !self.streams.contains_key(&GroupKey::Order(id).to_string()) {
            return;
        }
        let known = self.lives.get(&id);
        if known.is_none_or(|known| known.version < version) {
            let dot = known.and_then(|known| known.dot.clone());
            self.lives.insert(id, Life { version, status, since: at, told_at, dot });
        }
    }

    /// A partner is seen from `en_route` to `delivered`, as old as the position is, and never where it was before. Whether it
    /// is seen before what was heard explains it: a step may be late, since it goes another way than positions.
    fn see(&mut self, id: OrderId, dot: Dot, told_at: Option<Timestamp>, at: Instant) -> (Vec<Break>, bool) {
        let mut broken = Vec::new();
        let Dot { timestamp, age, freshness } = dot;
        if serde_json::to_value(Freshness::of(age)).ok() != Some(Value::from(freshness.as_str())) {
            broken.push(Break::new(id, format!("a freshness that fits {age} s"), freshness.clone()));
        }
        let Some(life) = self.lives.get_mut(&id) else { return (broken, false) };
        let mut is_early = false;
        if !life.status.shows_location() && at.duration_since(life.since) > GRACE {
            let is_over = life.status.is_end() || life.status == OrderStatus::Delivered;
            // One that was told in time may have been long under way.
            let in_time = life.told_at.zip(told_at).is_some_and(|(over, told)| told <= over.after(GRACE));
            if is_over && !in_time {
                broken.push(Break::new(id, format!("no position while {}", life.status), "a position"));
            }
            is_early = !is_over;
        }
        if let Some((last, was)) = &life.dot
            && timestamp < *last
            && *was == freshness
        {
            broken.push(Break::new(id, format!("no position before {last}"), timestamp.to_string()));
        }
        life.dot = Some((timestamp, freshness));
        (broken, is_early)
    }
}

#[cfg(test)]
#[path = "hearing_tests.rs"]
mod tests;
