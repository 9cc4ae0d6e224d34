//! Removes rows that nobody can ask for any more: kept answers, used tickets and refresh tokens past their time.

use std::time::Duration;

use crate::services::accounts;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::idempotency::KEPT;
use crate::store::idempotency;

/// Between two passes.
const PERIOD: Duration = Duration::from_secs(600);

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    loop {
        if let Err(error) = pass(&app).await {
            log::warn!("old rows stay for now: {error}");
        }
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn pass(app: &App) -> Result<(), ServiceError> {
    while accounts::purge(app).await? > 0 {}
    app.write(|tx| {
        let before = tx.now().before(KEPT);
        idempotency::purge(tx.conn(), before)?;
        Ok(())
    })
    .await
}
