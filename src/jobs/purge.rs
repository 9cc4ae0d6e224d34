//! Removes rows that nobody can ask for any more: kept answers, used tickets and refresh tokens past
//! their time, and events of the payment provider.

use std::time::Duration;

use crate::services::accounts;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::idempotency::KEPT;
use crate::services::money;
use crate::store::idempotency;

use super::repeat;

/// Between two passes.
const PERIOD: Duration = Duration::from_secs(600);

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    repeat(stop, PERIOD, "old rows stay for now", || pass(&app)).await;
}

/// Whether there may be more.
async fn pass(app: &App) -> Result<bool, ServiceError> {
    if accounts::purge(app).await? > 0 || money::purge(app).await? {
        return Ok(true);
    }
    app.write(|tx| {
        let before = tx.now().before(KEPT);
        idempotency::purge(tx.conn(), before)?;
        Ok(())
    })
    .await?;
    Ok(false)
}
