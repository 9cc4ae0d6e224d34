//! Answers kept under their `Idempotency-Key`, so that a repeated call is not a second change.

use sha2::{Digest, Sha256};
use std::time::Duration;

use crate::store::idempotency as rows;

use super::app::{Reply, Tx};
use super::error::ServiceError;

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

/// A key, whose it is, and what it was sent with.
#[derive(Debug, Clone)]
pub struct Idempotency {
    scope: String,
    key: String,
    fingerprint: String,
}

impl Idempotency {
    /// For a request of `scope` (a user, or another back end) to `route` (method and path) with `body`.
    #[must_use]
    pub fn new(scope: &str, key: String, route: &str, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(route);
        hash.update([0]);
        hash.update(body);
        let fingerprint = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { scope: scope.to_owned(), key, fingerprint }
    }

    /// For what goes with a refusal of this request. Refusals are not kept, and the key is free for another request then;
    /// what goes with them is done once for each.
    pub(super) fn of_refusal(&self) -> Self {
        Self { scope: format!("{} refused {}", self.scope, self.fingerprint), ..self.clone() }
    }
}

/// The answer to an earlier call with this key.
pub(super) fn find(tx: &mut Tx<'_>, key: &Idempotency) -> Result<Option<Reply>, ServiceError> {
    rows::lock(tx.conn(), &key.scope, &key.key)?;
    let since = tx.now().before(KEPT);
    match rows::find(tx.conn(), &key.scope, &key.key, since)? {
        None => Ok(None),
        Some(row) if row.fingerprint == key.fingerprint => Ok(Some(Reply {
            status: u16::try_from(row.status).unwrap_or(200),
            body: row.body,
            replayed: true,
        })),
        Some(_) => Err(ServiceError::conflict(
            "idempotency_key_reused",
            "This Idempotency-Key was used with another request within the last 24 hours.",
        )),
    }
}

/// Keeps an answer.
pub(super) fn keep(tx: &mut Tx<'_>, key: &Idempotency, reply: &Reply) -> Result<(), ServiceError> {
    let now = tx.now();
    let status = i16::try_from(reply.status).unwrap_or(200);
    rows::put(tx.conn(), &key.scope, &key.key, &key.fingerprint, status, &reply.body, now)?;
    Ok(())
}
