//! A city of `waybill simulate` on two servers, while everything goes wrong: people order, ride, write and pay through the
//! public interface, hold what they see against the contract, and in the end every account adds up.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use actix_web::rt::task::spawn_blocking;
use actix_web::rt::time::sleep;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::faults::Faults;
use super::proxy::{Proxy, Target};
use super::site::Site;
use super::{number, seed};
use crate::support::process::waybill;

/// How long things go wrong when nobody says for how long.
const USUALLY: u64 = 30;
/// How long nothing goes wrong at first, of a run that is long enough.
const CALM: Duration = Duration::from_secs(180);
/// How long things go wrong until they do not.
const STORM: Duration = Duration::from_secs(300);
/// For how long they do not then, by turns: most that is waited for is overdue after 40 s in which all went well, an offer
/// after 100 s, and it may take a minute until Redis is used again.
const LULLS: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(210)];
/// How many servers.
const SERVERS: usize = 2;

#[actix_web::test]
async fn a_city_lives_on_whatever_goes_wrong_and_its_ledger_verifies() {
    let span = Duration::from_secs(number("WAYBILL_TEST_SOAK_SECONDS").unwrap_or(USUALLY));
    let seed = seed("WAYBILL_TEST_SOAK_SEED");
    let partners = number("WAYBILL_TEST_SOAK_PARTNERS").unwrap_or(16).to_string();
    let rate = number("WAYBILL_TEST_SOAK_ORDERS_PER_MINUTE").unwrap_or(30).to_string();
    // A short run lives fast, so that orders come to their end in it.
    let pace = number("WAYBILL_TEST_SOAK_PACE").unwrap_or(4).to_string();
    println!("soak: {span:?} with the seed {seed}, {partners} partners, {rate} orders a minute, pace {pace}");

    let settings = [("WAYBILL_PAYMENT_PROVIDER", "test"), ("WAYBILL_DISPATCH_AGAIN_MS", "1000")];
    let mut site = Site::empty(SERVERS, &settings).await;
    let road = Proxy::start(Target::Tcp(site.nginx.address)).await;
    let folder = TempDir::new().expect("a folder");
    let mut simulate = waybill(&folder, &[]);
    simulate.args(["simulate", "--url", &format!("http://{}", road.address), "--seed", &seed.to_string()]);
    simulate.args(["--partners", &partners, "--orders-per-minute", &rate, "--pace", &pace]);
    let mut city = City::start(simulate, &folder);

    let mut faults = Faults::new(StdRng::seed_from_u64(seed));
    let begin = Instant::now();
    // Some rules of the simulation hold only while nothing goes wrong.
    city.rest((span / 10).min(CALM)).await;
    let mut lulls = LULLS.iter().cycle();
    let (mut storm, mut calm) = (Instant::now(), Duration::ZERO);
    while begin.elapsed() < span && city.has_ended().is_none() {
        faults.happen(&mut site, &road).await;
        if storm.elapsed() > STORM
            && let Some(lull) = lulls.next()
        {
            calm += city.rest((*lull).min(span.saturating_sub(begin.elapsed()))).await;
            storm = Instant::now();
        }
    }
    println!("soak: {} after {:?}, of which {calm:?} between them", faults.summary(), begin.elapsed());
    let lived_on = city.has_ended().is_none();
    site.heal().await;
    city.close();
    let status = loop {
        match city.has_ended() {
            Some(status) => break status,
            None => sleep(Duration::from_millis(100)).await,
        }
    };
    let report = city.report();
    println!("{report}");
    if status.code() != Some(0) || !lived_on || !report.contains("× completed") {
        let logs = site.end().await;
        panic!("seed {seed}: the city ended with {status}\n{report}\n{}\n\n{logs}", city.log());
    }

    // What never was in force could not have been broken.
    if calm > Duration::from_secs(240) {
        assert!(!report.contains(" 0 s in force"), "seed {seed}: {report}");
    }

    let url = site.database.url();
    let mut verify = waybill(&folder, &[("DATABASE_URL", url.as_str())]);
    let verified = spawn_blocking(move || verify.args(["ledger", "verify"]).output()).await;
    let verified = verified.expect("no panic").expect("it ran");
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    println!("{said}");
    assert_eq!(verified.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&verified.stderr));
}

/// A running simulation. Dropping it kills it.
struct City {
    process: Child,
    report: PathBuf,
    log: PathBuf,
}

impl City {
    fn start(mut simulate: Command, folder: &TempDir) -> Self {
        let (report, log) = (folder.path().join("report"), folder.path().join("log"));
        let file = |path: &PathBuf| File::create(path).expect("a file");
        let command = simulate.stdin(Stdio::null()).stdout(file(&report)).stderr(file(&log));
        Self { process: command.spawn().expect("it starts"), report, log }
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("its state is known")
    }

    /// Lets it live, for so long or until it has ended, and tells how long that was.
    async fn rest(&mut self, span: Duration) -> Duration {
        let begin = Instant::now();
        while begin.elapsed() < span && self.has_ended().is_none() {
            sleep(Duration::from_millis(100)).await;
        }
        begin.elapsed()
    }

    /// From now on nobody orders, and what is open comes to its end.
    fn close(&mut self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a process id");
        if self.has_ended().is_none() {
            kill_process(pid, Signal::INT).expect("it is there");
        }
    }

    fn report(&self) -> String {
        std::fs::read_to_string(&self.report).expect("what it printed")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("what it logged")
    }
}

impl Drop for City {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
