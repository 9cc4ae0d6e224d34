//! Tells partners' apps how often to send where they are.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::cadence::Situation;
use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, OrderId, PartnerId};
use crate::protocol::channel::Say;
use crate::protocol::ephemeral::EphemeralFrame;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::tracks::{self, UnderWay};

use super::intake::{Known, Parcel};

/// An app may have missed it: it is told again after so long.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The other instances are told of an order that is watched here as often as this.
const WATCHED_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// What they have said holds for so long.
const WATCHED_FOR: Duration = Duration::from_secs(25);
/// How many orders are said at once.
const ORDERS: usize = 1_000;

/// What partners' apps were told while samples came; and who watches.
#[derive(Debug, Default)]
pub(super) struct Cadences {
    told: Mutex<HashMap<PartnerId, Told>>,
    /// Orders that are watched here, and when the other instances were told.
    watched_here: Mutex<HashMap<OrderId, Instant>>,
    /// Orders that are watched there, and when that was said.
    watched_elsewhere: Mutex<HashMap<OrderId, Instant>>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    interval: Duration,
    at: Instant,
    /// The charge of the device at that time.
    battery: Option<f64>,
}

impl Told {
    fn is_fresh(&self, at: Instant) -> bool {
        at - self.at < AGAIN_AFTER
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cadences {
    /// Whether a partner is to be told this, and has been from here on.
    fn is_news(&self, partner_id: PartnerId, news: Told) -> bool {
        let mut told = lock(&self.told);
        let is_known = |told: &Told| told.interval == news.interval && told.is_fresh(news.at);
        if told.get(&partner_id).is_some_and(is_known) {
            return false;
        }
        told.insert(partner_id, news);
        true
    }

    /// The charge of a partner's device when the partner was last told.
    fn battery(&self, partner_id: PartnerId) -> Option<f64> {
        lock(&self.told).get(&partner_id).and_then(|told| told.battery)
    }

    /// Notes that these orders are watched from another instance.
    pub(super) fn note_watched(&self, orders: Vec<OrderId>, at: Instant) {
        lock(&self.watched_elsewhere).extend(orders.into_iter().map(|order_id| (order_id, at)));
    }

    fn is_watched_elsewhere(&self, order_id: OrderId, at: Instant) -> bool {
        lock(&self.watched_elsewhere).get(&order_id).is_some_and(|said_at| at - *said_at < WATCHED_FOR)
    }

    /// Of the orders that are watched here, those of which the other instances have to be told, and are from here on.
    fn to_tell(&self, watched: HashSet<OrderId>, at: Instant) -> Vec<OrderId> {
        let mut told = lock(&self.watched_here);
        told.retain(|order_id, told_at| watched.contains(order_id) && at - *told_at < WATCHED_AGAIN_AFTER);
        let news: Vec<OrderId> =
            watched.into_iter().filter(|order_id| !told.contains_key(order_id)).collect();
        told.extend(news.iter().map(|order_id| (*order_id, at)));
        news
    }

    /// Forgets what does not count any more.
    pub(super) fn purge(&self, at: Instant) {
        lock(&self.told).retain(|_, told| told.is_fresh(at));
        lock(&self.watched_elsewhere).retain(|_, said_at| at - *said_at < WATCHED_FOR);
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
    let Ok(watched) = app.groups().watched(Some(orders.collect())).await else { return };
    let at = Instant::now();
    for (partner_id, orders, battery) in sent {
        let interval = interval(app, &orders, &watched, battery);
        if !app.tracking().cadences.is_news(partner_id, Told { interval, at, battery }) {
            continue;
        }
        let group = GroupKey::Partner(partner_id);
        let body = frame(interval).into();
        let told = app.groups().publish_ephemeral(group, EventId::new(), "cadence".into(), body);
        if let Err(error) = told {
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
    let Ok(watched) = app.groups().watched(Some(order_ids)).await else { return Ok(None) };
    // Of orders, their dots tell on every instance.
    let battery = orders.iter().find_map(|order| app.last_seen().battery(order.order_id));
    let battery = battery.or_else(|| app.tracking().cadences.battery(partner_id));
    Ok(Some(frame(interval(app, &orders, &watched, battery))))
}

fn interval(app: &App, orders: &[UnderWay], watched: &HashSet<OrderId>, battery: Option<f64>) -> Duration {
    let metres = orders.iter().filter_map(|order| app.last_seen().metres_to_go(order)).reduce(f64::min);
    let (at, cadences) = (Instant::now(), &app.tracking().cadences);
    let is_watched = orders
        .iter()
        .map(|order| order.order_id)
        .any(|order_id| watched.contains(&order_id) || cadences.is_watched_elsewhere(order_id, at));
    Situation { metres, is_watched, battery }.interval()
}

fn frame(interval: Duration) -> String {
    EphemeralFrame::Cadence { interval: interval.as_secs() }.to_text()
}

/// Lets the other instances know which orders are watched here.
pub(super) async fn tell_watched(app: &App) {
    if app.groups().peers().instances == 0 {
        return;
    }
    let Ok(watched) = app.groups().watched(None).await else { return };
    for orders in app.tracking().cadences.to_tell(watched, Instant::now()).chunks(ORDERS) {
        app.groups().tell(Say::Watched { orders: orders.to_vec() });
    }
}
