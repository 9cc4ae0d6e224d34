//! Makes sure that a server which knows of no others is the only one on its database.
//!
//! Two of them would each take events out of the outbox, and neither would tell the other's sessions. With SQLite a lock
//! on the file prevents that; with PostgreSQL nothing does, so a server that sees another one at work stops itself.

use std::pin::pin;
use std::time::Duration;

use crate::domain::clock::ClockWatch;
use crate::domain::ids::InstanceId;
use crate::store::leases::{self, ALONE, Lease, RELAY};

use super::app::App;
use super::clock;
use super::error::ServiceError;

/// How long the lease lasts that is not renewed.
const SPAN: Duration = Duration::from_secs(3);
/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Runs until `stop` resolves, or until another server is seen at work on the same database.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let holder = InstanceId::new().to_string();
    let mut before: Option<[Lease; 2]> = None;
    let mut clock = ClockWatch::default();
    loop {
        // One that is about to go makes room.
        if !app.is_draining() {
            match look(&app, &holder).await {
                Ok(now) => {
                    let [own, _] = &now;
                    clock::note(&mut clock, own, app.metrics());
                    if before.as_ref().is_some_and(|before| is_at_work(before, &now, &holder)) {
                        log::error!(
                            "another server uses this database, and this one has no REDIS_URL: several instances \
                             need one, the same for all. This one stops"
                        );
                        return;
                    }
                    before = Some(now);
                }
                // The database is away for everybody.
                Err(error) => log::debug!("the lease cannot be looked at: {error}"),
            }
        }
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
    let released =
        app.store().write(move |conn| leases::release(conn, ALONE, &holder).map_err(ServiceError::from));
    if let Err(error) = released.await {
        log::debug!("the lease is not given up, and runs out instead: {error}");
    }
}

async fn look(app: &App, holder: &str) -> Result<[Lease; 2], ServiceError> {
    let holder = holder.to_owned();
    app.store()
        .write(move |conn| Ok([leases::take(conn, ALONE, &holder, SPAN)?, leases::read(conn, RELAY)?]))
        .await
}

/// Whether one of the leases was renewed, and not by this server.
fn is_at_work(before: &[Lease; 2], now: &[Lease; 2], holder: &str) -> bool {
    before.iter().zip(now).any(|(before, now)| now.holder != holder && now.expires_at > before.expires_at)
}
