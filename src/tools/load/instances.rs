//! The instances of the server, which sessions and publishers take in turn.

use std::net::SocketAddr;
use std::rc::Rc;

use super::api::Api;
use super::args::LoadArgs;
use super::error::LoadError;
use crate::tools::client::target::Target;

/// One instance.
pub struct Instance {
    /// Where it is.
    pub address: SocketAddr,
    /// Its WebSocket endpoint.
    pub socket_url: String,
    /// Its HTTP interface.
    pub api: Api,
}

/// All of them; at least one.
pub struct Instances {
    first: Rc<Instance>,
    others: Vec<Rc<Instance>>,
}

impl Instances {
    /// Finds out under which address each can be reached.
    ///
    /// # Errors
    /// `Unreachable` names one that cannot; `Argument` when there is none.
    pub async fn reach(targets: &[Target], args: &LoadArgs) -> Result<Self, LoadError> {
        let mut all = Vec::with_capacity(targets.len());
        for target in targets {
            let address = target.reach(args.timeout).await.map_err(|source| LoadError::Unreachable {
                address: target.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", "),
                source,
            })?;
            let api = Api::new(&target.base, address, args.publishers, args.timeout);
            all.push(Rc::new(Instance { address, socket_url: target.socket_url("/ws/"), api }));
        }
        let mut all = all.into_iter();
        let first = all.next().ok_or_else(|| LoadError::Argument("--url is needed".into()))?;
        Ok(Self { first, others: all.collect() })
    }

    /// The one whose turn it is.
    #[must_use]
    pub fn of(&self, turn: usize) -> Rc<Instance> {
        let at = turn % (self.others.len() + 1);
        let other = at.checked_sub(1).and_then(|at| self.others.get(at));
        Rc::clone(other.unwrap_or(&self.first))
    }
}
