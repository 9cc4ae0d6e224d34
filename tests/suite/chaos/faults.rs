//! What goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rustix::process::Signal;
use tokio::time::sleep;

use super::proxy::{Mode, Proxy};
use super::site::Site;
use super::viewer::Viewer;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillServer,
    StopServer,
    FreezeServer,
    KillRedis,
    EmptyRedis,
    FreezeRedis,
    CutRedis,
    SlowRedis,
    StallRedis,
    CutOneFromRedis,
    CutPostgres,
    SlowPostgres,
    Vanish,
    StopReading,
}

const ALL: [Fault; 14] = [
    Fault::KillServer,
    Fault::StopServer,
    Fault::FreezeServer,
    Fault::KillRedis,
    Fault::EmptyRedis,
    Fault::FreezeRedis,
    Fault::CutRedis,
    Fault::SlowRedis,
    Fault::StallRedis,
    Fault::CutOneFromRedis,
    Fault::CutPostgres,
    Fault::SlowPostgres,
    Fault::Vanish,
    Fault::StopReading,
];

/// Those who use what goes wrong, and with whom things go wrong, too.
pub trait Clients {
    /// Some or all of their connections break, without a good-bye.
    fn vanish(&self);
    /// Some or all go on reading, or stop.
    fn read(&self, reads: bool);
}

impl Clients for Vec<Viewer> {
    fn vanish(&self) {
        self.iter().step_by(2).for_each(Viewer::vanish);
    }

    fn read(&self, reads: bool) {
        let those = self.iter().enumerate().filter(|(place, _)| reads || place % 2 == 1);
        those.for_each(|(_, viewer)| viewer.read(reads));
    }
}

/// All who come by way of a proxy.
impl Clients for Proxy {
    fn vanish(&self) {
        self.sever();
    }

    fn read(&self, reads: bool) {
        self.set(if reads { Mode::Open } else { Mode::Stalled });
    }
}

/// Lets things go wrong, one after the other, sometimes two at once.
pub struct Faults {
    random: StdRng,
    happened: BTreeMap<Fault, usize>,
}

impl Faults {
    pub fn new(random: StdRng) -> Self {
        Self { random, happened: BTreeMap::new() }
    }

    /// How often what has happened.
    pub fn summary(&self) -> String {
        let parts: Vec<String> =
            self.happened.iter().map(|(fault, count)| format!("{fault:?} {count}")).collect();
        parts.join(", ")
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.random.random_range(from..to))
    }

    /// One thing goes wrong, for a while, and then nothing for a while.
    pub async fn happen(&mut self, site: &mut Site, clients: &impl Clients) {
        let fault = *ALL.choose(&mut self.random).expect("there are some");
        let server = self.random.random_range(0..site.servers.len());
        *self.happened.entry(fault).or_default() += 1;
        self.carry_out(fault, server, site, clients).await;
        let pause = self.millis(200, 3_000);
        sleep(pause).await;
    }

    async fn carry_out(&mut self, fault: Fault, index: usize, site: &mut Site, clients: &impl Clients) {
        let (short, long) = (self.millis(0, 3_000), self.millis(500, 8_000));
        let delay = self.millis(20, 500);
        match fault {
            Fault::KillServer => {
                site.servers[index].kill().await;
                sleep(short).await;
                site.servers[index].start().await;
            }
            Fault::StopServer => {
                site.servers[index].stop().await;
                sleep(short).await;
                site.servers[index].start().await;
            }
            Fault::FreezeServer => {
                if let Some(process) = &site.servers[index].process {
                    process.signal(Signal::STOP);
                    sleep(long).await;
                    process.signal(Signal::CONT);
                }
            }
            Fault::KillRedis => {
                site.redis.kill();
                sleep(short).await;
                site.redis.resume();
            }
            Fault::EmptyRedis => {
                site.redis.kill();
                site.redis.forget();
                sleep(short).await;
                site.redis.resume();
            }
            Fault::FreezeRedis => {
                site.redis.freeze();
                sleep(long).await;
                site.redis.thaw();
            }
            Fault::CutRedis => Self::for_a_while(site, |_| true, Mode::Cut, Line::Redis, long).await,
            Fault::SlowRedis => Self::for_a_while(site, |_| true, Mode::Slow(delay), Line::Redis, long).await,
            Fault::StallRedis => Self::for_a_while(site, |_| true, Mode::Stalled, Line::Redis, long).await,
            Fault::CutOneFromRedis => {
                Self::for_a_while(site, |other| other == index, Mode::Cut, Line::Redis, long).await;
            }
            Fault::CutPostgres => {
                let all = short < Duration::from_millis(1_500);
                Self::for_a_while(site, |other| all || other == index, Mode::Cut, Line::Postgres, short)
                    .await;
            }
            Fault::SlowPostgres => {
                let slow = Mode::Slow(delay / 5);
                Self::for_a_while(site, |other| other == index, slow, Line::Postgres, long).await;
            }
            Fault::Vanish => clients.vanish(),
            Fault::StopReading => {
                clients.read(false);
                sleep(long).await;
                clients.read(true);
            }
        }
        for server in &mut site.servers {
            if server.process.is_none() {
                server.start().await;
            }
        }
    }

    async fn for_a_while(site: &Site, which: impl Fn(usize) -> bool, mode: Mode, line: Line, span: Duration) {
        let set = |mode: Mode| {
            for (index, server) in site.servers.iter().enumerate().filter(|(index, _)| which(*index)) {
                let _ = index;
                match line {
                    Line::Redis => server.redis.set(mode),
                    Line::Postgres => server.postgres.set(mode),
                }
            }
        };
        set(mode);
        sleep(span).await;
        set(Mode::Open);
    }
}

#[derive(Clone, Copy)]
enum Line {
    Redis,
    Postgres,
}
