//! Does what is due.

use std::pin::pin;

use crate::services::app::App;
use crate::services::deadlines::{fire_due, prepare, wait};

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    if let Err(error) = prepare(&app).await {
        // The purge does it, too.
        log::warn!("orders may be without their deadlines for some minutes: {error}");
    }
    loop {
        let next = fire_due(&app).await;
        if let Err(error) = &next {
            log::warn!("what is due waits: {error}");
        }
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = wait(&app, next.unwrap_or_default()) => {}
        }
    }
}
