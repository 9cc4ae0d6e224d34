//! Groups and their members: who listens to what, in which order, and what they missed.
//!
//! One [`GroupRegistry`](registry::GroupRegistry) actor for each kind of group finds or starts one
//! [`Group`](group::Group) actor for each key; a [`Directory`](directory::Directory) actor knows every session.
//! Other rooms hold the [`Groups`] handle; addresses stay in here and in the session.
//!
//! Invariant: this room knows frames as text and nothing of orders, users' data or SQL.

mod bridge;
mod directory;
mod group;
mod handle;
mod lane;
mod messages;
mod registry;
mod resident;
mod ring;
#[cfg(test)]
mod tests;
mod watermarks;

pub use bridge::{
    BridgeSettings, InvalidRedisTls, InvalidRedisUrl, Outgoing, Peers, RedisServers, RedisTls, RedisUrl,
    RelayError, check as check_redis, slot_of,
};
pub use handle::{Counts, Groups, Listeners, Overloaded, ProbeFailed, RealtimeSettings};
pub use lane::{DoorId, Lane, Next};
pub use messages::{Deliver, Frame, Joined, Member, Recovery};
pub use resident::Resident;
