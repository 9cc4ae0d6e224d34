//! What each session was to receive and what it did receive, by its subscriptions.
//!
//! Pure accounting: no sockets, no clock. Messages are numbered from 0 over all groups; message `n` goes to
//! group `n % groups`, where it is the `n / groups`-th. A subscription is one session's to one group.

use uuid::Uuid;

use super::bits::Bits;
use super::track::{Place, Track};

/// By what the order of a group's messages is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By the `seq` that the server gave: durable events.
    Seq,
    /// By the number that this client gave: ephemeral frames, which have no `seq`.
    Number,
}

/// What the server wrote on a durable event.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// Identifies the numbering that `seq` belongs to; compared as text.
    pub epoch: &'a str,
    /// Position in the group, from 1.
    pub seq: u64,
    /// The event's own id; absent where it was not a UUID.
    pub id: Option<Uuid>,
}

/// What an arrival was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A message that this subscription had not received before: its latency counts.
    First,
    /// A message that it had.
    Repeat,
    /// A message that does not belong to the subscription's group.
    Stray,
    /// An event that is not this client's: only its position was noted.
    Other,
}

/// What went wrong for one subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Faults {
    /// Accepted messages that never came.
    pub missing: u64,
    /// Arrivals of something that had come already.
    pub doubled: u64,
    /// Arrivals behind something that belongs after them.
    pub out_of_order: u64,
    /// Positions in the group's numbering that never came, whosever event it was.
    pub holes: u64,
    /// Messages of a group that its session had not subscribed to.
    pub stray: u64,
    /// Durable messages without `seq`, `epoch` or a UUID as `id`, or with others than another subscription was told.
    pub misnumbered: u64,
    /// Times that the group's numbering began anew. Not a fault in itself: what it lost is `missing`.
    pub epochs: u64,
}

impl Faults {
    /// Whether the server kept its promises towards this subscription.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self { missing, doubled, out_of_order, holes, stray, misnumbered, epochs: _ } = *self;
        missing + doubled + out_of_order + holes + stray + misnumbered == 0
    }

    /// Adds another subscription's.
    pub fn add(&mut self, other: &Self) {
        self.missing += other.missing;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
        self.holes += other.holes;
        self.stray += other.stray;
        self.misnumbered += other.misnumbered;
        self.epochs += other.epochs;
    }
}

/// A subscription in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat(usize);

#[derive(Debug, Default, Clone)]
struct Message {
    accepted: bool,
    received: u64,
    /// What the first subscription to receive it was told: epoch (by its number in the group), seq, id.
    told: Option<(usize, u64, Uuid)>,
}

#[derive(Debug, Default)]
struct Group {
    members: u64,
    epochs: Vec<Box<str>>,
    messages: Vec<Message>,
}

impl Group {
    fn epoch(&mut self, name: &str) -> usize {
        if let Some(at) = self.epochs.iter().position(|known| **known == *name) {
            return at;
        }
        self.epochs.push(name.into());
        self.epochs.len() - 1
    }

    fn message(&mut self, place: usize) -> Option<&mut Message> {
        if self.messages.len() <= place {
            self.messages.resize(place + 1, Message::default());
        }
        self.messages.get_mut(place)
    }
}

#[derive(Debug)]
struct Subscription {
    group: usize,
    received: Bits,
    /// The latest in the client's own numbering, as its place in the group, plus one.
    latest: usize,
    epoch: Option<usize>,
    track: Track,
    faults: Faults,
}

/// The books of a run.
#[derive(Debug)]
pub struct Ledger {
    order: Order,
    groups: Vec<Group>,
    subscriptions: Vec<Subscription>,
    /// One for each accepted message and member of its group.
    expected: u64,
    /// Of these, how many have come.
    arrived: u64,
    received: u64,
}

impl Ledger {
    /// Empty books for `groups` groups (at least one).
    #[must_use]
    pub fn new(groups: usize, order: Order) -> Self {
        let groups = (0..groups.max(1)).map(|_| Group::default()).collect();
        Self { order, groups, subscriptions: Vec::new(), expected: 0, arrived: 0, received: 0 }
    }

    /// A session has subscribed to `group` (counted modulo the groups), whose position is `since` (epoch, seq)
    /// where the server told one. To be called before anything is published: what was accepted earlier would
    /// be counted as expected of subscriptions that it was never meant for.
    pub fn join(&mut self, group: usize, since: Option<(&str, u64)>) -> Seat {
        let group = group % self.groups.len();
        let mut epoch = None;
        if let Some(entry) = self.groups.get_mut(group) {
            entry.members += 1;
            epoch = since.map(|(name, _)| entry.epoch(name));
        }
        self.subscriptions.push(Subscription {
            group,
            received: Bits::default(),
            latest: 0,
            epoch,
            track: since.map_or_else(Track::unplaced, |(_, seq)| Track::after(seq)),
            faults: Faults::default(),
        });
        Seat(self.subscriptions.len() - 1)
    }

    /// The server has answered message `n` with success: every member of its group is to receive it.
    pub fn accept(&mut self, n: usize) {
        let (group, place) = (n % self.groups.len(), n / self.groups.len());
        let Some(group) = self.groups.get_mut(group) else { return };
        let members = group.members;
        let Some(message) = group.message(place) else { return };
        if !message.accepted {
            message.accepted = true;
            self.expected += members;
            self.arrived += message.received;
        }
    }

    /// Something has arrived for a subscription: message `n` of this client, or (`None`) an event of somebody else.
    pub fn arrive(&mut self, seat: Seat, n: Option<usize>, stamp: Option<&Stamp<'_>>) -> Verdict {
        let count = self.groups.len();
        let Some(subscription) = self.subscriptions.get_mut(seat.0) else { return Verdict::Other };
        let Some(group) = self.groups.get_mut(subscription.group) else { return Verdict::Other };
        if n.is_some_and(|n| n % count != subscription.group) {
            subscription.faults.stray += 1;
            return Verdict::Stray;
        }
        let position = stamp.map(|stamp| subscription.place(group.epoch(stamp.epoch), stamp.seq));
        let Some(n) = n else {
            match position {
                Some(Place::Repeat) => subscription.faults.doubled += 1,
                Some(Place::Late) => subscription.faults.out_of_order += 1,
                Some(Place::Next | Place::Ahead) | None => {}
            }
            return Verdict::Other;
        };
        self.received += 1;
        let first = subscription.take(n / count, position, self.order);
        if self.order == Order::Seq && !agrees(group, n / count, stamp) {
            subscription.faults.misnumbered += 1;
        }
        if !first {
            return Verdict::Repeat;
        }
        if let Some(message) = group.message(n / count) {
            message.received += 1;
            self.arrived += u64::from(message.accepted);
        }
        Verdict::First
    }

    /// An event of a group that the session had not subscribed to has arrived; noted for one of its subscriptions.
    pub fn stray(&mut self, seat: Seat) {
        if let Some(subscription) = self.subscriptions.get_mut(seat.0) {
            subscription.faults.stray += 1;
        }
    }

    /// Arrivals that accepted messages make due: one for each member of the message's group.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// How many of the expected arrivals have come, each counted once.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.arrived
    }

    /// All arrivals of this client's messages, repeats included.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How each subscription fared, by the order of joining, with the group's index.
    pub fn faults(&self) -> impl Iterator<Item = (usize, Faults)> {
        self.subscriptions.iter().map(|subscription| {
            let accepted = self.groups.get(subscription.group).map_or(&[][..], |group| &group.messages);
            let missing = accepted
                .iter()
                .enumerate()
                .filter(|(place, message)| message.accepted && !subscription.received.contains(*place))
                .count();
            let missing = u64::try_from(missing).unwrap_or(u64::MAX);
            (subscription.group, Faults { missing, holes: subscription.track.holes(), ..subscription.faults })
        })
    }
}

impl Subscription {
    fn place(&mut self, epoch: usize, seq: u64) -> Place {
        if self.epoch != Some(epoch) {
            if self.epoch.is_some() {
                self.faults.epochs += 1;
                self.track.restart();
            }
            self.epoch = Some(epoch);
        }
        self.track.place(seq)
    }

    /// Enters a message of this subscription's group; whether it is the first time.
    fn take(&mut self, place: usize, position: Option<Place>, order: Order) -> bool {
        let first = self.received.insert(place);
        let late = match order {
            Order::Seq => position == Some(Place::Late),
            Order::Number => place + 1 < self.latest,
        };
        self.latest = self.latest.max(place + 1);
        if !first || position == Some(Place::Repeat) {
            self.faults.doubled += 1;
        } else if late {
            self.faults.out_of_order += 1;
        }
        first
    }
}

/// Whether a message carries everything that a durable event must, and the same as for the other subscriptions.
fn agrees(group: &mut Group, place: usize, stamp: Option<&Stamp<'_>>) -> bool {
    let Some(Stamp { epoch, seq, id: Some(id) }) = stamp.copied() else { return false };
    let told = (group.epoch(epoch), seq, id);
    group.message(place).is_some_and(|message| *message.told.get_or_insert(told) == told)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
