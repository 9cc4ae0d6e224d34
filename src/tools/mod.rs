//! Programs that talk to a waybill server from outside.
//!
//! They use its public interface only, so nothing here may use the server's own rooms beyond
//! `domain` and `protocol`, and the server must not know that they exist.

pub mod load;
