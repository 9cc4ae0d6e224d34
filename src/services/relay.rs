//! The outbox relay: does what committed changes ask for, in the order in which they were committed.
//!
//! Woken after each commit, and by a clock for what a crash left behind: the same pass serves both. A row is
//! removed after it was published; a crash in between publishes it again, under the same id.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::protocol::dispatch::Dispatch;
use crate::store::outbox::{self, OutboxRow};

use super::app::App;
use super::error::ServiceError;

/// The most rows in one pass.
const BATCH: i64 = 500;
/// How long the relay sleeps when nothing wakes it.
const IDLE: Duration = Duration::from_millis(500);

/// Runs until `stop` resolves, and then once more, so that what was committed before is published.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut relay = Relay { app, published: HashSet::new() };
    let mut stop = std::pin::pin!(stop);
    loop {
        let full = relay.pass_or_log().await;
        if full {
            continue;
        }
        tokio::select! {
            () = &mut stop => break,
            () = relay.app.outbox_bell().notified() => {}
            () = tokio::time::sleep(IDLE) => {}
        }
    }
    while relay.pass_or_log().await {}
}

struct Relay {
    app: App,
    /// Rows that were published and whose removal failed or has not been seen yet.
    published: HashSet<i64>,
}

impl Relay {
    /// Whether there is more to do at once.
    async fn pass_or_log(&mut self) -> bool {
        let outcome = self.pass().await;
        self.app.relay_pulse().beat();
        match outcome {
            Ok(full) => full,
            Err(error) => {
                self.app.metrics().outbox_failures.inc();
                log::warn!("the outbox waits: {error}");
                false
            }
        }
    }

    async fn pass(&mut self) -> Result<bool, ServiceError> {
        let limit = BATCH.saturating_add(i64::try_from(self.published.len()).unwrap_or(0));
        let (rows, unreadable) = self.app.read(move |conn| Ok(outbox::waiting(conn, limit)?)).await?;
        let found = rows.len();
        let waiting = rows.iter().filter(|row| !self.published.contains(&row.id)).count();
        self.app.metrics().outbox_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let mut done = unreadable;
        for row in rows {
            done.push(row.id);
            if self.published.insert(row.id) {
                publish(&self.app, &row);
                self.app.relay_pulse().beat();
                self.app.metrics().outbox_published.inc();
            }
        }
        if done.is_empty() {
            self.published.clear();
            return Ok(false);
        }
        done.sort_unstable();
        // Only what the registries have taken is removed; and no more than one batch ever waits for them.
        let settled = self.app.groups().settle().await;
        settled.map_err(|error| ServiceError::Internal(error.to_string()))?;
        self.remove(done).await?;
        Ok(waiting > 0 || found >= usize::try_from(limit).unwrap_or(usize::MAX))
    }

    async fn remove(&mut self, ids: Vec<i64>) -> Result<(), ServiceError> {
        let removed = ids.clone();
        self.app.store().write(move |conn| outbox::remove(conn, &ids).map_err(ServiceError::from)).await?;
        for id in removed {
            self.published.remove(&id);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct FrameType<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

fn publish(app: &App, row: &OutboxRow) {
    let groups = app.groups();
    match &row.dispatch {
        Dispatch::Publish { groups: keys, frame } => {
            let body: Arc<str> = frame.get().into();
            for key in keys {
                groups.publish(*key, row.event_id, row.at, Arc::clone(&body));
            }
        }
        Dispatch::State { group, revision, frame } => {
            let slot = match serde_json::from_str::<FrameType<'_>>(frame.get()) {
                Ok(frame) => frame.kind.into_owned(),
                Err(error) => {
                    log::error!("outbox row {}: a state without a type: {error}", row.id);
                    return;
                }
            };
            groups.publish_state(*group, &slot, *revision, row.event_id, row.at, frame.get().into());
        }
        Dispatch::Expel { group, user_id } => groups.expel(*group, *user_id),
        Dispatch::EndSessions { user_id, family_id, reason } => {
            // Whoever comes in anew is looked up anew.
            app.principals().forget(*user_id);
            groups.end_sessions(*user_id, *family_id, *reason);
        }
    }
}
