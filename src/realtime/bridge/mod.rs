//! The bridge to Redis, by which the groups of several instances are one.
//!
//! Redis numbers, keeps and publishes what happens in a group in one step (`relay.lua`), so that every instance hears
//! the same in the same order. An instance hears the channels of the groups that it has members in; where it may have
//! missed something, after a gap or a broken link, a group asks where it stands (`attach.lua`) and gets exactly that. With each
//! new link it is made sure that Redis has what it had taken before (`verify.lua`): a crash may lose that.
//!
//! Invariant: what is promised lies in the database until Redis has it. Nothing that only Redis knows is ever needed to
//! be right, only to be fast.

mod actor;
mod batch;
mod keep;
mod link;
mod messages;
mod outbound;
mod scripts;
mod servers;
mod slots;
mod status;
mod url;

pub(super) use actor::{Bridge, Neighbours};
pub use batch::slot_of;
#[cfg(test)]
pub(super) use link::Link;
pub(super) use messages::{
    Attach, Attending, Depart, Departed, Detach, Ephemeral, Forget, Heard, Note, Reattach, Reenter, Relay,
    Replace, Resume, Synced, Tell, Try,
};
pub use messages::{Outgoing, RelayError};
pub(super) use scripts::{Position, Standing};
pub use servers::{InvalidRedisTls, RedisServers, RedisTls};
pub use status::{BridgeStatus, Peers};
pub use url::{InvalidRedisUrl, RedisUrl};

/// Where the bridge is, for groups.
#[derive(Debug, Clone)]
pub(super) struct BridgeAddress {
    pub(super) address: actix::Addr<Bridge>,
    /// This instance.
    pub(super) instance: crate::domain::ids::InstanceId,
}

/// How to reach Redis, and what is kept there.
#[derive(Debug, Clone)]
pub struct BridgeSettings {
    /// Where Redis is.
    pub servers: RedisServers,
    /// What people call this instance.
    pub name: String,
    /// What all keys and channels begin with, so that several systems can share a Redis.
    pub prefix: String,
}

/// Makes sure, once, that Redis will have us.
///
/// # Errors
/// What it says when it was reached and refuses: a fault in the settings. That it cannot be reached is no error: it may
/// come back.
pub async fn check(settings: &BridgeSettings) -> Result<(), String> {
    let refused = |error: redis::RedisError| link::is_refusal(&error).then(|| error.to_string());
    match link::Link::open(&settings.servers, |_| {}).await {
        Ok(_) => Ok(()),
        Err(error) => refused(error).map_or(Ok(()), Err),
    }
}
