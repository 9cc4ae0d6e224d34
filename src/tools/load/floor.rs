//! What all sessions and publishers of a run share. One thread, so cells will do.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;
use tokio::sync::Notify;

use super::api::Api;
use super::args::Mode;
use super::frame::{LOAD_TEST, Load, Publish};
use super::instances::Instances;
use super::ledger::Ledger;
use super::meters::{Meters, count};
use super::schedule::{Lanes, Schedule};
use crate::tools::client::credentials::Secret;

/// The place where a run happens.
pub struct Floor {
    /// Where the server is.
    pub instances: Instances,
    /// How long a handshake may take.
    pub timeout: Duration,
    /// The names of the groups.
    pub groups: Vec<String>,
    /// Which group has which name.
    pub index: HashMap<String, usize>,
    /// How many groups each session subscribes to.
    pub subscriptions: usize,
    /// What kind of messages.
    pub mode: Mode,
    /// When which message is due.
    pub schedule: Schedule,
    /// This run's mark on its messages.
    pub run: u32,
    /// When message 0 is due; set when publishing starts.
    pub start: Cell<Instant>,
    /// What should have come, and what came.
    pub ledger: RefCell<Ledger>,
    /// Everything else.
    pub meters: RefCell<Meters>,
    /// Ends all sessions.
    pub over: Notify,
}

impl Floor {
    /// Takes the latency of message `n`, which arrived at `now`, from when it was due.
    pub fn time(&self, n: usize, now: Instant) {
        let since_start = now.saturating_duration_since(self.start.get());
        let latency = since_start.saturating_sub(self.schedule.due(n));
        let mut meters = self.meters.borrow_mut();
        meters.second.record(latency);
        if n >= self.schedule.warmup {
            meters.delivery.record(latency);
            meters.last_arrival = since_start;
        }
    }

    /// Publishes one message and enters the answer.
    async fn publish(&self, api: &Api, key: &Secret, n: usize) {
        let due = self.schedule.due(n);
        let load = Load { run: self.run, n, due_ns: u64::try_from(due.as_nanos()).unwrap_or(u64::MAX) };
        let group = self.groups.get(n % self.groups.len()).map_or("", |name| name);
        let event = Publish { group, kind: LOAD_TEST, data: load, ephemeral: self.mode == Mode::Ephemeral };
        let Ok(body) = serde_json::to_string(&event) else { return };
        let sent = Instant::now();
        {
            let mut meters = self.meters.borrow_mut();
            meters.sent += 1;
            meters.lag.record(sent.saturating_duration_since(self.start.get() + due));
        }
        let answer = api.publish(key, body).await;
        let mut meters = self.meters.borrow_mut();
        match answer {
            Ok(status) => {
                meters.answer.record(sent.elapsed());
                if status.is_success() {
                    meters.accepted += 1;
                    self.ledger.borrow_mut().accept(n);
                } else {
                    count(&mut meters.refused, status.as_str());
                }
            }
            Err(reason) => count(&mut meters.unanswered, reason),
        }
    }
}

/// Starts the publishers; each ends after the last message of its lane.
#[must_use]
pub fn start_publishers(floor: &Rc<Floor>, lanes: &Lanes, key: &Secret) -> Vec<rt::task::JoinHandle<()>> {
    (0..lanes.publishers())
        .map(|publisher| {
            let (floor, lanes, key) = (Rc::clone(floor), lanes.clone(), key.clone());
            let instance = floor.instances.of(publisher);
            rt::spawn(async move {
                while let Some(n) = lanes.take(publisher).await {
                    floor.publish(&instance.api, &key, n).await;
                }
            })
        })
        .collect()
}
