//! The delivery ledger, and what sessions report into it.

use super::*;
use crate::domain::time::Timestamp;
use crate::services::notifications::{DeliveryState, DeliveryView, ack, flush, ledger, run_recorder};
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
            let seen =
                Seen { user_id: customer.user_id, event_id: id.into(), written_at: at, acked_at: None };
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
