//! Tells partners' apps how often to send where they are.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::cadence::Situation;
use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, OrderId, PartnerId};
use crate::protocol::ephemeral::EphemeralFrame;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::tracks::{self, UnderWay};

use super::intake::{Known, Parcel};

/// An app may have missed it: it is told again after so long.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// From so many partners on, those of whom nothing was heard are forgotten now and then.
const PURGE_FROM: usize = 1024;

/// What partners' apps were told while samples came.
#[derive(Debug, Default)]
pub(super) struct Cadences {
    told: Mutex<HashMap<PartnerId, Told>>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    interval: Duration,
    at: Instant,
    /// The charge of the device at that time.
    battery: Option<f64>,
}

impl Cadences {
    fn told(&self) -> MutexGuard<'_, HashMap<PartnerId, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a partner is to be told this, and has been from here on.
    fn is_news(&self, partner_id: PartnerId, news: Told) -> bool {
        let mut told = self.told();
        let is_fresh = |told: &Told| news.at - told.at < AGAIN_AFTER;
        if told.len() >= PURGE_FROM && told.len().is_power_of_two() {
            told.retain(|_, told| is_fresh(told));
        }
        if told.get(&partner_id).is_some_and(|told| told.interval == news.interval && is_fresh(told)) {
            return false;
        }
        told.insert(partner_id, news);
        true
    }

    /// The charge of a partner's device when the partner was last told.
    fn battery(&self, partner_id: PartnerId) -> Option<f64> {
        self.told().get(&partner_id).and_then(|told| told.battery)
    }
}

/// Partners who have sent samples, what they are under way with, and the charge of the device.
pub(super) type Sent = Vec<(PartnerId, Vec<UnderWay>, Option<f64>)>;

/// Who has sent these.
pub(super) fn situations(parcels: &[Parcel], known: &Known) -> Sent {
    let latest = |parcel: &Parcel| {
        let latest = parcel.samples.iter().max_by_key(|(_, sample)| sample.timestamp);
        latest.and_then(|(_, sample)| sample.battery)
    };
    let sent: HashMap<PartnerId, Option<f64>> =
        parcels.iter().map(|parcel| (parcel.partner_id, latest(parcel))).collect();
    sent.into_iter()
        .map(|(partner_id, battery)| (partner_id, known.under_way(partner_id).to_vec(), battery))
        .collect()
}

/// Tells those whose interval is another one by now.
pub(super) async fn tell(app: &App, sent: Sent) {
    let orders = sent.iter().flat_map(|(_, orders, _)| orders).map(|order| order.order_id);
    // Without an answer nobody is told anything that is wrong.
    let Ok(watched) = app.groups().watched(orders.collect()).await else { return };
    let at = Instant::now();
    for (partner_id, orders, battery) in sent {
        let interval = interval(app, &orders, &watched, battery);
        if !app.tracking().cadences.is_news(partner_id, Told { interval, at, battery }) {
            continue;
        }
        let group = GroupKey::Partner(partner_id);
        let body = frame(interval).into();
        if let Err(error) = app.groups().publish_ephemeral(group, EventId::new(), "cadence", body) {
            log::debug!("partner {partner_id} is not told how often to send: {error}");
        }
    }
}

/// What a partner's app is to be told that has just come: the frame, without its envelope. Others of the partner's have been
/// told before, so nothing is noted: the next sample tells all of them again where that is due.
///
/// # Errors
/// The database's.
pub async fn now_asked(app: &App, partner_id: PartnerId) -> Result<Option<String>, ServiceError> {
    let orders = app.read(move |conn| Ok(tracks::under_way(conn, &[partner_id])?)).await?;
    let order_ids = orders.iter().map(|order| order.order_id).collect();
    // Without an answer nobody is told anything that is wrong.
    let Ok(watched) = app.groups().watched(order_ids).await else { return Ok(None) };
    // Of orders, their dots tell on every instance.
    let battery = orders.iter().find_map(|order| app.last_seen().battery(order.order_id));
    let battery = battery.or_else(|| app.tracking().cadences.battery(partner_id));
    Ok(Some(frame(interval(app, &orders, &watched, battery))))
}

fn interval(app: &App, orders: &[UnderWay], watched: &HashSet<OrderId>, battery: Option<f64>) -> Duration {
    let metres = orders.iter().filter_map(|order| app.last_seen().metres_to_go(order)).reduce(f64::min);
    let is_watched = orders.iter().any(|order| watched.contains(&order.order_id));
    Situation { metres, is_watched, battery }.interval()
}

fn frame(interval: Duration) -> String {
    EphemeralFrame::Cadence { interval: interval.as_secs() }.to_text()
}
