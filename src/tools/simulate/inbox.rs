//! A person's notifications: acknowledged as they come, some of them opened.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::line::Line;
use super::trouble::Trouble;
use super::world::{Town, is_due, soon};

/// How many notifications are opened.
const OPENED: f64 = 0.4;
/// Seconds until then.
const OPENING: std::ops::Range<f64> = 1.5..10.0;
/// With this many unread, all are marked as read.
const TOO_MANY: i64 = 25;

/// A person's notifications.
#[derive(Debug)]
pub struct Inbox {
    town: Rc<Town>,
    /// Those that will be opened, and when.
    to_open: Vec<(Instant, String)>,
    tidy_at: Option<Instant>,
}

impl Inbox {
    /// Nothing known yet.
    #[must_use]
    pub fn new(town: Rc<Town>) -> Self {
        Self { town, to_open: Vec::new(), tidy_at: None }
    }

    /// Takes in a `notification`.
    pub async fn notified(
        &mut self,
        line: &mut Line<'_>,
        frame: &Value,
        pace: f64,
        rng: &mut StdRng,
    ) -> Result<(), Trouble> {
        if let Some(event) = frame.get("id") {
            line.say(&json!({"type": "ack", "ids": [event]})).await?;
        }
        let id = frame.pointer("/notification/id").and_then(Value::as_str);
        if let Some(id) = id.filter(|_| rng.random_bool(OPENED)) {
            self.to_open.push((soon(OPENING, pace, rng), id.to_owned()));
        }
        Ok(())
    }

    /// Takes in an `unread_count`.
    pub fn counted(&mut self, who: &str, frame: &Value, pace: f64, rng: &mut StdRng) {
        let Some(count) = frame.get("count").and_then(Value::as_i64) else { return };
        self.town.saw.counted(who, count);
        self.tidy_at = (count > TOO_MANY).then(|| soon(OPENING, pace, rng));
    }

    /// Opens what is due.
    pub async fn tick(&mut self, line: &mut Line<'_>) -> Result<(), Trouble> {
        if let Some(at) = self.to_open.iter().position(|(due, _)| is_due(Some(*due))) {
            let (_, id) = self.to_open.swap_remove(at);
            line.say(&json!({"type": "mark_read", "id": id})).await?;
        }
        if is_due(self.tidy_at) {
            self.tidy_at = None;
            self.to_open.clear();
            line.say(&json!({"type": "mark_all_read"})).await?;
        }
        Ok(())
    }
}
