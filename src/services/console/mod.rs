//! What admins see and do beside the calls that everybody has: the whole operation at a glance, how the instances are,
//! exceptions and who looks after them, what people did.
//!
//! What changes all the time (health, positions, exceptions) is worked out on each instance for the admins who listen there,
//! and costs nothing where none does.

mod activity;
mod claims;
mod exceptions;
mod health;
mod overview;
mod people;
mod process;
mod viewing;

pub use activity::activities;
pub(super) use activity::{note, purge};
pub use claims::{NewClaim, claim, claims, release};
pub use exceptions::exceptions;
pub use health::history;
pub use overview::overview;
pub use people::{partners, positions, users};
pub(super) use viewing::note as note_viewing;
pub use viewing::view;

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, InstanceId, PartnerId, UserId};
use crate::domain::time::Timestamp;
use crate::protocol::admin::{HealthView, InstanceHealth, PartnerPositionView, ViewingView};
use crate::protocol::channel::{PartnerPosition, Say};
use crate::protocol::ephemeral::EphemeralFrame;

use super::app::App;

/// Positions are told so often.
const TICK: Duration = Duration::from_secs(1);
/// Health and exceptions are worked out each time after so many ticks.
const LOOK: u64 = 2;
/// Of the looks at health, one is remembered after so many ticks.
const HISTORY: u64 = 10;
/// All positions are told again after so many ticks: a session that fell behind may have missed a change.
const ALL_POSITIONS: u64 = 30;
/// Exceptions are told again after so many looks although they are the same: the times in them have gone on.
const SAME_EXCEPTIONS: u64 = 5;
/// Positions in one frame.
const POSITIONS: usize = 250;

/// What is remembered for admins.
#[derive(Debug, Default)]
pub struct Console {
    /// How each instance is, this one included, and when it said so.
    health: Mutex<HashMap<InstanceId, (InstanceHealth, Instant)>>,
    /// How they were, the latest last.
    history: Mutex<VecDeque<HealthView>>,
    /// Which order each admin has on the screen, and when that was said.
    viewing: Mutex<HashMap<UserId, (ViewingView, Instant)>>,
}

impl Console {
    /// Takes what another instance says of itself.
    pub(super) fn note_health(&self, health: InstanceHealth, at: Instant) {
        health::note(&self.health, health, at);
    }
}

/// Looks at this instance, and tells admins of health and positions, until `stop` resolves. Waits for no database.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut ticks = every(TICK);
    let mut telling = Telling::new(&app);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = ticks.tick() => telling.tick(&app).await,
        }
    }
}

/// Tells admins of exceptions until `stop` resolves: beside the rest, which must not wait for a database that hangs.
pub async fn run_exceptions(app: App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut ticks = every(TICK * u32::try_from(LOOK).unwrap_or(1));
    let (mut told, mut number) = (exceptions::Told::default(), 0_u64);
    loop {
        let tick = async {
            ticks.tick().await;
            number += 1;
            if has_admins(&app) {
                told.tell(&app, number.is_multiple_of(SAME_EXCEPTIONS)).await;
            } else {
                told = exceptions::Told::default();
            }
        };
        tokio::select! {
            () = &mut stop => return,
            () = tick => {}
        }
    }
}

/// Ticks of which none is made up for: two looks in a row would see next to nothing.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// What was told, so that only what is new is told again.
#[derive(Debug)]
struct Telling {
    sampler: health::Sampler,
    number: u64,
    positions: HashMap<PartnerId, Timestamp>,
}

impl Telling {
    fn new(app: &App) -> Self {
        Self { sampler: health::Sampler::new(app), number: 0, positions: HashMap::new() }
    }

    async fn tick(&mut self, app: &App) {
        self.number += 1;
        let is_look = self.number.is_multiple_of(LOOK);
        if is_look {
            let health = self.sampler.look(app).await;
            app.console().note_health(health.clone(), Instant::now());
            // Always, since admins may be on another instance.
            app.groups().tell(Say::Health(Box::new(health)));
            if self.number % HISTORY == LOOK {
                health::remember(app);
            }
        }
        if !has_admins(app) {
            self.positions.clear();
            return;
        }
        self.tell_positions(app);
        if is_look {
            tell(app, "health", &EphemeralFrame::Health { health: &health::view(app) });
        }
    }

    fn tell_positions(&mut self, app: &App) {
        let are_all = self.number.is_multiple_of(ALL_POSITIONS);
        if are_all {
            self.positions.clear();
        }
        let seen = app.tracking().positions().all(Timestamp::now());
        let is_new = |seen: &&PartnerPosition| self.positions.get(&seen.partner_id) != Some(&seen.at);
        let new: Vec<PartnerPositionView> = seen.iter().filter(is_new).map(Into::into).collect();
        self.positions = seen.iter().map(|seen| (seen.partner_id, seen.at)).collect();
        for (index, positions) in new.chunks(POSITIONS).enumerate() {
            // Of their own, so that for a slow session no change takes the place of all.
            let slot = if are_all { format!("all-positions-{index}") } else { format!("positions-{index}") };
            tell(app, &slot, &EphemeralFrame::Positions { positions });
        }
    }
}

/// Whether an admin listens on this instance, or did a moment ago.
fn has_admins(app: &App) -> bool {
    app.metrics().groups.with_label_values(&["admin"]).get() > 0
}

/// Tells the admins who listen on this instance.
fn tell(app: &App, slot: &str, frame: &EphemeralFrame<'_>) {
    let told =
        app.groups().publish_here(GroupKey::Admin, EventId::new(), slot.into(), frame.to_text().into());
    if let Err(error) = told {
        // The next one tells more.
        log::debug!("admins are not told of {slot}: {error}");
    }
}
