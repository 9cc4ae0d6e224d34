//! Whether the clock of this instance goes with the database's, by which all instances can be held against each other.

use crate::domain::clock::{ClockChange, ClockWatch};
use crate::store::leases::Lease;
use crate::telemetry::Metrics;

/// Takes note of how the clocks stood when a lease was looked at.
pub(super) fn note(watch: &mut ClockWatch, lease: &Lease, metrics: &Metrics) {
    let Some(look) = lease.clock else { return };
    let (best, change) = watch.take(look);
    let seconds = best.seconds();
    metrics.clock_offset.set(seconds);
    let side = if seconds > 0.0 { "ahead of" } else { "behind" };
    match change {
        Some(ClockChange::Apart) => log::warn!(
            "the clock of this machine is {:.1} s {side} the database's: offers and deadlines are not kept to the second, \
             and positions look older or newer than they are; see to NTP on both",
            seconds.abs()
        ),
        Some(ClockChange::Together) => {
            log::info!("the clock of this machine goes with the database's again ({seconds:+.3} s)");
        }
        None => {}
    }
}
