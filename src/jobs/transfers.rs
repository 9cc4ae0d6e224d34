//! Asks the payment provider again about what it has not answered, after a crash say.

use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::services::app::App;
use crate::services::money::resume;

use super::repeat;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(30);
/// How old a transfer is before it is asked for again: older than any call that still waits for the first answer.
const AGE: Duration = Duration::from_secs(60);

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let pass = || async { resume(&app, Timestamp::now().before(AGE)).await };
    repeat(stop, PERIOD, "transfers of money stay pending", pass).await;
}
