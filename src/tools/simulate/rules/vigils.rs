//! How long each rule that waits was in force, and how often it was kept then: a rule that never had the time to be broken
//! says nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Whoever looks, looks several times a second: what is longer is a pause, in which nobody did.
const PAUSE: Duration = Duration::from_secs(2);

/// What has to come, though nothing says when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// The answer to a frame.
    Answer,
    /// A message, back to its sender.
    Message,
    /// The badge that agrees with the inbox.
    Badge,
    /// An offer, for an order while somebody is free.
    Offer,
    /// A position, for the customer of a partner who tells.
    Dot,
}

impl Wait {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Answer, Self::Message, Self::Badge, Self::Offer, Self::Dot];

    /// In the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "a frame is answered",
            Self::Message => "a message comes back",
            Self::Badge => "the badge agrees",
            Self::Offer => "an order is offered",
            Self::Dot => "a partner is seen",
        }
    }
}

/// For how long a rule was in force, and how often it was kept meanwhile.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Vigil {
    /// For how long somebody looked who would have noticed, all pauses left out.
    pub in_force: Duration,
    /// How often what had to come came.
    pub kept: u64,
    looked: Option<Instant>,
}

/// Those of all rules that wait.
#[derive(Debug, Default, Clone)]
pub struct Vigils(BTreeMap<Wait, Vigil>);

impl Vigils {
    /// Somebody looks at `at`, and would notice what has not come.
    pub fn look(&mut self, wait: Wait, at: Instant) {
        let vigil = self.0.entry(wait).or_default();
        let since = vigil.looked.map(|looked| at.duration_since(looked));
        vigil.in_force += since.filter(|since| *since <= PAUSE).unwrap_or_default();
        vigil.looked = vigil.looked.max(Some(at));
    }

    /// What had to come came while the rule was in force.
    pub fn keep(&mut self, wait: Wait) {
        self.0.entry(wait).or_default().kept += 1;
    }

    /// How it went with one of them.
    #[must_use]
    pub fn of(&self, wait: Wait) -> Vigil {
        self.0.get(&wait).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_once_however_many_look_and_pauses_do_not() {
        let (mut vigils, begin) = (Vigils::default(), Instant::now());
        let millis = |millis| begin + Duration::from_millis(millis);
        for at in [0, 250, 250, 400, 1_000] {
            vigils.look(Wait::Badge, millis(at));
        }
        vigils.look(Wait::Badge, millis(60_000));
        vigils.look(Wait::Badge, millis(60_500));
        vigils.look(Wait::Badge, millis(60_400));
        vigils.keep(Wait::Badge);
        let vigil = vigils.of(Wait::Badge);
        assert_eq!((vigil.in_force, vigil.kept), (Duration::from_millis(1_500), 1));
        assert_eq!(vigils.of(Wait::Dot), Vigil::default());
    }
}
