//! The arguments of `waybill simulate`.

use std::time::Duration;

use clap::Args;

use super::Simulation;
use crate::tools::client::target::Target;

/// Seconds that an order takes at the pace of the real world, and some: so many customers are needed.
const ORDER_TAKES: f64 = 180.0;

/// Let people order, ride, write and pay on a server, through its public interface alone, and hold what they see against
/// its contract.
///
/// With --partners and --orders-per-minute, a crowd that makes its own accounts; WAYBILL_RATE_LIMITS=off on the server lets
/// it in faster. Otherwise the demo's people, on a server that was started with --demo --demo-idle. Ends after --seconds, or when
/// interrupted: then nobody orders any more, what is open comes to its end, and what was seen is printed.
///
/// Exit code: 0 when no rule of the contract was broken; 1 when one was, and the report says which; 2 when an argument is
/// wrong.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    pub url: String,
    /// What chance starts from: the same number, the same whims.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How fast the city lives; 1 is the pace of the real world.
    #[arg(long, default_value_t = 1.0)]
    pub pace: f64,
    /// Partners of a crowd.
    #[arg(long, value_name = "NUMBER", requires = "orders_per_minute")]
    pub partners: Option<usize>,
    /// Orders a minute by all of its customers together.
    #[arg(long, value_name = "NUMBER", requires = "partners")]
    pub orders_per_minute: Option<f64>,
    /// Its customers; enough for the orders when left out.
    #[arg(long, value_name = "NUMBER", requires = "partners")]
    pub customers: Option<usize>,
    /// For how many seconds there are orders; until interrupted when left out.
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
    /// Allow a server that is not on this machine.
    #[arg(long)]
    pub i_own_this_server: bool,
}

impl SimulateArgs {
    /// The arguments, checked.
    ///
    /// # Errors
    /// Which one is wrong, in words.
    pub fn simulation(&self) -> Result<Simulation, String> {
        let url = &self.url;
        let target = Target::parse(url).map_err(|error| format!("--url {url}: {error}"))?;
        if !self.i_own_this_server && !target.is_local() {
            return Err(format!(
                "--url {url} is not on this machine; if that server is yours, say so with --i-own-this-server"
            ));
        }
        if !(0.1..=6.0).contains(&self.pace) {
            return Err("--pace must be from 0.1 to 6".to_owned());
        }
        let simulation = match (self.partners, self.orders_per_minute) {
            (Some(partners), Some(rate)) => self.crowd(target, partners, rate)?,
            (_, _) => Simulation::demo(target, self.seed),
        };
        Ok(Simulation { pace: self.pace, ..simulation })
    }

    fn crowd(&self, target: Target, partners: usize, rate: f64) -> Result<Simulation, String> {
        if !(0.1..=6000.0).contains(&rate) {
            return Err("--orders-per-minute must be from 0.1 to 6000".to_owned());
        }
        // A few hundred thousand at most, by the bounds above.
        let enough = (rate / 60.0 * ORDER_TAKES / self.pace).ceil() as usize + 2;
        let customers = self.customers.unwrap_or(enough);
        if !(1..=20_000).contains(&partners) || !(1..=20_000).contains(&customers) {
            return Err("--partners and --customers must be from 1 to 20000".to_owned());
        }
        let every = Duration::from_secs_f64(60.0 / rate);
        Ok(Simulation::crowd(target, self.seed, partners, customers, every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> SimulateArgs {
        SimulateArgs {
            url: "http://127.0.0.1:1".to_owned(),
            seed: 1,
            pace: 1.0,
            partners: None,
            orders_per_minute: None,
            customers: None,
            seconds: None,
            i_own_this_server: false,
        }
    }

    #[test]
    fn only_this_machine_unless_owned() {
        assert!(args().simulation().is_ok());
        let far = SimulateArgs { url: "http://192.0.2.1".to_owned(), ..args() };
        assert!(far.simulation().is_err_and(|error| error.contains("--i-own-this-server")));
        assert!(SimulateArgs { i_own_this_server: true, ..far }.simulation().is_ok());
    }

    #[test]
    fn a_pace_is_a_sane_number() {
        for pace in [0.0, -1.0, f64::NAN, f64::INFINITY, 7.0] {
            assert!(SimulateArgs { pace, ..args() }.simulation().is_err(), "{pace}");
        }
    }

    #[test]
    fn a_crowd_has_customers_enough_and_sane_numbers() {
        let crowd = SimulateArgs { partners: Some(200), orders_per_minute: Some(60.0), ..args() };
        let simulation = crowd.simulation().expect("a simulation");
        assert_eq!((simulation.partners.len(), simulation.customers.len()), (200, 182));
        assert_eq!(simulation.crowd, Some(Duration::from_secs(1)));
        assert!(simulation.admins.is_empty());
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let wrong = SimulateArgs { orders_per_minute: Some(rate), ..crowd.clone() };
            assert!(wrong.simulation().is_err(), "{rate}");
        }
        for number in [0, 20_001] {
            assert!(SimulateArgs { partners: Some(number), ..crowd.clone() }.simulation().is_err());
            assert!(SimulateArgs { customers: Some(number), ..crowd.clone() }.simulation().is_err());
        }
    }
}
