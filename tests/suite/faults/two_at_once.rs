//! Several processes at once on one database, and migrations that cannot be made.

use std::process::{Command, Output, Stdio};

use actix_web::rt::task::spawn_blocking;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use tempfile::TempDir;
use waybill::store::Conn;

use super::postgres::Cluster;
use super::stage::{Stage, direct, kill};
use crate::support::TestDatabase;
use crate::support::process::{Process, waybill};

/// Runs a command several times at once, each to its end.
fn at_once(count: usize, command: impl Fn() -> Command) -> Vec<Output> {
    let children: Vec<_> = (0..count)
        .map(|_| {
            let mut command = command();
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the program starts")
        })
        .collect();
    children.into_iter().map(|child| child.wait_with_output().expect("it ends")).collect()
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut Conn, query: &str) -> Vec<String> {
    let lines: Vec<Line> = diesel::sql_query(query).load(conn).expect("the query runs");
    lines.into_iter().map(|line| line.line).collect()
}

/// Every table, index and column that there is.
fn tables(conn: &mut Conn) -> Vec<String> {
    let query = match conn {
        Conn::Sqlite(_) => "SELECT name || ': ' || coalesce(sql, '') AS line FROM sqlite_master ORDER BY 1",
        Conn::Postgres(_) => {
            "SELECT table_name || '.' || column_name AS line FROM information_schema.columns \
             WHERE table_schema = 'public' ORDER BY 1"
        }
    };
    lines(conn, query)
}

fn migrations(database: &TestDatabase) -> Vec<String> {
    lines(&mut direct(database), "SELECT version AS line FROM __diesel_schema_migrations ORDER BY 1")
}

#[test]
fn migrating_four_times_at_once_on_sqlite_migrates_once() {
    let (folder, database) = (TempDir::new().expect("a folder"), sqlite());
    let url = database.url();
    let outputs = at_once(4, || {
        let mut command = waybill(&folder, &[("DATABASE_URL", &url)]);
        command.arg("migrate");
        command
    });
    check_migrated_once(&outputs, &database);
}

#[test]
fn migrating_four_times_at_once_on_postgres_migrates_once() {
    let cluster = Cluster::start();
    let (folder, database) = (TempDir::new().expect("a folder"), cluster.database());
    let url = database.url();
    let outputs = at_once(4, || {
        let mut command = waybill(&folder, &[("DATABASE_URL", &url)]);
        command.arg("migrate");
        command
    });
    check_migrated_once(&outputs, &database);
}

fn check_migrated_once(outputs: &[Output], database: &TestDatabase) {
    let mut made = 0;
    for output in outputs {
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{log}");
        made += log.matches("migrated the database to").count();
    }
    let recorded = migrations(database);
    assert!(!recorded.is_empty());
    assert_eq!(made, recorded.len(), "{recorded:?}");
}

#[actix_web::test]
async fn two_servers_that_start_at_once_on_a_fresh_postgres_both_serve() {
    let cluster = Cluster::start();
    let (folder, database) = (TempDir::new().expect("a folder"), cluster.database());
    let url = database.url();
    let folder = std::sync::Arc::new(folder);
    let start = || {
        let (folder, url) = (std::sync::Arc::clone(&folder), url.clone());
        spawn_blocking(move || Process::serve(&folder, &[("DATABASE_URL", &url)]))
    };
    let (first, second) = tokio::join!(start(), start());
    let (first, second) = (first.expect("the first serves"), second.expect("the second serves"));
    let caller = super::caller::Caller::new();
    for process in [&first, &second] {
        assert_eq!(caller.page(process.address, "/readyz").await.0, 200);
    }
    assert!(!migrations(&database).is_empty());
    kill(first).await;
    kill(second).await;
}

#[actix_web::test]
async fn a_second_server_on_one_sqlite_file_refuses_and_says_why() {
    let (stage, _) = Stage::on(sqlite(), 0, &[]).await;
    let process = stage.serve().await;
    let (folder, url) = (TempDir::new().expect("a folder"), stage.database().url());
    let output = at_once(1, || {
        let settings = [("DATABASE_URL", url.as_str()), ("WAYBILL_LISTEN", "127.0.0.1:0")];
        let mut command = waybill(&folder, &settings);
        command.arg("serve");
        command
    });
    let (log, code) = (String::from_utf8_lossy(&output[0].stderr), output[0].status.code());
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("another server") && log.contains(&process.id().to_string()), "{log}");
    assert!(output[0].stdout.is_empty(), "it says that it listens");
    assert_eq!(super::caller::Caller::new().page(process.address, "/readyz").await.0, 200);
}

#[test]
fn a_migration_that_cannot_be_made_leaves_sqlite_as_it_was() {
    check_failed_migration(&sqlite());
}

#[test]
fn a_migration_that_cannot_be_made_leaves_postgres_as_it_was() {
    let cluster = Cluster::start();
    check_failed_migration(&cluster.database());
}

fn check_failed_migration(database: &TestDatabase) {
    let mut conn = direct(database);
    // In the way of a table that is not the first that is made.
    conn.batch_execute("CREATE TABLE orders (somebody_elses TEXT)").expect("a table");
    let before = tables(&mut conn);
    let (folder, url) = (TempDir::new().expect("a folder"), database.url());
    for command in ["migrate", "serve"] {
        let output = at_once(1, || {
            let settings = [("DATABASE_URL", url.as_str()), ("WAYBILL_LISTEN", "127.0.0.1:0")];
            let mut process = waybill(&folder, &settings);
            process.arg(command);
            process
        });
        let log = String::from_utf8_lossy(&output[0].stderr);
        assert_eq!(output[0].status.code(), Some(1), "{command}: {log}");
        let complaints: Vec<&str> = log.lines().filter(|line| line.starts_with("waybill: ")).collect();
        assert_eq!(complaints.len(), 1, "{command}: {log}");
        assert!(
            complaints[0].contains("orders") && complaints[0].contains("already exists"),
            "{command}: {log}"
        );
        assert_eq!(tables(&mut conn), before, "{command}");
    }
}

fn sqlite() -> TestDatabase {
    TestDatabase::Sqlite(TempDir::new().expect("a folder"))
}
