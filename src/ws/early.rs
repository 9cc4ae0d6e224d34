//! An endpoint's own first frame comes before all others: what waits for it.

use crate::domain::group::GroupKey;
use crate::protocol::client::Since;

use super::effects::Reference;
use super::session::{Context, Session};

/// What is to be done once the first frame is out.
pub(super) enum Early {
    Say(String),
    /// As a whole: a snapshot and the events behind it must not come before the `subscribed` that they belong to.
    Open {
        group: GroupKey,
        since: Option<Since>,
        reference: Reference,
    },
}

impl Session {
    /// Sends a frame that answers or informs.
    pub(super) fn say(&mut self, text: String, ctx: &mut Context) {
        match &mut self.early {
            Some(early) => early.push(Early::Say(text)),
            None => ctx.text(text),
        }
    }

    /// Opens a subscription that was asked for.
    pub(super) fn open_in_turn(
        &mut self,
        group: GroupKey,
        since: Option<Since>,
        reference: Reference,
        ctx: &mut Context,
    ) {
        match &mut self.early {
            Some(early) => early.push(Early::Open { group, since, reference }),
            None => self.open(group, since, reference, ctx),
        }
    }

    /// The first frame is out: what waited for it follows.
    pub(super) fn end_early(&mut self, ctx: &mut Context) {
        for early in self.early.take().unwrap_or_default() {
            match early {
                Early::Say(text) => ctx.text(text),
                Early::Open { group, since, reference } => self.open(group, since, reference, ctx),
            }
        }
    }
}
