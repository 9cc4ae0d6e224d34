//! What the application does, as plain functions and values; transports call in here.
//!
//! Invariant: no HTTP, no WebSocket and no actor address in this folder.

pub mod passwords;
pub mod tokens;
