//! Orders: what they hold, and the one table of steps that they may take.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::contact::masked;
use super::geo::Place;
use super::ids::{OrderId, PartnerId, UserId};
use super::money::Money;
use super::notification::NotificationKind;
use super::time::Timestamp;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Placed, not yet accepted by the operation.
    Pending,
    /// Accepted; a partner is being looked for.
    Confirmed,
    /// A partner has it.
    Assigned,
    /// The partner is on the way to the pick-up.
    EnRoute,
    /// The partner is at the pick-up.
    Arrived,
    /// The partner has the goods.
    PickedUp,
    /// The partner is on the way to the drop-off.
    InTransit,
    /// Handed over, with proof.
    Delivered,
    /// Settled. An end.
    Completed,
    /// Called off. An end.
    Cancelled,
    /// Could not be carried out. An end.
    Failed,
}

impl OrderStatus {
    /// All of them, in the order of a normal life.
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Confirmed,
        Self::Assigned,
        Self::EnRoute,
        Self::Arrived,
        Self::PickedUp,
        Self::InTransit,
        Self::Delivered,
        Self::Completed,
        Self::Cancelled,
        Self::Failed,
    ];

    /// As the wire and the database have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Assigned => "assigned",
            Self::EnRoute => "en_route",
            Self::Arrived => "arrived",
            Self::PickedUp => "picked_up",
            Self::InTransit => "in_transit",
            Self::Delivered => "delivered",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_end(self) -> bool {
        match self {
            Self::Completed | Self::Cancelled | Self::Failed => true,
            Self::Pending
            | Self::Confirmed
            | Self::Assigned
            | Self::EnRoute
            | Self::Arrived
            | Self::PickedUp
            | Self::InTransit
            | Self::Delivered => false,
        }
    }

    /// Whether its partner has something to do about it: from `assigned` until `delivered`.
    #[must_use]
    pub const fn is_in_hand(self) -> bool {
        match self {
            Self::Assigned | Self::EnRoute | Self::Arrived | Self::PickedUp | Self::InTransit => true,
            Self::Pending
            | Self::Confirmed
            | Self::Delivered
            | Self::Completed
            | Self::Cancelled
            | Self::Failed => false,
        }
    }

    /// Whether the watchers of the order may see where its partner is: from `en_route` until `delivered`.
    #[must_use]
    pub const fn shows_location(self) -> bool {
        match self {
            Self::EnRoute | Self::Arrived | Self::PickedUp | Self::InTransit => true,
            Self::Pending
            | Self::Confirmed
            | Self::Assigned
            | Self::Delivered
            | Self::Completed
            | Self::Cancelled
            | Self::Failed => false,
        }
    }
}

/// How an order stands in one of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Grows with every step.
    pub version: i64,
    /// Where it stands.
    pub status: OrderStatus,
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that was meant as a status, a party or a payment method and names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such name")]
pub struct InvalidName;

impl FromStr for OrderStatus {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(InvalidName)
    }
}

/// What somebody is to one particular order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Placed it.
    Customer,
    /// Carries it out.
    Partner,
    /// Watches over all orders.
    Admin,
    /// waybill itself: a rule or a deadline.
    System,
}

impl Party {
    /// As the wire and the database have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Partner => "partner",
            Self::Admin => "admin",
            Self::System => "system",
        }
    }

    /// What this party sees of what `writer` typed: its own words, and an admin all words, as they are. To the other side
    /// they go without contact details.
    #[must_use]
    pub fn seen(self, writer: Self, text: &str) -> String {
        match self {
            Self::Admin | Self::System => text.to_owned(),
            Self::Customer | Self::Partner if self == writer => text.to_owned(),
            Self::Customer | Self::Partner => masked(text),
        }
    }
}

impl FromStr for Party {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let all = [Self::Customer, Self::Partner, Self::Admin, Self::System];
        all.into_iter().find(|party| party.as_str() == text).ok_or(InvalidName)
    }
}

/// What a step asks for beside the right to take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Nothing.
    Nothing,
    /// The reason why.
    Reason,
    /// Proof of the hand-over: the customer's code, or a note.
    Proof,
    /// Which partner: such a step is taken by assigning.
    Assignee,
}

/// One row of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Before.
    pub from: OrderStatus,
    /// After.
    pub to: OrderStatus,
    /// Who may.
    pub by: &'static [Party],
    /// What it asks for.
    pub demand: Demand,
    /// What those who wait for it are told.
    pub notifies: &'static [NotificationKind],
    /// What is told beside that where an admin takes it, and so neither side knows.
    pub notifies_of_admin: &'static [NotificationKind],
}

impl Step {
    /// What is told of it where `party` takes it.
    pub fn notifications(&self, party: Party) -> impl Iterator<Item = NotificationKind> + use<> {
        let of_admin = if party == Party::Admin { self.notifies_of_admin } else { &[] };
        self.notifies.iter().chain(of_admin).copied()
    }
}

/// The machine: every step that an order can take. What is not here is illegal.
pub const STEPS: &[Step] = {
    use Demand::{Assignee, Nothing, Proof, Reason};
    use NotificationKind as Kind;
    use OrderStatus::*;
    use Party::{Admin, Customer, Partner, System};
    const fn step(
        from: OrderStatus,
        to: OrderStatus,
        by: &'static [Party],
        demand: Demand,
        notifies: &'static [NotificationKind],
    ) -> Step {
        Step { from, to, by, demand, notifies, notifies_of_admin: &[] }
    }
    const fn by_admin(step: Step, notifies_of_admin: &'static [NotificationKind]) -> Step {
        Step { notifies_of_admin, ..step }
    }
    const CANCELLED: &[Kind] = &[Kind::OrderCancelled];
    const WITHDRAWN: &[Kind] = &[Kind::OrderCancelled, Kind::AssignmentWithdrawn];
    const FAILED: &[Kind] = &[Kind::OrderFailed];
    const BOTH_FAILED: &[Kind] = &[Kind::OrderFailed, Kind::AssignmentWithdrawn];
    &[
        step(Pending, Confirmed, &[Admin, System], Nothing, &[Kind::OrderConfirmed]),
        by_admin(
            step(Confirmed, Assigned, &[Partner, Admin], Assignee, &[Kind::OrderAssigned]),
            &[Kind::AssignmentGiven],
        ),
        by_admin(
            step(Assigned, Confirmed, &[Partner, Admin], Reason, &[Kind::OrderReassigned]),
            &[Kind::AssignmentWithdrawn],
        ),
        step(Assigned, EnRoute, &[Partner], Nothing, &[Kind::PartnerEnRoute]),
        step(EnRoute, Arrived, &[Partner, System], Nothing, &[Kind::PartnerArrived]),
        step(Arrived, PickedUp, &[Partner], Nothing, &[Kind::OrderPickedUp]),
        step(PickedUp, InTransit, &[Partner], Nothing, &[Kind::OrderInTransit]),
        step(InTransit, Delivered, &[Partner], Proof, &[Kind::OrderDelivered]),
        step(Delivered, Completed, &[Customer, System], Nothing, &[Kind::OrderCompleted]),
        step(Pending, Cancelled, &[Customer, Admin], Nothing, CANCELLED),
        step(Confirmed, Cancelled, &[Customer, Admin], Nothing, CANCELLED),
        step(Assigned, Cancelled, &[Customer, Admin], Nothing, WITHDRAWN),
        step(EnRoute, Cancelled, &[Customer, Admin], Nothing, WITHDRAWN),
        step(Arrived, Cancelled, &[Customer, Admin], Nothing, WITHDRAWN),
        step(Pending, Failed, &[Admin, System], Nothing, FAILED),
        step(Confirmed, Failed, &[Admin, System], Nothing, FAILED),
        step(Assigned, Failed, &[Admin, System], Nothing, BOTH_FAILED),
        step(EnRoute, Failed, &[Admin, System], Nothing, BOTH_FAILED),
        step(Arrived, Failed, &[Admin, System], Nothing, BOTH_FAILED),
        step(PickedUp, Failed, &[Admin, System], Nothing, BOTH_FAILED),
        step(InTransit, Failed, &[Admin, System], Nothing, BOTH_FAILED),
        step(Delivered, Failed, &[Admin, System], Nothing, BOTH_FAILED),
    ]
};

/// Why a step cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepRefused {
    /// The machine has no such step, or not for this party.
    #[error("an order that is {from} cannot become {to} here")]
    Illegal {
        /// Where the order stands.
        from: OrderStatus,
        /// Where it was to go.
        to: OrderStatus,
        /// Where this party may take it instead.
        allowed: Vec<OrderStatus>,
    },
}

/// Finds the step from `from` to `to` that `party` may take.
///
/// # Errors
/// `Illegal`, with the steps that `party` may take, when there is none.
pub fn find_step(from: OrderStatus, to: OrderStatus, party: Party) -> Result<&'static Step, StepRefused> {
    STEPS
        .iter()
        .find(|step| step.from == from && step.to == to && step.by.contains(&party))
        .ok_or_else(|| StepRefused::Illegal { from, to, allowed: allowed_steps(from, party) })
}

/// Where `party` may take an order that is `from`.
#[must_use]
pub fn allowed_steps(from: OrderStatus, party: Party) -> Vec<OrderStatus> {
    STEPS.iter().filter(|step| step.from == from && step.by.contains(&party)).map(|step| step.to).collect()
}

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// To the partner, by hand.
    Cash,
    /// From the customer's wallet.
    Wallet,
}

impl PaymentMethod {
    /// As the wire and the database have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Wallet => "wallet",
        }
    }
}

impl FromStr for PaymentMethod {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        [Self::Cash, Self::Wallet].into_iter().find(|method| method.as_str() == text).ok_or(InvalidName)
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What, 1 to 200 characters.
    pub name: String,
    /// How many, 1 to 1,000.
    pub quantity: u32,
    /// Minor units of the order's currency for one, 0 to 100,000,000.
    pub unit_price: i64,
}

/// An order as it is stored.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Counts its changes, from 1.
    pub version: i64,
    /// Who placed it.
    pub customer_id: UserId,
    /// That person's name.
    pub customer_name: String,
    /// Who carries it out, while somebody does.
    pub partner: Option<Assignee>,
    /// Where the goods are.
    pub pickup: Place,
    /// Where they go.
    pub dropoff: Place,
    /// What they are.
    pub items: Vec<Item>,
    /// What it costs in all.
    pub price: Money,
    /// How that is paid.
    pub payment_method: PaymentMethod,
    /// What the customer wants the partner to know.
    pub notes: Option<String>,
    /// Four digits that the customer tells the partner at the hand-over.
    pub code: String,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The partner of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignee {
    /// The partner profile.
    pub partner_id: PartnerId,
    /// The account behind it.
    pub user_id: UserId,
    /// As the partner gave it; customers see [`Assignee::shown_name`].
    pub name: String,
}

impl Assignee {
    /// The name without contact details that somebody may have put there.
    #[must_use]
    pub fn shown_name(&self) -> String {
        masked(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for status in OrderStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!("done".parse::<OrderStatus>(), Err(InvalidName));
    }

    #[test]
    fn nothing_follows_an_end_and_something_follows_all_else() {
        for status in OrderStatus::ALL {
            assert_eq!(STEPS.iter().any(|step| step.from == status), !status.is_end(), "{status}");
        }
    }

    #[test]
    fn every_status_but_the_first_can_be_reached() {
        for status in OrderStatus::ALL.into_iter().skip(1) {
            assert!(STEPS.iter().any(|step| step.to == status), "{status}");
        }
    }

    #[test]
    fn a_step_stands_in_the_table_once() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(!STEPS[index + 1..].iter().any(|other| other.from == step.from && other.to == step.to));
        }
    }

    #[test]
    fn a_refusal_names_what_is_allowed() {
        let refused =
            find_step(OrderStatus::Assigned, OrderStatus::Delivered, Party::Partner).expect_err("illegal");
        let StepRefused::Illegal { allowed, .. } = refused;
        assert_eq!(allowed, [OrderStatus::Confirmed, OrderStatus::EnRoute]);
        assert!(find_step(OrderStatus::Assigned, OrderStatus::EnRoute, Party::Customer).is_err());
        assert!(find_step(OrderStatus::PickedUp, OrderStatus::Cancelled, Party::Customer).is_err());
    }
}
