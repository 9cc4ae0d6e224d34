//! Chat about an order: when it is open, and who reads what.

use std::time::Duration;

use super::order::Order;
use super::time::Timestamp;

/// For how long after its end an order can be talked about.
pub const OPEN_AFTER_END: Duration = Duration::from_secs(60 * 60);

/// Whether an order can be written about at `now`: while it has a partner, and for an hour after its end if it had one
/// then.
#[must_use]
pub fn is_open(order: &Order, now: Timestamp) -> bool {
    // What has ended does not change any more.
    let is_in_time = !order.status.is_end() || now <= order.updated_at.after(OPEN_AFTER_END);
    order.partner.is_some() && is_in_time
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::geo::Place;
    use crate::domain::ids::{OrderId, PartnerId, UserId};
    use crate::domain::money::{Currency, Money};
    use crate::domain::order::{Assignee, OrderStatus, PaymentMethod};

    fn order(status: OrderStatus, has_partner: bool) -> Order {
        let place = Place { latitude: 0.0, longitude: 0.0, address: "here".into() };
        let partner = Assignee { partner_id: PartnerId::new(), user_id: UserId::new(), name: "Pat".into() };
        Order {
            id: OrderId::new(),
            status,
            version: 2,
            customer_id: UserId::new(),
            customer_name: "Cas".into(),
            partner: has_partner.then_some(partner),
            pickup: place.clone(),
            dropoff: place,
            items: Vec::new(),
            price: Money { amount: 1, currency: Currency::DEFAULT },
            payment_method: PaymentMethod::Cash,
            notes: None,
            code: "0000".into(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(1_000),
        }
    }

    #[test]
    fn chat_is_open_from_the_assignment_to_an_hour_after_the_end() {
        let end = Timestamp::from_millis(1_000);
        let (in_time, too_late) =
            (end.after(OPEN_AFTER_END), end.after(OPEN_AFTER_END + Duration::from_millis(1)));
        for status in OrderStatus::ALL {
            assert!(!is_open(&order(status, false), end), "{status}, without a partner");
            assert!(is_open(&order(status, true), in_time), "{status}");
            assert_eq!(is_open(&order(status, true), too_late), !status.is_end(), "{status}");
        }
    }
}
