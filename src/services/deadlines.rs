//! Deadlines: rows that say what has to be done at a certain time unless something else comes first.
//!
//! They are set and lifted in the transactions that make them necessary or needless, so a restart loses none. Whichever
//! instance sees first that one is due takes it in hand; it is removed in the transaction that does what it asks for, so
//! that is done once, however many saw it. While none is due, all of them together cost one look at an index a second.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::Notify;

use crate::domain::deadline::DeadlineKind;
use crate::domain::group::GroupKey;
use crate::domain::ids::{OrderId, UserId};
use crate::domain::order::OrderStatus;
use crate::domain::time::Timestamp;
use crate::store::deadlines::{self as rows, Deadline};
use crate::store::{idempotency, orders};

use super::app::{App, Tx};
use super::error::ServiceError;
use super::idempotency::KEPT;
use super::{accounts, chat, console, dispatch, money, orders as use_cases, push, tracking};

/// How many are taken in hand at once.
const BATCH: i64 = 64;
/// How many of them are done at the same time.
const AT_ONCE: usize = 4;
/// How long one waits for a lock other than its order's, for which it does not wait.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Between two looks for those that other instances have set, and may not live to see.
const PERIOD: Duration = Duration::from_secs(1);
/// After a look at which all that was due was held by others.
const HELD: Duration = Duration::from_millis(250);
/// Between two purges, and between two looks for orders that are without their deadlines.
const PURGE_PERIOD: Duration = Duration::from_secs(600);

/// Wakes whoever waits for the next deadline when an earlier one is set.
#[derive(Debug)]
pub(super) struct Alarm {
    /// What is due from then on is found without it, milliseconds.
    wakes_at: AtomicI64,
    bell: Notify,
    /// When this instance last looked for orders that are without their deadlines, milliseconds.
    adopted_at: AtomicI64,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { wakes_at: AtomicI64::new(i64::MAX), bell: Notify::new(), adopted_at: AtomicI64::new(0) }
    }
}

impl Alarm {
    /// Notes that a deadline was set.
    pub(super) fn set(&self, due_at: Timestamp) {
        if due_at.as_millis() < self.wakes_at.load(Ordering::SeqCst) {
            self.bell.notify_one();
        }
    }
}

impl Tx<'_> {
    /// Sets a deadline; one for the same thing is moved. `order_id` is the order that it is about: its row is locked before
    /// anything is done.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_deadline(
        &mut self,
        kind: DeadlineKind,
        subject: impl Display,
        order_id: Option<OrderId>,
        due_at: Timestamp,
    ) -> Result<(), ServiceError> {
        rows::set(self.conn(), kind, &subject.to_string(), order_id, due_at)?;
        self.first_due = Some(self.first_due.map_or(due_at, |first| first.min(due_at)));
        Ok(())
    }

    /// Lifts all deadlines of a kind that are about an order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lift_deadlines(&mut self, kind: DeadlineKind, order_id: OrderId) -> Result<(), ServiceError> {
        Ok(rows::lift_all(self.conn(), kind, order_id)?)
    }

    /// Lifts a deadline, if it stands.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lift_deadline(&mut self, kind: DeadlineKind, subject: impl Display) -> Result<(), ServiceError> {
        Ok(rows::lift(self.conn(), kind, &subject.to_string())?)
    }
}

/// Waits until the next deadline is due, or may be.
pub async fn wait(app: &App, next: Option<Timestamp>) {
    let now = Timestamp::now();
    let at = next.unwrap_or(now.after(PERIOD)).min(now.after(PERIOD));
    app.alarm().wakes_at.store(at.as_millis(), Ordering::SeqCst);
    tokio::select! {
        () = app.alarm().bell.notified() => {}
        () = tokio::time::sleep(at.since(now)) => {}
    }
}

/// Does what is due, and tells when the next is. What fails is logged and comes up again, each time later.
///
/// # Errors
/// The database's, when it cannot be asked what is due.
pub async fn fire_due(app: &App) -> Result<Option<Timestamp>, ServiceError> {
    // From here on every one that is set rings: the look may be too early to see it.
    app.alarm().wakes_at.store(i64::MAX, Ordering::SeqCst);
    let next = app.read(|conn| Ok(rows::next_due(conn)?)).await?;
    if next.is_none_or(|next| next > Timestamp::now()) {
        return Ok(next);
    }
    let due = app.write(|tx| {
        let now = tx.now();
        Ok(rows::take_due(tx.conn(), now, BATCH)?)
    });
    let due = due.await?;
    let is_held = due.is_empty();
    stream::iter(due).for_each_concurrent(AT_ONCE, |deadline| fire(app, deadline)).await;
    let next = app.read(|conn| Ok(rows::next_due(conn)?)).await?;
    // Others hold what is due, and may do so for long: it is not asked for over and over.
    Ok(if is_held { next.map(|next| next.max(Timestamp::now().after(HELD))) } else { next })
}

/// How often it is put off that somebody is notified because it is not known who has an order on a screen, Redis being away:
/// some ten minutes. After that who may have it there is notified all the same.
const ATTEMPTS_TO_KNOW: i64 = 18;

/// What became of a deadline that was due.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// It stood, and what it asks for is done.
    Done,
    /// It was lifted or moved in the meantime.
    Overtaken,
    /// It comes up again soon: somebody else is changing its order.
    Postponed,
    /// It comes up again later.
    Failed,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Overtaken => "overtaken",
            Self::Postponed => "postponed",
            Self::Failed => "failed",
        }
    }
}

async fn fire(app: &App, deadline: Deadline) {
    let (own, kind) = (app.clone(), deadline.kind);
    let name = format!("{} {}", kind.as_str(), deadline.subject);
    // Asked before the transaction, which waits for nobody.
    let listeners = match (kind, deadline.order_id) {
        (DeadlineKind::UnreadMessage, Some(order_id)) => {
            let listeners = app.groups().listeners(GroupKey::Order(order_id)).await;
            if !listeners.is_all && deadline.attempts < ATTEMPTS_TO_KNOW {
                // It comes up again by itself.
                app.metrics()
                    .deadlines
                    .with_label_values(&[kind.as_str(), Outcome::Postponed.as_str()])
                    .inc();
                return;
            }
            listeners.users
        }
        (
            DeadlineKind::Dispatch
            | DeadlineKind::Offer
            | DeadlineKind::NoPartner
            | DeadlineKind::Complete
            | DeadlineKind::ChatClosing
            | DeadlineKind::UnreadMessage
            | DeadlineKind::Purge,
            _,
        ) => Vec::new(),
    };
    let outcome =
        app.write(move |tx| fire_in(tx, &own, &deadline, &listeners)).await.unwrap_or_else(|error| {
            log::warn!("the deadline {name} comes up again: {error}");
            Outcome::Failed
        });
    app.metrics().deadlines.with_label_values(&[kind.as_str(), outcome.as_str()]).inc();
}

fn fire_in(
    tx: &mut Tx<'_>,
    app: &App,
    deadline: &Deadline,
    listeners: &[UserId],
) -> Result<Outcome, ServiceError> {
    // The order first, as everywhere: whoever holds its lock may be about to lift this very deadline. Orders that others
    // hold for long are no reason to keep the rest waiting.
    let order = match deadline.order_id.map(|order_id| orders::try_find_locked(tx.conn(), order_id)) {
        Some(attempt) => match attempt? {
            orders::Attempt::Locked(order) => order.map(|order| *order),
            orders::Attempt::Held => {
                let now = tx.now();
                rows::try_again(tx.conn(), deadline, now)?;
                return Ok(Outcome::Postponed);
            }
        },
        None => None,
    };
    rows::bound_waiting(tx.conn(), LOCK_WAIT)?;
    if !rows::settle(tx.conn(), deadline)? {
        return Ok(Outcome::Overtaken);
    }
    match (deadline.kind, order) {
        (DeadlineKind::Dispatch, Some(order)) => dispatch::look(tx, app, &order)?,
        (DeadlineKind::Offer, Some(order)) => dispatch::expire(tx, &order, subject(deadline)?)?,
        (DeadlineKind::NoPartner, Some(order)) => dispatch::give_up(tx, order)?,
        (DeadlineKind::Complete, Some(order)) => use_cases::complete(tx, order)?,
        (DeadlineKind::ChatClosing, Some(order)) => chat::close(tx, &order)?,
        (DeadlineKind::UnreadMessage, Some(order)) => {
            let reader = chat::reader(&deadline.subject).ok_or_else(|| misnamed(deadline))?;
            chat::notify_of_unread(tx, &order, reader, listeners)?;
        }
        (DeadlineKind::Purge, _) => purge(tx, app)?,
        (
            DeadlineKind::Dispatch
            | DeadlineKind::Offer
            | DeadlineKind::NoPartner
            | DeadlineKind::Complete
            | DeadlineKind::ChatClosing
            | DeadlineKind::UnreadMessage,
            None,
        ) => {
            return Err(ServiceError::Internal("a deadline without its order".into()));
        }
    }
    Ok(Outcome::Done)
}

fn subject<T: FromStr>(deadline: &Deadline) -> Result<T, ServiceError> {
    deadline.subject.parse().map_err(|_| misnamed(deadline))
}

fn misnamed(deadline: &Deadline) -> ServiceError {
    ServiceError::Internal(format!("a deadline about no id: {}", deadline.subject))
}

/// Sets the deadlines of orders that are without: placed by an earlier version, or while others applied. Gives how many
/// orders were passed over, since somebody was changing them.
fn adopt(tx: &mut Tx<'_>) -> Result<i64, ServiceError> {
    let (rules, now) = (tx.settings().dispatch, tx.now());
    let mut left = rows::set_missing(tx.conn(), DeadlineKind::Complete, OrderStatus::Delivered, now)?;
    if rules.enabled {
        left += rows::set_missing(tx.conn(), DeadlineKind::Dispatch, OrderStatus::Confirmed, now)?;
        let give_up_at = now.after(rules.give_up_after);
        left += rows::set_missing(tx.conn(), DeadlineKind::NoPartner, OrderStatus::Confirmed, give_up_at)?;
    }
    Ok(left)
}

/// Makes sure that every order has its deadlines, as this version and its settings have them; but for those that somebody
/// is changing: `false` while there are such.
///
/// # Errors
/// The database's.
pub async fn prepare(app: &App) -> Result<bool, ServiceError> {
    let left = app.write(adopt).await?;
    app.alarm().adopted_at.store(Timestamp::now().as_millis(), Ordering::SeqCst);
    Ok(left == 0)
}

/// The same now and then: it reads every order that waits for something.
fn adopt_now_and_then(tx: &mut Tx<'_>, app: &App) -> Result<(), ServiceError> {
    let (now, adopted_at) = (tx.now(), &app.alarm().adopted_at);
    let last = Timestamp::from_millis(adopted_at.load(Ordering::SeqCst));
    if now.since(last) >= PURGE_PERIOD {
        // Those that were passed over are looked for the next time.
        adopt(tx)?;
        adopted_at.store(now.as_millis(), Ordering::SeqCst);
    }
    Ok(())
}

/// Removes tickets, refresh tokens, kept answers, trails, pushes and the provider's events past their time, some at once.
fn purge(tx: &mut Tx<'_>, app: &App) -> Result<(), ServiceError> {
    let now = tx.now();
    let removed = accounts::purge(tx, app.tokens().access_lifetime())?
        + idempotency::purge(tx.conn(), now.before(KEPT))?
        + tracking::purge(tx)?
        + dispatch::purge(tx)?
        + money::purge(tx)?
        + push::purge(tx)?
        + console::purge(tx)?;
    let pause = if removed > 0 { PERIOD } else { PURGE_PERIOD };
    tx.set_deadline(DeadlineKind::Purge, "", None, now.after(pause))?;
    // Last, since it remembers that it was done.
    adopt_now_and_then(tx, app)
}
