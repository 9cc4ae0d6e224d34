//! What a crash left in the outbox, made by hand: rows that no bell has rung for.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use serde_json::{Value, json, value::to_raw_value};
use tokio::time::timeout;
use waybill::domain::group::GroupKey;
use waybill::domain::ids::EventId;
use waybill::domain::time::Timestamp;
use waybill::protocol::dispatch::Dispatch;
use waybill::store::outbox::{self, NewOutboxRow};

use super::caller::{Call, Caller};
use super::stage::{SERVICE_KEY, Stage, direct, kill, waiting};
use crate::support::process::Process;
use crate::support::{Socket, TestDatabase, TestUser};

/// Leaves an event behind that no commit has told of.
fn leave_behind(database: &TestDatabase, group: GroupKey) -> String {
    let frame = to_raw_value(&json!({"type": "left_behind", "data": {}})).expect("JSON");
    let id = EventId::new();
    let dispatch = Dispatch::Publish { groups: vec![group], frame };
    let row = NewOutboxRow { event_id: id, dispatch };
    outbox::append(&mut direct(database), Timestamp::now(), &[row]).expect("a row");
    id.to_string()
}

async fn listen(process: &Process, user: &TestUser) -> Socket {
    let bearer = format!("Bearer {}", user.token);
    let headers = [("Authorization", bearer.as_str())];
    let mut socket = Socket::open(process.address, "/ws/notifications/", &headers).await.expect("it opens");
    socket.expect("unread_count").await;
    socket
}

/// Publishes one more event and gives all that came before it.
async fn before_a_marker(process: &Process, user: &TestUser, socket: &mut Socket) -> Vec<Value> {
    let body = json!({"group": format!("user_{}", user.id), "type": "marker", "data": {}});
    let marker = Caller::new().once(process.address, &Call::post(SERVICE_KEY, "/events", body)).await;
    assert_eq!(marker.expect("an answer").0, 202);
    let mut frames = socket.until("marker").await;
    frames.pop();
    frames
}

async fn until_nothing_waits(database: &TestDatabase) {
    let gone = async {
        while waiting(database) > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), gone).await.expect("the outbox is worked off");
}

#[actix_web::test]
async fn an_event_that_no_bell_rang_for_reaches_its_subscriber_once() {
    let (stage, cast) = Stage::new(1, &[]).await;
    let user = &cast.customers[0];
    let process = stage.serve().await;
    let mut socket = listen(&process, user).await;
    let id = leave_behind(stage.database(), GroupKey::User(user.id));
    assert_eq!(socket.expect("left_behind").await["id"], id.as_str());
    until_nothing_waits(stage.database()).await;
    let after = before_a_marker(&process, user, &mut socket).await;
    assert!(after.iter().all(|frame| frame["type"] != "left_behind"), "{after:?}");
}

#[actix_web::test]
async fn what_waited_while_the_server_was_down_is_published_and_removed() {
    let (stage, cast) = Stage::new(1, &[]).await;
    let user = &cast.customers[0];
    let first = stage.serve().await;
    let mut socket = listen(&first, user).await;
    let before = socket.so_far().await;
    assert_eq!(before, [] as [Value; 0]);
    kill(first).await;
    leave_behind(stage.database(), GroupKey::User(user.id));

    let second = stage.serve().await;
    until_nothing_waits(stage.database()).await;
    let published = Caller::new().figure(second.address, "waybill_outbox_published_total").await;
    assert!((published - 1.0).abs() < f64::EPSILON, "{published}");
    // The numbering of the first server is not taken for that of the second.
    let bearer = format!("Bearer {}", user.token);
    let mut socket =
        Socket::open(second.address, "/ws/", &[("Authorization", &bearer)]).await.expect("it opens");
    let group = format!("user_{}", user.id);
    socket
        .send(json!({"type": "subscribe", "group": group, "since": {"epoch": "of-the-first", "seq": 0}}))
        .await;
    assert_eq!(socket.expect("subscribed").await["recovered"], false);
    socket.expect("unread_count").await;
}

#[actix_web::test]
async fn a_row_that_cannot_be_removed_is_published_once_all_the_same() {
    let database = TestDatabase::Sqlite(tempfile::TempDir::new().expect("a folder"));
    let (stage, cast) = Stage::on(database, 1, &[]).await;
    let user = &cast.customers[0];
    let process = stage.serve().await;
    let mut socket = listen(&process, user).await;
    let caller = Caller::new();

    let id = leave_behind(stage.database(), GroupKey::User(user.id));
    // Others read while this is held, and cannot write.
    let mut lock = direct(stage.database());
    lock.batch_execute("BEGIN IMMEDIATE").expect("the lock");
    assert_eq!(socket.expect("left_behind").await["id"], id.as_str());
    let failed = caller.until_figure(process.address, "waybill_outbox_failures_total", |count| count >= 1.0);
    timeout(Duration::from_secs(60), failed).await.expect("removing fails while another writes");
    lock.batch_execute("COMMIT").expect("the lock is given up");

    until_nothing_waits(stage.database()).await;
    let after = before_a_marker(&process, user, &mut socket).await;
    assert!(after.iter().all(|frame| frame["type"] != "left_behind"), "{after:?}");
}

#[actix_web::test]
async fn guarantee_4_what_comes_twice_after_a_fault_has_the_same_id() {
    let database = TestDatabase::Sqlite(tempfile::TempDir::new().expect("a folder"));
    let (stage, cast) = Stage::on(database, 1, &[]).await;
    let user = &cast.customers[0];
    let first = stage.serve().await;
    let mut socket = listen(&first, user).await;
    let id = leave_behind(stage.database(), GroupKey::User(user.id));
    // Published, and killed before the row could be removed.
    let mut lock = direct(stage.database());
    lock.batch_execute("BEGIN IMMEDIATE").expect("the lock");
    let once = socket.expect("left_behind").await;
    kill(first).await;
    lock.batch_execute("COMMIT").expect("the lock is given up");

    // What the next server would publish as it starts waits until there is a session that can see it.
    let mut conn = direct(stage.database());
    let (mut rows, unreadable) = outbox::waiting(&mut conn, 0, 10).expect("the outbox can be read");
    let row = rows.pop().expect("the row is still there");
    assert_eq!((rows.len(), unreadable.len()), (0, 0));
    outbox::remove(&mut conn, &[row.id]).expect("it is taken out");
    let second = stage.serve().await;
    let mut socket = listen(&second, user).await;
    let back = NewOutboxRow { event_id: row.event_id, dispatch: row.dispatch };
    outbox::append(&mut conn, row.at, &[back]).expect("it is put back");
    let twice = socket.expect("left_behind").await;
    assert_eq!(twice["id"], id.as_str());
    for same in ["id", "at", "data", "group"] {
        assert_eq!(twice[same], once[same], "{same}");
    }
    until_nothing_waits(stage.database()).await;
}
