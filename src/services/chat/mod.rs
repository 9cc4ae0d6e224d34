//! Chat about an order: between its customer, its partner and admins.
//!
//! What is written while a partner has the order is for that partner, the customer and admins. A partner who gets it later
//! does not see it: each message bears the partner in whose time it was written.

mod closing;
mod notifying;
mod post;
mod read;

pub(super) use closing::close;
pub(super) use notifying::{notify_of_unread, reader};
pub use post::{NewMessage, Posted, check, post, post_once, typing};
pub use read::{History, ReadMark, ReadUpTo, history, mark_read, mark_read_once};

use crate::domain::contact::masked;
use crate::domain::order::{Order, Party};
use crate::protocol::views::{MessageView, SenderView};
use crate::store::messages::{Message, Sight};

/// The messages that a party of an order may see.
fn sight(order: &Order, party: Party) -> Sight {
    let partner_id = match party {
        Party::Partner => order.partner.as_ref().map(|partner| partner.partner_id),
        Party::Customer | Party::Admin | Party::System => None,
    };
    Sight { order_id: order.id, partner_id }
}

fn view(message: Message, sender_name: String) -> MessageView {
    MessageView {
        id: message.id,
        order_id: message.order_id,
        partner_id: message.partner_id,
        sender: SenderView { id: message.sender_id, name: masked(&sender_name), party: message.party },
        text: message.text,
        masked: message.is_masked,
        client_id: message.client_id,
        created_at: message.created_at,
    }
}
