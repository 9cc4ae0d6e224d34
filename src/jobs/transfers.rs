//! Looks how many transfers are pending, and asks the payment provider again how they have ended, after a crash say.

use std::future::pending;
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::services::app::App;
use crate::services::money::{look, resume};

use super::repeat;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(30);

/// Runs until `stop` resolves, and waits for no provider then: what it would have said is asked for again.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let pass = || async {
        let resumed = resume(&app, Timestamp::now()).await;
        // Figures only: what they cost must keep no transfer waiting.
        look(&app, Timestamp::now()).await?;
        resumed
    };
    tokio::select! {
        () = stop => {}
        () = repeat(pending(), PERIOD, "transfers of money stay pending", pass) => {}
    }
}
