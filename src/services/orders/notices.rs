//! Who is told what about a step, beside the events: the notifications that stay in the inbox.

use crate::domain::ids::UserId;
use crate::domain::money::Money;
use crate::domain::notification::{CancelledBy, FailureCause, NotificationContent, WithdrawalCause};
use crate::domain::order::{Assignee, Order, OrderStatus, Party};

/// The notifications of a step that has just been taken.
pub(super) fn contents(
    order: &Order,
    from: OrderStatus,
    before: Option<&Assignee>,
    party: Party,
    reason: Option<&str>,
    fee: Option<Money>,
) -> Vec<(UserId, NotificationContent)> {
    let order_id = order.id;
    let partner_name =
        || order.partner.as_ref().map(Assignee::shown_name).unwrap_or_default().as_str().into();
    let to_customer = |content| vec![(order.customer_id, content)];
    match order.status {
        // Told when it is placed.
        OrderStatus::Pending => Vec::new(),
        OrderStatus::Confirmed if from == OrderStatus::Assigned => {
            to_customer(NotificationContent::OrderReassigned { order_id, partner_name: None })
        }
        OrderStatus::Confirmed => to_customer(NotificationContent::OrderConfirmed { order_id }),
        OrderStatus::Assigned => {
            to_customer(NotificationContent::OrderAssigned { order_id, partner_name: partner_name() })
        }
        OrderStatus::EnRoute => {
            to_customer(NotificationContent::PartnerEnRoute { order_id, partner_name: partner_name() })
        }
        OrderStatus::Arrived => {
            to_customer(NotificationContent::PartnerArrived { order_id, partner_name: partner_name() })
        }
        OrderStatus::PickedUp => {
            to_customer(NotificationContent::OrderPickedUp { order_id, partner_name: partner_name() })
        }
        OrderStatus::InTransit => {
            to_customer(NotificationContent::OrderInTransit { order_id, partner_name: partner_name() })
        }
        OrderStatus::Delivered => to_customer(NotificationContent::OrderDelivered { order_id }),
        OrderStatus::Completed => {
            to_customer(NotificationContent::OrderCompleted { order_id, price: order.price })
        }
        OrderStatus::Cancelled => {
            let by = if party == Party::Customer { CancelledBy::Customer } else { CancelledBy::Admin };
            let reason = reason.map(Into::into);
            let mut told = to_customer(NotificationContent::OrderCancelled { order_id, by, reason, fee });
            told.extend(withdrawn(order, before, WithdrawalCause::Cancelled));
            told
        }
        OrderStatus::Failed => {
            let cause = if party == Party::System { FailureCause::NoPartner } else { FailureCause::Admin };
            let reason = reason.map(Into::into);
            let mut told = to_customer(NotificationContent::OrderFailed { order_id, cause, reason });
            told.extend(withdrawn(order, before, WithdrawalCause::Failed));
            told
        }
    }
}

fn withdrawn(
    order: &Order,
    partner: Option<&Assignee>,
    cause: WithdrawalCause,
) -> Option<(UserId, NotificationContent)> {
    let partner = partner?;
    Some((partner.user_id, NotificationContent::AssignmentWithdrawn { order_id: order.id, cause }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::geo::Place;
    use crate::domain::ids::{OrderId, PartnerId};
    use crate::domain::money::Currency;
    use crate::domain::order::{PaymentMethod, STEPS};
    use crate::domain::time::Timestamp;

    #[test]
    fn every_step_notifies_of_what_the_machine_says() {
        let place = Place { latitude: 0.0, longitude: 0.0, address: "here".into() };
        let partner =
            Assignee { partner_id: PartnerId::new(), user_id: UserId::new(), name: "Pat Partner".into() };
        for step in STEPS {
            let has_partner =
                |status: OrderStatus| !matches!(status, OrderStatus::Pending | OrderStatus::Confirmed);
            let before = has_partner(step.from).then(|| partner.clone());
            let order = Order {
                id: OrderId::new(),
                status: step.to,
                version: 2,
                customer_id: UserId::new(),
                customer_name: "Cas".into(),
                partner: if step.to == OrderStatus::Assigned {
                    Some(partner.clone())
                } else {
                    before.clone()
                },
                pickup: place.clone(),
                dropoff: place.clone(),
                items: Vec::new(),
                price: Money { amount: 1, currency: Currency::DEFAULT },
                payment_method: PaymentMethod::Cash,
                notes: None,
                code: "0000".into(),
                created_at: Timestamp::from_millis(0),
                updated_at: Timestamp::from_millis(0),
            };
            for party in step.by {
                let told = contents(&order, step.from, before.as_ref(), *party, Some("because"), None);
                let kinds: Vec<_> = told.iter().map(|(_, content)| content.kind()).collect();
                assert_eq!(kinds, step.notifies, "{} to {}", step.from, step.to);
            }
        }
    }
}
