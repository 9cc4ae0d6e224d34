//! Takes announcements to everybody.

use std::time::Duration;

use crate::services::announcements::spread;
use crate::services::app::App;

/// Between two looks, when there is nothing to do.
const IDLE: Duration = Duration::from_secs(1);

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    loop {
        let pause = match spread(&app).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => IDLE,
            Err(error) => {
                log::warn!("an announcement waits: {error}");
                IDLE
            }
        };
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
