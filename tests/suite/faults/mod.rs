//! Bad luck: what the server does when it is killed, when the disk is full, when the database is away, when a
//! client does not read. The program runs in a process of its own here, and every test has its own of everything.

pub mod caller;
mod coming_back;
mod killed;
mod leaving;
mod listener;
mod no_space;
pub mod postgres;
mod postgres_gone;
mod secrets;
mod sigterm;
mod silence;
mod slow_reader;
pub mod stage;
mod stuck;
mod two_at_once;
mod waiting_outbox;
mod writer;
