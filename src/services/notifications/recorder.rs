//! What reached whom: sessions say so here, and it is written into the delivery ledger in batches.
//!
//! It is kept in memory for up to [`FLUSH_EVERY`]. A crash in between loses when a notification was written or
//! acked, and nothing else: the notification itself, and whether it was read, are the database's.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::ids::{EventId, UserId};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::deliveries::{self, Seen};

/// How often what was reported is written down.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// How many reports may wait; about 4 MB.
const CAPACITY: usize = 65_536;
/// The most rows in one transaction.
const BATCH: usize = 2_000;

/// Takes reports from sessions. A report costs a lock and a push.
#[derive(Debug, Default)]
pub struct Recorder {
    waiting: Mutex<Waiting>,
    /// Held while reports are written down: who waits for that finds all of them in the database.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    reports: Vec<Report>,
    /// Reports for which there was no room.
    lost: u64,
}

#[derive(Debug, Clone, Copy)]
struct Report {
    user_id: UserId,
    event_id: EventId,
    step: DeliveryStep,
    at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
enum DeliveryStep {
    Written,
    Received,
    Acked,
}

impl Recorder {
    /// Session → recorder. An event was written to a socket of this user. Events that are no notifications
    /// count for nothing.
    pub fn written(&self, user_id: UserId, event_id: EventId) {
        self.report(user_id, &[event_id], DeliveryStep::Written);
    }

    /// Session → recorder. A device of this user has got these events, and its client is not one that says so.
    fn received(&self, user_id: UserId, event_ids: &[EventId]) {
        self.report(user_id, event_ids, DeliveryStep::Received);
    }

    /// Session → recorder. A device of this user says that it has shown or stored these events. Those that are
    /// not notifications of this user count for nothing.
    pub fn acked(&self, user_id: UserId, event_ids: &[EventId]) {
        self.report(user_id, event_ids, DeliveryStep::Acked);
    }

    fn report(&self, user_id: UserId, event_ids: &[EventId], step: DeliveryStep) {
        let at = Timestamp::now();
        let reports = event_ids.iter().map(|&event_id| Report { user_id, event_id, step, at });
        self.put(reports);
    }

    /// Keeps as many as there is room for.
    fn put(&self, reports: impl ExactSizeIterator<Item = Report>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = CAPACITY.saturating_sub(waiting.reports.len());
        let lost = reports.len().saturating_sub(room);
        waiting.lost = waiting.lost.saturating_add(u64::try_from(lost).unwrap_or(u64::MAX));
        waiting.reports.extend(reports.take(room));
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A device of the caller's says that it has shown or stored these events.
pub fn ack(app: &App, who: Principal, event_ids: &[EventId]) {
    app.recorder().acked(who.user_id, event_ids);
}

/// A device of the caller's, whose client never acks, has got these events.
pub fn received(app: &App, who: Principal, event_ids: &[EventId]) {
    app.recorder().received(who.user_id, event_ids);
}

/// Writes down what was reported, until `stop` resolves, and then once more.
pub async fn run_recorder(app: App, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    loop {
        let is_over = tokio::select! {
            () = &mut stop => true,
            () = tokio::time::sleep(FLUSH_EVERY) => false,
        };
        if let Err(error) = flush(&app).await {
            log::warn!("the delivery ledger waits: {error}");
        }
        if is_over {
            return;
        }
    }
}

/// Writes down what was reported so far, also what somebody else is about to.
///
/// # Errors
/// When the database fails; what was not written waits for the next time.
pub async fn flush(app: &App) -> Result<(), ServiceError> {
    let _turn = app.recorder().writing.lock().await;
    let Waiting { reports, lost } = app.recorder().take();
    if lost > 0 {
        log::warn!("{lost} reports of deliveries were lost: more than {CAPACITY} came between two writes");
    }
    let mut unwritten = merge(reports);
    while !unwritten.is_empty() {
        let rest = unwritten.split_off(BATCH.min(unwritten.len()));
        let batch = unwritten.clone();
        if let Err(error) = app.store().write(move |conn| record(conn, &batch)).await {
            app.recorder().put_back(unwritten.into_iter().chain(rest));
            return Err(error);
        }
        unwritten = rest;
    }
    Ok(())
}

fn record(conn: &mut crate::store::Conn, batch: &[Seen]) -> Result<(), ServiceError> {
    Ok(deliveries::record(conn, batch)?)
}

impl Recorder {
    fn put_back(&self, unwritten: impl Iterator<Item = Seen>) {
        let reports: Vec<Report> = unwritten.flat_map(reports_of).collect();
        self.put(reports.into_iter());
    }
}

fn reports_of(seen: Seen) -> impl Iterator<Item = Report> {
    let Seen { user_id, event_id, written_at, received_at, acked_at } = seen;
    let steps = [
        (DeliveryStep::Written, written_at),
        (DeliveryStep::Received, received_at),
        (DeliveryStep::Acked, acked_at),
    ];
    steps.into_iter().filter_map(move |(step, at)| Some(Report { user_id, event_id, step, at: at? }))
}

/// One row for each event and user: a user may have several devices. The first time counts.
fn merge(reports: Vec<Report>) -> Vec<Seen> {
    let mut rows: BTreeMap<(EventId, UserId), Seen> = BTreeMap::new();
    for Report { user_id, event_id, step, at } in reports {
        let row = rows.entry((event_id, user_id)).or_insert(Seen {
            user_id,
            event_id,
            written_at: None,
            received_at: None,
            acked_at: None,
        });
        let time = match step {
            DeliveryStep::Written => &mut row.written_at,
            DeliveryStep::Received => &mut row.received_at,
            DeliveryStep::Acked => &mut row.acked_at,
        };
        *time = Some(time.map_or(at, |before| before.min(at)));
    }
    rows.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_several_devices_become_one_row_with_the_first_times() {
        let (user_id, event_id) = (UserId::new(), EventId::new());
        let report = |step, at| Report { user_id, event_id, step, at: Timestamp::from_millis(at) };
        let rows = merge(vec![
            report(DeliveryStep::Written, 20),
            report(DeliveryStep::Acked, 40),
            report(DeliveryStep::Written, 10),
            report(DeliveryStep::Acked, 30),
        ]);
        let row = Seen {
            user_id,
            event_id,
            written_at: Some(Timestamp::from_millis(10)),
            received_at: None,
            acked_at: Some(Timestamp::from_millis(30)),
        };
        assert_eq!(rows, [row]);
        assert_eq!(merge(reports_of(row).collect()), [row]);
    }

    #[test]
    fn memory_is_bounded_and_what_found_no_room_is_counted() {
        let recorder = Recorder::default();
        let ids = vec![EventId::new(); CAPACITY - 1];
        recorder.acked(UserId::new(), &ids);
        recorder.acked(UserId::new(), &[EventId::new(), EventId::new(), EventId::new()]);
        recorder.written(UserId::new(), EventId::new());
        let waiting = recorder.take();
        assert_eq!((waiting.reports.len(), waiting.lost), (CAPACITY, 3));
    }
}
