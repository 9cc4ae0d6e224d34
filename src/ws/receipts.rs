//! Which notifications have come to a client that does not say so itself.
//!
//! A client that acks what it has shown is believed, and nothing else is: a page that is not in front has got a frame, and
//! nobody has seen it. Many clients never ack. Of what was written to one of those, the pong to a ping that follows it
//! tells whether it has come, or has gone into a connection at whose other end there is nobody any more.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::ids::EventId;

/// Events that wait for a pong. Of those for which there is no room it is not known whether they came.
const WAITING: usize = 256;

/// Shared by a session and what writes its socket.
#[derive(Debug, Default)]
pub(super) struct Receipts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether nothing is asked any more.
    is_over: bool,
    /// Of the last ping.
    round: u32,
    /// With the ping that followed each.
    waiting: VecDeque<(u32, EventId)>,
}

impl Receipts {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pongs say nothing from now on, and no pings ask for them: the client acks by itself, or the session ends. After the close
    /// frame nothing may follow (RFC 6455, section 5.5.1): browsers take a ping for a broken connection, and forget the code.
    pub(super) fn end(&self) {
        let mut inner = self.inner();
        inner.is_over = true;
        inner.waiting = VecDeque::new();
    }

    /// Notes what was written. Gives what the ping is to hold that has to follow, if one has to.
    pub(super) fn written(&self, events: &[EventId]) -> Option<[u8; 4]> {
        if events.is_empty() {
            return None;
        }
        let mut inner = self.inner();
        if inner.is_over {
            return None;
        }
        inner.round = inner.round.wrapping_add(1);
        let round = inner.round;
        for &event in events {
            if inner.waiting.len() == WAITING {
                inner.waiting.pop_front();
            }
            inner.waiting.push_back((round, event));
        }
        Some(round.to_be_bytes())
    }

    /// A pong came. Gives what the client has got: what was written before the ping that it answers, and before older ones,
    /// which need no pongs of their own (RFC 6455, section 5.5.3).
    pub(super) fn answered(&self, payload: &[u8]) -> Vec<EventId> {
        let Ok(payload) = <[u8; 4]>::try_from(payload) else { return Vec::new() };
        let answered = u32::from_be_bytes(payload);
        let mut inner = self.inner();
        let Some(last) = inner.waiting.iter().rposition(|(round, _)| *round == answered) else {
            return Vec::new();
        };
        let come = inner.waiting.drain(..=last).map(|(_, event)| event).collect();
        if inner.waiting.is_empty() {
            // Sessions are many, and most of them are quiet for long.
            inner.waiting = VecDeque::new();
        }
        come
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events<const N: usize>() -> [EventId; N] {
        std::array::from_fn(|_| EventId::new())
    }

    #[test]
    fn a_pong_tells_of_all_that_was_written_before_its_ping_once() {
        let receipts = Receipts::default();
        let [one, two, three, four] = events();
        let first = receipts.written(&[one, two]).expect("a ping");
        let second = receipts.written(&[three]).expect("a ping");
        let third = receipts.written(&[four]).expect("a ping");
        assert_eq!(receipts.answered(&second), [one, two, three]);
        for passed in [&first[..], &second, b"", b"else"] {
            assert!(receipts.answered(passed).is_empty());
        }
        assert_eq!(receipts.answered(&third), [four]);
    }

    #[test]
    fn nothing_is_asked_where_nothing_was_written_or_where_it_is_over() {
        let receipts = Receipts::default();
        assert_eq!(receipts.written(&[]), None);
        let ping = receipts.written(&events::<1>()).expect("a ping");
        receipts.end();
        assert!(receipts.answered(&ping).is_empty());
        assert_eq!(receipts.written(&events::<1>()), None);
    }

    #[test]
    fn a_client_that_answers_no_ping_costs_no_more_and_more() {
        let receipts = Receipts::default();
        let mut ping = None;
        for _ in 0..3 * WAITING {
            ping = receipts.written(&events::<1>());
        }
        assert_eq!(receipts.answered(&ping.expect("a ping")).len(), WAITING);
    }
}
