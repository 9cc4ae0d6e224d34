//! Completes orders whose customers do not.

use std::time::Duration;

use crate::services::app::App;
use crate::services::orders::complete_overdue;

/// Between two looks at most.
const PERIOD: Duration = Duration::from_secs(60);

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    loop {
        let pause = match complete_overdue(&app).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => PERIOD.min(app.settings().complete_after),
            Err(error) => {
                log::warn!("delivered orders stay as they are for now: {error}");
                PERIOD
            }
        };
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
