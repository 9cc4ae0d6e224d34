//! What a partner makes of offers: accepts most, declines some, and lets a few run out.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::line::{Line, kind};
use super::person::{Answer, Person};
use super::rules::Break;
use super::trouble::Trouble;
use super::world::{Offer, Order, Town, is_due, soon};
use crate::domain::ids::OfferId;

/// Seconds of thinking.
const THINKING: std::ops::Range<f64> = 0.5..3.0;
/// How many offers are accepted.
const ACCEPTED: f64 = 0.85;
/// How many of the others are declined; the rest runs out.
const DECLINED: f64 = 2.0 / 3.0;
/// What the end of an offer can be.
const ENDS: [&str; 5] = ["accepted", "declined", "expired", "withdrawn", "taken"];

/// A partner's open offers.
#[derive(Debug)]
pub struct Offers {
    town: Rc<Town>,
    open: Vec<Thought>,
}

/// An offer that is thought about.
#[derive(Debug)]
struct Thought {
    offer: Offer,
    /// When it is answered, if ever.
    answer_at: Option<Instant>,
    accepts: bool,
}

#[derive(Deserialize)]
struct Made {
    offer: Offer,
}

#[derive(Deserialize)]
struct Queue {
    offers: Vec<Offer>,
}

#[derive(Deserialize)]
struct Closed {
    offer_id: OfferId,
    reason: String,
}

impl Offers {
    /// None yet.
    #[must_use]
    pub fn new(town: Rc<Town>) -> Self {
        Self { town, open: Vec::new() }
    }

    /// Takes in a `queue`, an `assignment` or an `assignment_closed`.
    pub fn hear(&mut self, who: &str, frame: &Value, pace: f64, rng: &mut StdRng) {
        match kind(frame) {
            "queue" => {
                let Ok(Queue { offers }) = Queue::deserialize(frame) else { return };
                let ids: Vec<OfferId> = offers.iter().map(|offer| offer.id).collect();
                self.town.saw.still_open(who, &ids);
                self.open.retain(|thought| ids.contains(&thought.offer.id));
                offers.into_iter().for_each(|offer| self.think(who, offer, pace, rng));
            }
            "assignment" => {
                if let Ok(Made { offer }) = Made::deserialize(frame) {
                    self.think(who, offer, pace, rng);
                }
            }
            _ => {
                let Ok(Closed { offer_id, reason }) = Closed::deserialize(frame) else { return };
                self.must_be_an_end(who, offer_id, &reason);
                self.town.saw.closed(offer_id, &reason);
                self.open.retain(|thought| thought.offer.id != offer_id);
            }
        }
    }

    fn must_be_an_end(&self, who: &str, offer: OfferId, reason: &str) {
        if !ENDS.contains(&reason) {
            let broken = Break::new(format!("offer {offer}"), format!("one of {ENDS:?}"), reason);
            self.town.saw.broke(who, broken);
        }
    }

    fn think(&mut self, who: &str, offer: Offer, pace: f64, rng: &mut StdRng) {
        if self.open.iter().any(|thought| thought.offer.id == offer.id) {
            return;
        }
        self.town.saw.offered(who, offer.id, offer.order.id);
        let accepts = rng.random_bool(ACCEPTED);
        let answers = accepts || rng.random_bool(DECLINED);
        let answer_at = answers.then(|| soon(THINKING, pace, rng));
        self.open.push(Thought { offer, answer_at, accepts });
    }

    /// Answers an offer that was thought about. The order, if it is the partner's now.
    pub async fn answer(
        &mut self,
        person: &Person,
        line: &mut Line<'_>,
        rng: &mut StdRng,
    ) -> Result<Option<Order>, Trouble> {
        let Some(thought) = self.open.iter_mut().find(|thought| is_due(thought.answer_at)) else {
            return Ok(None);
        };
        thought.answer_at = None;
        let (id, share) = (thought.offer.id, thought.offer.earnings.amount);
        let reasons = ["Too far.", "The rain.", "My shift is over."];
        let reason = reasons.get(rng.random_range(0..reasons.len()));
        if !thought.accepts {
            line.say(&json!({"type": "decline", "offer_id": id, "reason": reason})).await?;
            return Ok(None);
        }
        let path = format!("/api/v1/partner/offers/{id}/accept");
        match person.post::<Order>(&path, &json!({})).await? {
            Answer::Done(order) => {
                self.town.saw.accepted(person.name(), &order, share);
                Ok(Some(order))
            }
            Answer::Refused(refusal) => {
                if refusal.code == "offer_closed" {
                    let problem: Value = serde_json::from_str(&refusal.body).unwrap_or_default();
                    let reason = problem.get("reason").and_then(Value::as_str).unwrap_or_default();
                    self.must_be_an_end(person.name(), id, reason);
                }
                Ok(None)
            }
        }
    }
}
