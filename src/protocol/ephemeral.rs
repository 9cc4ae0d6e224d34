//! Frames that come with no promise: they have no number, nobody keeps them, and only the latest counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::UserId;
use crate::domain::principal::Role;

use super::admin::{ExceptionView, HealthView, PartnerPositionView, ViewingView};
use super::server::to_json;
use super::views::{EtaView, LocationView};

/// The slot of `location`.
pub const LOCATION: &str = "location";
/// The slot of `eta`.
pub const ETA: &str = "eta";

/// An ephemeral frame, without its envelope.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EphemeralFrame<'a> {
    /// Where the partner of an order is.
    Location {
        /// The position, its age, and what that means.
        #[serde(flatten)]
        location: &'a LocationView,
    },
    /// When the partner of an order is expected. Told when that moved by 30 s or more, or is another kind of news.
    Eta {
        /// When, and how sure that is.
        eta: &'a EtaView,
    },
    /// How often the partner's app should send its location. Told to who joins, when it changes, and once a minute while
    /// samples come.
    Cadence {
        /// Seconds between two samples.
        interval: u64,
    },
    /// Somebody is writing about the order. Nothing tells that it has ended: show it for a few seconds.
    Typing {
        /// Who.
        user_id: UserId,
    },
    /// Who is listening to the group: `members` once, on joining, and then who `joined` or `left`. Told in groups of
    /// up to 32 sessions.
    Presence {
        /// Everybody who is there, each user once.
        #[serde(skip_serializing_if = "Option::is_none")]
        members: Option<Vec<PresentView>>,
        /// Who has come.
        #[serde(skip_serializing_if = "Option::is_none")]
        joined: Option<PresentView>,
        /// Whose last session has gone.
        #[serde(skip_serializing_if = "Option::is_none")]
        left: Option<PresentView>,
        /// Sessions in the group.
        count: usize,
    },
    /// How the instances are; every 2 s.
    Health {
        /// All of them, and together.
        health: &'a HealthView,
    },
    /// Where partners are who have moved; once a second at most, and all of them every 30 s. `GET /api/v1/admin/positions` tells
    /// where to begin.
    Positions {
        /// At most 250; of more, several frames.
        positions: &'a [PartnerPositionView],
    },
    /// Orders that somebody should look at: all of them, the oldest trouble first, at most 200. When they change, and at least
    /// every 10 s.
    Exceptions {
        /// What is wrong, and who looks after it.
        exceptions: &'a [ExceptionView],
    },
    /// An admin has an order on the screen, or none any more. What is not told again within 45 s holds no more.
    Viewing {
        /// Who, and which order.
        #[serde(flatten)]
        viewing: &'a ViewingView,
    },
}

/// A user who is listening to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PresentView {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
}

impl EphemeralFrame<'_> {
    /// The frame as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_json(self)
    }
}
