//! Programs that talk to a waybill server from outside.
//!
//! They use its public interface only, so nothing here may use the server's own rooms beyond
//! `domain` and `protocol`. Of the server, the demo alone knows that they exist: it starts the simulator.

pub mod client;
pub mod load;
pub mod simulate;
