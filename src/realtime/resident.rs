//! Actors that have their addresses before they have a thread to live on.

use actix::dev::channel::{AddressReceiver, channel};
use actix::{Actor, Addr, Context};

/// A registry, or the directory, that has its address already and waits for a thread to live on. What it is sent
/// meanwhile waits for it.
pub struct Resident {
    move_in: Box<dyn FnOnce() + Send>,
}

/// A place for an actor that is yet to be made, since others need its address first.
pub(super) struct Vacancy<A: Actor> {
    receiver: AddressReceiver<A>,
}

impl<A> Vacancy<A>
where
    A: Actor<Context = Context<A>> + Send,
{
    pub(super) fn new() -> (Addr<A>, Self) {
        // The actor sets the capacity that it needs when it starts.
        let (sender, receiver) = channel(16);
        (Addr::new(sender), Self { receiver })
    }

    pub(super) fn fill(self, actor: A) -> Resident {
        let move_in = move || {
            Context::with_receiver(self.receiver).run(actor);
        };
        Resident { move_in: Box::new(move_in) }
    }
}

impl Resident {
    /// Starts it on the present thread, which must be one of an actix `System`, or within one of its tasks.
    pub fn move_in(self) {
        (self.move_in)();
    }
}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resident").finish_non_exhaustive()
    }
}
