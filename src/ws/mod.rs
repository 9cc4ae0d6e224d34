//! WebSocket sessions: the handshake, the session actor, and what a client's frames ask for.
//!
//! Invariant: `session` is the only file that knows actix-web-actors, of which it uses the actor's context and nothing
//! else: that crate is deprecated. Bytes come in by `intake` and go out by `outgoing`; `takeover` gets the connection
//! out of actix-http.

mod acts;
mod early;
mod effects;
mod handler;
mod handshake;
mod inbound;
mod intake;
mod outgoing;
mod receipts;
mod session;
mod snapshot;
mod socket;
mod subscriptions;
mod takeover;
mod unwritten;

use std::time::Duration;

pub use handshake::routes;
pub use takeover::serve;

/// What sessions can be told.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// Groups that one session may listen to.
    pub subscriptions: usize,
    /// Frames that a client may send in a second, with a burst of twice as many.
    pub frames_per_second: u32,
    /// Frames that wait for a session before it counts as too slow.
    pub queue: usize,
    /// The same in bytes.
    pub queue_bytes: usize,
    /// The largest message from a client, bytes.
    pub max_frame: usize,
    /// Between the server's pings.
    pub ping: Duration,
    /// A session that is silent for so long is closed.
    pub idle: Duration,
    /// Origins of pages that may connect; the server's own host when there are none.
    pub allowed_origins: Vec<String>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            subscriptions: 128,
            frames_per_second: 50,
            queue: 1024,
            queue_bytes: 1024 * 1024,
            max_frame: 64 * 1024,
            ping: Duration::from_secs(25),
            idle: Duration::from_secs(60),
            allowed_origins: Vec::new(),
        }
    }
}
