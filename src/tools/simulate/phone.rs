//! A partner's telephone: measures where the rider is and tells the server, at once or after a spell without network.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::city::Spot;
use super::line::Line;
use super::person::Person;
use super::rider::{Fix, Rider};
use super::trouble::Trouble;
use super::world::Town;
use crate::domain::ids::OrderId;
use crate::domain::time::Timestamp;
use crate::protocol::client::MAX_POINTS;

/// How often it tells while under way.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// How often otherwise, so that orders are offered.
const IDLE: Duration = Duration::from_secs(10);
/// How often it measures while it has no network.
const OFFLINE: Duration = Duration::from_secs(1);
/// How many apps tell by calls instead of frames.
const BY_CALL: f64 = 0.25;
/// Most measurements that are kept while there is no network.
const MOST: usize = 900;
/// Longest gap that is ridden through, seconds: a machine that slept has not ridden.
const LONGEST: f64 = 5.0;

/// A telephone, and the rider who carries it.
#[derive(Debug)]
pub struct Phone {
    town: Rc<Town>,
    /// Who carries it.
    pub rider: Rider,
    pace: f64,
    by_call: bool,
    /// Up to when the rider has ridden.
    ridden: Instant,
    told: Option<Instant>,
    /// Since when it has no network.
    offline: Option<Timestamp>,
}

impl Phone {
    /// A telephone at `at`.
    #[must_use]
    pub fn new(town: Rc<Town>, at: Spot, pace: f64, rng: &mut StdRng) -> Self {
        let (rider, by_call) = (Rider::new(at, rng), rng.random_bool(BY_CALL));
        Self { town, rider, pace, by_call, ridden: Instant::now(), told: None, offline: None }
    }

    /// Rides on, and tells where that leads when it is time to.
    pub async fn tick(
        &mut self,
        person: &Person,
        line: &mut Line<'_>,
        under_way: Option<OrderId>,
        rng: &mut StdRng,
    ) -> Result<(), Trouble> {
        let seconds = self.ridden.elapsed().as_secs_f64().min(LONGEST);
        self.ridden = Instant::now();
        match under_way {
            Some(_) => self.rider.ride(seconds, self.pace, rng),
            None => self.rider.stop(),
        }
        let every = if under_way.is_some() { UNDER_WAY } else { IDLE };
        if self.told.is_some_and(|told| told.elapsed() < every) {
            return Ok(());
        }
        self.told = Some(Instant::now());
        let now = Timestamp::now();
        let mut frame = point(&self.rider.measure(rng), now);
        if let Some(order_id) = under_way {
            self.town.saw.tells(order_id, now);
        }
        if self.by_call {
            let body = json!({"points": [frame], "sent_at": now});
            person.post::<Value>("/api/v1/partner/locations", &body, &["points_refused"]).await?;
            return Ok(());
        }
        if let Some(members) = frame.as_object_mut() {
            members.insert("type".to_owned(), json!("location"));
            members.insert("sent_at".to_owned(), json!(now));
            members.extend(under_way.map(|id| ("order_id".to_owned(), json!(id))));
        }
        line.say(&frame).await
    }

    /// From now on it only measures.
    pub fn lose_network(&mut self) {
        self.offline.get_or_insert_with(Timestamp::now);
    }

    /// Uploads what it measured without network.
    pub async fn catch_up(
        &mut self,
        person: &Person,
        line: &mut Line<'_>,
        rng: &mut StdRng,
    ) -> Result<(), Trouble> {
        self.told = None;
        let Some(since) = self.offline.take() else { return Ok(()) };
        let now = Timestamp::now();
        let mut points = Vec::new();
        let mut at = since.after(OFFLINE);
        while at < now && points.len() < MOST {
            self.rider.ride(OFFLINE.as_secs_f64(), self.pace, rng);
            points.push(point(&self.rider.measure(rng), at));
            at = at.after(OFFLINE);
        }
        self.ridden = Instant::now();
        if points.is_empty() {
            return Ok(());
        }
        self.town.saw.did("upload of a spell without network");
        if rng.random_bool(0.5) {
            let body = json!({"points": points, "sent_at": Timestamp::now()});
            person.post::<Value>("/api/v1/partner/locations", &body, &["points_refused"]).await?;
            return Ok(());
        }
        for points in points.chunks(MAX_POINTS) {
            line.say(&json!({"type": "location", "points": points, "sent_at": Timestamp::now()})).await?;
        }
        Ok(())
    }
}

fn point(fix: &Fix, at: Timestamp) -> Value {
    json!({
        "latitude": fix.position.latitude,
        "longitude": fix.position.longitude,
        "timestamp": at,
        "heading": fix.heading,
        "speed": fix.speed,
        "accuracy": fix.accuracy,
        "battery": fix.battery,
    })
}
