//! Takes messages out of the queue and sends them: at most so many at once to each push service and to each browser one, the
//! most urgent first. It runs on a thread of its own, so that neither encryption nor push services keep anybody waiting.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::http::Response;
use rand::Rng;
use tokio::task::{Id, JoinError, JoinSet};

use crate::domain::push::pause;
use crate::domain::time::Timestamp;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::notifications;
use crate::store::StoreError;
use crate::store::push::messages::{self, Room, Taken};
use crate::store::push::sending::{self, Outgoing};
use crate::store::push::{self as rows, closings, pending, subscriptions};

use super::connect::{self, PushClient};
use super::deciding;
use super::message;
use super::verdict::{Verdict, of_answer, of_failure};

/// Messages on their way at once.
const AT_ONCE: usize = 64;
/// At one push service.
const PER_HOST: usize = 4;
/// To one user.
const PER_USER: usize = 4;
/// Of those on their way, so many at most are tries of push services that have failed, or have never taken anything: whoever
/// names many that hang takes the room of nobody else.
const TRIES: usize = 16;
/// How long a push service may take to answer, to the end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what is in hand is left alone by other instances: longer than a push service may take.
const LEASE: Duration = Duration::from_secs(20);
/// What is sent later than so long before the end of that might still be on its way when another instance takes it.
const LATEST: Duration = Duration::from_secs(12);
/// Between two looks for what other instances have left.
const PERIOD: Duration = Duration::from_secs(1);
/// Between two looks at how full the queue is.
const LOOK_PERIOD: Duration = Duration::from_secs(10);
/// As much of an answer is read, bytes, so that the connection can be used again.
const MAX_ANSWER: usize = 16 * 1024;
/// How often it is looked up what a message is before it is left to come up again.
const LOOKS: u32 = 3;
/// Between two tries to write down what became of a message, at first.
const REWRITE: Duration = Duration::from_millis(100);

/// Decides and sends until `stop` resolves, and waits then for what is on its way.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let client = match connect::client(&app.settings().push) {
        Ok(client) => client,
        Err(error) => {
            log::error!("pushes are not sent: {error}");
            return stop.await;
        }
    };
    // Made at the first start, so that browsers find the one that it stays.
    if let Err(error) = app.push_keys().await {
        log::warn!("the key of pushes is made later: {error}");
    }
    let mut sender =
        Sender { app, client, sending: JoinSet::new(), in_hand: HashMap::new(), behind: String::new() };
    let mut looked_at = None;
    loop {
        sender.app.push().wakes_at.store(i64::MAX, Ordering::SeqCst);
        let now = Timestamp::now();
        let next = sender.pass(now).await.unwrap_or_else(|error| {
            log::warn!("pushes wait: {error}");
            now.after(PERIOD)
        });
        if looked_at.is_none_or(|at| now.since(at) >= LOOK_PERIOD) {
            looked_at = Some(now);
            sender.look(now).await;
        }
        let at = next.min(now.after(PERIOD));
        sender.app.push().wakes_at.store(at.as_millis(), Ordering::SeqCst);
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(done) = sender.sending.join_next_with_id() => sender.release(done),
            () = sender.app.push().bell.notified() => {}
            () = tokio::time::sleep(at.since(Timestamp::now())) => {}
        }
    }
    // What is sent and not written down would be sent once more by another instance.
    while sender.sending.join_next().await.is_some() {}
}

struct Sender {
    app: App,
    client: PushClient,
    sending: JoinSet<()>,
    /// By who sends it.
    in_hand: HashMap<Id, Taken>,
    /// Behind which push service the next pass begins, where there are very many.
    behind: String,
}

impl Sender {
    /// Decides what is due and takes what may go. Gives when there is more to do.
    async fn pass(&mut self, now: Timestamp) -> Result<Timestamp, ServiceError> {
        while let Some(done) = self.sending.try_join_next_with_id() {
            self.release(done);
        }
        let due = self.app.read(|conn| Ok(pending::next_due(conn)?)).await?;
        let mut next = [due.pending, due.closing].into_iter().flatten().min().unwrap_or(now.after(PERIOD));
        let mut has_messages = due.has_messages;
        if due.pending.is_some_and(|at| at <= now) {
            // What devices have said they have shown counts, also what was not written down yet.
            if let Err(error) = notifications::flush(&self.app).await {
                log::warn!("the delivery ledger waits: {error}");
            }
            let (decided, wanted) = self.app.write(deciding::decide).await?;
            has_messages |= wanted > 0;
            // When the others are due was not looked at.
            next = again_if(decided > 0, now);
        }
        if due.closing.is_some_and(|at| at <= now) {
            let closed = self.app.write(deciding::close).await?;
            has_messages |= closed > 0;
            next = next.min(again_if(closed > 0, now));
        }
        if has_messages && self.sending.len() < AT_ONCE {
            next = next.min(self.take(now).await?);
        }
        Ok(next)
    }

    async fn take(&mut self, now: Timestamp) -> Result<Timestamp, ServiceError> {
        let room = Room {
            in_all: AT_ONCE.saturating_sub(self.sending.len()),
            per_host: PER_HOST,
            per_user: PER_USER,
            tries: TRIES,
            in_hand: self.in_hand.values().cloned().collect(),
            lease: LEASE,
            behind: std::mem::take(&mut self.behind),
        };
        let pass = self.app.write(move |tx| {
            let now = tx.now();
            Ok(messages::take(tx.conn(), now, &room)?)
        });
        let pass = pass.await?;
        let has_more = pass.behind.is_some() || !pass.taken.is_empty();
        self.behind = pass.behind.unwrap_or_default();
        for taken in pass.taken {
            let (app, client, own) = (self.app.clone(), self.client.clone(), taken.clone());
            let sending = self.sending.spawn(async move { deliver(&app, &client, &own).await });
            self.in_hand.insert(sending.id(), taken);
        }
        Ok(pass.next.unwrap_or(now.after(PERIOD)).min(again_if(has_more, now)))
    }

    fn release(&mut self, done: Result<(Id, ()), JoinError>) {
        let id = done.map_or_else(|error| error.id(), |(id, ())| id);
        self.in_hand.remove(&id);
    }

    /// Tells the operator how full the queue is.
    async fn look(&self, now: Timestamp) {
        match self.app.read(|conn| Ok(rows::backlog(conn)?)).await {
            Ok(backlog) => {
                let metrics = self.app.metrics();
                metrics.pushes_waiting.set(backlog.waiting);
                let age = backlog.oldest.map_or(0, |oldest| now.since(oldest).as_secs());
                metrics.pushes_oldest.set(i64::try_from(age).unwrap_or(i64::MAX));
                metrics.pushes_dead.set(backlog.dead);
            }
            Err(error) => log::debug!("the queue of pushes is not looked at: {error}"),
        }
    }
}

fn again_if(has_more: bool, now: Timestamp) -> Timestamp {
    if has_more { now } else { now.after(PERIOD) }
}

async fn deliver(app: &App, client: &PushClient, taken: &Taken) {
    let out = match look_up(app, taken).await {
        Ok(Some(out)) => out,
        // It has changed hands, or was closed meanwhile.
        Ok(None) => return,
        Err(error @ ServiceError::Store(StoreError::Corrupt { .. })) => {
            return pass_on(app, taken, &error).await;
        }
        Err(error) => return log::warn!("push {} comes up again: {error}", taken.id),
    };
    let verdict = match judge(&out) {
        Some(verdict) => verdict,
        None if Timestamp::now().after(LATEST) > taken.until => {
            return log::warn!("push {} comes up again: the database took too long to look it up", taken.id);
        }
        None => send(app, client, &out).await,
    };
    let verdict = match verdict {
        Verdict::Again { error, .. } if taken.attempts >= app.settings().push.attempts => {
            Verdict::Refused(error)
        }
        verdict => verdict,
    };
    log_outcome(taken, &verdict);
    write_down(app, taken, &out, &verdict).await;
    app.metrics().pushes.with_label_values(&[verdict.as_str()]).inc();
}

/// What this instance cannot read another one may, which knows more: it is left to that for a while, and then removed.
async fn pass_on(app: &App, taken: &Taken, error: &ServiceError) {
    let is_last = taken.attempts >= app.settings().push.attempts;
    let outcome = if is_last { "is removed" } else { "is left to others" };
    log::error!("push {} {outcome}, since it cannot be read: {error}", taken.id);
    let (own, error) = (taken.clone(), error.to_string());
    let written = app.write(move |tx| {
        let now = tx.now();
        if is_last {
            sending::remove(tx.conn(), &own, now, &error)?;
        } else {
            sending::again(tx.conn(), &own, now.after(pause(own.attempts)), &error)?;
        }
        Ok(())
    });
    if let Err(error) = written.await {
        log::warn!("push {} comes up again: {error}", taken.id);
    }
}

/// Says what went wrong, and where: the host, and nothing by which somebody else could send.
fn log_outcome(taken: &Taken, verdict: &Verdict) {
    let Taken { id, host, attempts, .. } = taken;
    match verdict {
        Verdict::Again { error, .. } => log::info!("push {id} to {host}, attempt {attempts}: {error}"),
        Verdict::Refused(error) => {
            log::warn!("push {id} to {host} is given up after {attempts} attempts: {error}")
        }
        Verdict::Sent | Verdict::NotNeeded | Verdict::Overtaken | Verdict::Expired | Verdict::Gone => {
            log::debug!("push {id} to {host}: {}", verdict.as_str())
        }
    }
}

async fn look_up(app: &App, taken: &Taken) -> Result<Option<Outgoing>, ServiceError> {
    let mut looks = 1;
    loop {
        let own = taken.clone();
        let found = app.read(move |conn| Ok(sending::outgoing(conn, &own, Timestamp::now())?)).await;
        match found {
            Err(error) if error.is_passing() && looks < LOOKS => {
                looks += 1;
                tokio::time::sleep(REWRITE).await;
            }
            found => return found,
        }
    }
}

/// What can be said of a message without asking the push service.
fn judge(out: &Outgoing) -> Option<Verdict> {
    if out.to.is_none() {
        Some(Verdict::Gone)
    } else if out.shows.as_ref().is_some_and(|shown| shown.is_stale) {
        Some(Verdict::NotNeeded)
    } else if out.is_overtaken {
        Some(Verdict::Overtaken)
    } else if out.expires_at <= Timestamp::now() {
        Some(Verdict::Expired)
    } else {
        None
    }
}

async fn send(app: &App, client: &PushClient, out: &Outgoing) -> Verdict {
    let Some(to) = &out.to else { return Verdict::Gone };
    let keys = match app.push_keys().await {
        Ok(keys) => keys,
        Err(_) => {
            return Verdict::Again { error: "the key cannot be read".into(), after: None, is_host: false };
        }
    };
    let now = Timestamp::now();
    let request = match message::request(out, to, keys, app.settings().push.contact.as_deref(), now) {
        Ok(request) => request,
        Err(error) => return Verdict::Refused(error.into()),
    };
    let end = tokio::time::Instant::now() + PATIENCE;
    match tokio::time::timeout_at(end, client.request(request)).await {
        Ok(Ok(answer)) => {
            let verdict = of_answer(&answer);
            // Not longer than it would have had to answer: the connection is given up otherwise.
            if tokio::time::timeout_at(end, read_to_its_end(answer)).await.is_err() {
                log::debug!("an answer of a push service does not end");
            }
            verdict
        }
        Ok(Err(error)) => of_failure(&error),
        Err(_) => Verdict::again(format!("the push service does not answer within {} s", PATIENCE.as_secs())),
    }
}

async fn read_to_its_end(answer: Response<Incoming>) {
    let mut body = answer.into_body();
    let mut left = MAX_ANSWER;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, hyper::body::Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// Writes down what became of a message, again and again until the database takes it: what was sent must not be sent twice.
async fn write_down(app: &App, taken: &Taken, out: &Outgoing, verdict: &Verdict) {
    let mut wait = REWRITE;
    loop {
        let (own, out, verdict) = (taken.clone(), out.clone(), verdict.clone());
        let jitter = rand::rng().random_range(0.5..1.0);
        let written = app.write(move |tx| {
            let now = tx.now();
            settle(tx.conn(), &own, &out, &verdict, now, jitter)
        });
        match written.await {
            Ok(()) => return,
            Err(error) => log::warn!("what became of push {} is not written down yet: {error}", taken.id),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(PERIOD);
    }
}

fn settle(
    conn: &mut crate::store::Conn,
    taken: &Taken,
    out: &Outgoing,
    verdict: &Verdict,
    now: Timestamp,
    jitter: f64,
) -> Result<(), ServiceError> {
    match verdict {
        Verdict::Sent => sending::sent(conn, taken, out, now)?,
        // What was tried before may have arrived all the same: it is closed, not forgotten.
        Verdict::NotNeeded if taken.attempts > 1 || out.was_tried => {
            sending::again(conn, taken, now.after(LEASE), "it is needed no more, and may have arrived")?;
            closings::insert(conn, out.user_id, now, now, None)?;
        }
        Verdict::NotNeeded | Verdict::Overtaken => sending::dropped(conn, taken, out, now, None)?,
        Verdict::Expired => {
            sending::dropped(conn, taken, out, now, Some("it was no news any more before it could be sent"))?;
        }
        Verdict::Gone => {
            if let Some(to) = &out.to {
                subscriptions::prune(conn, to.id)?;
            }
            sending::dropped(conn, taken, out, now, Some("the browser's subscription has ended"))?;
        }
        Verdict::Again { error, after, is_host } => {
            // At least as long as it asks for, and not all at the same moment.
            let wish = |failures| match after {
                Some(after) => after.mul_f64(1.0 + (jitter - 0.5) / 10.0),
                None => pause(failures).mul_f64(jitter),
            };
            let mut due_at = now.after(wish(taken.attempts));
            if *is_host {
                due_at = due_at.max(sending::leave_alone(conn, &taken.host, now, wish)?);
            }
            sending::again(conn, taken, due_at, error)?;
        }
        Verdict::Refused(error) => sending::dead(conn, taken, out, now, error)?,
    }
    Ok(())
}
