//! "Did they get it?": what became of notifications, for admins.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::{NotificationId, OrderId, UserId};
use crate::domain::notification::Channel;
use crate::domain::time::Timestamp;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::deliveries::{self, Delivery, LedgerEntry, Subject};

/// How far a notification has come on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is on its way.
    Queued,
    /// It was handed over: to an open socket, to a mail server, to a push service.
    Written,
    /// A device says that it has it.
    Acked,
    /// Its reader has opened it.
    Read,
    /// It was given up.
    Failed,
}

/// What became of a notification on one channel.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeliveryView {
    /// Which channel.
    pub channel: Channel,
    /// How far it has come.
    pub state: DeliveryState,
    /// When it set off.
    pub queued_at: Timestamp,
    /// When it was first handed over.
    pub written_at: Option<Timestamp>,
    /// When the first device said that it has it.
    pub acked_at: Option<Timestamp>,
    /// When it was read in the inbox.
    pub read_at: Option<Timestamp>,
    /// When it was given up.
    pub failed_at: Option<Timestamp>,
    /// Why it was given up.
    pub error: Option<String>,
}

/// What became of a notification.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LedgerView {
    /// Which notification.
    pub notification_id: NotificationId,
    /// Whose it is.
    pub user_id: UserId,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// Its type, such as `order_assigned`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// One for each channel that it took.
    pub deliveries: Vec<DeliveryView>,
}

/// What became of the notifications about a subject, newest first, at most `limit`, made before `before`.
/// Whether the caller may know is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn ledger(
    app: &App,
    subject: Subject,
    before: Option<NotificationId>,
    limit: i64,
) -> Result<Vec<LedgerView>, ServiceError> {
    let found = app.read(move |conn| Ok(deliveries::ledger(conn, subject, before, limit)?)).await?;
    Ok(found.into_iter().map(view).collect())
}

fn view(entry: LedgerEntry) -> LedgerView {
    let read_at = entry.read_at;
    LedgerView {
        notification_id: entry.notification_id,
        user_id: entry.user_id,
        order_id: entry.order_id,
        kind: entry.kind,
        created_at: entry.created_at,
        deliveries: entry.deliveries.into_iter().map(|delivery| delivery_view(delivery, read_at)).collect(),
    }
}

fn delivery_view(delivery: Delivery, read_at: Option<Timestamp>) -> DeliveryView {
    // Whatever led there, reading happens in the app.
    let read_at = match delivery.channel {
        Channel::InApp => read_at,
        Channel::Email | Channel::Push => None,
    };
    DeliveryView {
        channel: delivery.channel,
        state: state(&delivery, read_at),
        queued_at: delivery.queued_at,
        written_at: delivery.written_at,
        acked_at: delivery.acked_at,
        read_at,
        failed_at: delivery.failed_at,
        error: delivery.error,
    }
}

/// The furthest step; what was given up and yet arrived has arrived.
fn state(delivery: &Delivery, read_at: Option<Timestamp>) -> DeliveryState {
    let steps = [
        (read_at, DeliveryState::Read),
        (delivery.acked_at, DeliveryState::Acked),
        (delivery.failed_at, DeliveryState::Failed),
        (delivery.written_at, DeliveryState::Written),
    ];
    steps.into_iter().find(|(at, _)| at.is_some()).map_or(DeliveryState::Queued, |(_, state)| state)
}
