//! What admins see of the whole operation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::exception::ExceptionKind;
use crate::domain::ids::{EventId, InstanceId, OrderId, PartnerId, UserId};
use crate::domain::order::OrderStatus;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;

use super::channel::PartnerPosition;
use super::views::{CustomerView, OrderView, PartnerView};

/// The whole operation at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct DashboardView {
    /// How many orders stand in each status.
    pub orders: BTreeMap<&'static str, i64>,
    /// What became of orders in the last 24 hours.
    pub last_day: LastDayView,
    /// The latest orders, newest first, at most 20.
    pub recent: Vec<OrderView>,
    /// Open sessions on all instances.
    pub sessions: usize,
    /// Users with at least one session. From 200 on, who has some on two instances counts twice.
    pub users_online: usize,
    /// Some of them, at most 200.
    pub online: Vec<UserId>,
    /// Partners who want offers, and what they are doing.
    pub partners: PartnerCounts,
    /// How the instances are.
    pub health: HealthView,
    /// Orders that somebody should look at, the oldest trouble first.
    pub exceptions: Vec<ExceptionView>,
    /// Who looks after which order.
    pub claims: Vec<ClaimView>,
    /// Which order each admin has on the screen.
    pub viewing: Vec<ViewingView>,
}

/// What became of orders in the last 24 hours: each is counted for each of these steps that it took then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastDayView {
    /// Placed.
    pub placed: i64,
    /// Completed.
    pub completed: i64,
    /// Cancelled.
    pub cancelled: i64,
    /// Failed.
    pub failed: i64,
}

/// Partners who want offers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartnerCounts {
    /// All of them.
    pub online: i64,
    /// Those without an order in hand.
    pub idle: i64,
    /// Those with one.
    pub busy: i64,
}

/// How the instances are.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HealthView {
    /// When.
    pub at: Timestamp,
    /// Each instance that was heard of within the last 6 seconds, by name.
    pub instances: Vec<InstanceHealth>,
    /// All together.
    pub total: HealthTotal,
}

/// How one instance is. Rates and latencies are of the last 2 seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InstanceHealth {
    /// Its id, a new one with each start.
    pub id: InstanceId,
    /// Host, address and process.
    pub name: String,
    /// The version of the server.
    pub version: String,
    /// Seconds since its start.
    pub uptime: u64,
    /// Open WebSocket sessions.
    pub connections: i64,
    /// Users with at least one.
    pub users: i64,
    /// Group actors.
    pub groups: i64,
    /// Frames handed to sessions.
    pub deliveries_per_second: f64,
    /// From a frame being given to the groups until a session wrote it; `null` where none was written.
    pub latency: Option<LatencyView>,
    /// Events that are committed and not published yet, at the last look.
    pub outbox_waiting: i64,
    /// The database, as seen from here.
    pub database: DatabaseHealth,
    /// Redis, as seen from here.
    pub redis: RedisHealth,
    /// CPU in use, in cores; `null` where the system does not tell.
    pub cpu: Option<f64>,
    /// Resident memory, bytes; `null` where the system does not tell.
    pub memory: Option<u64>,
    /// Whether it is the one that publishes events for all.
    pub publishes: bool,
}

/// Milliseconds, to within a factor of two: from the buckets of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LatencyView {
    /// The median.
    pub p50: f64,
    /// Of a hundred, one takes longer.
    pub p99: f64,
}

/// The database, as seen from an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseHealth {
    /// Which.
    pub kind: DatabaseKind,
    /// Jobs that wait for it.
    pub queue: i64,
    /// How long jobs took, waiting included; `null` where there were none.
    pub latency: Option<LatencyView>,
    /// Whether no job failed.
    pub ok: bool,
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    /// In the process.
    Sqlite,
    /// A server.
    Postgres,
}

/// Redis, as seen from an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedisHealth {
    /// It answers.
    Up,
    /// It cannot be reached, or takes no events: those go through the database.
    Down,
    /// None is used.
    None,
}

/// All instances together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct HealthTotal {
    /// How many.
    pub instances: usize,
    /// Open WebSocket sessions.
    pub connections: i64,
    /// Users with at least one; who has some on two instances counts twice.
    pub users: i64,
    /// Group actors; a group on two instances counts twice.
    pub groups: i64,
    /// Frames handed to sessions.
    pub deliveries_per_second: f64,
    /// Events that are committed and not published yet, as whoever publishes sees it.
    pub outbox_waiting: i64,
    /// CPU in use, in cores.
    pub cpu: f64,
    /// Resident memory, bytes.
    pub memory: u64,
}

impl HealthView {
    /// Of these instances.
    #[must_use]
    pub fn of(mut instances: Vec<InstanceHealth>, at: Timestamp) -> Self {
        instances.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        let mut total = HealthTotal { instances: instances.len(), ..HealthTotal::default() };
        for one in &instances {
            total.connections += one.connections;
            total.users += one.users;
            total.groups += one.groups;
            total.deliveries_per_second += one.deliveries_per_second;
            total.outbox_waiting = total.outbox_waiting.max(one.outbox_waiting);
            total.cpu += one.cpu.unwrap_or_default();
            total.memory += one.memory.unwrap_or_default();
        }
        Self { at, instances, total }
    }
}

/// An order that somebody should look at.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExceptionView {
    /// Which order.
    pub order_id: OrderId,
    /// What is wrong.
    pub kind: ExceptionKind,
    /// Since when; of `late`, the arrival that was promised.
    pub since: Timestamp,
    /// For how many seconds, when this was sent; of `late`, by how many the arrival is expected after the promise.
    pub seconds: u64,
    /// Where the order stands.
    pub status: OrderStatus,
    /// Who placed it.
    pub customer: CustomerView,
    /// Who has it in hand.
    pub partner: Option<PartnerView>,
    /// Who looks after it.
    pub claim: Option<ClaimView>,
}

/// That an admin looks after an order, so that no two do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClaimView {
    /// Which order.
    pub order_id: OrderId,
    /// Who.
    pub user_id: UserId,
    /// That admin's name.
    pub name: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when it holds unless it is renewed. It ends as well when the order is completed or cancelled.
    pub until: Timestamp,
}

/// Which order an admin has on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ViewingView {
    /// Who.
    pub user_id: UserId,
    /// That admin's name.
    pub name: String,
    /// Which order; `null` for none any more.
    pub order_id: Option<OrderId>,
}

/// Where a partner was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct PartnerPositionView {
    /// Who.
    pub partner_id: PartnerId,
    /// WGS 84 degrees.
    pub latitude: f64,
    /// WGS 84 degrees.
    pub longitude: f64,
    /// Radius of the 68 % confidence circle, metres.
    pub accuracy: Option<f64>,
    /// When.
    pub timestamp: Timestamp,
}

impl From<&PartnerPosition> for PartnerPositionView {
    fn from(seen: &PartnerPosition) -> Self {
        Self {
            partner_id: seen.partner_id,
            latitude: seen.position.latitude,
            longitude: seen.position.longitude,
            accuracy: seen.accuracy,
            timestamp: seen.at,
        }
    }
}

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActivityView {
    /// Its id, which is the event's, too.
    pub id: EventId,
    /// Who; `null` for the server itself.
    pub user_id: Option<UserId>,
    /// That one's name.
    pub name: Option<String>,
    /// As what.
    pub role: Option<Role>,
    /// What, snake_case: `logged_in`, `went_online`, `claimed`.
    pub action: String,
    /// To which order.
    pub order_id: Option<OrderId>,
    /// When.
    pub at: Timestamp,
}

/// A partner as admins see it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PartnerRowView {
    /// The partner profile.
    pub id: PartnerId,
    /// The account.
    pub user_id: UserId,
    /// The name.
    pub name: String,
    /// For logging in.
    pub email: String,
    /// Whether the partner wants offers.
    pub online: bool,
    /// Since when that is so.
    pub online_changed_at: Timestamp,
    /// The orders in hand, oldest first.
    pub orders: Vec<OrderId>,
    /// Where the partner was seen within the last ten minutes.
    pub position: Option<PartnerPositionView>,
    /// What customers say; `null` before the first has said anything.
    pub rating: Option<RatingSummary>,
}

/// What customers say of a partner.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct RatingSummary {
    /// 1 to 5.
    pub average: f64,
    /// Of how many.
    pub count: i64,
}

/// A user as admins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserRowView {
    /// The account.
    pub id: UserId,
    /// The name.
    pub name: String,
    /// For logging in.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// The partner profile, for partners.
    pub partner_id: Option<PartnerId>,
    /// The language of notifications.
    pub locale: String,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Whether the user has a session now.
    pub online: bool,
}
