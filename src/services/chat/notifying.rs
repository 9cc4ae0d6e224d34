//! Who is notified of a message: the other side, unless it is looking.
//!
//! Who seems to be looking may not be: a connection can be dead for a minute before that shows, and a screen may be closed
//! before the message is there. So it is looked again later whether the message was read.

use std::time::Duration;

use crate::domain::deadline::DeadlineKind;
use crate::domain::ids::UserId;
use crate::domain::notification::{NotificationContent, NotificationKind};
use crate::domain::order::{Order, Party};
use crate::domain::time::Timestamp;
use crate::protocol::views::MessageView;
use crate::services::app::Tx;
use crate::services::error::ServiceError;
use crate::services::notifications;
use crate::store::messages as rows;
use crate::store::notifications as inboxes;

use super::{sight, view};

/// While a notification of earlier messages is unread and no older, further ones add none.
const NOTIFIED: Duration = Duration::from_secs(60);
/// By then every connection is closed that was dead when a message was written.
const LOOKED_AGAIN_AFTER: Duration = Duration::from_secs(90);

/// The two sides of an order.
fn sides(order: &Order) -> impl Iterator<Item = (Party, UserId)> {
    let partner = order.partner.as_ref().map(|partner| (Party::Partner, partner.user_id));
    std::iter::once((Party::Customer, order.customer_id)).chain(partner)
}

/// Notifies customer and partner, but for who wrote it and who is looking; of these it is looked again later whether they
/// have read it.
pub(super) fn notify(
    tx: &mut Tx<'_>,
    order: &Order,
    message: &MessageView,
    listeners: &[UserId],
) -> Result<(), ServiceError> {
    let now = tx.now();
    let readers = sides(order).map(|(_, user_id)| user_id).filter(|user_id| *user_id != message.sender.id);
    let (looking, away): (Vec<UserId>, Vec<UserId>) =
        readers.partition(|user_id| listeners.contains(user_id));
    for user_id in looking {
        let again_at = now.after(LOOKED_AGAIN_AFTER);
        tx.set_deadline(DeadlineKind::UnreadMessage, subject(order, user_id), Some(order.id), again_at)?;
    }
    for user_id in &away {
        // Who has this notification has no need of one about what came before.
        tx.lift_deadline(DeadlineKind::UnreadMessage, subject(order, *user_id))?;
    }
    let letters = away.into_iter().map(|user_id| (user_id, message));
    notify_all(tx, order, letters.collect(), now)
}

/// What the deadline is about by which it is looked again whether somebody has read what was written about an order.
fn subject(order: &Order, reader: UserId) -> String {
    format!("{}/{reader}", order.id)
}

/// Whose screen a deadline is about.
pub(in crate::services) fn reader(subject: &str) -> Option<UserId> {
    subject.rsplit_once('/').and_then(|(_, user_id)| user_id.parse().ok())
}

/// Notifies somebody who had an order on a screen when something was written about it, has it there no longer, and has not
/// read it.
pub(in crate::services) fn notify_of_unread(
    tx: &mut Tx<'_>,
    order: &Order,
    reader: UserId,
    listeners: &[UserId],
) -> Result<(), ServiceError> {
    // Who has lost the order since then may not see what was written.
    let side = sides(order).find(|(_, user_id)| *user_id == reader && !listeners.contains(user_id));
    let Some((party, _)) = side else { return Ok(()) };
    let Some((message, name)) = rows::last_unread(tx.conn(), sight(order, party), reader)? else {
        return Ok(());
    };
    let at = message.created_at;
    notify_all(tx, order, vec![(reader, &view(message, name))], at)
}

fn notify_all(
    tx: &mut Tx<'_>,
    order: &Order,
    to: Vec<(UserId, &MessageView)>,
    at: Timestamp,
) -> Result<(), ServiceError> {
    let mut letters = Vec::new();
    for (user_id, message) in to {
        let (kind, since) = (NotificationKind::ChatMessage, at.before(NOTIFIED));
        if !inboxes::has_unread_about(tx.conn(), user_id, order.id, kind, since)? {
            let content = NotificationContent::ChatMessage {
                order_id: order.id,
                sender_name: message.sender.name.as_str().into(),
                excerpt: message.text.as_str().into(),
            };
            letters.push((user_id, content));
        }
    }
    notifications::add_all(tx, letters)
}
