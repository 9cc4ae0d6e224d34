//! The arguments of `waybill simulate`.

use clap::Args;

use super::Simulation;
use crate::tools::client::target::Target;

/// Let the demo's people order, assign and ride on a server that was started with `--demo`.
///
/// Runs until interrupted. Exit code: 0 when interrupted; 2 when an argument is wrong.
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
        Ok(Simulation { pace: self.pace, ..Simulation::demo(target, self.seed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> SimulateArgs {
        let url = "http://127.0.0.1:1".to_owned();
        SimulateArgs { url, seed: 1, pace: 1.0, i_own_this_server: false }
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
}
