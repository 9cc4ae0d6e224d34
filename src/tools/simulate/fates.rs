//! What became of offers. Each is counted once, however often and in whichever way somebody hears of it.

use std::time::{Duration, Instant};

use super::rules::Break;
use super::rules::recent::Recent;
use super::world::Offer;
use crate::domain::ids::{OfferId, OrderId};
use crate::tools::load::meters::{Counts, count};

/// How long an offer is remembered, whose end may be told more than once.
const KEPT: Duration = Duration::from_secs(2 * 3600);
/// Most offers that are remembered.
const MOST: usize = 50_000;
/// What became of an offer while its partner was away, until somebody tells.
const UNHEARD: &str = "unheard";

/// All offers of late, and how they ended.
#[derive(Debug)]
pub struct Fates {
    /// How many were made, and how they ended.
    pub counts: Counts,
    known: Recent<OfferId, Fate>,
}

/// An offer, and what became of it.
#[derive(Debug)]
struct Fate {
    who: String,
    order: OrderId,
    share: i64,
    /// How it ended, once that is known; [`UNHEARD`] where that went past.
    end: Option<String>,
}

/// An offer that was accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Won {
    /// Whose partner that is now.
    pub order: OrderId,
    /// What it brings, minor units.
    pub share: i64,
}

impl Default for Fates {
    fn default() -> Self {
        Self { counts: Counts::new(), known: Recent::new(KEPT, MOST) }
    }
}

impl Fates {
    /// An offer is there. Whether it may still be answered, as far as is known.
    pub fn made(&mut self, who: &str, offer: &Offer) -> bool {
        let (order, share) = (offer.order.id, offer.earnings.amount);
        let fate = || Fate { who: who.to_owned(), order, share, end: None };
        let is_open = self.known.meet(offer.id, Instant::now(), fate).map(|fate| fate.end.is_none());
        if is_open.is_none() {
            count(&mut self.counts, "made");
        }
        is_open.unwrap_or(true)
    }

    /// An offer came to its end; what that means, if it is news.
    ///
    /// # Errors
    /// When it had come to another end before.
    pub fn closed(&mut self, offer: OfferId, reason: &str) -> Result<Option<Won>, Break> {
        let Some(fate) = self.known.get_mut(&offer) else { return Ok(None) };
        match fate.end.as_deref() {
            Some(UNHEARD) => {
                if let Some(unheard) = self.counts.get_mut(UNHEARD) {
                    *unheard = unheard.saturating_sub(1);
                }
                self.counts.retain(|name, count| name != UNHEARD || *count > 0);
            }
            Some(before) if before == reason => return Ok(None),
            Some(before) => {
                return Err(Break::new(format!("offer {offer}"), format!("one end, {before}"), reason));
            }
            None => {}
        }
        fate.end = Some(reason.to_owned());
        count(&mut self.counts, reason);
        Ok((reason == "accepted").then_some(Won { order: fate.order, share: fate.share }))
    }

    /// Of a partner's offers, only these are open: what became of the others went past.
    pub fn still_open(&mut self, who: &str, offers: &[OfferId]) {
        for (offer, fate) in self.known.iter_mut() {
            if fate.end.is_none() && fate.who == who && !offers.contains(offer) {
                fate.end = Some(UNHEARD.to_owned());
                count(&mut self.counts, UNHEARD);
            }
        }
    }

    /// Offers of orders that are over, of whose end nobody was told.
    pub fn untold(&self, is_over: impl Fn(OrderId) -> bool) -> Vec<(String, Break)> {
        let untold = self.known.iter().filter(|(_, fate)| fate.end.is_none() && is_over(fate.order));
        let broken = |(offer, fate): (&OfferId, &Fate)| {
            let about = format!("offer {offer} of order {}", fate.order);
            (fate.who.clone(), Break::new(about, "to be told how it ended", "nothing"))
        };
        untold.map(broken).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn offer() -> Offer {
        let place = json!({"latitude": 41.39, "longitude": 2.16, "address": "Here"});
        let order = json!({
            "id": OrderId::new(), "status": "confirmed", "version": 2, "pickup": place, "dropoff": place,
            "price": {"amount": 900, "currency": "EUR"}, "payment_method": "cash",
        });
        let earnings = json!({"amount": 700, "currency": "EUR"});
        serde_json::from_value(json!({"id": OfferId::new(), "order": order, "earnings": earnings}))
            .expect("an offer")
    }

    fn counts(fates: &Fates) -> Vec<(&str, u64)> {
        fates.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect()
    }

    #[test]
    fn an_offer_counts_once_and_so_does_its_end() {
        let (mut fates, offer) = (Fates::default(), offer());
        assert!(fates.made("a", &offer) && fates.made("a", &offer));
        let won = Won { order: offer.order.id, share: 700 };
        assert_eq!(fates.closed(offer.id, "accepted"), Ok(Some(won)));
        assert_eq!(fates.closed(offer.id, "accepted"), Ok(None));
        assert!(!fates.made("a", &offer), "it is over");
        assert_eq!(counts(&fates), [("accepted", 1), ("made", 1)]);
        assert!(fates.closed(offer.id, "taken").is_err());
        assert_eq!(fates.closed(OfferId::new(), "taken"), Ok(None), "from before");
    }

    #[test]
    fn an_end_that_went_past_may_be_told_later() {
        let (mut fates, there, gone) = (Fates::default(), offer(), offer());
        for offer in [&there, &gone] {
            assert!(fates.made("a", offer));
        }
        fates.still_open("b", &[]);
        fates.still_open("a", &[there.id]);
        assert_eq!(counts(&fates), [("made", 2), ("unheard", 1)]);
        assert_eq!(fates.closed(gone.id, "expired"), Ok(None));
        assert_eq!(counts(&fates), [("expired", 1), ("made", 2)]);
        assert_eq!(fates.untold(|_| true).len(), 1);
        assert_eq!(fates.untold(|order| order == gone.order.id).len(), 0);
    }
}
