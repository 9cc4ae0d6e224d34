//! Messages that wait in a session to be written, one after the other.

use std::collections::VecDeque;

use actix::{ActorFutureExt, AsyncContext};

use crate::domain::ids::OrderId;
use crate::realtime::Overloaded;
use crate::services::chat::{self, NewMessage};
use crate::services::error::ServiceError;

use super::acts::Act;
use super::effects::Reference;
use super::session::{Context, Session};

/// How many may wait: more than a user may write in a minute. Budgets are looked at when a message's turn comes, so that
/// without this one, a write that is stuck would let as many wait as there are frames.
const MOST: usize = 32;

/// A message that waits.
#[derive(Debug, Clone, PartialEq)]
struct Waiting {
    order_id: OrderId,
    message: NewMessage,
    reference: Reference,
}

/// The messages that wait, the first of which is being written.
#[derive(Debug, Default)]
pub(super) struct Unwritten(VecDeque<Waiting>);

impl Unwritten {
    /// Lets a message wait; tells whether it is the only one.
    ///
    /// # Errors
    /// `Invalid`; `Overloaded` when too many wait.
    fn push(&mut self, waiting: Waiting) -> Result<bool, ServiceError> {
        chat::check(&waiting.message)?;
        if self.0.len() >= MOST {
            return Err(Overloaded.into());
        }
        self.0.push_back(waiting);
        Ok(self.0.len() == 1)
    }
}

impl Session {
    /// Writes a message once those before it are written.
    pub(super) fn write(
        &mut self,
        order_id: OrderId,
        message: NewMessage,
        reference: Reference,
        ctx: &mut Context,
    ) {
        match self.unwritten.push(Waiting { order_id, message, reference: reference.clone() }) {
            Ok(true) => self.write_next(ctx),
            Ok(false) => {}
            Err(error) => self.refuse(&error, reference.as_deref(), ctx),
        }
    }

    /// Writes the first message that waits, and then the others, so that they are stored in the order in which they came.
    fn write_next(&self, ctx: &mut Context) {
        let Some(Waiting { order_id, message, reference }) = self.unwritten.0.front().cloned() else {
            return;
        };
        let act = Act::Write { order_id, message };
        ctx.spawn(self.perform(act, reference).map(|(), session: &mut Self, ctx: &mut Context| {
            session.unwritten.0.pop_front();
            session.write_next(ctx);
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_messages_wait_and_none_that_is_refused_anyway() {
        let waiting = |text: String| {
            let message = NewMessage { text, client_id: None };
            Waiting { order_id: OrderId::new(), message, reference: None }
        };
        let mut unwritten = Unwritten::default();
        for text in [String::new(), "x".repeat(2001)] {
            assert!(matches!(unwritten.push(waiting(text)), Err(ServiceError::Invalid(_))));
        }
        for number in 0..MOST {
            assert!(
                matches!(unwritten.push(waiting("Hello".into())), Ok(is_only) if is_only == (number == 0))
            );
        }
        for _ in 0..100 {
            assert!(matches!(unwritten.push(waiting("Hello".into())), Err(ServiceError::Overloaded(_))));
        }
        assert_eq!(unwritten.0.len(), MOST);
        unwritten.0.pop_front();
        assert!(matches!(unwritten.push(waiting("Hello".into())), Ok(false)));
    }
}
