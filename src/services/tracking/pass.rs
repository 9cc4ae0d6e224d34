//! One pass after another: looks at the samples that have come, tells watchers, and sees to what follows.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::time::{Duration, Instant};

use crate::domain::geo::Position;
use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, OrderId, PartnerId};
use crate::domain::order::OrderStatus;
use crate::domain::time::Timestamp;
use crate::domain::track::{Fix, jumps};
use crate::protocol::channel::Slot;
use crate::protocol::channel::{PartnerPosition, Say};
use crate::protocol::client::LocationSample;
use crate::protocol::ephemeral::{ETA, EphemeralFrame, LOCATION};
use crate::protocol::views::{EtaView, Freshness};
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::StoreError;
use crate::store::positions as stored;
use crate::store::tracks::{self, TrackPoint, UnderWay, Window};

use super::intake::{Known, Parcel, Refused};
use super::live::{Consequences, KEPT, Reach, Taken};
use super::{MAX_AGE, arrivals, cadence, no_active_order, promises, routing, too_old, trail};

/// Between two passes, so that what comes meanwhile is looked at together.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two looks for dots that age, and two words to the other instances about where partners are.
const ROUND: Duration = Duration::from_secs(1);
/// Between two looks for partners who say nothing.
const SILENT: Duration = Duration::from_secs(5);
/// Between two looks for what nobody asks for any more.
const PURGE: Duration = Duration::from_secs(60);
/// How long a status that was read is taken for the status that an order has: where a partner is must not be shown for
/// longer than that after `delivered`, however slowly the database answers.
const BELIEVED: Duration = Duration::from_secs(1);
/// A device's clock that is behind by less is not put right: a sample that says of which order it is may have been measured
/// so much later than it says, unless its device has told how late that can be.
pub(super) const CLOCK_DOUBT: Duration = Duration::from_secs(3);
/// How many positions are said in a round: more than come in one, and no more than those who listen take.
const MOVED: usize = 25_000;
/// How many positions are said at once.
const POSITIONS: usize = 1_000;

/// Runs until `stop` resolves, and then once more.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut round_at = Instant::now() + ROUND;
    let mut silent_at = Instant::now() + SILENT;
    let mut purge_at = Instant::now() + PURGE;
    let mut was_away = false;
    loop {
        let wakes_at = app.last_seen().next_due().map_or(round_at, |due_at| due_at.min(round_at));
        let is_over = tokio::select! {
            biased;
            () = &mut stop => true,
            () = app.tracking().intake.bell.notified() => false,
            () = tokio::time::sleep_until(wakes_at.into()) => false,
        };
        let at = Instant::now();
        if at >= round_at {
            round_at = at + ROUND;
            app.last_seen().call_ageing(Timestamp::now(), at);
            was_away = tell_positions(&app, was_away);
            cadence::tell_watched(&app).await;
        }
        if at >= silent_at {
            silent_at = at + SILENT;
            // A partner who says nothing is late as well.
            expect(&app, app.last_seen().silent(Timestamp::now())).await;
        }
        if at >= purge_at {
            purge_at = at + PURGE;
            app.last_seen().purge(Timestamp::now());
            app.tracking().clocks.purge(Timestamp::now());
            app.tracking().intake.purge(Timestamp::now());
            app.tracking().cadences.purge(at);
        }
        pass(&app).await;
        if is_over {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tells the other instances where partners are; `true` when they cannot be told for now.
fn tell_positions(app: &App, was_away: bool) -> bool {
    let (positions, now) = (&app.tracking().positions, Timestamp::now());
    let is_away = app.groups().away().is_some();
    if was_away && !is_away {
        positions.tell_again(now);
    }
    let moved = positions.take_moved(now, MOVED);
    if app.groups().has_bridge() && !is_away {
        for partners in moved.chunks(POSITIONS) {
            app.groups().tell(Say::Positions { partners: partners.to_vec() });
        }
    }
    is_away
}

/// Finds out where partners were last seen. For before a start: until they say more, dispatch goes by that.
pub async fn recall_partners(app: &App) {
    // Some may have said where they are to nobody, or to one that had not written it down.
    let is_settling = match find_partners(app).await {
        Ok(()) => app.read(|conn| Ok(stored::is_anybody_online(conn)?)).await.unwrap_or(true),
        Err(error) => {
            log::warn!("partners are found from their next samples on: {error}");
            true
        }
    };
    if is_settling {
        app.tracking().settle(Instant::now());
    }
}

/// Notes where partners were last seen, by any instance, as far as that is written down.
pub(super) async fn find_partners(app: &App) -> Result<(), ServiceError> {
    // Also of those whom dispatch goes by no more: admins are told where they were last seen.
    let since = Timestamp::now().before(super::positions::KEPT);
    let found = app.read(move |conn| {
        let mut seen = stored::seen_since(conn, since)?;
        seen.extend(tracks::last_points(conn, since)?.into_iter().map(|(order, point)| PartnerPosition {
            partner_id: order.partner_id,
            position: point.position,
            accuracy: point.accuracy,
            at: point.at,
        }));
        Ok(seen)
    });
    app.tracking().positions.note_judged(&found.await?);
    Ok(())
}

/// Shows where partners were when their trails were last written. For after a start: until they say more, that is where
/// they were last seen, and it is as old as it is.
pub async fn recall(app: &App) {
    let now = Timestamp::now();
    match app.read(move |conn| Ok(tracks::last_points(conn, now.before(KEPT))?)).await {
        Ok(found) => {
            let order_ids: Vec<OrderId> = found.iter().map(|(order, _)| order.order_id).collect();
            let is_under_way =
                |(order, point): &(UnderWay, TrackPoint)| order.since <= point.at.after(CLOCK_DOUBT);
            let found = found.into_iter().filter(is_under_way);
            app.last_seen().recall(found.map(|(order, point)| (order, sample(&point))).collect(), now);
            expect(app, order_ids).await;
        }
        Err(error) => log::warn!("partners are shown from their next samples on: {error}"),
    }
}

async fn pass(app: &App) {
    let parcels = app.tracking().intake.take_all();
    let now = Timestamp::now();
    let mut statuses = HashMap::new();
    if !parcels.is_empty() {
        match Known::of(app, &parcels, now).await {
            Ok(known) => {
                let situations = cadence::situations(&parcels, &known);
                parcels.into_iter().for_each(|parcel| sort(app, parcel, &known, now));
                cadence::tell(app, situations).await;
                if known.is_recent(BELIEVED) {
                    statuses.extend(known.orders().map(|order| (order.order_id, order.status)));
                }
            }
            Err(error) => refuse_all(parcels, &error),
        }
    }
    tell_due(app, statuses).await;
}

/// The database cannot be asked: nothing was done.
fn refuse_all(parcels: Vec<Parcel>, error: &ServiceError) {
    log::warn!("{} parcels of samples are refused: {error}", parcels.len());
    for parcel in parcels {
        parcel.answer(Err(StoreError::Unavailable(error.to_string()).into()));
    }
}

/// Sees each sample of a parcel to where it belongs, in the order in which they were measured. The parcel is answered
/// once those that came late are written.
fn sort(app: &App, mut parcel: Parcel, known: &Known, now: Timestamp) {
    parcel.samples.sort_by_key(|(_, sample)| sample.timestamp);
    let (mut refused, mut late, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    let fix = |sample: &LocationSample| {
        let position = Position { latitude: sample.latitude, longitude: sample.longitude };
        Fix { position, at: sample.timestamp, accuracy: sample.accuracy }
    };
    let is_alone = parcel.samples.len() == 1;
    let told = parcel.newer_by.map(|newer_by| Duration::from_millis(u64::try_from(newer_by).unwrap_or(0)));
    let doubt = told.map_or(CLOCK_DOUBT, |told| told.min(CLOCK_DOUBT));
    let jumping = jumps(&parcel.samples.iter().map(|(_, sample)| fix(sample)).collect::<Vec<_>>());
    for ((index, sample), jumps) in std::mem::take(&mut parcel.samples).into_iter().zip(jumping) {
        let at = sample.timestamp;
        let is_meant = |order_id| sample.order_id.is_none_or(|meant| meant == order_id);
        let is_present = at >= now.before(MAX_AGE);
        let under_way = known.under_way(parcel.partner_id).iter();
        let has_begun = |order: &UnderWay| {
            let is_named = sample.order_id == Some(order.order_id);
            order.since <= if is_named { at.after(doubt) } else { at }
        };
        let shown: Vec<&UnderWay> =
            under_way.filter(|order| is_present && is_meant(order.order_id) && has_begun(order)).collect();
        let is_shown = |order_id| shown.iter().any(|order| order.order_id == order_id);
        let windows = known.windows(parcel.partner_id).iter();
        // Where a partner is once an order has ended is nobody's business: by a clock that is slow it would seem that it had
        // not ended yet.
        let is_over_by_then =
            |window: &Window| window.until.is_some_and(|until| !parcel.was_measured_by(at, until));
        let past: Vec<OrderId> = windows
            .filter(|window| is_meant(window.order_id) && !is_shown(window.order_id))
            .filter(|window| window.holds(at) && !is_over_by_then(window))
            .map(|window| window.order_id)
            .collect();
        let is_nobodys = shown.is_empty() && past.is_empty();
        // Its partner's app may name it from when it is assigned on; where the partner was before setting off, is for
        // dispatch alone.
        let may_be_early = sample.order_id.is_none_or(|named| known.is_in_hand(parcel.partner_id, named));
        if is_nobodys && !(is_present && may_be_early) {
            let reason = if sample.order_id.is_some() { no_active_order() } else { too_old() };
            refused.push(Refused { index, reason });
            continue;
        }
        let is_late = Freshness::of(now.since(at).as_secs()) != Freshness::Live;
        let mut is_believed = !jumps;
        let is_kept = !shown.is_empty();
        for order in shown {
            let keeps_step = is_late && is_alone && app.last_seen().keeps_step(order.order_id, &sample, now);
            let taken = if jumps { Taken::Unfit } else { show(app, order, &sample, now) };
            let (flagged, is_dot) = match taken {
                Taken::Good | Taken::Entered(_) => (false, true),
                Taken::Older => (false, false),
                Taken::Unfit => (true, false),
            };
            is_believed &= !flagged;
            let point = TrackPoint { flagged, ..point(order.order_id, &sample) };
            if is_dot && keeps_step {
                // A clock that is slow makes all of them look late. Watchers see them as the dot, like those of others.
                seen.push(point);
            } else if is_late {
                late.push(point);
            } else {
                app.tracking().trails.put(point);
            }
        }
        for order_id in past {
            late.push(TrackPoint { flagged: jumps, ..point(order_id, &sample) });
        }
        if is_present && is_believed {
            note(app, parcel.partner_id, &sample, is_kept);
        }
    }
    if late.is_empty() && seen.is_empty() {
        return parcel.answer(Ok(refused));
    }
    let app = app.clone();
    // Beside the passes, which do not wait for the database's writer.
    actix_web::rt::spawn(async move {
        let written = trail::fill(&app, late, seen).await;
        parcel.answer(written.map(|()| refused));
    });
}

/// Remembers where a partner is, for whoever looks for one who is near.
fn note(app: &App, partner_id: PartnerId, sample: &LocationSample, is_kept: bool) {
    let position = Position { latitude: sample.latitude, longitude: sample.longitude };
    let seen = PartnerPosition { partner_id, position, accuracy: sample.accuracy, at: sample.timestamp };
    app.tracking().positions.note(seen, is_kept);
}

/// Takes a sample for an order that is under way.
fn show(app: &App, order: &UnderWay, sample: &LocationSample, now: Timestamp) -> Taken {
    let taken = app.last_seen().take(order, sample, now, Instant::now());
    match taken {
        Taken::Entered(leg) => arrivals::begin(app, order, leg),
        Taken::Good | Taken::Older | Taken::Unfit => {}
    }
    taken
}

fn point(order_id: OrderId, sample: &LocationSample) -> TrackPoint {
    TrackPoint {
        order_id,
        at: sample.timestamp,
        position: Position { latitude: sample.latitude, longitude: sample.longitude },
        accuracy: sample.accuracy,
        speed: sample.speed,
        heading: sample.heading,
        flagged: false,
    }
}

fn sample(point: &TrackPoint) -> LocationSample {
    LocationSample {
        latitude: point.position.latitude,
        longitude: point.position.longitude,
        timestamp: point.at,
        heading: point.heading,
        speed: point.speed,
        accuracy: point.accuracy,
        battery: None,
        order_id: Some(point.order_id),
    }
}

/// Tells the watchers of the orders that are due: those that still show where their partners are. `statuses` are known
/// from this pass, the others are looked up.
async fn tell_due(app: &App, mut statuses: HashMap<OrderId, OrderStatus>) {
    let due = app.last_seen().take_due(Instant::now());
    if due.is_empty() {
        return;
    }
    let unknown: Vec<OrderId> =
        due.iter().filter(|order_id| !statuses.contains_key(order_id)).copied().collect();
    if !unknown.is_empty() {
        // How long it waited for its turn does not count.
        let shown = app.read(move |conn| Ok((Instant::now(), tracks::still_shown(conn, &unknown)?)));
        match shown.await {
            Ok((read_at, _)) if read_at.elapsed() > BELIEVED => {
                log::warn!(
                    "positions of {} orders wait: it took {:?} to read their statuses",
                    due.len(),
                    read_at.elapsed()
                );
                return app.last_seen().put_off(due, Instant::now());
            }
            Ok((_, shown)) => statuses.extend(shown),
            Err(error) => {
                log::warn!("positions of {} orders wait: {error}", due.len());
                return app.last_seen().put_off(due, Instant::now());
            }
        }
    }
    let (now, at) = (Timestamp::now(), Instant::now());
    let mut told = Vec::new();
    for order_id in due {
        let Some(status) = statuses.get(&order_id) else {
            app.last_seen().forget(order_id);
            continue;
        };
        let Some((location, reach)) = app.last_seen().tell(order_id, *status, now, at) else { continue };
        let body = EphemeralFrame::Location { location: &location }.to_text();
        let (group, id) = (GroupKey::Order(order_id), EventId::new());
        let slot = Slot { name: LOCATION, since: Some(location.timestamp) };
        let published = match reach {
            Reach::Everywhere => {
                told.push(order_id);
                app.groups().publish_ephemeral(group, id, slot, body.into())
            }
            Reach::Here => app.groups().publish_here(group, id, slot, body.into()),
        };
        if published.is_err() {
            app.last_seen().put_off([order_id], at);
        }
    }
    let ask = app.tracking().routing.is_some();
    let found = app.last_seen().expect(told.iter().copied(), now, at, ask);
    see_to(app, found, told);
}

/// Works out anew when the partners of those orders are expected that are still under way, and tells. Nobody is asked but
/// the database: steps may have been taken since these were due, also by other instances.
pub(super) async fn expect(app: &App, order_ids: Vec<OrderId>) {
    if order_ids.is_empty() {
        return;
    }
    let asked = order_ids.clone();
    match app.read(move |conn| Ok(tracks::still_under_way(conn, &asked)?)).await {
        Ok(orders) => {
            let under_way: HashSet<OrderId> = orders.iter().map(|order| order.order_id).collect();
            let is_over = |order_id: &&OrderId| !under_way.contains(order_id);
            order_ids.iter().filter(is_over).for_each(|order_id| app.last_seen().forget(*order_id));
            orders.into_iter().for_each(|order| app.last_seen().set_order(order));
            let found = app.last_seen().expect(under_way, Timestamp::now(), Instant::now(), false);
            see_to(app, found, Vec::new());
        }
        Err(error) => log::warn!("when {} partners are expected is not told: {error}", order_ids.len()),
    }
}

/// Tells of what was found, the other instances also of dots that have moved.
fn see_to(app: &App, found: Consequences, moved: Vec<OrderId>) {
    let now = Timestamp::now();
    for (order_id, eta, reach) in &found.etas {
        let body = EphemeralFrame::Eta { eta: &EtaView::of(eta, now) }.to_text();
        let (group, id) = (GroupKey::Order(*order_id), EventId::new());
        let slot = Slot { name: ETA, since: Some(eta.at) };
        let told = match reach {
            Reach::Everywhere => app.groups().publish_ephemeral(group, id, slot, body.into()),
            Reach::Here => app.groups().publish_here(group, id, slot, body.into()),
        };
        if let Err(error) = told {
            // The next one says the same, and more.
            log::debug!("an ETA of order {order_id} is told to nobody: {error}");
        }
    }
    let own = found.etas.iter().filter(|(_, _, reach)| *reach == Reach::Everywhere);
    let changed: HashSet<OrderId> = moved.into_iter().chain(own.map(|(order_id, ..)| *order_id)).collect();
    if app.groups().has_bridge() && !changed.is_empty() {
        app.groups().tell(Say::Dots { dots: app.last_seen().dots(changed) });
    }
    promises::keep(app, found.promises);
    promises::notify(app, found.slips);
    routing::ask(app, found.questions);
}
