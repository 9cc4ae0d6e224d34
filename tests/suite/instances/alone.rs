//! Servers that share a database and know nothing of each other.

use awc::http::Method;
use tempfile::TempDir;

use crate::faults::stage::{Stage, ended};
use crate::support::process::Process;
use crate::support::{TestApp, TestDatabase};

#[actix_web::test]
async fn a_second_server_without_redis_stops_and_says_why() {
    let (stage, _) = Stage::on(TestDatabase::new(), 0, &[]).await;
    let mut first = stage.serve().await;
    let second = ended(stage.serve().await).await;
    assert_eq!(second.code, Some(1), "{}", second.log);
    assert!(second.log.contains("REDIS_URL"), "{}", second.log);
    assert!(first.is_running());
    assert_eq!(tokio::task::spawn_blocking(|| first.stop()).await.expect("it ends").code, Some(0));
}

#[actix_web::test]
async fn a_server_without_redis_beside_others_with_it_stops_and_says_why() {
    let database = TestDatabase::new();
    let _other = TestApp::start_beside(&database, &[]).await.expect("it starts");
    let folder = TempDir::new().expect("a folder");
    let url = database.url();
    let alone =
        tokio::task::spawn_blocking(move || Process::serve(&folder, &[("DATABASE_URL", &url)]).wait());
    let ended = alone.await.expect("it ends");
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("REDIS_URL"), "{}", ended.log);
}

#[actix_web::test]
async fn a_server_that_meets_the_others_in_another_redis_says_so_and_sends_its_sessions_to_them() {
    let database = TestDatabase::new();
    let leader = TestApp::start_beside(&database, &[]).await.expect("it starts");
    leader.until("it has the lease", || async { leader.inner().leadership().term().is_some() }).await;
    let other = TestApp::start_beside(&database, &[]).await.expect("it starts");
    let strange = [("WAYBILL_REDIS_PREFIX", "elsewhere")];
    let stranger = TestApp::start_beside(&database, &strange).await.expect("it starts");
    let customer = leader.customer().await;
    stranger.as_nobody().call(Method::GET, "/readyz", &[], None).await.refused(503, "not_ready");
    let mut bell = stranger.connect(&customer, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    assert_eq!(bell.closed().await.0, 1012);
    stranger.as_nobody().call(Method::GET, "/readyz", &[], None).await.refused(503, "cut_off");
    leader.as_nobody().call(Method::GET, "/readyz", &[], None).await.expect(200);
    // It does not become the one that the others have to hear.
    drop(leader);
    other.until("it has the lease", || async { other.inner().leadership().term().is_some() }).await;
    other.as_nobody().call(Method::GET, "/readyz", &[], None).await.expect(200);
    // Until there is nobody else.
    drop(other);
    stranger
        .until("it is ready", || async {
            stranger.as_nobody().call(Method::GET, "/readyz", &[], None).await.status == 200
        })
        .await;
}
