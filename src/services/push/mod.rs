//! Browser push: who gets it, what is set down for it in the transactions of others, and sending it.
//!
//! A notification is set down for being pushed in the transaction that makes it ([`plan`]). Once it is due it is looked whether
//! anybody still has to be told ([`deciding`]): then one message for each browser of the user is put into the queue, from
//! which the sender takes them ([`sender`]). What is read, or over, on one device is closed on the others by the same queue.
//!
//! None of this is in memory alone: any instance, also one that starts later, goes on with what another has left.

mod admin;
mod browsers;
mod connect;
mod deciding;
mod keys;
mod message;
mod sender;
mod verdict;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, OnceCell};

use crate::domain::ids::{NotificationId, PartnerId, UserId};
use crate::domain::notification::NotificationContent;
use crate::domain::push::{Plan, Urgency};
use crate::domain::time::Timestamp;
use crate::store::push as rows;

pub use admin::{PushView, list, requeue_once};
pub use browsers::{NewSubscription, SubscriptionView, subscribe_once, unsubscribe};
pub use connect::Authorities;
pub use keys::{KeyView, public_key};
pub use sender::run;

use super::app::{App, Tx};
use super::error::ServiceError;
use keys::Keys;

/// What can be set about pushes.
#[derive(Debug, Clone)]
pub struct PushSettings {
    /// How long after it was made a notification is pushed that nobody has seen by then; an urgent one at most [`URGENT`].
    pub delay: Duration,
    /// Whether push services may be in private networks, on any port.
    pub to_private: bool,
    /// Whom push services may write to: a `mailto:` or `https:` address (RFC 8292, section 2.1).
    pub contact: Option<String>,
    /// How often a message is tried.
    pub attempts: i64,
    /// Who signs the certificates of push services. Without it, those whom the system trusts.
    pub authorities: Option<Authorities>,
}

/// How long an urgent notification waits at most for being seen: somebody waits for what is done about it.
pub const URGENT: Duration = Duration::from_secs(3);
/// Between something being read and the look for what is to be closed: much is read together.
const CLOSE_AFTER: Duration = Duration::from_millis(200);
/// For how long messages are kept that were done with.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most rows of a kind that one purge removes.
const PURGED: i64 = 1000;

/// What an instance remembers about pushes: nothing that the database does not have.
#[derive(Debug)]
pub(super) struct Push {
    keys: OnceCell<Keys>,
    /// What is due from then on is found without the bell, milliseconds.
    wakes_at: AtomicI64,
    bell: Notify,
}

impl Default for Push {
    fn default() -> Self {
        Self { keys: OnceCell::new(), wakes_at: AtomicI64::new(i64::MAX), bell: Notify::new() }
    }
}

impl Push {
    /// Notes that there is something to be done from a time on.
    pub(super) fn set(&self, due_at: Timestamp) {
        if due_at.as_millis() < self.wakes_at.load(Ordering::SeqCst) {
            self.bell.notify_one();
        }
    }
}

/// Sets a notification down for being pushed.
///
/// # Errors
/// When the database fails.
pub(super) fn plan(
    tx: &mut Tx<'_>,
    id: NotificationId,
    user_id: UserId,
    content: &NotificationContent,
) -> Result<(), ServiceError> {
    let now = tx.now();
    let (plan, delay) = (Plan::of(id, content, now), tx.settings().push.delay);
    let due_at = now.after(match plan.urgency {
        Urgency::High => delay.min(URGENT),
        Urgency::Normal | Urgency::Low => delay,
    });
    rows::pending::insert(tx.conn(), id, user_id, &plan, due_at)?;
    tx.push_due(due_at);
    Ok(())
}

/// Has what a user has read closed where it was pushed to. `is_all`: everything was read at once.
///
/// # Errors
/// When the database fails.
pub(super) fn close_read(tx: &mut Tx<'_>, user_id: UserId, is_all: bool) -> Result<(), ServiceError> {
    let now = tx.now();
    let due_at = now.after(CLOSE_AFTER);
    rows::closings::insert(tx.conn(), user_id, now, due_at, is_all.then_some(now))?;
    tx.push_due(due_at);
    Ok(())
}

/// Has an offer that can be accepted no more closed where it was pushed to.
///
/// # Errors
/// When the database fails.
pub(super) fn close_offer(tx: &mut Tx<'_>, partner_id: PartnerId) -> Result<(), ServiceError> {
    let now = tx.now();
    let due_at = now.after(CLOSE_AFTER);
    rows::closings::insert_for_partner(tx.conn(), partner_id, now, due_at)?;
    tx.push_due(due_at);
    Ok(())
}

/// Removes what nobody asks for any more, some at once; tells how many rows these were.
///
/// # Errors
/// The database's.
pub(super) fn purge(tx: &mut Tx<'_>) -> Result<usize, ServiceError> {
    let now = tx.now();
    Ok(rows::purge(tx.conn(), now, now.before(KEPT), PURGED)?)
}

/// The host and port of an endpoint, which is all that logs and admins see of it.
fn host_of(endpoint: &str) -> String {
    let url = url::Url::parse(endpoint).ok();
    let host = url.as_ref().and_then(|url| Some((url.host_str()?, url.port())));
    match host {
        Some((host, Some(port))) => format!("{host}:{port}"),
        Some((host, None)) => host.to_owned(),
        None => String::new(),
    }
}

impl Tx<'_> {
    /// Has whoever sends pushes look at what was set down for a time.
    fn push_due(&mut self, due_at: Timestamp) {
        self.first_push_due = Some(self.first_push_due.map_or(due_at, |first| first.min(due_at)));
    }
}

impl App {
    /// The key that pushes are signed with, made when there is none.
    async fn push_keys(&self) -> Result<&Keys, ServiceError> {
        self.push().keys.get_or_try_init(|| keys::load(self)).await
    }
}
