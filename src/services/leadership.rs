//! Which instance takes events out of the outbox, and by what way they reach the others.
//!
//! One instance holds a lease in the database and publishes for all, so that events go out in one order. One that dies,
//! or stands still, loses the lease within seconds, and Redis refuses what it may still send. While Redis is away, the
//! holder of the lease says so there, and every instance reads the outbox for its own sessions.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::domain::clock::ClockWatch;
use crate::protocol::channel::{Route, Say};
use crate::store::Conn;
use crate::store::leases::{self, Lease, RELAY};

use super::app::App;
use super::clock;
use super::error::ServiceError;

/// How long the lease lasts that is not renewed.
const SPAN: Duration = Duration::from_secs(3);
/// Between two looks at the lease.
const PERIOD: Duration = Duration::from_millis(600);
/// How long Redis may be away before the lease is offered to instances that may reach it, and before events take the
/// way through the database.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it is offered: every other instance looks within this.
const OFFERED: Duration = Duration::from_millis(1_300);
/// How often it is offered while Redis stays away.
const OFFER_EVERY: Duration = Duration::from_secs(10);
/// How long Redis may be out of reach from here alone until sessions are sent elsewhere.
const CUT_OFF_AFTER: Duration = Duration::from_secs(8);
/// Over how long they are spread when they are.
const RETURN_WITHIN: Duration = Duration::from_secs(5);
/// How long Redis may take to answer: the lease has to be renewed meanwhile.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);
/// How long Redis has to take events again before they take their way through it: at first, and at most where it keeps
/// failing soon after.
const CONVINCED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// What is soon.
const SOON: Duration = Duration::from_secs(30);

/// What this instance knows of the lease.
#[derive(Debug)]
pub struct Leadership {
    state: Mutex<State>,
    wake: Notify,
    /// Rings when this instance has its place among the others.
    came: Notify,
}

#[derive(Debug)]
struct State {
    /// The term, while the lease is ours, and until when it surely is.
    mine: Option<(i64, Instant)>,
    route: Route,
    /// Since when the lease has been free, as far as was seen.
    vacant: Option<Instant>,
    /// Since when Redis would take events, while they go through the database.
    well: Option<Instant>,
    /// Since when it would not, while they go through it.
    unwell: Option<Instant>,
    /// How long Redis has to be well for, and when events last went back to it.
    convinced: (Duration, Option<Instant>),
    /// The instance that has the lease and has not been heard of in Redis, although both reach one, and since when.
    strange: Option<(String, Instant)>,
    /// Whether this instance has its place among the others: it has had the lease, or heard of the one that has it.
    settled: bool,
    /// Whether this instance wants the lease no more.
    resigned: bool,
    /// Whether what is published for all does not come here.
    cut_off: bool,
    /// The term has to be at least this: Redis has seen the one before.
    at_least: i64,
    /// When the lease was last offered to instances that may reach Redis.
    offered: Option<Instant>,
}

impl Default for Leadership {
    fn default() -> Self {
        let state = State {
            mine: None,
            route: Route::Redis,
            vacant: None,
            well: None,
            unwell: None,
            convinced: (CONVINCED.0, None),
            strange: None,
            settled: false,
            resigned: false,
            cut_off: false,
            at_least: 0,
            offered: None,
        };
        Self { state: Mutex::new(state), wake: Notify::new(), came: Notify::new() }
    }
}

impl State {
    /// Where Redis takes what it is tried with and not what matters, events are not to go to and fro: each change is a
    /// snapshot for everybody.
    fn note_change(&mut self, to: Route, is_trial_well: bool) {
        let (pause, back) = self.convinced;
        let was_soon = back.is_some_and(|at| at.elapsed() < SOON);
        self.convinced = match to {
            Route::Redis => (pause, Some(Instant::now())),
            Route::Database if is_trial_well && was_soon => ((pause * 2).min(CONVINCED.1), None),
            Route::Database => (CONVINCED.0, None),
        };
        self.well = None;
    }
}

impl Leadership {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The term for which this instance holds the lease; `None` when it does not, or may not any more.
    #[must_use]
    pub fn term(&self) -> Option<i64> {
        self.lock().mine.filter(|(_, until)| Instant::now() < *until).map(|(term, _)| term)
    }

    /// By what way events go, as far as is known here.
    #[must_use]
    pub fn route(&self) -> Route {
        self.lock().route
    }

    /// Whether this instance alone cannot reach the Redis of the others. Its sessions would hear of nothing, so they are
    /// sent elsewhere.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.lock().cut_off
    }

    /// Whether this instance has heard of the one that publishes for all, or was it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.lock().settled
    }

    /// Waits until it has, for as long as `patience`.
    pub async fn until_settled(&self, patience: Duration) {
        let settled = async {
            loop {
                let came = self.came.notified();
                if self.is_settled() {
                    return;
                }
                came.await;
            }
        };
        // Otherwise it is not ready, and says so to whoever asks.
        let _ = tokio::time::timeout(patience, settled).await;
    }

    /// Gives the lease up, since this instance is going, and takes it no more.
    pub fn resign(&self) {
        self.lock().resigned = true;
        self.wake();
    }

    /// Looks at the lease at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    fn lose(&self) {
        self.lock().mine = None;
    }

    /// Redis has seen this term, which is a later one. Either another instance has the lease by now, or the database was
    /// put back to an earlier state: then the term is raised.
    pub(super) fn outdated(&self, seen: u64) {
        let mut state = self.lock();
        state.mine = None;
        state.at_least = state.at_least.max(i64::try_from(seen).unwrap_or(0).saturating_add(1));
        drop(state);
        self.wake();
    }

    fn offer(&self) {
        let mut state = self.lock();
        (state.mine, state.offered) = (None, Some(Instant::now()));
    }

    /// Whether the lease, which is ours, is to be offered to instances that may reach Redis: at once when Redis goes
    /// away, and now and then while it is.
    fn is_to_be_offered(&self, away: Option<Duration>, others: usize) -> bool {
        let state = self.lock();
        let was_offered = state.offered.is_some_and(|at| at.elapsed() < OFFER_EVERY);
        state.mine.is_some() && others > 0 && !was_offered && away.is_some_and(|span| span > PATIENCE)
    }
}

/// Runs until `stop` resolves, and gives the lease up then.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let holder = app.groups().instance().map(|instance| instance.to_string()).unwrap_or_default();
    let (mut is_failing, mut clock) = (false, ClockWatch::default());
    loop {
        match look(&app, &holder, &mut clock).await {
            Ok(()) => is_failing = false,
            // The first one tells; the database's own messages tell the rest.
            Err(error) => {
                // Whoever has the lease by now is not known.
                app.leadership().lock().strange = None;
                if !is_failing {
                    log::warn!("the lease of the outbox cannot be looked at: {error}");
                }
                is_failing = true;
            }
        }
        app.metrics().outbox_lease.set(i64::from(app.leadership().term().is_some()));
        tokio::select! {
            () = &mut stop => break,
            () = app.leadership().wake.notified() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
    app.leadership().lose();
    app.metrics().outbox_lease.set(0);
    if let Err(error) = release(&app, &holder).await {
        log::warn!("the lease of the outbox is not given up, and runs out instead: {error}");
    }
}

async fn look(app: &App, holder: &str, clock: &mut ClockWatch) -> Result<(), ServiceError> {
    let away = app.groups().away().map(|(span, _)| span);
    let is_mine = app.leadership().term().is_some();
    let others = app.groups().peers().instances;
    let (has_resigned, is_astray) = {
        let state = app.leadership().lock();
        (state.resigned, state.strange.is_some())
    };
    // The last one keeps it until it ends: what its last requests commit has to go out.
    let has_resigned = has_resigned && others > 0;
    if has_resigned && is_mine {
        app.leadership().lose();
        return release(app, holder).await;
    }
    if is_mine && app.leadership().is_to_be_offered(away, others) {
        // One of the others may reach Redis.
        log::debug!("Redis is away; the lease of the outbox is offered to the other instances");
        app.leadership().offer();
        return release(app, holder).await;
    }
    let begin = Instant::now();
    // One that the others may not hear lets those come first who hear each other.
    let is_fit = away.is_none() && !is_astray;
    let wants = !has_resigned && (is_mine || is_fit || may_take_unfit(app));
    let at_least = app.leadership().lock().at_least;
    let lease = {
        let (holder, without_redis) = (holder.to_owned(), away.is_some() && !is_mine);
        let job = move |conn: &mut Conn| {
            if !wants {
                return Ok(leases::read(conn, RELAY)?);
            }
            let mut lease = leases::take(conn, RELAY, &holder, SPAN)?;
            if lease.holder == holder && lease.term < at_least {
                leases::raise_term(conn, RELAY, &holder, at_least)?;
                lease.term = at_least;
            }
            if lease.holder == holder && without_redis && lease.route == Route::Redis {
                // In one step: nobody is to believe meanwhile that Redis is there for others.
                leases::set_route(conn, RELAY, &holder, lease.term, Route::Database)?;
                lease.route = Route::Database;
            }
            Ok::<_, ServiceError>(lease)
        };
        if wants { app.store().write(job).await? } else { app.store().read(job).await? }
    };
    clock::note(clock, &lease, app.metrics());
    let others_lead = lease.holder != holder && !lease.left.is_zero();
    note_strangers(app, holder, &lease, others_lead);
    settle(app, holder, lease, begin);
    send_elsewhere(app, others_lead, away).await;
    if app.leadership().term().is_some() {
        choose_route(app, holder).await?;
    }
    Ok(())
}

/// Whether nobody who can reach the Redis of the others has taken the lease, although there was time for it.
fn may_take_unfit(app: &App) -> bool {
    let leadership = app.leadership();
    let state = leadership.lock();
    state.vacant.is_some_and(|since| since.elapsed() > OFFERED)
}

/// Notes whether who publishes for all does so in another Redis.
fn note_strangers(app: &App, holder: &str, lease: &Lease, others_lead: bool) {
    let hears = lease.holder.parse().ok().and_then(|other| app.groups().hears(other));
    let mut state = app.leadership().lock();
    if lease.holder == holder || others_lead && (hears == Some(true) || lease.route == Route::Database) {
        (state.settled, state.strange) = (true, None);
        app.leadership().came.notify_waiters();
    } else if others_lead {
        let since = match state.strange.take() {
            Some((other, since)) if other == lease.holder => Some(since),
            Some(_) | None => None,
        };
        let is_strange = hears == Some(false);
        state.strange = is_strange.then(|| (lease.holder.clone(), since.unwrap_or_else(Instant::now)));
    }
    // While nobody has the lease, what was so before stays.
}

/// Ends the sessions of an instance that is cut off. Those that are being opened meanwhile are ended with the next look.
async fn send_elsewhere(app: &App, others_lead: bool, away: Option<Duration>) {
    let (is_astray, was_cut_off, is_cut_off) = {
        let mut state = app.leadership().lock();
        let is_astray =
            others_lead && state.strange.as_ref().is_some_and(|(_, since)| since.elapsed() > CUT_OFF_AFTER);
        let is_away =
            others_lead && state.route == Route::Redis && away.is_some_and(|span| span > CUT_OFF_AFTER);
        let was_cut_off = std::mem::replace(&mut state.cut_off, is_away || is_astray);
        (is_astray, was_cut_off, state.cut_off)
    };
    if is_cut_off {
        if !was_cut_off {
            let why = if is_astray {
                "does not hear the one that publishes for all: REDIS_URL or WAYBILL_REDIS_PREFIX is not that of the others"
            } else {
                "cannot reach Redis and others can"
            };
            log::error!("this instance {why}; its sessions are sent to the others");
        }
        app.groups().end_all(RETURN_WITHIN).await;
    } else if was_cut_off {
        log::info!("this instance is cut off no longer");
    }
}

fn settle(app: &App, holder: &str, lease: Lease, begin: Instant) {
    let is_mine = lease.holder == holder && !lease.left.is_zero();
    {
        let mut state = app.leadership().lock();
        let was_mine = state.mine.is_some();
        // From when it was asked for, so that it ends here before it ends there.
        state.mine = is_mine.then(|| (lease.term, begin + lease.left.min(SPAN)));
        state.vacant = lease.left.is_zero().then(|| state.vacant.unwrap_or_else(Instant::now));
        if is_mine != was_mine {
            // What was so in an earlier term says nothing now.
            (state.well, state.unwell) = (None, None);
            app.set_relay_failing(false);
            let what = if is_mine { "this instance takes" } else { "another instance takes" };
            // Without Redis, the lease goes round.
            let level = if lease.route == Route::Redis { log::Level::Info } else { log::Level::Debug };
            log::log!(level, "{what} events out of the outbox (term {})", lease.term);
        }
    }
    if is_mine {
        app.outbox_bell().notify_one();
    }
    set_route(app, lease.route);
}

/// Lets the groups know by what way events come.
fn set_route(app: &App, route: Route) {
    let before = std::mem::replace(&mut app.leadership().lock().route, route);
    if before != route {
        {
            let mut state = app.leadership().lock();
            (state.well, state.unwell) = (None, None);
        }
        app.set_relay_failing(false);
        match route {
            Route::Redis => log::info!("events go through Redis again"),
            Route::Database => {
                log::warn!("Redis does not take events: they reach sessions through the database")
            }
        }
        app.metrics().events_through_database.set(i64::from(route == Route::Database));
        app.groups().set_alone(route == Route::Database);
        app.outbox_bell().notify_one();
    }
}

/// Decides, as the holder of the lease, by what way events go.
async fn choose_route(app: &App, holder: &str) -> Result<(), ServiceError> {
    let leadership = app.leadership();
    let trial = can_relay(app).await;
    let wanted = {
        let mut state = leadership.lock();
        match state.route {
            Route::Redis => {
                state.unwell = trial.is_err().then(|| state.unwell.unwrap_or_else(Instant::now));
                let is_unwell = state.unwell.is_some_and(|since| since.elapsed() > PATIENCE);
                let is_failing = app.relay_failing().is_some_and(|span| span > PATIENCE);
                if is_unwell || is_failing { Route::Database } else { Route::Redis }
            }
            Route::Database => {
                state.well = trial.is_ok().then(|| state.well.unwrap_or_else(Instant::now));
                let is_well = state.well.is_some_and(|since| since.elapsed() >= state.convinced.0);
                if is_well { Route::Redis } else { Route::Database }
            }
        }
    };
    if wanted == leadership.route() {
        return Ok(());
    }
    let Some(term) = leadership.term() else { return Ok(()) };
    let holder = holder.to_owned();
    let set = app
        .store()
        .write(move |conn| leases::set_route(conn, RELAY, &holder, term, wanted).map_err(ServiceError::from))
        .await?;
    if set {
        if let (Route::Database, Err(problem)) = (wanted, &trial) {
            log::warn!("Redis takes no writes: {problem}");
        }
        leadership.lock().note_change(wanted, trial.is_ok());
        set_route(app, wanted);
    }
    Ok(())
}

/// Whether Redis takes writes, and if not, why. Also asked while nothing is to be published: somebody may wait to join a
/// group.
async fn can_relay(app: &App) -> Result<(), String> {
    if let Some((_, problem)) = app.groups().away() {
        return Err(problem);
    }
    let late = || Err(format!("it does not answer within {ANSWER_WITHIN:?}"));
    tokio::time::timeout(ANSWER_WITHIN, app.groups().can_relay()).await.unwrap_or_else(|_| late())
}

async fn release(app: &App, holder: &str) -> Result<(), ServiceError> {
    let holder = holder.to_owned();
    app.store().write(move |conn| leases::release(conn, RELAY, &holder).map_err(ServiceError::from)).await?;
    app.groups().tell(Say::Vacant);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_is_gone_back_to_later_where_only_what_it_is_tried_with_succeeds() {
        let leadership = Leadership::default();
        let mut state = leadership.lock();
        let mut pauses = Vec::new();
        for is_trial_well in [true, true, true, false, true] {
            state.note_change(Route::Database, is_trial_well);
            pauses.push(state.convinced.0.as_secs());
            state.note_change(Route::Redis, true);
        }
        assert_eq!(pauses, [1, 2, 4, 1, 2]);
        for _ in 0..10 {
            state.note_change(Route::Database, true);
            state.note_change(Route::Redis, true);
        }
        assert_eq!(state.convinced.0, CONVINCED.1);
    }
}
