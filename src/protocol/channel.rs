//! What instances say to each other through Redis: on the channel of each group, and on one for all.
//!
//! Instances of two versions share the channels while one takes the place of the other: what is not understood is
//! passed over, so add forms, do not change them.

use serde::{Deserialize, Serialize};

use crate::domain::eta::Eta;
use crate::domain::geo::Position;
use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, FamilyId, InstanceId, OrderId, PartnerId, SessionId, UserId};
use crate::domain::time::Timestamp;

use super::admin::{InstanceHealth, ViewingView};
use super::client::LocationSample;
use super::close::CloseReason;
use super::ephemeral::PresentView;

/// By what committed events reach the instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Redis: one instance takes them out of the outbox, and Redis numbers them for all.
    Redis,
    /// The database: Redis is away, so each instance reads the outbox for its own sessions.
    Database,
}

impl Route {
    /// As the database has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Database => "database",
        }
    }

    /// Reads [`Route::as_str`]; what a later version may have written there is read as the usual one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == Self::Database.as_str() { Self::Database } else { Self::Redis }
    }
}

/// One message on the channel of a group.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupMessage<'a> {
    /// A must-deliver event with its number.
    Event {
        /// Which numbering.
        epoch: &'a str,
        /// From 1, without holes.
        seq: u64,
        /// The event.
        stamped: Stamped<'a>,
    },
    /// A state of which only the latest counts.
    State(State<'a>),
    /// A frame that nobody keeps.
    Ephemeral {
        /// Which of them counts as the same, so that the latest wins.
        slot: Slot<'a>,
        /// The frame.
        stamped: Stamped<'a>,
    },
    /// A user has to leave the group.
    Expelled {
        /// How many had to leave in this group so far, this one included; 0 where nobody counts.
        count: u64,
        /// Who.
        user_id: UserId,
    },
    /// Who is there on one instance.
    Present {
        /// Which.
        instance: InstanceId,
        /// Who.
        present: Present,
    },
    /// Something was published while Redis had no numbering for the group: it has lost it, or nobody was there.
    Unnumbered,
}

/// What a frame is about that nobody keeps: of those that are about the same, the latest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot<'a> {
    /// Its name, without spaces.
    pub name: &'a str,
    /// Since when what the frame tells is so, where an older one must not follow a newer one: several instances may tell, and
    /// the way of one may take longer.
    pub since: Option<Timestamp>,
}

/// A frame without its envelope, and what goes into that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamped<'a> {
    /// The event's id.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The frame: a JSON object.
    pub body: &'a str,
}

/// A state of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<'a> {
    /// Grows with every change of the state.
    pub revision: i64,
    /// Which state.
    pub slot: &'a str,
    /// The frame that tells.
    pub stamped: Stamped<'a>,
}

/// An event as Redis keeps it for those who come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept<'a> {
    /// Its number.
    pub seq: u64,
    /// The event.
    pub stamped: Stamped<'a>,
}

/// The sessions that one instance has in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// How many.
    pub sessions: usize,
    /// Whose, each user once; left out where there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<PresentView>,
}

impl<'a> From<&'a str> for Slot<'a> {
    fn from(name: &'a str) -> Self {
        Self { name, since: None }
    }
}

impl<'a> Slot<'a> {
    /// Reads [`Slot::to_text`].
    fn parse(text: &'a str) -> Option<Self> {
        let Some((name, since)) = text.split_once('@') else { return Some(text.into()) };
        Some(Self { name, since: Some(Timestamp::from_millis(since.parse().ok()?)) })
    }

    /// `<name>`, or `<name>@<milliseconds since 1970>`.
    fn to_text(self) -> String {
        match self.since {
            None => self.name.to_owned(),
            Some(since) => format!("{}@{}", self.name, since.as_millis()),
        }
    }
}

impl<'a> Stamped<'a> {
    /// Reads [`Stamped::to_text`].
    fn parse(text: &'a str) -> Option<Self> {
        let (id, rest) = text.split_once(' ')?;
        let (at, body) = rest.split_once(' ')?;
        Some(Self { id: id.parse().ok()?, at: Timestamp::from_millis(at.parse().ok()?), body })
    }

    /// `<id> <milliseconds since 1970> <frame>`.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{} {} {}", self.id, self.at.as_millis(), self.body)
    }
}

impl<'a> State<'a> {
    /// Reads [`State::to_text`].
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (revision, rest) = text.split_once(' ')?;
        let (slot, rest) = rest.split_once(' ')?;
        Some(Self { revision: revision.parse().ok()?, slot, stamped: Stamped::parse(rest)? })
    }

    /// `<revision> <slot> <event>`.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{} {} {}", self.revision, self.slot, self.stamped.to_text())
    }
}

impl<'a> Kept<'a> {
    /// Reads `<number> <event>`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (seq, rest) = text.split_once(' ')?;
        Some(Self { seq: seq.parse().ok()?, stamped: Stamped::parse(rest)? })
    }
}

impl<'a> GroupMessage<'a> {
    /// Reads a message; `None` when it is none that this version knows.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        match kind {
            "event" => {
                let (epoch, rest) = rest.split_once(' ')?;
                let Kept { seq, stamped } = Kept::parse(rest)?;
                Some(Self::Event { epoch, seq, stamped })
            }
            "state" => State::parse(rest).map(Self::State),
            "frame" => {
                let (slot, rest) = rest.split_once(' ')?;
                Some(Self::Ephemeral { slot: Slot::parse(slot)?, stamped: Stamped::parse(rest)? })
            }
            "expelled" => {
                let (count, user_id) = rest.split_once(' ')?;
                Some(Self::Expelled { count: count.parse().ok()?, user_id: user_id.parse().ok()? })
            }
            "present" => {
                let (instance, present) = rest.split_once(' ')?;
                let present = serde_json::from_str(present).ok()?;
                Some(Self::Present { instance: instance.parse().ok()?, present })
            }
            "unnumbered" => Some(Self::Unnumbered),
            // Any other text: this is a parser, and a later version may say more.
            _ => None,
        }
    }

    /// The message as text. Events, expulsions and the like are put together by Redis itself, in the same form.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Event { epoch, seq, stamped } => format!("event {epoch} {seq} {}", stamped.to_text()),
            Self::State(state) => format!("state {}", state.to_text()),
            Self::Ephemeral { slot, stamped } => format!("frame {} {}", slot.to_text(), stamped.to_text()),
            Self::Expelled { count, user_id } => format!("expelled {count} {user_id}"),
            Self::Present { instance, present } => {
                format!("present {instance} {}", super::server::to_json(present))
            }
            Self::Unnumbered => "unnumbered".into(),
        }
    }
}

/// One message on the channel of all instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Who says it.
    pub from: InstanceId,
    /// What.
    pub say: Say,
}

/// What an instance says to all others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Say {
    /// It lives; said every second.
    Here(Here),
    /// It is going away, and its sessions have.
    Leaving,
    /// The outbox has something new.
    Bell,
    /// The relay's lease is free.
    Vacant,
    /// Sessions of a user end.
    EndSessions {
        /// Whose.
        user_id: UserId,
        /// Only those of this log-in; of all log-ins without one.
        family_id: Option<FamilyId>,
        /// Why.
        reason: CloseReason,
    },
    /// A session gives way to a newer one of its user.
    Replace {
        /// Which.
        session: SessionId,
        /// Whose.
        user_id: UserId,
    },
    /// Somebody has used something of a budget that holds for all instances together.
    Counted {
        /// Which budget.
        limit: String,
        /// Whose, as a hash.
        key: u64,
    },
    /// Where the partner of orders is. Earlier versions say it so.
    Located {
        /// Of these orders.
        orders: Vec<OrderId>,
        /// Where.
        sample: LocationSample,
    },
    /// Where the partners of orders are.
    Dots {
        /// One for each order.
        dots: Vec<Dot>,
    },
    /// Orders that somebody watches there; said again as long as that is so.
    Watched {
        /// Which.
        orders: Vec<OrderId>,
    },
    /// How it is; said every 2 s.
    Health(Box<InstanceHealth>),
    /// An admin there has an order on the screen, or none any more.
    Viewing(ViewingView),
    /// Where partners are, whether or not they are under way.
    Positions {
        /// One for each partner.
        partners: Vec<PartnerPosition>,
    },
}

/// Where the partner of an order is, and when that one is expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dot {
    /// Which order.
    pub order_id: OrderId,
    /// Where its partner is.
    pub sample: LocationSample,
    /// When that one is expected.
    pub eta: Option<Eta>,
}

/// Where a partner is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PartnerPosition {
    /// Who.
    pub partner_id: PartnerId,
    /// Where.
    pub position: Position,
    /// Radius of the 68 % confidence circle, metres. Earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// When.
    pub at: Timestamp,
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// Open sessions.
    pub sessions: usize,
    /// Users with at least one.
    pub users: usize,
    /// Some of these users.
    pub online: Vec<UserId>,
}

/// Names what Redis holds of one group. The part in braces is what Redis Cluster shares keys out by, so that all keys of
/// a group, and its channel, are in one place.
#[must_use]
pub fn group_name(prefix: &str, group: GroupKey) -> String {
    format!("{prefix}:{{{group}}}")
}

/// The group that [`group_name`] names.
#[must_use]
pub fn group_of(name: &str) -> Option<GroupKey> {
    let (_, group) = name.rsplit_once(":{")?;
    group.strip_suffix('}')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::principal::Role;

    fn stamped(body: &str) -> Stamped<'_> {
        Stamped { id: EventId::new(), at: Timestamp::from_millis(1_700_000_000_123), body }
    }

    #[test]
    fn what_is_said_on_a_groups_channel_reads_back() {
        let user_id = UserId::new();
        let users = vec![PresentView { user_id, role: Role::Customer }];
        for message in [
            GroupMessage::Event { epoch: "0190e1", seq: 7, stamped: stamped(r#"{"type":"t","a": "b c"}"#) },
            GroupMessage::State(State { revision: -3, slot: "unread_count", stamped: stamped("{}") }),
            GroupMessage::Ephemeral { slot: "typing".into(), stamped: stamped(r#"{"type":"typing"}"#) },
            GroupMessage::Ephemeral {
                slot: Slot { name: "location", since: Some(Timestamp::from_millis(1_700_000_000_000)) },
                stamped: stamped(r#"{"type":"location"}"#),
            },
            GroupMessage::Expelled { count: 2, user_id },
            GroupMessage::Present { instance: InstanceId::new(), present: Present { sessions: 3, users } },
            GroupMessage::Unnumbered,
        ] {
            assert_eq!(GroupMessage::parse(&message.to_text()), Some(message));
        }
    }

    #[test]
    fn what_is_not_understood_is_no_message() {
        for text in
            ["", "event", "event e x y", "later version", "state 1 slot", "frame s 1 2 {}", "present x {}"]
        {
            assert_eq!(GroupMessage::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_kept_event_and_a_kept_state_read_back() {
        let stamped = stamped(r#"{"type":"t"}"#);
        let kept = Kept { seq: 12, stamped };
        assert_eq!(Kept::parse(&format!("12 {}", stamped.to_text())), Some(kept));
        let state = State { revision: 4, slot: "unread_count", stamped };
        assert_eq!(State::parse(&state.to_text()), Some(state));
    }

    #[test]
    fn names_lead_back_to_their_groups() {
        for group in [GroupKey::Admin, GroupKey::Order(OrderId::new())] {
            assert_eq!(group_of(&group_name("shop:{x}", group)), Some(group));
        }
        assert_eq!(group_of("waybill:all"), None);
    }

    #[test]
    fn calls_read_back() {
        let user_id = UserId::new();
        for say in [
            Say::Here(Here { name: "web-1".into(), sessions: 3, users: 1, online: vec![user_id] }),
            Say::Leaving,
            Say::Bell,
            Say::Vacant,
            Say::EndSessions { user_id, family_id: None, reason: CloseReason::Restart { retry_in: 5 } },
            Say::Replace { session: SessionId::new(), user_id },
            Say::Counted { limit: "log_ins".into(), key: u64::MAX },
            Say::Watched { orders: vec![OrderId::new()] },
            Say::Positions {
                partners: vec![PartnerPosition {
                    partner_id: PartnerId::new(),
                    position: Position { latitude: 1.5, longitude: 2.5 },
                    accuracy: Some(8.0),
                    at: Timestamp::from_millis(1),
                }],
            },
        ] {
            let call = Call { from: InstanceId::new(), say };
            let text = super::super::server::to_json(&call);
            assert_eq!(serde_json::from_str::<Call>(&text).expect("reads back"), call);
        }
    }
}
