//! What admins see of the queue, and put back into it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::{NotificationId, PushId, UserId};
use crate::domain::push::{PushKind, PushState};
use crate::domain::time::Timestamp;
use crate::services::app::{App, Reply, Tx};
use crate::services::error::ServiceError;
use crate::services::idempotency::Idempotency;
use crate::store::push::ledger::{self as rows, Push};

/// What is sent to one browser.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PushView {
    /// Its id.
    pub id: PushId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is for.
    pub kind: PushKind,
    /// The notification that it shows; `null` for one that closes others.
    pub notification_id: Option<NotificationId>,
    /// The host of the push service, and its port where that is another than 443.
    pub host: String,
    /// How it stands.
    pub state: PushState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was put into the queue.
    pub created_at: Timestamp,
    /// When it may be tried next; in the past for one that was done with.
    pub due_at: Timestamp,
    /// From when on it is no news any more.
    pub expires_at: Timestamp,
    /// When it was sent, dropped or given up.
    pub done_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl From<Push> for PushView {
    fn from(push: Push) -> Self {
        Self {
            id: push.id,
            user_id: push.user_id,
            kind: push.kind,
            notification_id: push.notification_id,
            host: push.host,
            state: push.state,
            attempts: push.attempts,
            created_at: push.created_at,
            due_at: push.due_at,
            expires_at: push.expires_at,
            done_at: push.done_at,
            error: push.error,
        }
    }
}

/// Messages in one state, or in any, newest first, at most `limit`. Whether the caller may know is the caller's to check.
///
/// # Errors
/// The database's.
pub async fn list(
    app: &App,
    state: Option<PushState>,
    before: Option<PushId>,
    limit: i64,
) -> Result<Vec<PushView>, ServiceError> {
    let found = app.read(move |conn| Ok(rows::list(conn, state, before, limit)?)).await?;
    Ok(found.into_iter().map(PushView::from).collect())
}

/// Puts a message that was given up back into the queue, for a call that may come with an `Idempotency-Key`. One that is in
/// the queue stays there.
///
/// # Errors
/// `NotFound`; `Conflict` with `push_not_dead` when it was sent or dropped; the database's.
pub async fn requeue_once(app: &App, id: PushId, key: Option<Idempotency>) -> Result<Reply, ServiceError> {
    app.write_once(key, 200, move |tx| requeue_in(tx, id)).await
}

fn requeue_in(tx: &mut Tx<'_>, id: PushId) -> Result<PushView, ServiceError> {
    let missing = || ServiceError::NotFound { what: "push" };
    let now = tx.now();
    let push = rows::find(tx.conn(), id)?.ok_or_else(missing)?;
    if rows::requeue(tx.conn(), &push, now)? {
        tx.push_due(now);
    }
    let push = rows::find(tx.conn(), id)?.ok_or_else(missing)?;
    match push.state {
        PushState::Queued => Ok(push.into()),
        PushState::Sent | PushState::Closed | PushState::Dropped | PushState::Dead => {
            let detail = format!("The push was not given up: it is {}.", push.state);
            Err(ServiceError::conflict("push_not_dead", detail))
        }
    }
}
