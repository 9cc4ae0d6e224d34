//! How the clocks of servers stand to the database's.

use diesel::connection::SimpleConnection;

use super::Fleet;
use crate::faults::caller::Caller;
use crate::faults::stage::{Stage, direct};
use crate::support::TestDatabase;

const FIGURE: &str = "waybill_clock_offset_seconds";

/// Lets the clock of a database go so many seconds ahead of this machine's, for whoever connects from now on and for those
/// for whom that was done before.
fn set_ahead(database: &TestDatabase, seconds: i32) {
    // What is found in `public` first stands in for the server's own function.
    direct(database)
        .batch_execute(&format!(
            "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE \
             AS $$ SELECT pg_catalog.clock_timestamp() + make_interval(secs => {seconds}) $$; \
             DO $$ BEGIN EXECUTE \
             format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$"
        ))
        .expect("the clock is set");
}

/// As a figure tells seconds: to within what a busy machine takes to answer.
fn about(seconds: f64) -> impl Fn(f64) -> bool {
    move |told| (told - seconds).abs() < 0.4
}

#[actix_web::test]
async fn a_server_tells_how_far_its_clock_is_from_the_databases_and_warns_once_each_time() {
    let (stage, _) = Stage::new(0, &[]).await;
    set_ahead(stage.database(), 3_600);
    let process = stage.serve().await;
    let caller = Caller::new();
    caller.until_figure(process.address, FIGURE, about(-3_600.0)).await;
    set_ahead(stage.database(), 0);
    caller.until_figure(process.address, FIGURE, about(0.0)).await;
    set_ahead(stage.database(), -5);
    caller.until_figure(process.address, FIGURE, about(5.0)).await;
    let log = process.stop().log;
    let said = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(said("3600.0 s behind the database's"), 1, "{log}");
    assert_eq!(said("goes with the database's again"), 1, "{log}");
    assert_eq!(said("5.0 s ahead of the database's"), 1, "{log}");
    assert_eq!(said("the clock of this machine"), 3, "{log}");
}

#[actix_web::test]
async fn each_of_several_servers_tells_how_its_clock_stands() {
    let fleet = Fleet::start(2).await;
    let caller = Caller::new();
    // The connections that there are go by the database's own clock.
    set_ahead(&fleet.database, 60);
    let third = crate::support::TestApp::start_beside(&fleet.database, &[]).await.expect("it starts");
    caller.until_figure(third.address(), FIGURE, about(-60.0)).await;
    for app in &fleet.apps {
        assert!(about(0.0)(caller.figure(app.address(), FIGURE).await));
    }
}
