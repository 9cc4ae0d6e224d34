//! Where samples wait until they are looked at, all that there are at once.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use crate::domain::ids::{OrderId, PartnerId};
use crate::domain::time::Timestamp;
use crate::protocol::client::LocationSample;
use crate::realtime::Overloaded;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::tracks::{self, UnderWay, Window};

use super::trail::Trails;
use super::{MAX_AGE, MAX_SKEW};

/// How many samples may wait: more than two seconds' worth of what one core takes.
const CAPACITY: usize = 65_536;

/// A sample that is no older has not waited anywhere: there is no need to ask which orders were under way at its time.
const PROMPT: Duration = Duration::from_secs(5);
/// But for one that was under way when its partner's last samples came, no longer ago than this: the last ones of an order
/// come when it has just ended.
const LAPSED_FOR: Duration = Duration::from_secs(60);

/// A sample that was refused.
#[derive(Debug)]
pub struct Refused {
    /// Its place among those that came with it.
    pub index: usize,
    /// Why.
    pub reason: ServiceError,
}

impl Refused {
    /// Why, in one word: that of the field that is wrong, where one is.
    #[must_use]
    pub fn code(&self) -> String {
        match &self.reason {
            ServiceError::Invalid(errors) => errors.first().map(|error| error.code.to_string()),
            reason => Some(reason.code().to_owned()),
        }
        .unwrap_or_default()
    }
}

/// Samples of one partner that came together, each with its place among them.
#[derive(Debug)]
pub(super) struct Parcel {
    pub partner_id: PartnerId,
    pub samples: Vec<(usize, LocationSample)>,
    /// By how much they may be newer than they say, milliseconds; not known where nothing is said of the device's clock.
    pub newer_by: Option<i64>,
    answer: oneshot::Sender<Result<Vec<Refused>, ServiceError>>,
}

impl Parcel {
    /// Whether one that says so was certainly measured by then, however wrong the device's clock is.
    pub(super) fn was_measured_by(&self, at: Timestamp, then: Timestamp) -> bool {
        let newer_by = self.newer_by.unwrap_or(i64::try_from(MAX_SKEW.as_millis()).unwrap_or(i64::MAX));
        at.as_millis().saturating_add(newer_by) <= then.as_millis()
    }

    pub(super) fn answer(self, answer: Result<Vec<Refused>, ServiceError>) {
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }
}

/// The queue. A sample costs a lock and a push.
#[derive(Debug, Default)]
pub(super) struct Intake {
    waiting: Mutex<Waiting>,
    /// Rings when something has come.
    pub bell: Notify,
    /// The orders that partners were under way with, and when samples last came that found them so.
    under_way: Mutex<HashMap<PartnerId, Vec<(OrderId, Timestamp)>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    parcels: Vec<Parcel>,
    samples: usize,
}

impl Intake {
    /// Waits until these samples were looked at; gives those that were refused.
    ///
    /// # Errors
    /// `Overloaded` when too many wait; the database's.
    pub(super) async fn take(
        &self,
        trails: &Trails,
        partner_id: PartnerId,
        samples: Vec<(usize, LocationSample)>,
        newer_by: Option<i64>,
    ) -> Result<Vec<Refused>, ServiceError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.samples + samples.len() > CAPACITY || trails.is_full() {
                return Err(Overloaded.into());
            }
            waiting.samples += samples.len();
            waiting.parcels.push(Parcel { partner_id, samples, newer_by, answer });
        }
        self.bell.notify_one();
        // The server is going away, and what is sent again is taken by another.
        answered.await.unwrap_or(Err(ServiceError::Draining))
    }

    /// All that wait.
    pub(super) fn take_all(&self) -> Vec<Parcel> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)).parcels
    }

    /// Whether a partner was under way a moment ago with an order that is not any more. Notes those that are.
    fn has_lapsed(&self, partner_id: PartnerId, under_way: &[UnderWay], now: Timestamp) -> bool {
        let mut known = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let mut orders = known.remove(&partner_id).unwrap_or_default();
        let is_under_way = |order_id| under_way.iter().any(|order| order.order_id == order_id);
        orders.retain(|(order_id, at)| !is_under_way(*order_id) && now.since(*at) < LAPSED_FOR);
        let has_lapsed = !orders.is_empty();
        orders.extend(under_way.iter().map(|order| (order.order_id, now)));
        if !orders.is_empty() {
            known.insert(partner_id, orders);
        }
        has_lapsed
    }

    /// Forgets orders of partners who say nothing any more.
    pub(super) fn purge(&self, now: Timestamp) {
        let mut known = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, orders| orders.iter().any(|(_, at)| now.since(*at) < LAPSED_FOR));
    }
}

/// What the database knows of the partners whose samples have come.
#[derive(Debug)]
pub(super) struct Known {
    read_at: Instant,
    under_way: HashMap<PartnerId, Vec<UnderWay>>,
    /// Of those whose samples may belong to an order that is not under way any more.
    windows: HashMap<PartnerId, Vec<Window>>,
    /// Orders that are named, and that their partners have in hand.
    in_hand: HashSet<(PartnerId, OrderId)>,
}

impl Known {
    /// Looks all of them up.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn of(app: &App, parcels: &[Parcel], now: Timestamp) -> Result<Self, ServiceError> {
        let partners: HashSet<PartnerId> = parcels.iter().map(|parcel| parcel.partner_id).collect();
        let asked: Vec<PartnerId> = partners.iter().copied().collect();
        let found = app.read(move |conn| Ok((Instant::now(), tracks::under_way(conn, &asked)?)));
        let (read_at, found) = found.await?;
        let (under_way, windows, in_hand) = (HashMap::new(), HashMap::new(), HashSet::new());
        let mut known = Self { read_at, under_way, windows, in_hand };
        for order in found {
            known.under_way.entry(order.partner_id).or_default().push(order);
        }
        let intake = &app.tracking().intake;
        let lapsed: HashSet<PartnerId> = partners
            .into_iter()
            .filter(|partner_id| intake.has_lapsed(*partner_id, known.under_way(*partner_id), now))
            .collect();
        // What is measured just now cannot belong to an order that was under way before.
        let oldest = now.before(PROMPT);
        let of_the_past = |parcel: &&Parcel| {
            let under_way = known.under_way(parcel.partner_id);
            let mut samples = parcel.samples.iter();
            let has_lapsed = parcel.newer_by.is_some() && lapsed.contains(&parcel.partner_id);
            has_lapsed
                || samples.any(|(_, sample)| {
                    let is_under_way = |order_id| under_way.iter().any(|order| order.order_id == order_id);
                    sample.timestamp < oldest || !sample.order_id.is_none_or(is_under_way)
                })
        };
        let late: HashSet<PartnerId> =
            parcels.iter().filter(of_the_past).map(|parcel| parcel.partner_id).collect();
        if !late.is_empty() {
            let times = parcels.iter().flat_map(|parcel| &parcel.samples).map(|(_, sample)| sample.timestamp);
            let (since, late) = (times.min().unwrap_or(oldest), late.into_iter().collect::<Vec<_>>());
            for window in app.read(move |conn| Ok(tracks::windows(conn, &late, since)?)).await? {
                known.windows.entry(window.partner_id).or_default().push(window);
            }
        }
        let named: Vec<OrderId> = parcels
            .iter()
            .flat_map(|parcel| parcel.samples.iter().map(move |(_, sample)| (parcel, sample)))
            .filter(|(_, sample)| sample.timestamp >= now.before(MAX_AGE))
            .filter_map(|(parcel, sample)| Some((parcel, sample.order_id?)))
            .filter(|(parcel, named)| !known.is_under_way(parcel.partner_id, *named))
            .map(|(_, named)| named)
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        if !named.is_empty() {
            known.in_hand = app.read(move |conn| Ok(tracks::in_hand(conn, &named)?)).await?;
        }
        Ok(known)
    }

    fn is_under_way(&self, partner_id: PartnerId, order_id: OrderId) -> bool {
        self.under_way(partner_id).iter().any(|order| order.order_id == order_id)
    }

    /// Whether a partner has an order in hand that is named, perhaps without having set off with it yet.
    pub(super) fn is_in_hand(&self, partner_id: PartnerId, order_id: OrderId) -> bool {
        self.is_under_way(partner_id, order_id) || self.in_hand.contains(&(partner_id, order_id))
    }

    /// Whether this was read no longer ago than that.
    pub(super) fn is_recent(&self, age: Duration) -> bool {
        self.read_at.elapsed() <= age
    }

    /// The orders that a partner is under way with.
    pub(super) fn under_way(&self, partner_id: PartnerId) -> &[UnderWay] {
        self.under_way.get(&partner_id).map_or(&[], Vec::as_slice)
    }

    /// When a partner was under way with which orders.
    pub(super) fn windows(&self, partner_id: PartnerId) -> &[Window] {
        self.windows.get(&partner_id).map_or(&[], Vec::as_slice)
    }

    /// Every order that is under way.
    pub(super) fn orders(&self) -> impl Iterator<Item = &UnderWay> {
        self.under_way.values().flatten()
    }
}
