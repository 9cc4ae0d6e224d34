//! Tests through the front door: the real server, real databases, real sockets. One binary, so that it is
//! linked once; one file a subject.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod command_line;
mod operating;
mod start_stop;
mod support;
mod watching;
