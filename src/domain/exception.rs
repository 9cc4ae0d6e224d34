//! Exceptions: what goes wrong with an order so that a person should look at it.

use std::time::Duration;

use super::order::OrderStatus;
use super::time::Timestamp;

/// An order that is under way whose partner has not been heard of for so long is an exception. It is longer than an app that
/// spares its battery waits between two samples.
pub const SILENT_AFTER: Duration = Duration::from_secs(60);
/// An arrival that is expected after the promise by less is no exception: a minute at a door is not worth anybody's look.
pub const LATE_BY: Duration = Duration::from_secs(60);
/// For how long a failed order is one.
pub const FAILED_FOR: Duration = Duration::from_secs(3600);

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionKind {
    /// Nobody has confirmed it for 5 minutes.
    Unconfirmed,
    /// It is confirmed, and no partner has taken it for 2 minutes.
    NoPartner,
    /// Its partner has not set off for 10 minutes.
    Stuck,
    /// Its partner is expected a minute or more after the promise.
    Late,
    /// Its partner has not been heard of for a minute.
    Silent,
    /// It failed within the last hour.
    Failed,
}

/// What is wrong with an order that has stood in `status` since `since`, as far as that alone tells.
#[must_use]
pub fn by_status(status: OrderStatus, since: Timestamp, now: Timestamp) -> Option<ExceptionKind> {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let (kind, patience) = match status {
        OrderStatus::Pending => (ExceptionKind::Unconfirmed, minutes(5)),
        OrderStatus::Confirmed => (ExceptionKind::NoPartner, minutes(2)),
        OrderStatus::Assigned => (ExceptionKind::Stuck, minutes(10)),
        OrderStatus::Failed => {
            return (now.since(since) < FAILED_FOR).then_some(ExceptionKind::Failed);
        }
        OrderStatus::EnRoute
        | OrderStatus::Arrived
        | OrderStatus::PickedUp
        | OrderStatus::InTransit
        | OrderStatus::Delivered
        | OrderStatus::Completed
        | OrderStatus::Cancelled => return None,
    };
    (now.since(since) >= patience).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_stands_for_too_long_is_an_exception_and_one_that_failed_is_for_an_hour() {
        let after = |status, seconds: u64| {
            let since = Timestamp::from_millis(1_700_000_000_000);
            by_status(status, since, since.after(Duration::from_secs(seconds)))
        };
        for (status, seconds, kind) in [
            (OrderStatus::Pending, 300, ExceptionKind::Unconfirmed),
            (OrderStatus::Confirmed, 120, ExceptionKind::NoPartner),
            (OrderStatus::Assigned, 600, ExceptionKind::Stuck),
        ] {
            assert_eq!((after(status, seconds - 1), after(status, seconds)), (None, Some(kind)), "{status}");
        }
        let failed = OrderStatus::Failed;
        assert_eq!((after(failed, 3_599), after(failed, 3_600)), (Some(ExceptionKind::Failed), None));
        assert_eq!(after(OrderStatus::InTransit, 100_000), None);
    }
}
