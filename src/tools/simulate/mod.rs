//! `waybill simulate`: a small city that is never quiet.
//!
//! Customers order, write and pay, partners weigh offers, ride and tell where they are, an admin watches: each a person with
//! a log-in and a socket of their own, who knows what the server told them and nothing else, and does what people do through
//! the public interface alone. What is in the database afterwards is what people would have left there. A person who loses
//! the connection comes back and goes on from there, so the simulation outlives its server's restarts.
//!
//! Meanwhile everything that is heard is held against the contract (`rules`), and in the end all accounts are (`closing`).
//!
//! Everybody's chance comes from one seed. The same seed gives the same people the same whims; who is first to the
//! server is still up to the day.

pub mod args;
pub mod cast;

mod admin;
mod chat;
pub mod city;
mod closing;
mod customer;
mod desk;
mod fates;
mod inbox;
mod line;
mod offers;
mod partner;
mod person;
mod phone;
mod placed;
mod purse;
mod reading;
mod report;
mod rider;
mod rules;
mod saw;
mod trouble;
mod world;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::domain::principal::Role;
use crate::tools::client::credentials::{LogIn, Secret};
use crate::tools::client::target::Target;

use admin::Admin;
use closing::Closing;
use customer::Customer;
use desk::Desk;
use line::{Part, Stage, play};
use partner::Partner;
use person::Person;
use world::Town;

pub use args::SimulateArgs;
pub use report::Report;
pub use rules::Break;

/// How often somebody looks whether something is due.
const GLANCE: Duration = Duration::from_millis(250);
/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks for a server that is not there yet.
const KNOCK: Duration = Duration::from_millis(500);
/// The password of a crowd's people. Whoever runs the simulation owns the server, and they own nothing.
const CROWD_PASSWORD: &str = "waybill-simulation-only";

/// A city, its people, and how fast it lives.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// The server.
    pub target: Target,
    /// Who confirms, where the server leaves that to admins.
    pub admins: Vec<LogIn>,
    /// Who rides.
    pub partners: Vec<LogIn>,
    /// Who orders.
    pub customers: Vec<LogIn>,
    /// Whether they are a crowd, which makes its own accounts, and how often one of its customers orders; otherwise each
    /// customer does at will.
    pub crowd: Option<Duration>,
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
            crowd: None,
            seed,
            pace: 1.0,
        }
    }

    /// With people who are not known yet, one of whom orders `every` so often; at the pace of the real world.
    #[must_use]
    pub fn crowd(target: Target, seed: u64, partners: usize, customers: usize, every: Duration) -> Self {
        let log_in = |role: Role, number| LogIn {
            email: format!("sim-{seed}-{}-{number}@simulation.invalid", role.as_str()),
            password: Secret(CROWD_PASSWORD.to_owned()),
        };
        Self {
            target,
            admins: Vec::new(),
            partners: (1..=partners).map(|number| log_in(Role::Partner, number)).collect(),
            customers: (1..=customers).map(|number| log_in(Role::Customer, number)).collect(),
            crowd: Some(every),
            seed,
            pace: 1.0,
        }
    }

    /// Lives until it is dropped. To be called inside an actix `System`.
    pub async fn run(self) -> Infallible {
        let mut company = Company::gather(&self).await;
        company.live().await
    }

    /// Lives until `end`, then lets what is open come to its end, and tells what was seen. To be called inside an actix
    /// `System`.
    pub async fn run_until(self, end: impl Future<Output = ()>) -> Report {
        let begin = Instant::now();
        let mut company = Company::gather(&self).await;
        let (town, people) = (Rc::clone(&company.town), company.people.clone());
        let closing = Closing::new(&town, &people);
        tokio::select! {
            never = company.live() => match never {},
            () = async {
                end.await;
                closing.wait(self.pace).await;
                closing.check().await;
            } => {}
        }
        let people = format!(
            "{}: {} partners, {} customers, pace {}, seed {}",
            self.target.base,
            self.partners.len(),
            self.customers.len(),
            self.pace,
            self.seed
        );
        Report::new(&people, begin.elapsed(), &town.saw)
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

    /// A stream of chance for each person, so that one more call by one of them changes nothing for the others.
    fn chance(&self, number: usize) -> StdRng {
        let number = u64::try_from(number).unwrap_or_default();
        StdRng::seed_from_u64(self.seed.wrapping_mul(1_000_003).wrapping_add(number))
    }
}

/// The people of a running simulation.
struct Company<'a> {
    simulation: &'a Simulation,
    address: SocketAddr,
    town: Rc<Town>,
    people: Vec<Rc<Person>>,
    lives: FuturesUnordered<LocalBoxFuture<'a, Infallible>>,
}

impl<'a> Company<'a> {
    async fn gather(simulation: &'a Simulation) -> Self {
        let address = simulation.reach().await;
        let town = Rc::new(Town::new(simulation.crowd));
        let mut company =
            Self { simulation, address, town, people: Vec::new(), lives: FuturesUnordered::new() };
        for log_in in &simulation.customers {
            company.add(log_in, Role::Customer, "/ws/notifications/", Customer::new);
        }
        for log_in in &simulation.partners {
            company.add(log_in, Role::Partner, "/ws/partner/", Partner::new);
        }
        for log_in in &simulation.admins {
            company.add(log_in, Role::Admin, "/ws/admin/", Admin::new);
        }
        if simulation.crowd.is_some() {
            Desk::let_in(&company.people, |number| simulation.chance(number)).await;
            log::info!("{} people are there", company.people.len());
        }
        company
    }

    fn add<P: Part + 'a>(
        &mut self,
        log_in: &LogIn,
        role: Role,
        endpoint: &str,
        part: impl FnOnce(Rc<Town>, StdRng, f64) -> P,
    ) {
        let Simulation { target, pace, .. } = self.simulation;
        let rng = self.simulation.chance(self.people.len());
        let part = part(Rc::clone(&self.town), rng.clone(), *pace);
        let town = Rc::clone(&self.town);
        let person = Rc::new(Person::new(log_in.clone(), role, town, &target.base, self.address));
        let stage = Stage {
            address: self.address,
            first_url: target.socket_url(endpoint),
            next_url: target.socket_url("/ws/"),
            tick: GLANCE,
            town: Rc::clone(&self.town),
        };
        self.people.push(Rc::clone(&person));
        self.lives.push(Box::pin(async move { play(part, &person, &stage, rng).await }));
    }

    async fn live(&mut self) -> Infallible {
        match self.lives.next().await {
            Some(never) => never,
            // Nobody is there, so nothing ever happens.
            None => std::future::pending().await,
        }
    }
}

/// Runs the command until its time is over or it is interrupted.
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
    let seconds = args.seconds.map(Duration::from_secs);
    let end = async {
        let time = async {
            match seconds {
                Some(seconds) => sleep(seconds).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time => {}
            // Without a handler the default applies, which ends the process as well.
            _ = tokio::signal::ctrl_c() => {}
        }
        log::info!("no more orders; waiting for what is open");
    };
    let report = tokio::select! {
        report = simulation.run_until(end) => report,
        // Who interrupts it a second time does not want to wait.
        () = twice_interrupted() => return ExitCode::FAILURE,
    };
    print!("{report}");
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn twice_interrupted() {
    for _ in 0..2 {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
    }
}
