//! A town in which nothing is ever delivered breaks no single rule, and is no town.

use super::Break;
use crate::domain::order::OrderStatus;

/// How many orders may come to nothing by the whims of people alone.
const WHIMS: usize = 5;

/// An order, and what its customer and partners made of it.
#[derive(Debug, Clone, Copy)]
pub struct Lot {
    /// Where it stood in the end.
    pub status: OrderStatus,
    /// Where it stood when its customer called it off.
    pub called_off: Option<OrderStatus>,
    /// Whether it was ever confirmed.
    pub was_confirmed: bool,
}

impl Lot {
    /// Whether somebody who carries it was to be found, for all that its customer did.
    fn is_wanted(&self) -> bool {
        match self.called_off {
            // While nobody had it: it was called off because the town went to bed.
            None | Some(OrderStatus::Pending | OrderStatus::Confirmed) => true,
            Some(
                OrderStatus::Assigned
                | OrderStatus::EnRoute
                | OrderStatus::Arrived
                | OrderStatus::PickedUp
                | OrderStatus::InTransit
                | OrderStatus::Delivered
                | OrderStatus::Completed
                | OrderStatus::Cancelled
                | OrderStatus::Failed,
            ) => false,
        }
    }
}

/// Something was delivered, if that was to be expected: somebody has ordered, as often as `tried` says, and orders wait for
/// nothing but a partner.
#[must_use]
pub fn nothing_done(tried: u64, lots: &[Lot]) -> Option<Break> {
    if lots.iter().any(|lot| lot.status == OrderStatus::Completed) {
        return None;
    }
    let broken = |came: String| Some(Break::new("the town", "an order to be completed", came));
    if lots.is_empty() && tried > 0 {
        return broken(format!("none: of {tried} that were tried, none was taken"));
    }
    let wanted: Vec<&Lot> = lots.iter().filter(|lot| lot.is_wanted()).collect();
    if !wanted.is_empty() && !lots.iter().any(|lot| lot.was_confirmed) {
        return broken(format!(
            "none: of {} orders none was ever confirmed; an admin has to do that where WAYBILL_AUTO_CONFIRM is off",
            lots.len()
        ));
    }
    if wanted.len() >= WHIMS {
        return broken(format!("none, of {} orders", lots.len()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(status: OrderStatus, called_off: Option<OrderStatus>, was_confirmed: bool) -> Lot {
        Lot { status, called_off, was_confirmed }
    }

    #[test]
    fn one_delivery_is_enough() {
        let done = lot(OrderStatus::Completed, None, true);
        let pending = lot(OrderStatus::Cancelled, Some(OrderStatus::Pending), false);
        assert_eq!(nothing_done(9, &[pending, pending, done]), None);
        assert_eq!(nothing_done(0, &[]), None, "nobody wanted anything");
    }

    #[test]
    fn a_server_that_takes_no_order_is_noticed() {
        let broken = nothing_done(3, &[]).expect("a broken rule");
        assert!(broken.came.contains("of 3 that were tried"), "{broken}");
    }

    #[test]
    fn a_server_that_confirms_none_is_noticed_and_told_why() {
        let pending = lot(OrderStatus::Cancelled, Some(OrderStatus::Pending), false);
        let broken = nothing_done(1, &[pending]).expect("a broken rule");
        assert!(broken.came.contains("WAYBILL_AUTO_CONFIRM"), "{broken}");
    }

    #[test]
    fn a_few_orders_may_come_to_nothing_by_whims() {
        let nobody = lot(OrderStatus::Cancelled, Some(OrderStatus::Confirmed), true);
        let regret = lot(OrderStatus::Cancelled, Some(OrderStatus::Assigned), true);
        assert_eq!(nothing_done(4, &[nobody; 4]), None);
        assert!(nothing_done(5, &[nobody; 5]).is_some());
        assert_eq!(nothing_done(9, &[regret; 9]), None, "they were all thought better of");
    }
}
