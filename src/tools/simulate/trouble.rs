//! What interrupts a person, and how long to wait before trying again.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::tools::client::http::{CallError, Failure};
use crate::tools::client::socket::{closed, in_words};

/// First wait.
const FIRST: Duration = Duration::from_millis(500);
/// Longest wait that nobody asked for.
const LONGEST: Duration = Duration::from_secs(15);

/// Why a connection has to be made anew.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A call that cannot be done without.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The socket could not be opened, or broke.
    #[error("socket: {}", in_words(.0))]
    Socket(#[from] Error),
    /// The server closed the socket.
    #[error("socket: {reason}")]
    Closed {
        /// In words.
        reason: String,
        /// When the server wants to see us again.
        retry_in: Option<Duration>,
    },
    /// The socket is open and dead.
    #[error("socket: not a sound for {0:?}")]
    Silent(Duration),
    /// The telephone has no network, for so long.
    #[error("out of reach for {0:?}")]
    Away(Duration),
}

impl Trouble {
    /// From what the server said when it closed.
    #[must_use]
    pub fn closed(frame: Option<&CloseFrame>) -> Self {
        #[derive(Deserialize)]
        struct Restart {
            retry_in: u64,
        }
        let retry_in = frame
            .and_then(|frame| serde_json::from_str::<Restart>(frame.reason.as_str()).ok())
            .map(|restart| Duration::from_millis(restart.retry_in));
        Self::Closed { reason: closed(frame), retry_in }
    }

    /// When the server wants to see us again, where it said so.
    #[must_use]
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Call(error) => error.refusal()?.retry_after,
            Self::Closed { retry_in, .. } => *retry_in,
            Self::Away(spell) => Some(*spell),
            Self::Socket(_) | Self::Silent(_) => None,
        }
    }

    /// Whether it is the person's own: no server has a share in it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Away(_))
    }

    /// Whether the server says that it has a fault. That of a call was noted with the call.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Socket(Error::Http(answer)) if answer.status().as_u16() == 500)
    }

    /// Whether the same may go well a little later.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Call(CallError { failure, .. }) => match failure {
                Failure::NoAnswer(_) => true,
                Failure::Refused(refusal) => [429, 502, 503, 504].contains(&refusal.status.as_u16()),
                Failure::Unreadable(_) => false,
            },
            Self::Socket(_) | Self::Closed { .. } | Self::Silent(_) | Self::Away(_) => true,
        }
    }

    /// In a few words that many have in common.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::Call(error) => match error.refusal() {
                Some(refusal) => format!("call refused {}", refusal.status.as_u16()),
                None => "call not answered".to_owned(),
            },
            Self::Socket(Error::Http(answer)) => format!("socket refused {}", answer.status().as_u16()),
            Self::Socket(_) => "socket broken".to_owned(),
            Self::Closed { reason, .. } => reason.clone(),
            Self::Silent(_) => "silent".to_owned(),
            Self::Away(_) => "out of reach".to_owned(),
        }
    }
}

/// Waits that double, each with a share of chance, so that not all come back at once.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The next wait; at least as long as `asked`.
    pub fn next(&mut self, asked: Option<Duration>, rng: &mut StdRng) -> Duration {
        let wait = self.next.mul_f64(rng.random_range(0.5..1.0));
        self.next = (self.next * 2).min(LONGEST);
        asked.map_or(wait, |asked| asked + wait)
    }

    /// Whether there was a wait since all was well.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.next > FIRST
    }

    /// All is well again.
    pub fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_over() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut backoff = Backoff::default();
        assert!(!backoff.is_waiting());
        assert!(backoff.next(None, &mut rng) <= FIRST);
        assert!(backoff.is_waiting());
        let long = (0..20).map(|_| backoff.next(None, &mut rng)).last().expect("one");
        assert!((LONGEST / 2..=LONGEST).contains(&long), "{long:?}");
        backoff.reset();
        assert!(backoff.next(None, &mut rng) <= FIRST);
        let asked = Duration::from_secs(60);
        assert!(backoff.next(Some(asked), &mut rng) >= asked);
    }

    #[test]
    fn a_restart_says_when_to_come_back() {
        let frame = |reason: &str| CloseFrame { code: CloseCode::Restart, reason: reason.into() };
        let restart = Trouble::closed(Some(&frame("{\"retry_in\":1500}")));
        assert_eq!(restart.retry_in(), Some(Duration::from_millis(1500)));
        assert_eq!(Trouble::closed(Some(&frame("going"))).retry_in(), None);
        assert_eq!(Trouble::closed(None).retry_in(), None);
    }
}
