//! Tells partners' apps how often to send where they are.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::cadence::Situation;
use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, PartnerId};
use crate::protocol::ephemeral::EphemeralFrame;
use crate::services::app::App;
use crate::store::tracks::UnderWay;

use super::intake::{Known, Parcel};

/// An app may have missed it, or have been opened anew: it is told again after so long.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// From so many partners on, those of whom nothing was heard are forgotten now and then.
const PURGE_FROM: usize = 1024;

/// What partners' apps were told, and when.
#[derive(Debug, Default)]
pub(super) struct Cadences {
    told: Mutex<HashMap<PartnerId, (Duration, Instant)>>,
}

impl Cadences {
    /// Whether a partner is to be told this interval, and has been from here on.
    fn is_news(&self, partner_id: PartnerId, interval: Duration, at: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= PURGE_FROM && told.len().is_power_of_two() {
            told.retain(|_, (_, told_at)| at - *told_at < AGAIN_AFTER);
        }
        let is_known =
            |(known, told_at): &(Duration, Instant)| *known == interval && at - *told_at < AGAIN_AFTER;
        if told.get(&partner_id).is_some_and(is_known) {
            return false;
        }
        told.insert(partner_id, (interval, at));
        true
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
        let metres = orders.iter().filter_map(|order| app.last_seen().metres_to_go(order)).reduce(f64::min);
        let is_watched = orders.iter().any(|order| watched.contains(&order.order_id));
        let interval = Situation { metres, is_watched, battery }.interval();
        if !app.tracking().cadences.is_news(partner_id, interval, at) {
            continue;
        }
        let body = EphemeralFrame::Cadence { interval: interval.as_secs() }.to_text();
        let group = GroupKey::Partner(partner_id);
        if let Err(error) = app.groups().publish_ephemeral(group, EventId::new(), "cadence", body.into()) {
            log::debug!("partner {partner_id} is not told how often to send: {error}");
        }
    }
}
