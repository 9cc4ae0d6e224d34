//! Who may listen to a group, and what it stands at for those who join.

use crate::domain::group::GroupKey;
use crate::domain::ids::UserId;
use crate::domain::order::Standing;
use crate::domain::principal::{Principal, Role};
use crate::protocol::snapshot::SnapshotFrame;
use crate::services::app::App;
use crate::services::dispatch::{self, QueueView};
use crate::services::error::ServiceError;
use crate::services::{console, notifications, orders, tracking};

/// What a group stands at.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The frame without its envelope.
    pub body: String,
    /// An ephemeral frame, without its envelope as well, for whoever joins: it follows the snapshot, or what was missed.
    pub beside: Option<String>,
    /// The revision of the state in it, where it holds one.
    pub revision: i64,
    /// Of an order: how it stands.
    pub standing: Option<Standing>,
    /// Where the group's stream stood before it was read.
    pub watermark: u64,
}

/// Whether `who` may listen to `group`, and what it stands at.
///
/// The position in the stream is taken before the snapshot is read, so nothing can fall between the two.
///
/// # Errors
/// `Forbidden`; `NotFound` for an order that `who` may not know of; the database's.
pub(super) async fn open(app: &App, who: Principal, group: GroupKey) -> Result<Snapshot, ServiceError> {
    may_listen(&who, group)?;
    let watermark = app.groups().watermark(group);
    let (mut beside, mut standing) = (None, None);
    let (body, revision) = match group {
        GroupKey::User(user_id) => unread_count(app, user_id).await?,
        GroupKey::Order(order_id) => {
            let order = orders::get(app, who, order_id).await?;
            standing = Some(Standing { version: order.version, status: order.status });
            (SnapshotFrame::OrderStatus { order: &order }.to_text(), i64::MIN)
        }
        GroupKey::Partner(partner_id) => {
            beside = tracking::now_asked(app, partner_id).await?;
            let QueueView { offers, orders } = dispatch::queue(app, who).await?;
            (SnapshotFrame::Queue { offers: &offers, orders: &orders }.to_text(), i64::MIN)
        }
        GroupKey::Admin => {
            let dashboard = console::overview(app).await?;
            (SnapshotFrame::Dashboard { dashboard: &dashboard }.to_text(), i64::MIN)
        }
    };
    Ok(Snapshot { body, beside, revision, standing, watermark })
}

/// What can be told without the database: the group's kind, the role, and whose it is.
fn may_listen(who: &Principal, group: GroupKey) -> Result<(), ServiceError> {
    let allowed = match group {
        GroupKey::User(user_id) => who.user_id == user_id,
        GroupKey::Partner(partner_id) => who.partner_id == Some(partner_id),
        // The order itself tells.
        GroupKey::Order(_) => true,
        GroupKey::Admin => who.role == Role::Admin,
    };
    if allowed {
        return Ok(());
    }
    Err(ServiceError::forbidden("group_not_allowed", format!("You may not listen to {group}.")))
}

async fn unread_count(app: &App, user_id: UserId) -> Result<(String, i64), ServiceError> {
    let (count, revision) = app.read(move |conn| notifications::unread_count(conn, user_id)).await?;
    Ok((SnapshotFrame::UnreadCount { count }.to_text(), revision))
}
