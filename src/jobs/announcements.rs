//! Takes announcements to everybody.

use std::time::Duration;

use crate::services::announcements::spread;
use crate::services::app::App;

use super::repeat;

/// Between two looks, when there is nothing to do.
const PERIOD: Duration = Duration::from_secs(1);

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    repeat(stop, PERIOD, "an announcement waits", || spread(&app)).await;
}
