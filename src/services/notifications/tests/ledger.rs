//! The delivery ledger, and what sessions report into it.

use diesel::RunQueryDsl;

use super::*;
use crate::domain::time::Timestamp;
use crate::services::notifications::{DeliveryState, DeliveryView, ack, flush, ledger, run_recorder};
use crate::store::Conn;
use crate::store::deliveries::{Seen, Subject, record};

async fn delivery(app: &App, id: NotificationId) -> DeliveryView {
    let found = ledger(app, Subject::Notification(id), None, 10).await.expect("a ledger");
    let [entry] = found.as_slice() else { panic!("{found:?}") };
    let [delivery] = entry.deliveries.as_slice() else { panic!("{entry:?}") };
    delivery.clone()
}

async fn one_notification(app: &App, who: Principal) -> NotificationId {
    notify(app, who.user_id, confirmed()).await;
    ids(app, who, Filter::default()).await[0]
}

#[actix_web::test]
async fn each_step_is_kept_with_its_time() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let id = one_notification(&app, customer).await;
        let queued = delivery(&app, id).await;
        assert_eq!((queued.state, queued.written_at), (DeliveryState::Queued, None));

        app.recorder().written(customer.user_id, id.into());
        flush(&app).await.expect("written down");
        let written = delivery(&app, id).await;
        assert_eq!((written.state, written.acked_at), (DeliveryState::Written, None));
        assert!(written.written_at >= Some(queued.queued_at));

        // Beside one that is no notification: frames of all kinds are acked.
        ack(&app, customer, &[EventId::new(), id.into()]);
        flush(&app).await.expect("written down");
        let acked = delivery(&app, id).await;
        assert_eq!((acked.state, acked.written_at), (DeliveryState::Acked, written.written_at));

        mark_read(&app, customer, id).await.expect("read");
        let read = delivery(&app, id).await;
        assert_eq!((read.state, read.acked_at), (DeliveryState::Read, acked.acked_at));
        assert!(read.read_at.is_some());
    }
}

#[actix_web::test]
async fn the_first_time_stays() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let id = one_notification(&app, customer).await;
        for millis in [1_000, 2_000] {
            let at = Some(Timestamp::from_millis(millis));
            let seen = Seen {
                user_id: customer.user_id,
                event_id: id.into(),
                written_at: at,
                received_at: None,
                acked_at: None,
            };
            let noted = app.write(move |tx| Ok(record(tx.conn(), &[seen])?));
            noted.await.expect("noted");
        }
        assert_eq!(delivery(&app, id).await.written_at, Some(Timestamp::from_millis(1_000)));
    }
}

#[actix_web::test]
async fn nobody_can_ack_for_somebody_else() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let stranger = app.user(Role::Customer).await;
        let id = one_notification(&app, customer).await;
        ack(&app, stranger, &[id.into()]);
        flush(&app).await.expect("written down");
        assert_eq!(delivery(&app, id).await.state, DeliveryState::Queued);
    }
}

#[actix_web::test]
async fn a_long_batch_is_written_in_full() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let first = one_notification(&app, customer).await;
        let strangers: Vec<EventId> = (0..5_000).map(|_| EventId::new()).collect();
        app.recorder().acked(customer.user_id, &strangers);
        let last = one_notification(&app, customer).await;
        app.recorder().acked(customer.user_id, &[first.into(), last.into()]);
        flush(&app).await.expect("written down");
        for id in [first, last] {
            assert_eq!(delivery(&app, id).await.state, DeliveryState::Acked);
        }
    }
}

#[derive(diesel::QueryableByName)]
struct Touched {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    rows: i64,
}

/// How many rows of the ledger the transaction has looked at; SQLite does not count them.
fn touched(conn: &mut Conn) -> Option<i64> {
    match conn {
        Conn::Sqlite(_) => None,
        Conn::Postgres(conn) => {
            let query = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS rows FROM pg_stat_xact_user_tables \
                         WHERE relname = 'deliveries'";
            Some(diesel::sql_query(query).get_result::<Touched>(conn).expect("figures").rows)
        }
    }
}

#[actix_web::test]
async fn a_report_looks_at_its_own_row_however_long_the_ledger_and_whatever_the_planner_knows_of_it() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let user_id = customer.user_id;
        for _ in 0..10 {
            let many = (0..200).map(|_| (user_id, confirmed())).collect();
            app.write(move |tx| add_all(tx, many)).await.expect("stored");
        }
        let at = Some(Timestamp::from_millis(1_000));
        let latest = list(&app, customer, Filter::default(), 200).await.expect("a list");
        let seen: Vec<Seen> = latest
            .iter()
            .map(|row| Seen {
                user_id,
                event_id: row.id.into(),
                written_at: at,
                received_at: None,
                acked_at: None,
            })
            .collect();
        let looked_at = app.write(move |tx| {
            record(tx.conn(), &seen)?;
            Ok(touched(tx.conn()))
        });
        let looked_at = looked_at.await.expect("noted");
        // Each is found and changed.
        assert!(looked_at.is_none_or(|rows| rows <= 2 * 200), "{looked_at:?}");
        for row in [latest.first(), latest.last()] {
            assert_eq!(delivery(&app, row.expect("200 of them").id).await.written_at, at);
        }
    }
}

#[actix_web::test]
async fn what_was_reported_before_the_stop_is_written_down() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let id = one_notification(&app, customer).await;
        app.recorder().written(customer.user_id, id.into());
        run_recorder(App::clone(&app), std::future::ready(())).await;
        assert_eq!(delivery(&app, id).await.state, DeliveryState::Written);
    }
}

#[actix_web::test]
async fn an_order_is_looked_up_across_its_users_page_by_page() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let partner = app.user(Role::Partner).await;
        let order_id = OrderId::new();
        let letters = [
            (customer.user_id, NotificationContent::OrderConfirmed { order_id }),
            (partner.user_id, NotificationContent::AssignmentExpired { order_id }),
            (customer.user_id, confirmed()),
            (customer.user_id, NotificationContent::OrderDelivered { order_id }),
        ];
        for (user_id, content) in letters {
            notify(&app, user_id, content).await;
        }
        let first = ledger(&app, Subject::Order(order_id), None, 2).await.expect("a page");
        let second = ledger(&app, Subject::Order(order_id), Some(first[1].notification_id), 2).await;
        let found: Vec<_> = first.into_iter().chain(second.expect("a page")).collect();
        let kinds: Vec<&str> = found.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, ["order_delivered", "assignment_expired", "order_confirmed"]);
        assert_eq!(found[1].user_id, partner.user_id);
        assert!(found.iter().all(|entry| entry.order_id == Some(order_id) && entry.deliveries.len() == 1));
    }
}
