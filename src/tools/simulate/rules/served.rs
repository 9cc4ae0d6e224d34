//! Orders are served: who waits for a partner is offered to one who is free, and who is carried sees where. Neither has a time
//! in the contract, so each gets far more than it ever takes, and counts only while nothing at all is out of the ordinary:
//! offers and dots are the first to suffer where something is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Break;
use crate::domain::ids::OrderId;
use crate::domain::order::OrderStatus;

/// A partner who was there before this simulation counts as near for a minute, and may think about an offer for half of one.
/// Who waits longer than both is not looked at.
pub const OFFERED: Duration = Duration::from_secs(100);
/// A partner who tells for so long is seen, though a few positions in a row may be taken for jumps.
const TOLD: Duration = Duration::from_secs(10);
/// Who tells less often has lost the network in between.
const PAUSE: Duration = Duration::from_secs(3);
/// A dot takes no longer, or there is a sign of what keeps it: an instance that is cut off from Redis lets its people go after
/// as long.
const DOT: Duration = Duration::from_secs(10);

/// Who is told of for so long would have been seen.
pub const SEEN: Duration = Duration::from_secs(TOLD.as_secs() + DOT.as_secs());

/// A spell in which nothing was out of the ordinary.
#[derive(Debug, Clone, Copy)]
pub struct Spell<'a> {
    /// When it began, for the order's customer and for the town.
    pub since: Instant,
    /// Up to when all that came was heard.
    pub until: Instant,
    /// The partners who have nothing to do, listen, and tell where they are: since when.
    pub free: &'a BTreeMap<String, Instant>,
}

/// How an order is served.
#[derive(Debug, Default)]
pub struct Served {
    /// Whether it was there before: whom it was offered to by then is not known.
    is_found: bool,
    /// Since when it waits for a partner, as its customer has heard.
    confirmed: Option<Instant>,
    /// Whether it was offered to anybody since.
    is_offered: bool,
    /// Whom it was ever offered to.
    asked: BTreeSet<String>,
    /// Since when its customer listens to it.
    watched: Option<Instant>,
    /// From when to when its partner has told, without a pause.
    told: Option<(Instant, Instant)>,
    /// Whether its customer has seen a dot.
    is_seen: bool,
    /// Whether something was amiss: it is said once.
    is_noted: bool,
}

impl Spell<'_> {
    /// Whether an order that has waited all along would be noticed.
    #[must_use]
    pub fn notices_offers(&self) -> bool {
        let is_long = |free: &Instant| self.until.duration_since(self.since.max(*free)) > OFFERED;
        self.free.values().any(is_long)
    }

    /// Whether a partner who is not seen would be.
    #[must_use]
    pub fn notices_dots(&self) -> bool {
        self.until.duration_since(self.since) >= SEEN
    }
}

impl Served {
    /// Of an order that was there before.
    pub fn found() -> Self {
        Self { is_found: true, ..Self::default() }
    }

    /// Its customer hears how it stands.
    pub fn stands(&mut self, status: OrderStatus, at: Instant) {
        if status == OrderStatus::Confirmed {
            self.confirmed.get_or_insert(at);
        } else {
            (self.confirmed, self.is_offered) = (None, status == OrderStatus::Pending && self.is_offered);
        }
    }

    /// It is offered to somebody. Whether it has waited for that.
    pub fn offered(&mut self, who: &str) -> bool {
        self.asked.insert(who.to_owned());
        !std::mem::replace(&mut self.is_offered, true)
    }

    /// Whether its customer has seen no dot yet.
    pub fn is_first_dot(&self) -> bool {
        !self.is_seen
    }

    /// Its customer listens to it.
    pub fn watches(&mut self, at: Instant) {
        self.watched.get_or_insert(at);
    }

    /// Its partner tells a position.
    pub fn tells(&mut self, at: Instant) {
        let from = self.told.filter(|(_, last)| at.duration_since(*last) <= PAUSE).map(|(from, _)| from);
        self.told = Some((from.unwrap_or(at), at));
    }

    /// Its customer sees a dot.
    pub fn sees(&mut self) {
        self.is_seen = true;
    }

    /// What it should have had within `spell`, and has not.
    pub fn lacks(&mut self, id: OrderId, spell: &Spell<'_>) -> Option<Break> {
        if self.is_noted {
            return None;
        }
        let lack = self.lacks_offer(id, spell).or_else(|| self.lacks_dot(id, spell));
        self.is_noted = lack.is_some();
        lack
    }

    fn lacks_offer(&self, id: OrderId, spell: &Spell<'_>) -> Option<Break> {
        let since = self.confirmed.filter(|_| !self.is_offered && !self.is_found)?.max(spell.since);
        let is_long = |free: Instant| spell.until.duration_since(free.max(since)) > OFFERED;
        // Who was asked before, or had it, is not asked again at once, or ever.
        let (who, _) = spell.free.iter().find(|(who, free)| !self.asked.contains(*who) && is_long(**free))?;
        let expected = format!("to be offered to somebody while it is confirmed and {who} is free");
        Some(Break::new(id, expected, "no offer"))
    }

    fn lacks_dot(&self, id: OrderId, spell: &Spell<'_>) -> Option<Break> {
        let (from, last) = self.told.filter(|_| !self.is_seen)?;
        let from = from.max(self.watched?).max(spell.since);
        let is_due = last.duration_since(from) >= TOLD && spell.until.duration_since(from) >= SEEN;
        is_due.then(|| {
            Break::new(id, "the customer to see its partner, who tells where that is", "no position")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: &str = "anna";

    /// An order, and the seconds since it was placed.
    struct Watcher {
        begin: Instant,
        served: Served,
    }

    impl Watcher {
        fn new() -> Self {
            Self { begin: Instant::now(), served: Served::default() }
        }

        fn after(&self, seconds: u64) -> Instant {
            self.begin + Duration::from_secs(seconds)
        }

        fn stands(&mut self, second: u64, status: OrderStatus) {
            self.served.stands(status, self.after(second));
        }

        fn tells(&mut self, seconds: std::ops::Range<u64>) {
            seconds.for_each(|second| self.served.tells(self.after(second)));
        }

        /// Whether something is amiss at `until`, where Anna is free and all is well since then.
        fn lacks(&mut self, free: Option<u64>, since: u64, until: u64) -> bool {
            let free = free.map(|free| (ANNA.to_owned(), self.after(free))).into_iter().collect();
            let spell = Spell { since: self.after(since), until: self.after(until), free: &free };
            self.served.lacks(OrderId::new(), &spell).is_some()
        }
    }

    #[test]
    fn an_order_that_waits_is_offered_while_somebody_is_free() {
        let mut watcher = Watcher::new();
        watcher.stands(0, OrderStatus::Pending);
        assert!(!watcher.lacks(Some(0), 0, 200), "nobody has confirmed it");
        watcher.stands(10, OrderStatus::Confirmed);
        assert!(!watcher.lacks(Some(0), 0, 110));
        assert!(!watcher.lacks(None, 0, 200), "nobody is free");
        assert!(!watcher.lacks(Some(50), 0, 150), "not for so long");
        assert!(!watcher.lacks(Some(0), 50, 150), "something was wrong");
        assert!(watcher.lacks(Some(0), 0, 111));
        assert!(!watcher.lacks(Some(0), 0, 112), "it has been said");
    }

    #[test]
    fn an_order_that_was_offered_may_wait_for_a_yes() {
        let mut watcher = Watcher::new();
        watcher.served.offered("bea");
        watcher.stands(0, OrderStatus::Confirmed);
        assert!(!watcher.lacks(Some(0), 0, 300), "the offer was heard first");
        watcher.stands(300, OrderStatus::Assigned);
        watcher.stands(310, OrderStatus::Confirmed);
        assert!(!watcher.lacks(Some(0), 0, 410));
        assert!(watcher.lacks(Some(0), 0, 411), "it was given back, and waits anew");
    }

    #[test]
    fn who_was_asked_once_need_not_be_asked_again() {
        let mut watcher = Watcher::new();
        watcher.stands(0, OrderStatus::Confirmed);
        watcher.served.offered(ANNA);
        watcher.stands(1, OrderStatus::Assigned);
        watcher.stands(2, OrderStatus::Confirmed);
        assert!(!watcher.lacks(Some(0), 0, 300));
    }

    #[test]
    fn a_partner_who_tells_is_seen() {
        let mut watcher = Watcher::new();
        watcher.tells(0..11);
        assert!(!watcher.lacks(None, 0, 60), "nobody watches");
        watcher.served.watches(watcher.begin);
        assert!(!watcher.lacks(None, 0, 19), "it may be under way");
        assert!(!watcher.lacks(None, 1, 60), "something was wrong at first");
        assert!(watcher.lacks(None, 0, 20));
        assert!(!watcher.lacks(None, 0, 21), "it has been said");
    }

    #[test]
    fn who_was_seen_or_hardly_tells_need_not_be() {
        let mut seen = Watcher::new();
        seen.served.watches(seen.begin);
        seen.tells(0..20);
        seen.served.sees();
        assert!(!seen.lacks(None, 0, 60));
        let mut tunnel = Watcher::new();
        tunnel.served.watches(tunnel.begin);
        tunnel.tells(0..8);
        tunnel.tells(12..20);
        assert!(!tunnel.lacks(None, 0, 60));
    }
}
