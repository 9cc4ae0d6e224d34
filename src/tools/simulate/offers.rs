//! What a partner makes of offers: accepts most, declines some, and lets a few run out; by calls or, as about every second
//! partner's app does, by frames.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::line::{Line, kind};
use super::person::{Answer, Person};
use super::rules::Break;
use super::rules::answers::{PASSING, refusals};
use super::trouble::Trouble;
use super::world::{Offer, Order, Town, is_due, soon};
use crate::domain::ids::{OfferId, OrderId};

/// Seconds of thinking.
const THINKING: std::ops::Range<f64> = 0.5..3.0;
/// How many offers are accepted.
const ACCEPTED: f64 = 0.85;
/// How many of the others are declined; the rest runs out.
const DECLINED: f64 = 2.0 / 3.0;
/// How many partners answer by frames.
const BY_FRAME: f64 = 0.5;
/// Seconds after which an answer is tried again that the server could not take.
const NOT_NOW: std::ops::Range<f64> = 1.0..3.0;
/// What the end of an offer can be.
const ENDS: [&str; 5] = ["accepted", "declined", "expired", "withdrawn", "taken"];

/// A partner's open offers.
#[derive(Debug)]
pub struct Offers {
    town: Rc<Town>,
    by_frame: bool,
    open: Vec<Thought>,
}

/// An offer that is thought about.
#[derive(Debug)]
struct Thought {
    offer: Offer,
    /// When it is answered, if ever.
    answer_at: Option<Instant>,
    accepts: bool,
    /// Whether the answer has been sent, and nothing was heard of it.
    is_sent: bool,
}

#[derive(Deserialize)]
struct Made {
    offer: Offer,
}

#[derive(Deserialize)]
struct Queue {
    offers: Vec<Offer>,
    orders: Vec<InHand>,
}

#[derive(Deserialize)]
struct InHand {
    id: OrderId,
}

#[derive(Deserialize)]
struct Closed {
    offer_id: OfferId,
    reason: String,
}

impl Offers {
    /// None yet.
    #[must_use]
    pub fn new(town: Rc<Town>, rng: &mut StdRng) -> Self {
        Self { town, by_frame: rng.random_bool(BY_FRAME), open: Vec::new() }
    }

    /// Whether there is none to think about.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// After a broken connection it is not known what became of the answers that were under way. What the server has, it
    /// tells: as events, or in the `queue`. What is open even then is answered again, which does no harm.
    pub fn resume(&mut self, pace: f64, rng: &mut StdRng) {
        for thought in self.open.iter_mut().filter(|thought| thought.is_sent) {
            thought.answer_at = Some(soon(THINKING, pace, rng));
        }
    }

    /// Takes in a `queue`, an `assignment` or an `assignment_closed`.
    pub fn hear(&mut self, who: &str, frame: &Value, pace: f64, rng: &mut StdRng) {
        match kind(frame) {
            "queue" => {
                let Ok(Queue { offers, orders }) = Queue::deserialize(frame) else { return };
                let ids: Vec<OfferId> = offers.iter().map(|offer| offer.id).collect();
                self.find_won(who, &ids, &orders);
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
                self.town.saw.closed(who, offer_id, &reason);
                self.open.retain(|thought| thought.offer.id != offer_id);
            }
        }
    }

    /// Of the orders in hand, which were accepted by answers that nobody has confirmed: by the last one for each.
    fn find_won(&self, who: &str, open: &[OfferId], in_hand: &[InHand]) {
        for order in in_hand {
            let sent = self.open.iter().filter(|thought| thought.is_sent && thought.accepts);
            let about = sent.map(|thought| &thought.offer).filter(|offer| offer.order.id == order.id);
            if let Some(offer) = about.max_by_key(|offer| offer.id).filter(|offer| !open.contains(&offer.id))
            {
                self.town.saw.did("acceptance found in the queue");
                self.town.saw.closed(who, offer.id, "accepted");
            }
        }
    }

    /// Takes in an `error`. An answer that the server could not take is given again.
    pub fn refused(&mut self, frame: &Value, pace: f64, rng: &mut StdRng) {
        let member = |name| frame.get(name).and_then(Value::as_str).unwrap_or_default();
        let answered = self.open.iter_mut().find(|thought| thought.is_sent && mark(thought) == member("ref"));
        let Some(thought) = answered else { return };
        thought.is_sent = false;
        let code = member("code");
        if PASSING.contains(&code) {
            thought.answer_at = Some(soon(NOT_NOW, pace, rng));
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
        if !self.town.saw.offered(who, &offer) {
            return;
        }
        let accepts = rng.random_bool(ACCEPTED);
        let answers = accepts || rng.random_bool(DECLINED);
        let answer_at = answers.then(|| soon(THINKING, pace, rng));
        self.open.push(Thought { offer, answer_at, accepts, is_sent: false });
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
        thought.is_sent = true;
        let (id, accepts) = (thought.offer.id, thought.accepts);
        let answer = if accepts { "accept" } else { "decline" };
        let reasons = ["Too far.", "The rain.", "My shift is over."];
        let reason = reasons.get(rng.random_range(0..reasons.len())).filter(|_| !accepts);
        self.town.saw.did(format!("{answer} by {}", if self.by_frame { "frame" } else { "call" }));
        if self.by_frame {
            let mut frame = json!({"type": answer, "offer_id": id, "ref": mark(thought)});
            if let (Some(reason), Some(members)) = (reason, frame.as_object_mut()) {
                members.insert("reason".to_owned(), json!(reason));
            }
            line.ask(&frame).await?;
            return Ok(None);
        }
        let path = format!("/api/v1/partner/offers/{id}/{answer}");
        let body = reason.map_or(json!({}), |reason| json!({"reason": reason}));
        let answer = person.post::<Order>(&path, &body, refusals(accepts)).await?;
        // Looked for anew: nothing else has come meanwhile, but that is for others to know.
        if let Some(thought) = self.open.iter_mut().find(|thought| thought.offer.id == id) {
            thought.is_sent = false;
        }
        match answer {
            Answer::Done(order) if accepts => {
                self.town.saw.closed(person.name(), id, "accepted");
                self.town.saw.accepted(person.name(), &order);
                Ok(Some(order))
            }
            Answer::Done(_) => {
                self.town.saw.closed(person.name(), id, "declined");
                Ok(None)
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

/// What an answer to an offer is known by.
fn mark(thought: &Thought) -> String {
    format!("offer {}", thought.offer.id)
}
