//! Does what is due.

use std::pin::pin;

use crate::services::app::App;
use crate::services::deadlines::{fire_due, prepare, wait};

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut is_prepared = false;
    loop {
        if !is_prepared {
            is_prepared = prepare(&app).await.unwrap_or_else(|error| {
                // The purge does it, too.
                log::warn!("orders may be without their deadlines for some minutes: {error}");
                true
            });
        }
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
