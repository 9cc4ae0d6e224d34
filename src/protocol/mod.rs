//! The wire: what clients send, what they get, and the codes sessions are closed with.
//!
//! Invariant: shapes and text only. Nothing here knows a database, a socket or an actor.

pub mod admin;
pub mod asyncapi;
pub mod channel;
pub mod client;
pub mod close;
pub mod dispatch;
pub mod endpoint;
pub mod ephemeral;
pub mod event;
pub mod money;
pub mod problems;
pub mod server;
pub mod snapshot;
pub mod views;
