//! Completes orders whose customers do not.

use std::time::Duration;

use crate::services::app::App;
use crate::services::orders::complete_overdue;

use super::repeat;

/// Between two looks at most.
const PERIOD: Duration = Duration::from_secs(60);

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let period = PERIOD.min(app.settings().complete_after);
    repeat(stop, period, "delivered orders stay as they are for now", || complete_overdue(&app)).await;
}
