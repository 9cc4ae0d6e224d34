//! Three servers behind nginx, with PostgreSQL and Redis, while everything goes wrong: processes are killed and stand
//! still, Redis loses its data, connections break and crawl, clients vanish and come back. In the end, what every client
//! has been told is compared with the database: nothing that was committed is missing, nothing is out of order.
//!
//! A whole city then lives on it (`city`).
//!
//! What goes wrong, and when, follows from a seed, which is printed. `make chaos SECONDS=1800 SEED=7` runs the
//! first for long, `make soak` the second.

mod city;
mod faults;
pub mod nginx;
pub mod proxy;
pub mod site;
mod viewer;
mod writers;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use faults::Faults;
use site::Site;
use viewer::{Orders, Viewer};
use writers::{Committed, Writers};

/// How long things go wrong when nobody says for how long.
const USUALLY: u64 = 90;
/// How long everything may take to be right again once nothing goes wrong any more: the servers have 5 s from when all
/// is there again; clients and killed processes have to come back, too.
const HEALED_WITHIN: Duration = Duration::from_secs(40);

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// What chance starts from: what the variable says, or chance.
fn seed(name: &str) -> u64 {
    number(name).unwrap_or_else(|| rand::rng().random_range(0..1_000_000))
}

#[actix_web::test]
async fn whatever_goes_wrong_nothing_that_was_committed_is_missing_or_out_of_order() {
    let span = Duration::from_secs(number("WAYBILL_TEST_CHAOS_SECONDS").unwrap_or(USUALLY));
    let seed = seed("WAYBILL_TEST_CHAOS_SEED");
    println!("chaos: {span:?} with the seed {seed}");
    let random = StdRng::seed_from_u64(seed);

    // One partner carries all orders.
    let (mut site, cast) = Site::with_cast(3, &[("WAYBILL_ORDERS_IN_HAND", "1000")]).await;
    let committed = Rc::new(Committed::default());
    let writers = Writers::start(&site, &cast, &committed);
    let viewers = viewer::start_all(&site, &cast, &committed, seed);

    let mut faults = Faults::new(random);
    let begin = Instant::now();
    while begin.elapsed() < span {
        faults.happen(&mut site, &viewers).await;
    }
    println!("chaos: {}", faults.summary());
    site.heal().await;
    writers.finish().await;
    println!("chaos: {}", committed.summary());

    let truth = Orders::read(&site, &cast).await;
    let healed = Instant::now();
    loop {
        let wrong: Vec<String> =
            viewers.iter().flat_map(|viewer| viewer.missing(&truth, &committed)).collect();
        if wrong.is_empty() {
            break;
        }
        if healed.elapsed() > HEALED_WITHIN {
            let logs = site.end().await;
            panic!("seed {seed}: {} things are missing, such as\n{}\n\n{logs}", wrong.len(), first(&wrong));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("chaos: all was right {:?} after the last writer", healed.elapsed());
    let wrong: Vec<String> = viewers.iter().flat_map(Viewer::violations).collect();
    println!("chaos: {}", viewer::summary(&viewers));
    if !wrong.is_empty() {
        let logs = site.end().await;
        panic!("seed {seed}: {} promises were broken, such as\n{}\n\n{logs}", wrong.len(), first(&wrong));
    }
}

/// The first line of each kind, the kind being what stands before the colon.
fn first(lines: &[String]) -> String {
    let mut kinds: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for line in lines {
        let (kind, rest) = line.split_once(": ").unwrap_or((line, ""));
        kinds.entry(kind).or_insert((0, rest)).0 += 1;
    }
    let shown =
        kinds.iter().take(30).map(|(kind, (count, rest))| format!("{kind}: {count} times, such as {rest}"));
    shown.collect::<Vec<_>>().join("\n")
}
