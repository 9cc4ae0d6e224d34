//! The end of the time in which an order can be written about.

use crate::domain::chat;
use crate::domain::deadline::DeadlineKind;
use crate::domain::order::Order;
use crate::protocol::event::Event;
use crate::services::app::Tx;
use crate::services::error::ServiceError;

/// Lets those who look at an order know that it can be written about no longer.
pub(in crate::services) fn close(tx: &mut Tx<'_>, order: &Order) -> Result<(), ServiceError> {
    let after_end = tx.settings().chat_after_end;
    if chat::is_open(order, tx.now(), after_end) {
        // The clock of the instance that set it is ahead of this one's.
        let closes_at = order.updated_at.after(after_end);
        let due_at = closes_at.after(std::time::Duration::from_millis(1));
        return tx.set_deadline(DeadlineKind::ChatClosing, order.id, Some(order.id), due_at);
    }
    tx.emit(&Event::ChatClosed { order_id: order.id });
    Ok(())
}
