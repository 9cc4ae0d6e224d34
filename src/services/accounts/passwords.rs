//! Hashing and checking passwords in turns, off the threads that serve sockets.

use std::time::Instant;

use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::passwords::{self, PasswordError};

use super::guard::Attempt;

/// Hashes a new password.
///
/// # Errors
/// `Limited` when too many wait; `Internal` when it cannot be hashed, too short or long included: the caller has
/// looked at that.
pub(super) async fn hash(app: &App, password: String) -> Result<String, ServiceError> {
    let turn = app.guard().turn().await?;
    let hashed = tokio::task::spawn_blocking(move || {
        let hashed = passwords::hash(&password);
        // Not when the call is dropped: the work would go on, beside that of the next.
        drop(turn);
        hashed
    });
    hashed.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

/// Whether a password is right for an account, of which `stored` is the hash, or none when there is no such
/// account: that takes as long. A wrong one is counted, even if nobody waits for the answer any more.
///
/// # Errors
/// `Limited` when there were too many tries, or too many wait.
pub(super) async fn verify(
    app: &App,
    attempt: Attempt,
    password: String,
    stored: Option<String>,
) -> Result<bool, ServiceError> {
    app.guard().check_attempt(&attempt, Instant::now())?;
    let turn = app.guard().turn().await?;
    // Once more: of many that came at the same time, those before this one may have used up the budget.
    app.guard().check_attempt(&attempt, Instant::now())?;
    let app = app.clone();
    let verified = tokio::task::spawn_blocking(move || {
        let is_right = is_right(&password, stored.as_deref());
        if !matches!(is_right, Ok(true)) {
            app.guard().failed(&attempt, Instant::now());
        }
        drop(turn);
        is_right
    });
    verified.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

fn is_right(password: &str, stored: Option<&str>) -> Result<bool, PasswordError> {
    let Some(stored) = stored else { return passwords::dummy_verify(password) };
    match passwords::verify(password, stored) {
        // An account that another back end made and that has no password here.
        Err(PasswordError::UnreadableHash(_)) => passwords::dummy_verify(password),
        outcome => outcome,
    }
}

fn failed(error: &dyn std::error::Error) -> ServiceError {
    ServiceError::Internal(format!("a password could not be hashed: {error}"))
}
