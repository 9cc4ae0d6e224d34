//! `waybill load`: many sessions, a steady rate of messages, and an exact account of what arrived.
//!
//! It knows a server by its public interface alone. Sessions are opened on `/ws/` and subscribed to groups; then
//! messages are published through `POST /api/v1/events` in an open loop: message `k` is due at `start + k / rate`
//! whatever the server does, and its latency counts from then, so that a stall is charged for every message that
//! had to wait. Everything but the pacing runs on the calling thread.

pub mod args;
pub mod error;
pub mod ledger;
pub mod report;

mod api;
mod bits;
mod cpu;
mod floor;
mod frame;
mod instances;
mod limits;
pub(in crate::tools) mod meters;
mod progress;
mod schedule;
mod session;
mod track;

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;
use actix_web::rt::time::sleep;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tokio::sync::Notify;

use api::Api;
use args::{Access, Plan};
use floor::{Floor, start_publishers};
use instances::Instances;
use ledger::Ledger;
use meters::{Meters, count, total};
use progress::Progress;
use report::{Affected, Delivery, LISTED, Publishing, Sessions, Setting};
use schedule::{Lanes, Pacer, Schedule};
use session::Session;

use crate::tools::client::credentials::Secret;

pub use args::{LoadArgs, Mode};
pub use error::LoadError;
pub use report::Report;

/// How often the end of a run looks whether everything has come.
const LOOK: Duration = Duration::from_millis(20);
/// How long it then still listens, for what comes a second time.
const LINGER: Duration = Duration::from_millis(500);
/// Between the last session's subscription and the first message.
const LEAD: Duration = Duration::from_millis(50);

/// Runs the command: measures, prints the table (standard output), and tells how it ended.
///
/// To be called inside an actix `System`.
pub async fn run(args: LoadArgs) -> ExitCode {
    let report = match measure(&args).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("waybill load: {error}");
            return ExitCode::from(error.exit_code());
        }
    };
    // A reader that has seen enough, such as `head`, is no failure of the run.
    let _ = write!(std::io::stdout(), "{report}");
    if let Some(file) = &args.json {
        let written = serde_json::to_vec_pretty(&report)
            .map_err(std::io::Error::from)
            .and_then(|json| std::fs::write(file, json));
        if let Err(error) = written {
            eprintln!("waybill load: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Puts the server under load and reports what was found.
///
/// To be called inside an actix `System`. Progress goes to standard error unless `quiet`.
///
/// # Errors
/// A wrong argument, or that nothing could be measured. What went wrong with messages is in the report.
pub async fn measure(args: &LoadArgs) -> Result<Report, LoadError> {
    let plan = Plan::new(args)?;
    // A connection is made anew now and then while the old one is still closing.
    limits::allow_sockets(args.sessions + 2 * args.publishers)?;
    let instances = Instances::reach(&plan.targets, args).await?;
    let api = instances.of(0);
    let tokens = tokens(&plan, &api.api).await?;
    let groups = groups(&plan, args, &api.api, &tokens).await?;
    let schedule = Schedule::new(args.rate, args.warmup, args.duration);
    let floor = Rc::new(Floor {
        instances,
        timeout: args.timeout,
        mode: args.mode,
        schedule,
        run: rand::random(),
        start: Cell::new(Instant::now()),
        ledger: RefCell::new(Ledger::new(groups.len(), args.mode.order())),
        meters: RefCell::new(Meters::new()?),
        over: Notify::new(),
        index: groups.iter().enumerate().map(|(index, name)| (name.clone(), index)).collect(),
        subscriptions: args.subscriptions,
        groups,
    });
    let progress = (!args.quiet).then(|| Progress::start(&floor, args.sessions));

    let began = Instant::now();
    let sessions = open_sessions(&floor, args, &tokens).await?;
    let opening = began.elapsed();
    let used = || plan.processes.iter().map(|process| process.used()).sum::<Option<Duration>>();
    let before = used();
    publish(&floor, args, &plan.service_key).await?;
    let server_cpu = before
        .zip(used())
        .filter(|_| !plan.processes.is_empty())
        .map(|(before, after)| after.saturating_sub(before));
    // What the report says of sessions is what was so before they are told to go.
    let report = report(&floor, args, opening, server_cpu);
    drop(progress);
    floor.over.notify_waiters();
    // None takes longer than its close may.
    join_all(sessions).await;
    Ok(report)
}

async fn tokens(plan: &Plan, api: &Api) -> Result<Vec<Secret>, LoadError> {
    match &plan.access {
        Access::Tokens(tokens) => Ok(tokens.clone()),
        Access::LogIn(who) => Ok(vec![api.log_in(who).await?]),
    }
}

/// The groups to use: those named, or orders, of which the missing ones are placed.
async fn groups(
    plan: &Plan,
    args: &LoadArgs,
    api: &Api,
    tokens: &[Secret],
) -> Result<Vec<String>, LoadError> {
    if let Some(groups) = &plan.groups {
        return Ok(groups.clone());
    }
    let mut groups = match tokens.first() {
        Some(token) => api.order_groups(token, args.groups).await?,
        None => Vec::new(),
    };
    let missing = args.groups - groups.len();
    if missing > 0 {
        let Some(customer) = &plan.customer else {
            return Err(LoadError::Argument(format!(
                "{} orders are listed for the first token and --groups is {}: name a customer to place the rest \
                 (--customer-email, --customer-password), or ask for fewer groups",
                groups.len(),
                args.groups
            )));
        };
        let token = api.log_in(customer).await?;
        groups.extend(api.place_orders(&token, missing, args.publishers).await?);
    }
    Ok(groups)
}

/// Opens all sessions, and has each receive from the moment it is open.
async fn open_sessions(
    floor: &Rc<Floor>,
    args: &LoadArgs,
    tokens: &[Secret],
) -> Result<Vec<rt::task::JoinHandle<()>>, LoadError> {
    let numbered = (0..args.sessions).zip(tokens.iter().cycle());
    let mut opening = stream::iter(numbered)
        .map(|(at, token)| Session::open(floor, at, token))
        .buffer_unordered(args.handshakes);
    let mut sessions = Vec::with_capacity(args.sessions);
    let mut first_failure = None;
    while let Some(opened) = opening.next().await {
        match opened {
            Ok(session) => sessions.push(rt::spawn(session.attend(Rc::clone(floor)))),
            Err(reason) => {
                count(&mut floor.meters.borrow_mut().unopened, reason.as_str());
                first_failure.get_or_insert(reason);
            }
        }
    }
    match first_failure {
        Some(reason) if sessions.is_empty() => Err(LoadError::NoSession { count: args.sessions, reason }),
        Some(_) | None => Ok(sessions),
    }
}

/// Publishes everything, then waits for what is on its way.
async fn publish(floor: &Rc<Floor>, args: &LoadArgs, key: &Secret) -> Result<(), LoadError> {
    let lanes = Lanes::new(args.mode.order(), args.publishers, floor.groups.len(), floor.schedule.total);
    floor.start.set(Instant::now() + LEAD);
    let publishers = start_publishers(floor, &lanes, key);
    let _pacer = Pacer::start(floor.start.get(), floor.schedule, lanes)?;

    let end = floor.start.get() + args.warmup + args.duration;
    sleep(end.saturating_duration_since(Instant::now())).await;
    let deadline = end + args.drain;
    let all_in = || {
        let ledger = floor.ledger.borrow();
        publishers.iter().all(|publisher| publisher.is_finished()) && ledger.delivered() == ledger.expected()
    };
    while !all_in() && Instant::now() < deadline {
        sleep(LOOK).await;
    }
    if all_in() {
        sleep(LINGER).await;
    }
    publishers.iter().for_each(rt::task::JoinHandle::abort);
    Ok(())
}

fn report(floor: &Floor, args: &LoadArgs, opening: Duration, server_cpu: Option<Duration>) -> Report {
    let meters = floor.meters.borrow();
    let setting = Setting {
        url: args.url.join(", "),
        mode: args.mode.as_str(),
        sessions: args.sessions,
        groups: floor.groups.len(),
        subscriptions: args.subscriptions,
        rate: args.rate,
        warmup_secs: args.warmup.as_secs_f64(),
        duration_secs: args.duration.as_secs_f64(),
        publishers: args.publishers,
    };
    let sessions = Sessions {
        opened: meters.join.count(),
        unopened: meters.unopened.clone(),
        lost: meters.lost.clone(),
        opening_secs: opening.as_secs_f64(),
        handshake: meters.handshake.quantiles(),
        join: meters.join.quantiles(),
    };
    let mut delivery = delivery(floor, &meters);
    delivery.server_cpu_us = server_cpu
        .filter(|_| delivery.delivered > 0)
        .map(|used| used.as_secs_f64() * 1e6 / delivery.delivered as f64);
    Report::new(setting, sessions, publishing(floor, &meters), delivery)
}

fn publishing(floor: &Floor, meters: &Meters) -> Publishing {
    let due = u64::try_from(floor.schedule.total).unwrap_or(u64::MAX);
    let mut unanswered = meters.unanswered.clone();
    let answered = meters.accepted + total(&meters.refused) + total(&unanswered);
    if meters.sent > answered {
        unanswered.insert("still waiting at the end".to_owned(), meters.sent - answered);
    }
    Publishing {
        due,
        sent: meters.sent,
        accepted: meters.accepted,
        refused: meters.refused.clone(),
        unanswered,
        unsent: due.saturating_sub(meters.sent),
        lag: meters.lag.quantiles(),
        answer: meters.answer.quantiles(),
    }
}

fn delivery(floor: &Floor, meters: &Meters) -> Delivery {
    let ledger = floor.ledger.borrow();
    let mut delivery = Delivery {
        expected: ledger.expected(),
        delivered: ledger.delivered(),
        received: ledger.received(),
        errors: meters.errors.clone(),
        resyncs: meters.resyncs,
        unreadable: meters.unreadable,
        latency: meters.delivery.quantiles(),
        ..Delivery::default()
    };
    for (subscription, (group, faults)) in ledger.faults().enumerate() {
        delivery.faults.add(&faults);
        if !faults.is_clean() {
            delivery.affected += 1;
            if delivery.listed.len() < LISTED {
                delivery.listed.push(Affected { subscription, group, faults });
            }
        }
    }
    let measured = meters.last_arrival.saturating_sub(floor.schedule.due(floor.schedule.warmup));
    if !measured.is_zero() {
        delivery.per_second = meters.delivery.count() as f64 / measured.as_secs_f64();
    }
    delivery
}
