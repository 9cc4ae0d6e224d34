//! `waybill simulate`: a small city that is never quiet.
//!
//! Customers order, an admin assigns, partners ride and tell where they are: each a person with a log-in and a socket
//! of their own, who knows what the server told them and nothing else, and does what people do through the public
//! interface alone. What is in the database afterwards is what people would have left there. A person who loses the
//! connection comes back and goes on from what the server says, so the simulation outlives its server's restarts.
//!
//! Everybody's chance comes from one seed. The same seed gives the same people the same whims; who is first to the
//! server is still up to the day.

pub mod args;
pub mod cast;

mod admin;
mod city;
mod customer;
mod line;
mod partner;
mod person;
mod rider;
mod trouble;
mod world;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use actix_web::rt::time::sleep;
use futures_util::future::{LocalBoxFuture, select_all};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::domain::principal::Role;
use crate::tools::client::credentials::LogIn;
use crate::tools::client::target::Target;

use admin::Admin;
use customer::Customer;
use line::{Part, Stage, play};
use partner::Partner;
use person::Person;
use world::Talk;

pub use args::SimulateArgs;

/// How often a partner's telephone measures, at the pace of the real world.
const MEASURE: Duration = Duration::from_secs(1);
/// How often the others look whether something is due.
const GLANCE: Duration = Duration::from_millis(250);
/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks for a server that is not there yet.
const KNOCK: Duration = Duration::from_millis(500);

/// A city, its people, and how fast it lives.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// The server.
    pub target: Target,
    /// Who assigns; one is enough.
    pub admins: Vec<LogIn>,
    /// Who rides.
    pub partners: Vec<LogIn>,
    /// Who orders.
    pub customers: Vec<LogIn>,
    /// What chance starts from.
    pub seed: u64,
    /// 1 is the pace of the real world, where an order takes one to two minutes. Above 6 partners look
    /// faster than anything on wheels, and a server does not believe them.
    pub pace: f64,
}

impl Simulation {
    /// With the demo's people, at the pace of the real world.
    #[must_use]
    pub fn demo(target: Target, seed: u64) -> Self {
        let log_ins = |role| {
            let people = cast::CAST.iter().filter(move |user| user.role == role);
            people.map(cast::log_in).collect()
        };
        Self {
            target,
            admins: log_ins(Role::Admin),
            partners: log_ins(Role::Partner),
            customers: log_ins(Role::Customer),
            seed,
            pace: 1.0,
        }
    }

    /// Lives until it is dropped. To be called inside an actix `System`.
    pub async fn run(self) -> Infallible {
        let address = self.reach().await;
        let mut people = Company { simulation: &self, address, talk: Rc::default(), people: Vec::new() };
        for log_in in &self.customers {
            people.add(log_in, "/ws/notifications/", GLANCE, Customer::new);
        }
        for log_in in &self.partners {
            people.add(log_in, "/ws/partner/", MEASURE.div_f64(self.pace), Partner::new);
        }
        for log_in in &self.admins {
            people.add(log_in, "/ws/admin/", GLANCE, Admin::new);
        }
        if people.people.is_empty() {
            return std::future::pending().await;
        }
        let (never, _, _) = select_all(people.people).await;
        never
    }

    async fn reach(&self) -> SocketAddr {
        let mut told = false;
        loop {
            match self.target.reach(PATIENCE).await {
                Ok(address) => return address,
                Err(error) if !told => {
                    log::info!("waiting for {}: {error}", self.target.base);
                    told = true;
                }
                Err(_) => {}
            }
            sleep(KNOCK).await;
        }
    }
}

/// The people of a running simulation.
struct Company<'a> {
    simulation: &'a Simulation,
    address: SocketAddr,
    talk: Rc<Talk>,
    people: Vec<LocalBoxFuture<'a, Infallible>>,
}

impl<'a> Company<'a> {
    fn add<P: Part + 'a>(
        &mut self,
        log_in: &LogIn,
        endpoint: &str,
        tick: Duration,
        part: impl FnOnce(Rc<Talk>, StdRng, f64) -> P,
    ) {
        let Simulation { target, seed, pace, .. } = self.simulation;
        // A stream of chance for each, so that one more call by one of them changes nothing for the others.
        let number = u64::try_from(self.people.len()).unwrap_or_default();
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let part = part(Rc::clone(&self.talk), rng.clone(), *pace);
        let person = Person::new(log_in.clone(), &target.base, self.address);
        let stage = Stage { address: self.address, socket_url: target.socket_url(endpoint), tick };
        self.people.push(Box::pin(async move { play(part, &person, &stage, rng).await }));
    }
}

/// Runs the command until it is interrupted.
///
/// To be called inside an actix `System`.
pub async fn run(args: SimulateArgs) -> ExitCode {
    let simulation = match args.simulation() {
        Ok(simulation) => simulation,
        Err(error) => {
            eprintln!("waybill simulate: {error}");
            return ExitCode::from(2);
        }
    };
    tokio::select! {
        never = simulation.run() => match never {},
        // Without a handler the default applies, which ends the process as well.
        _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
    }
}
