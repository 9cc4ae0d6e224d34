//! A person's notifications: acknowledged as they come, some of them opened; and the badge, which is compared with the inbox
//! now and then.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::line::Line;
use super::person::{Answer, Person};
use super::rules::badge::{Badge, Look};
use super::rules::vigils::Wait;
use super::trouble::Trouble;
use super::world::{Town, is_due, soon};

/// How many notifications are opened.
const OPENED: f64 = 0.4;
/// Seconds until then.
const OPENING: std::ops::Range<f64> = 1.5..10.0;
/// How many people mark what they have read by calls instead of frames.
const BY_CALL: f64 = 0.5;
/// With this many unread, all are marked as read.
const TOO_MANY: i64 = 25;

/// A person's notifications.
#[derive(Debug)]
pub struct Inbox {
    town: Rc<Town>,
    pace: f64,
    by_call: bool,
    /// Those that will be opened, and when.
    to_open: Vec<(Instant, Uuid)>,
    /// Those that were marked by frames since the last count: whether the server has heard of it is not known.
    marked: Vec<Uuid>,
    tidy_at: Option<Instant>,
    badge: Badge,
}

#[derive(Deserialize)]
struct Count {
    count: i64,
}

impl Inbox {
    /// Nothing known yet.
    #[must_use]
    pub fn new(town: Rc<Town>, pace: f64, rng: &mut StdRng) -> Self {
        let (by_call, badge) = (rng.random_bool(BY_CALL), Badge::new(Instant::now()));
        Self { town, pace, by_call, to_open: Vec::new(), marked: Vec::new(), tidy_at: None, badge }
    }

    /// After a broken connection: what may not have arrived is sent again. Reading twice is reading once.
    pub fn resume(&mut self) {
        let now = Instant::now();
        self.badge.disconnect(now);
        self.to_open.extend(self.marked.drain(..).map(|id| (now, id)));
    }

    /// Takes in a `notification`.
    pub async fn notified(
        &mut self,
        line: &mut Line<'_>,
        frame: &Value,
        rng: &mut StdRng,
    ) -> Result<(), Trouble> {
        if let Some(event) = frame.get("id") {
            line.say(&json!({"type": "ack", "ids": [event]})).await?;
        }
        let id = frame.pointer("/notification/id").and_then(Value::as_str);
        let id = id.and_then(|id| Uuid::try_parse(id).ok());
        if let Some(id) = id.filter(|_| rng.random_bool(OPENED)) {
            self.to_open.push((soon(OPENING, self.pace, rng), id));
        }
        Ok(())
    }

    /// Takes in an `unread_count`.
    pub fn counted(&mut self, who: &str, frame: &Value, rng: &mut StdRng) {
        if let Some(broken) = self.badge.hear(frame, Instant::now()) {
            self.town.saw.broke(who, broken);
        }
        let Ok(Count { count }) = Count::deserialize(frame) else { return };
        self.marked.clear();
        self.town.saw.counted(who, count);
        self.tidy_at = (count > TOO_MANY).then(|| soon(OPENING, self.pace, rng));
    }

    /// Opens what is due, and compares the badge.
    pub async fn tick(&mut self, person: &Person, line: &mut Line<'_>) -> Result<(), Trouble> {
        if let Some(at) = self.to_open.iter().position(|(due, _)| is_due(Some(*due))) {
            let (_, id) = self.to_open.swap_remove(at);
            if self.by_call {
                let path = format!("/api/v1/notifications/{id}/read");
                if let Answer::Done(_) = person.post::<Count>(&path, &json!({}), &[]).await? {
                    self.town.saw.read(id);
                }
            } else {
                self.marked.push(id);
                line.say(&json!({"type": "mark_read", "id": id})).await?;
            }
        }
        if is_due(self.tidy_at) {
            self.tidy_at = None;
            self.to_open.clear();
            if self.by_call {
                person.post::<Count>("/api/v1/notifications/read_all", &json!({}), &[]).await?;
            } else {
                line.say(&json!({"type": "mark_all_read"})).await?;
            }
        }
        self.compare(person, line).await
    }

    /// Holds the badge against the inbox, when it is time to.
    async fn compare(&mut self, person: &Person, line: &Line<'_>) -> Result<(), Trouble> {
        let is_in_force = line.steady(&self.town).is_in_force(Instant::now());
        if is_in_force && self.badge.is_known() {
            self.town.saw.would_notice(Wait::Badge, Instant::now());
        }
        if !self.badge.wants_look(Instant::now()) {
            return Ok(());
        }
        let Count { count } = person.get("/api/v1/notifications/unread_count").await?;
        let what = match self.badge.look(count, line.steady(&self.town), Instant::now()) {
            Look::Agrees => {
                if is_in_force {
                    self.town.saw.came(Wait::Badge);
                }
                "right"
            }
            Look::Differs => "not yet",
            Look::Broken(broken) => {
                self.town.saw.broke(person.name(), broken);
                "wrong"
            }
        };
        self.town.saw.looked(what);
        Ok(())
    }
}
