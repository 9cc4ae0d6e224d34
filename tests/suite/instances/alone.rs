//! Servers that share a database and know nothing of each other.

use tempfile::TempDir;

use crate::faults::stage::{Stage, ended};
use crate::support::TestDatabase;
use crate::support::process::Process;

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
    let _other = crate::support::TestApp::start_beside(&database, &[]).await.expect("it starts");
    let folder = TempDir::new().expect("a folder");
    let url = database.url();
    let alone =
        tokio::task::spawn_blocking(move || Process::serve(&folder, &[("DATABASE_URL", &url)]).wait());
    let ended = alone.await.expect("it ends");
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("REDIS_URL"), "{}", ended.log);
}
