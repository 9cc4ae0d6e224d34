//! The inbox, through the use cases, on the databases that can be had.

mod choices;
mod interleavings;
mod ledger;

use serde_json::{Value, json};

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, NotificationId, OrderId, UserId};
use crate::domain::notification::NotificationContent;
use crate::domain::principal::{Principal, Role};
use crate::protocol::dispatch::Dispatch;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::testing::TestApp;
use crate::store::notifications::Filter;
use crate::store::outbox::{self, OutboxRow};

use super::{add, add_all, list, mark_all_read, mark_read, set_preferences, unread_count};

fn confirmed() -> NotificationContent {
    NotificationContent::OrderConfirmed { order_id: OrderId::new() }
}

async fn notify(app: &App, user_id: UserId, content: NotificationContent) {
    app.write(move |tx| add(tx, user_id, &content)).await.expect("notified");
}

async fn ids(app: &App, who: Principal, filter: Filter) -> Vec<NotificationId> {
    let found = list(app, who, filter, 10_000).await.expect("a list");
    found.into_iter().map(|notification| notification.id).collect()
}

async fn counted(app: &App, who: Principal) -> (i64, i64) {
    let user_id = who.user_id;
    app.read(move |conn| unread_count(conn, user_id)).await.expect("a count")
}

async fn outbox_rows(app: &App) -> Vec<OutboxRow> {
    let (rows, unreadable) =
        app.read(|conn| Ok::<_, ServiceError>(outbox::waiting(conn, 0, 1_000_000)?)).await.expect("rows");
    assert!(unreadable.is_empty());
    rows
}

/// Revision and count of each change of the unread count of a user, as they go out.
fn counts(rows: &[OutboxRow], user_id: UserId) -> Vec<(i64, Value)> {
    let of = |row: &OutboxRow| match &row.dispatch {
        Dispatch::State { group: GroupKey::User(owner), revision, frame } if *owner == user_id => {
            let frame: Value = serde_json::from_str(frame.get()).expect("JSON");
            assert_eq!(frame["type"], "unread_count");
            Some((*revision, frame["count"].clone()))
        }
        _ => None,
    };
    rows.iter().filter_map(of).collect()
}

/// Event id and frame of each notification of a user, as they go out.
fn letters(rows: &[OutboxRow], user_id: UserId) -> Vec<(EventId, Value)> {
    let of = |row: &OutboxRow| match &row.dispatch {
        Dispatch::Publish { groups, frame } if *groups == [GroupKey::User(user_id)] => {
            Some((row.event_id, serde_json::from_str(frame.get()).expect("JSON")))
        }
        _ => None,
    };
    rows.iter().filter_map(of).collect()
}

#[actix_web::test]
async fn a_notification_is_stored_and_goes_out_with_the_count_under_its_own_id() {
    for app in TestApp::each() {
        let customer = app.user_speaking(Role::Customer, "de-AT").await;
        let content = confirmed();
        notify(&app, customer.user_id, content.clone()).await;

        let stored = list(&app, customer, Filter::default(), 10).await.expect("a list");
        let [stored] = stored.as_slice() else { panic!("{stored:?}") };
        assert_eq!(stored.title, content.render(crate::domain::locale::Locale::De).title);
        assert_eq!(stored.data, content.data());
        assert_eq!(counted(&app, customer).await, (1, 1));

        let rows = outbox_rows(&app).await;
        let letters = letters(&rows, customer.user_id);
        let [(event_id, frame)] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!(*event_id, EventId::from(stored.id));
        assert_eq!(frame["type"], "notification");
        assert_eq!(frame["notification"], serde_json::to_value(stored).expect("serialises"));
        assert_eq!(counts(&rows, customer.user_id), [(1, json!(1))]);
    }
}

#[actix_web::test]
async fn reading_twice_is_reading_once() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        for _ in 0..3 {
            notify(&app, customer.user_id, confirmed()).await;
        }
        let [_, middle, oldest] = ids(&app, customer, Filter::default()).await[..] else { panic!("three") };

        assert_eq!(mark_read(&app, customer, oldest).await.expect("read"), 2);
        let first_read = list(&app, customer, Filter { unread: Some(false), ..Filter::default() }, 10).await;
        assert_eq!(mark_read(&app, customer, oldest).await.expect("read again"), 2);
        let read_again = list(&app, customer, Filter { unread: Some(false), ..Filter::default() }, 10).await;
        let times = |list: Result<Vec<_>, _>| -> Vec<_> {
            list.expect("a list").into_iter().map(|row: super::NotificationView| row.read_at).collect()
        };
        assert_eq!(times(first_read), times(read_again));

        assert_eq!(mark_read(&app, customer, middle).await.expect("read"), 1);
        assert_eq!(mark_all_read(&app, customer).await.expect("all read"), 0);
        assert_eq!(mark_all_read(&app, customer).await.expect("all read again"), 0);
        let told = counts(&outbox_rows(&app).await, customer.user_id);
        let expected: Vec<_> = [1, 2, 3, 2, 1, 0]
            .into_iter()
            .zip(1..)
            .map(|(count, revision)| (revision, json!(count)))
            .collect();
        assert_eq!(told, expected);
    }
}

#[actix_web::test]
async fn what_belongs_to_somebody_else_is_not_there() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let stranger = app.user(Role::Customer).await;
        notify(&app, customer.user_id, confirmed()).await;
        let id = ids(&app, customer, Filter::default()).await[0];

        for (who, id) in [(stranger, id), (customer, NotificationId::new())] {
            let refused = mark_read(&app, who, id).await;
            assert!(matches!(refused, Err(ServiceError::NotFound { what: "notification" })), "{refused:?}");
        }
        assert_eq!(ids(&app, stranger, Filter::default()).await, []);
        assert_eq!(counted(&app, customer).await, (1, 1));
    }
}

#[actix_web::test]
async fn a_change_that_fails_notifies_nobody() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let user_id = customer.user_id;
        let failed = app.write(move |tx| {
            add_all(tx, vec![(user_id, confirmed()), (user_id, confirmed())])?;
            Err::<(), _>(ServiceError::conflict("illegal_transition", "no"))
        });
        assert!(failed.await.is_err());
        assert_eq!(counted(&app, customer).await, (0, 0));
        assert!(outbox_rows(&app).await.is_empty());
    }
}

#[actix_web::test]
async fn a_user_who_is_gone_gets_nothing() {
    for app in TestApp::each() {
        notify(&app, UserId::new(), confirmed()).await;
        assert!(outbox_rows(&app).await.is_empty());
    }
}
