//! Tests through the front door: the real server, real databases, real sockets. One binary, so that it is
//! linked once; one file a subject.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod access;
mod asking;
mod bad_input;
mod beside_django;
mod chaos;
mod chat;
mod command_line;
mod console;
mod contact_details;
mod dispatch;
mod documents;
mod events;
mod faults;
mod frames;
mod handshakes;
mod instances;
mod load;
mod money;
mod operating;
mod order_machine;
mod orders;
mod push;
mod recovery;
mod repeated_steps;
mod service_keys;
mod sessions;
mod simulation;
mod start_stop;
mod support;
mod tidy;
mod tokens;
mod tracking;
mod watching;
