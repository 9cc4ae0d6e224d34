//! Writing about an order, and reading what the other side wrote.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::line::Line;
use super::person::{Answer, Person};
use super::rules::Break;
use super::rules::answers::PASSING;
use super::rules::vigils::Wait;
use super::rules::words::{self, Words};
use super::trouble::Trouble;
use super::world::{Town, is_due, soon};
use crate::domain::ids::OrderId;
use crate::domain::order::Party;

/// Seconds of typing.
const TYPING: std::ops::Range<f64> = 0.5..3.0;
/// How many messages are sent twice, as apps do that have had no answer.
const TWICE: f64 = 0.1;
/// How many are sent, and marked as read, by a call instead of a frame.
const BY_CALL: f64 = 0.4;
/// Seconds without an answer after which a message is sent again.
const NO_ANSWER: std::ops::Range<f64> = 5.0..8.0;

/// What a person writes and reads.
#[derive(Debug)]
pub struct Chat {
    town: Rc<Town>,
    /// As whom.
    party: Party,
    open: Vec<Open>,
}

/// A message that has not come back yet.
#[derive(Debug)]
struct Open {
    order_id: OrderId,
    client_id: String,
    words: &'static Words,
    send_at: Option<Instant>,
    /// When it was sent for the first time.
    sent: Option<Instant>,
}

#[derive(Debug, Deserialize)]
struct Message {
    id: String,
    order_id: OrderId,
    sender: Sender,
    text: String,
    masked: bool,
    client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Sender {
    party: Party,
}

impl Chat {
    /// Somebody who writes as this party.
    #[must_use]
    pub fn new(town: Rc<Town>, party: Party) -> Self {
        Self { town, party, open: Vec::new() }
    }

    /// Begins to type something.
    pub fn think(&mut self, order_id: OrderId, words: &'static Words, pace: f64, rng: &mut StdRng) {
        let (client_id, send_at) = (Uuid::now_v7().to_string(), Some(soon(TYPING, pace, rng)));
        self.open.push(Open { order_id, client_id, words, send_at, sent: None });
    }

    /// After a broken connection, what has had no answer is sent again.
    pub fn resume(&mut self) {
        self.open.iter_mut().for_each(|open| open.send_at = Some(Instant::now()));
    }

    /// Takes in a `chat_message`. The order that it is about, if it is from the other side.
    pub async fn hear(
        &mut self,
        person: &Person,
        line: &mut Line<'_>,
        frame: &Value,
        rng: &mut StdRng,
    ) -> Result<Option<OrderId>, Trouble> {
        let message = frame.get("message").and_then(|message| Message::deserialize(message).ok());
        let Some(Message { id, order_id, sender, text, masked, client_id }) = message else {
            return Ok(None);
        };
        let client_id = client_id.unwrap_or_default();
        let words = self.town.saw.words(order_id, &client_id);
        self.note(person, words.and_then(|words| words.come(order_id, &client_id, &text, masked)));
        if sender.party == self.party {
            self.town.saw.is_written(order_id, &client_id);
            let is_awaited = self.open.iter().any(|open| open.client_id == client_id && open.sent.is_some());
            if is_awaited && line.steady(&self.town).is_in_force(Instant::now()) {
                self.town.saw.came(Wait::Message);
            }
            self.open.retain(|open| open.client_id != client_id);
            return Ok(None);
        }
        self.town.saw.arrived(order_id, &client_id);
        if rng.random_bool(BY_CALL) {
            let path = format!("/api/v1/orders/{order_id}/messages/read");
            // Whoever lost the order meanwhile may not know of it any more.
            let may: &[&str] = if self.party == Party::Customer { &[] } else { &["not_found"] };
            person.post::<Value>(&path, &json!({"up_to": id}), may).await?;
        } else {
            line.say(&json!({"type": "chat_read", "order_id": order_id, "up_to": id})).await?;
        }
        Ok(Some(order_id))
    }

    /// Sends what is due.
    pub async fn tick(
        &mut self,
        person: &Person,
        line: &mut Line<'_>,
        rng: &mut StdRng,
    ) -> Result<(), Trouble> {
        self.give_up(person, line);
        let Some(at) = self.open.iter().position(|open| is_due(open.send_at)) else { return Ok(()) };
        let Some(open) = self.open.get_mut(at) else { return Ok(()) };
        open.send_at = Some(soon(NO_ANSWER, 1.0, rng));
        let Open { order_id, client_id, words, .. } = &*open;
        let (order_id, client_id, words) = (*order_id, client_id.clone(), *words);
        if open.sent.is_some() {
            self.town.saw.did("message sent again");
        } else {
            open.sent = Some(Instant::now());
            self.town.saw.writes(order_id, &client_id, words);
        }
        let text = words.said;
        if rng.random_bool(BY_CALL) {
            let body = json!({"text": text, "client_id": client_id});
            let path = format!("/api/v1/orders/{order_id}/messages");
            match person.post::<Value>(&path, &body, &words::REFUSALS).await? {
                Answer::Done(_) => self.town.saw.is_written(order_id, &client_id),
                // The chat is closed, or the order is another's by now: held against the timeline in the end.
                Answer::Refused(refusal) => {
                    self.town.saw.is_refused(order_id, &client_id, &refusal.code, person.role());
                }
            }
            self.open.retain(|open| open.client_id != client_id);
            return Ok(());
        }
        let frame = json!({
            "type": "chat", "order_id": order_id, "text": text, "client_id": client_id, "ref": client_id,
        });
        line.say(&frame).await?;
        if rng.random_bool(TWICE) {
            self.town.saw.did("message sent again");
            line.say(&frame).await?;
        }
        Ok(())
    }

    /// What should have been answered by now never will be.
    fn give_up(&mut self, person: &Person, line: &Line<'_>) {
        let (steady, heard) = (line.steady(&self.town), line.heard_up_to());
        if steady.is_in_force(heard) {
            self.town.saw.would_notice(Wait::Message, Instant::now());
        }
        let unheard = |open: &Open| words::unheard(open.order_id, &open.client_id, open.sent?, steady, heard);
        for open in self.open.extract_if(.., |open| unheard(open).is_some()) {
            self.town.saw.is_settled(open.order_id, &open.client_id);
            unheard(&open).into_iter().for_each(|broken| self.town.saw.broke(person.name(), broken));
        }
    }

    /// Takes in an `error`: what cannot be written is not tried again.
    pub fn refused(&mut self, person: &Person, frame: &Value) {
        let member = |name| frame.get(name).and_then(Value::as_str).unwrap_or_default();
        let (code, reference) = (member("code"), member("ref"));
        let Some(at) = self.open.iter().position(|open| open.client_id == reference) else { return };
        let Open { order_id, client_id, .. } = self.open.swap_remove(at);
        if PASSING.contains(&code) {
            self.town.saw.is_settled(order_id, &client_id);
        } else {
            self.town.saw.is_refused(order_id, &client_id, code, person.role());
            self.note(person, words::refused(order_id, &client_id, code));
        }
    }

    fn note(&self, person: &Person, broken: Option<Break>) {
        broken.into_iter().for_each(|broken| self.town.saw.broke(person.name(), broken));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{customer, partner};
    use super::*;
    use crate::domain::contact::{Masked, mask};

    #[test]
    fn what_people_write_is_read_without_contact_details() {
        for words in customer::WORDS.iter().chain(&partner::WORDS) {
            let Masked { text, is_masked } = mask(words.said);
            assert_eq!((text.as_str(), is_masked), (words.told, words.said != words.told));
        }
        let is_masked = |words: &&Words| words.said != words.told;
        assert_eq!(customer::WORDS.iter().filter(is_masked).count(), 1);
        assert_eq!(partner::WORDS.iter().filter(is_masked).count(), 1);
    }
}
