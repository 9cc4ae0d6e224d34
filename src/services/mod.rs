//! The use cases: check the right, run one transaction, let its events go out.
//!
//! The same function serves a REST call, a frame and a job.

pub mod accounts;
pub mod alone;
pub mod announcements;
pub mod app;
pub mod chat;
mod clock;
pub mod console;
pub mod deadlines;
pub mod dispatch;
pub mod error;
pub mod events;
pub mod idempotency;
pub mod leadership;
pub mod limits;
pub mod money;
pub mod notifications;
pub mod orders;
pub mod others;
pub mod passwords;
pub mod pulse;
pub mod push;
pub mod relay;
pub mod service_keys;
#[cfg(test)]
pub(crate) mod testing;
pub mod tokens;
pub mod tracking;
