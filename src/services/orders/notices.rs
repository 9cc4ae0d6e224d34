//! Who is told what about a step, beside the events: the notifications that stay in the inbox.

use crate::domain::ids::UserId;
use crate::domain::money::Money;
use crate::domain::notification::{CancelledBy, FailureCause, NotificationContent, WithdrawalCause};
use crate::domain::order::{Assignee, Order, OrderStatus, Party};
use crate::services::notifications::Letters;

/// What is known of a step that has just been taken, beside the order after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub from: OrderStatus,
    /// Who had the order until then.
    pub before: Option<&'a Assignee>,
    pub party: Party,
    pub reason: Option<&'a str>,
    /// What the customer pays for having cancelled.
    pub fee: Option<Money>,
    /// The partner's share of the price.
    pub earnings: Money,
}

/// The notifications of a step.
pub(super) fn contents(order: &Order, step: Circumstances<'_>) -> Letters {
    let order_id = order.id;
    let partner_name =
        || order.partner.as_ref().map(Assignee::shown_name).unwrap_or_default().as_str().into();
    let to_customer = |content| vec![(order.customer_id, content)];
    match order.status {
        // Told when it is placed.
        OrderStatus::Pending => Vec::new(),
        OrderStatus::Confirmed if step.from == OrderStatus::Assigned => {
            let mut told = to_customer(NotificationContent::OrderReassigned { order_id, partner_name: None });
            // Who gives it back knows.
            told.extend(withdrawn(order, step, WithdrawalCause::Reassigned).filter(|_| is_by_admin(step)));
            told
        }
        OrderStatus::Confirmed => to_customer(NotificationContent::OrderConfirmed { order_id }),
        OrderStatus::Assigned => {
            let mut told =
                to_customer(NotificationContent::OrderAssigned { order_id, partner_name: partner_name() });
            // Who accepts it knows.
            let to = order.partner.as_ref().filter(|_| is_by_admin(step));
            let earnings = step.earnings;
            told.extend(
                to.map(|to| (to.user_id, NotificationContent::AssignmentGiven { order_id, earnings })),
            );
            told
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
            let by = if step.party == Party::Customer { CancelledBy::Customer } else { CancelledBy::Admin };
            let (reason, fee) = (step.reason.map(Into::into), step.fee);
            let mut told = to_customer(NotificationContent::OrderCancelled { order_id, by, reason, fee });
            told.extend(withdrawn(order, step, WithdrawalCause::Cancelled));
            told
        }
        OrderStatus::Failed => {
            let is_by_system = step.party == Party::System;
            let cause = if is_by_system { FailureCause::NoPartner } else { FailureCause::Admin };
            let reason = step.reason.map(Into::into);
            let mut told = to_customer(NotificationContent::OrderFailed { order_id, cause, reason });
            told.extend(withdrawn(order, step, WithdrawalCause::Failed));
            told
        }
    }
}

fn is_by_admin(step: Circumstances<'_>) -> bool {
    step.party == Party::Admin
}

fn withdrawn(
    order: &Order,
    step: Circumstances<'_>,
    cause: WithdrawalCause,
) -> Option<(UserId, NotificationContent)> {
    let partner = step.before?;
    Some((partner.user_id, NotificationContent::AssignmentWithdrawn { order_id: order.id, cause }))
}

/// What an admin's step is called among activities.
pub(super) fn activity(order: &Order, from: OrderStatus) -> &'static str {
    match (order.status, from) {
        (OrderStatus::Confirmed, OrderStatus::Assigned) => "took_back_order",
        (OrderStatus::Confirmed, _) => "confirmed_order",
        (OrderStatus::Assigned, _) => "assigned_order",
        (OrderStatus::Cancelled, _) => "cancelled_order",
        (OrderStatus::Failed, _) => "failed_order",
        (
            OrderStatus::Pending
            | OrderStatus::EnRoute
            | OrderStatus::Arrived
            | OrderStatus::PickedUp
            | OrderStatus::InTransit
            | OrderStatus::Delivered
            | OrderStatus::Completed,
            _,
        ) => "changed_order",
    }
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
                let told = contents(
                    &order,
                    Circumstances {
                        from: step.from,
                        before: before.as_ref(),
                        party: *party,
                        reason: Some("because"),
                        fee: None,
                        earnings: order.price,
                    },
                );
                let kinds: Vec<_> = told.iter().map(|(_, content)| content.kind()).collect();
                let expected: Vec<_> = step.notifications(*party).collect();
                assert_eq!(kinds, expected, "{} to {} by {}", step.from, step.to, party.as_str());
            }
        }
    }
}
