//! Chat about an order: when it is open, and who reads what.

use std::time::Duration;

use super::order::Order;
use super::time::Timestamp;

/// Whether an order can be written about at `now`: while it has a partner, and for `after_end` after its end if it had one
/// then.
#[must_use]
pub fn is_open(order: &Order, now: Timestamp, after_end: Duration) -> bool {
    // What has ended does not change any more.
    let is_in_time = !order.status.is_end() || now <= order.updated_at.after(after_end);
    order.partner.is_some() && is_in_time
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::geo::Place;
    use crate::domain::ids::{OrderId, PartnerId, UserId};
    use crate::domain::money::{Currency, Money};
    use crate::domain::order::{Assignee, OrderStatus, PaymentMethod};

    const HOUR: Duration = Duration::from_secs(3600);

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
        let (in_time, too_late) = (end.after(HOUR), end.after(HOUR + Duration::from_millis(1)));
        for status in OrderStatus::ALL {
            assert!(!is_open(&order(status, false), end, HOUR), "{status}, without a partner");
            assert!(is_open(&order(status, true), in_time, HOUR), "{status}");
            assert_eq!(is_open(&order(status, true), too_late, HOUR), !status.is_end(), "{status}");
        }
    }
}
