//! Money over two processes of which one or the other is killed in the midst of calls: each call is made again elsewhere, with
//! the same key, until it is answered, and in the end all balances are what the answers say.

mod books;
mod house;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt::spawn;
use actix_web::rt::task::spawn_blocking;
use diesel::RunQueryDsl;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use tokio::sync::Notify;
use tokio::time::timeout;
use waybill::domain::ledger::Account;
use waybill::domain::money::Currency;
use waybill::store::{Conn, ledger};

use crate::faults::caller::Caller;
use crate::faults::stage::{Stage, direct, kill};
use crate::money::SETTINGS;
use crate::support::process::{Process, run, waybill};
use crate::support::{TestApp, TestDatabase};

use books::Books;
use house::{House, Worker};

const CUSTOMERS: usize = 5;
const PARTNERS: usize = 3;
const KILLS: usize = 8;
/// How often the customers are answered before one of the two is killed, at least.
const ANSWERS: usize = 20;
/// The longest that nobody is answered.
const PATIENCE: Duration = Duration::from_secs(20);

/// Kills it as soon as an answer is kept that one of the two has not sent yet, or has sent this very moment.
async fn kill_at_a_commit(process: Process, mut conn: Conn) -> Process {
    let killed = spawn_blocking(move || {
        let mut kept = || kept_answers(&mut conn).expect("the database answers");
        let (begin, before) = (Instant::now(), kept());
        while kept() == before {
            assert!(begin.elapsed() < PATIENCE, "nothing is written any more");
        }
        process.signal(Signal::KILL);
        process
    });
    killed.await.expect("it is killed")
}

/// How many answers are kept.
fn kept_answers(conn: &mut Conn) -> diesel::QueryResult<i64> {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let count = diesel::sql_query("SELECT COUNT(*) AS count FROM idempotency_keys");
    Ok(count.get_result::<Count>(conn)?.count)
}

#[actix_web::test]
async fn whichever_of_two_instances_is_killed_each_key_moves_money_once() {
    let seed = std::env::var("WAYBILL_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| rand::rng().random());
    // Shown where the test fails.
    eprintln!("WAYBILL_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let database = TestDatabase::new();
    let (redis, prefix) = database.redis().expect("these tests belong to the run with PostgreSQL");
    let app = TestApp::start_on(database, &[("WAYBILL_ACCESS_LIFETIME_SECS", "604800")]).await;
    let mut partners = Vec::new();
    for _ in 1..PARTNERS {
        partners.push(app.partner().await);
    }
    let (database, stopped) = app.stop().await;
    stopped.expect("it stops in time");
    // Partners are given orders by an admin alone, and answers that are lost are asked for by who waits for them.
    let own = [
        ("REDIS_URL", redis.as_str()),
        ("WAYBILL_REDIS_PREFIX", prefix.as_str()),
        ("WAYBILL_DISPATCH", "off"),
    ];
    let (stage, cast) = Stage::on(database, CUSTOMERS, &[SETTINGS.as_slice(), &own].concat()).await;
    partners.push(cast.partner.clone());

    let mut processes = [stage.serve().await, stage.serve().await];
    let house = Rc::new(House {
        caller: Caller::new(),
        addresses: RefCell::new([Some(processes[0].address), Some(processes[1].address)]),
        partners,
        admin: cast.admin.clone(),
        books: RefCell::new(Books::new(CUSTOMERS, PARTNERS)),
        answered: Notify::new(),
        done: Cell::new(false),
        repeated: Cell::new(0),
        replayed: Cell::new(0),
    });
    let workers: Vec<_> = (0..CUSTOMERS)
        .map(|place| {
            let rng = StdRng::seed_from_u64(rng.random());
            spawn(Worker::new(Rc::clone(&house), place, cast.customers[place].clone(), rng).work())
        })
        .collect();

    let begin = Instant::now();
    for _ in 0..KILLS {
        for _ in 0..ANSWERS {
            let answered = house.answered.notified();
            timeout(PATIENCE, answered).await.expect("calls are answered");
        }
        let at = rng.random_range(0..2);
        let [first, second] = processes;
        let (dying, other) = if at == 0 { (first, second) } else { (second, first) };
        let dead = kill_at_a_commit(dying, direct(stage.database())).await;
        house.set(at, None);
        kill(dead).await;
        let reborn = stage.serve().await;
        house.set(at, Some(reborn.address));
        processes = if at == 0 { [reborn, other] } else { [other, reborn] };
    }
    house.done.set(true);
    for worker in workers {
        worker.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let (repeated, replayed) = (house.repeated.get(), house.replayed.get());
    eprintln!(
        "{KILLS} kills in {:?}; {repeated} calls made again, {replayed} answered once more",
        begin.elapsed()
    );
    eprintln!("{:?}", house.books.borrow());
    assert!(repeated > 0, "seed {seed}: no kill came in the midst of a call");
    house.books.borrow().all_was_tried();

    for address in processes.each_ref().map(|process| process.address) {
        house.is_as_answered(address, &cast.customers).await;
    }
    let conn = &mut direct(stage.database());
    for (account, balance) in house.books.borrow().of_the_house() {
        let kept = ledger::balance(conn, Currency::DEFAULT, account).expect("a balance");
        assert_eq!(kept, balance, "seed {seed}: {account:?}");
    }
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut command = waybill(&folder, &[("DATABASE_URL", stage.database().url().as_str())]);
    command.args(["ledger", "verify"]);
    let output = run(command, "");
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert_eq!(output.status.code(), Some(0), "seed {seed}: {stdout}{stderr}");
}
