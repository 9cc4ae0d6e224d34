//! Clients that read nothing, and sessions that have to end all the same.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::caller::{Call, Caller};
use super::stage::{SERVICE_KEY, Stage, ended};
use crate::support::TestUser;
use crate::support::raw::Raw;

const PATIENCE: Duration = Duration::from_secs(30);

/// A session that has more to say than the kernel takes, and no more than may wait for it.
async fn stuck(address: SocketAddr, user: &TestUser, caller: &Caller) -> Raw {
    let mut raw = Raw::connect_with_small_buffer(address).await;
    let bearer = format!("Authorization: Bearer {}", user.token);
    assert_eq!(raw.upgrade(address, "/ws/notifications/", &bearer).await.status, 101);
    raw.expect("unread_count").await;
    for _ in 0..10 {
        let event = json!({"group": format!("user_{}", user.id), "type": "news", "data": "x".repeat(60_000)});
        let published = caller.once(address, &Call::post(SERVICE_KEY, "/events", event)).await;
        assert_eq!(published.expect("an answer").0, 202);
    }
    caller.until_figure(address, "waybill_outbox_waiting", |count| count < 0.5).await;
    raw
}

#[actix_web::test]
async fn a_session_whose_client_reads_nothing_makes_room_and_holds_up_no_stop() {
    let settings = [
        ("WAYBILL_SEND_BUFFER_BYTES", "4096"),
        // Not the kernel is to end it.
        ("WAYBILL_TCP_USER_TIMEOUT_MS", "600000"),
        ("WAYBILL_SESSIONS_PER_USER", "1"),
        ("WAYBILL_DRAIN_SECS", "30"),
    ];
    let (stage, cast) = Stage::new(1, &settings).await;
    let (process, user, caller) = (stage.serve().await, &cast.customers[0], Caller::new());
    let address = process.address;
    let _replaced = stuck(address, user, &caller).await;
    let _last = stuck(address, user, &caller).await;
    let one = caller.until_figure(address, "waybill_sessions", |count| (0.5..1.5).contains(&count));
    timeout(PATIENCE, one).await.expect("the older one ends");

    let begin = Instant::now();
    process.signal(Signal::TERM);
    let end = ended(process).await;
    assert_eq!(end.code, Some(0), "{}", end.log);
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}
