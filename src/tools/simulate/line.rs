//! A person's open socket, and the loop that keeps one open for as long as the simulation runs. A connection that breaks
//! is followed by one that goes on where it ended.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt::time::{Interval, interval, sleep, timeout};
use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::person::Person;
use super::rules::Steady;
use super::rules::answers::{Asked, PASSING, refused};
use super::rules::hearing::{Begins, Hearing};
use super::rules::told::Told;
use super::rules::vigils::Wait;
use super::saw::Lapse;
use super::trouble::{Backoff, Trouble};
use super::world::Town;
use crate::domain::ids::OrderId;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::protocol::client::Since;
use crate::tools::client::socket::{self, Socket};

/// How long opening may take.
const OPENING: Duration = Duration::from_secs(10);
/// The server pings every 25 s: after this long without a sound the socket is dead.
const SILENCE: Duration = Duration::from_secs(65);
/// How often somebody makes sure that the server still answers on the socket.
const BEAT: Duration = Duration::from_secs(10);
/// An answer to that which takes longer says that something is wrong.
const BEAT_LATE: Duration = Duration::from_secs(3);

/// How long after the server could not do what was asked it is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Before the group in the mark of what leaves it, so that a late answer to what joined it is another one.
const LEAVING: &str = "leaving ";
/// Before the kind of a frame in the mark of one that is not answered.
const UNANSWERED: &str = "unanswered ";

/// What somebody does on a socket.
pub trait Part {
    /// Finds out how things stand. The socket is open, so nothing that happens from here on is missed.
    async fn begin(&mut self, person: &Person, line: &mut Line<'_>) -> Result<(), Trouble>;
    /// Takes in a frame.
    async fn hear(&mut self, person: &Person, line: &mut Line<'_>, frame: &Value) -> Result<(), Trouble>;
    /// Does what is due.
    async fn tick(&mut self, person: &Person, line: &mut Line<'_>) -> Result<(), Trouble>;
    /// Takes note that the connection is lost.
    fn lose(&mut self, _: &Person) {}
}

/// Where a part is played.
#[derive(Debug)]
pub struct Stage {
    /// The server.
    pub address: SocketAddr,
    /// The WebSocket endpoint to begin with.
    pub first_url: String,
    /// The one to go on with, which takes positions.
    pub next_url: String,
    /// How often something may be due.
    pub tick: Duration,
    /// What is shared.
    pub town: Rc<Town>,
}

/// An open socket.
#[derive(Debug)]
pub struct Line<'a> {
    socket: Socket,
    heard: Instant,
    hearing: &'a mut Hearing,
    told: Rc<RefCell<Told>>,
    /// What waits for an answer, and since when.
    asked: Vec<(String, Asked, Instant)>,
    /// Groups that the server could not let in or out when it was asked, and when it is asked again.
    again: Vec<(Instant, String)>,
    /// Since when the last `ping` waits for its `pong`.
    beat: Option<Instant>,
    beat_at: Instant,
    /// When the last `ping` was sent that has its `pong`.
    beaten: Instant,
    /// Since when each `pong` came in time.
    steady: Instant,
}

impl<'a> Line<'a> {
    async fn open(stage: &Stage, person: &Person, hearing: &'a mut Hearing) -> Result<Self, Trouble> {
        let access = person.access().await?;
        hearing.disconnect();
        let goes_on = hearing.positions().any(|(_, position)| position.is_some());
        if !goes_on {
            hearing.start_over();
        }
        let url = if goes_on { &stage.next_url } else { &stage.first_url };
        let Ok(socket) = timeout(OPENING, socket::open(stage.address, url, &access)).await else {
            return Err(Trouble::Silent(OPENING));
        };
        let now = Instant::now();
        let mut line = Self {
            socket: socket?,
            heard: now,
            hearing,
            told: stage.town.told_to(person.name()),
            asked: Vec::new(),
            again: Vec::new(),
            beat: None,
            beat_at: now,
            beaten: now,
            steady: now,
        };
        if goes_on {
            let frames: Vec<Value> =
                line.hearing.positions().map(|(group, since)| subscription(group, since)).collect();
            for frame in frames {
                line.ask(&frame).await?;
            }
        }
        Ok(line)
    }

    /// The next frame. May be dropped while waiting without losing one.
    async fn next(&mut self) -> Result<Value, Trouble> {
        loop {
            let message = self.socket.next().await;
            self.heard = Instant::now();
            match message {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(frame) => return Ok(frame),
                    Err(error) => log::warn!("the server sent no JSON: {error}"),
                },
                Some(Ok(Message::Close(frame))) => return Err(Trouble::closed(frame.as_ref())),
                // Pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Trouble::closed(None)),
            }
        }
    }

    /// Sends a frame.
    pub async fn say(&mut self, frame: &Value) -> Result<(), Trouble> {
        let mut frame = frame.clone();
        if let Some(members) = frame.as_object_mut().filter(|members| !members.contains_key("ref")) {
            // Nothing answers it, but what refuses it is to tell what that was.
            let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
            let mark = format!("{UNANSWERED}{kind}");
            members.insert("ref".to_owned(), json!(mark));
        }
        Ok(self.socket.send(Message::text(frame.to_string())).await?)
    }

    /// Sends a frame whose answer will bear its `ref`.
    pub async fn ask(&mut self, frame: &Value) -> Result<(), Trouble> {
        let reference = frame.get("ref").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.asked.retain(|(waiting, _, _)| *waiting != reference);
        self.asked.push((reference, Asked::by(frame), Instant::now()));
        self.say(frame).await
    }

    /// Listens to a group, too.
    pub async fn listen(&mut self, group: &str) -> Result<(), Trouble> {
        if self.hearing.expect(group) { self.ask(&subscription(group, None)).await } else { Ok(()) }
    }

    /// Listens to a group no longer.
    pub async fn hang_up(&mut self, group: &str) -> Result<(), Trouble> {
        if !self.hearing.leave(group) {
            return Ok(());
        }
        self.told.borrow_mut().leave(group);
        // Where it was not begun yet, it never is.
        self.asked.retain(|(waiting, _, _)| waiting != group);
        self.ask(&json!({"type": "unsubscribe", "group": group, "ref": format!("{LEAVING}{group}")})).await
    }

    /// Asks again for what the server could not do.
    async fn try_again(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        let due: Vec<String> =
            self.again.extract_if(.., |(at, _)| *at <= now).map(|(_, mark)| mark).collect();
        for mark in due {
            let frame = match mark.strip_prefix(LEAVING) {
                Some(group) => json!({"type": "unsubscribe", "group": group, "ref": mark}),
                None => {
                    let mut positions = self.hearing.positions();
                    let Some((group, since)) = positions.find(|(group, _)| **group == mark) else { continue };
                    subscription(group, since)
                }
            };
            self.ask(&frame).await?;
        }
        Ok(())
    }

    /// Whether the socket has told how an order stands in this version.
    #[must_use]
    pub fn knows(&self, order: OrderId, version: i64) -> bool {
        self.told.borrow().knows(order, version)
    }

    /// All is well from `at` on, as far as can be told on this connection.
    fn is_steady_from(&mut self, at: Instant) {
        self.steady = at;
        self.told.borrow_mut().line = Some(at);
    }

    /// Since when there is no sign of anything wrong.
    #[must_use]
    pub fn steady(&self, town: &Town) -> Steady {
        Steady { line: self.steady, town: town.saw.steady_since().unwrap_or(self.steady) }
    }

    /// Whatever the server said up to then was heard, however much came at once.
    #[must_use]
    pub fn heard_up_to(&self) -> Instant {
        self.beaten
    }

    /// Makes sure that the server answers, and that it has answered all.
    async fn beat(&mut self, person: &Person, town: &Town) -> Result<(), Trouble> {
        let now = Instant::now();
        match self.beat {
            Some(since) if now.duration_since(since) > BEAT_LATE => {
                town.saw.strain();
                self.is_steady_from(now);
            }
            Some(_) => {}
            None if self.beat_at <= now => {
                (self.beat, self.beat_at) = (Some(now), now + BEAT);
                self.ask(&json!({"type": "ping", "ref": "beat"})).await?;
            }
            None => {}
        }
        let steady = self.steady(town);
        if steady.is_in_force(now) {
            town.saw.would_notice(Wait::Answer, now);
        }
        self.asked.retain(|(_, asked, since)| {
            let is_overdue = steady.is_overdue(*since, now);
            if is_overdue {
                town.saw.broke(person.name(), asked.unanswered());
            }
            !is_overdue
        });
        Ok(())
    }

    /// Takes note of a frame. Whether there is something new in it: an event that was heard before is dropped.
    fn note(&mut self, person: &Person, town: &Town, frame: &Value) -> bool {
        town.saw.heard();
        let heard = self.hearing.hear(frame, Instant::now());
        let is_shaken = town.saw.steady_since().is_some();
        let below_zero = self.told.borrow_mut().hear(frame, Timestamp::now(), is_shaken);
        for broken in heard.broken.into_iter().chain(below_zero) {
            town.saw.broke(person.name(), broken);
        }
        if let Some(sighting) = heard.sighting {
            town.saw.sighted(sighting);
        }
        let reference = frame.get("ref").and_then(Value::as_str).unwrap_or_default();
        let answers = self.asked.iter().position(|(waiting, _, _)| waiting == reference);
        let answered = answers.map(|at| self.asked.swap_remove(at));
        if let Some(begins) = heard.begins
            && (begins == Begins::Resync || answered.as_ref().is_some_and(|(_, asked, _)| asked.goes_on))
        {
            town.saw.begins(begins);
        }
        if let Some((_, asked, since)) = answered {
            if self.steady(town).is_in_force(Instant::now()) {
                town.saw.came(Wait::Answer);
            }
            if let Some(broken) = asked.fits(frame) {
                town.saw.broke(person.name(), broken);
            }
            if kind(frame) == "pong" {
                (self.beat, self.beaten) = (None, since);
                town.saw.lapse(Lapse::Ping, since.elapsed());
                if since.elapsed() > BEAT_LATE {
                    town.saw.strain();
                    self.is_steady_from(Instant::now());
                }
            }
        }
        if heard.is_repeated {
            town.saw.heard_again();
        }
        if heard.is_again {
            return false;
        }
        if frame.get("seq").is_some_and(Value::is_u64)
            && let Some(at) = frame.get("at").and_then(|at| Timestamp::deserialize(at).ok())
        {
            let lapse = if kind(frame) == "assignment" { Lapse::Offer } else { Lapse::Event };
            town.saw.lapse(lapse, Timestamp::now().since(at));
        }
        if kind(frame) == "error" {
            let member = |name| frame.get(name).and_then(Value::as_str).unwrap_or_default();
            town.saw.refused(person.name(), member("code"), &frame.to_string());
            if let Some(kind) = reference.strip_prefix(UNANSWERED) {
                let broken = refused(kind, member("code"), frame);
                broken.into_iter().for_each(|broken| town.saw.broke(person.name(), broken));
            }
            if PASSING.contains(&member("code")) {
                self.again.push((Instant::now() + AGAIN, reference.to_owned()));
            } else {
                // Whoever lost an order while away may not listen to it any more; a `ref` that is no group's says nothing.
                let group = reference.strip_prefix(LEAVING).unwrap_or(reference);
                self.hearing.forget(group);
                self.told.borrow_mut().leave(group);
            }
            log::debug!("{}: refused: {frame}", person.name());
        }
        true
    }
}

/// Asks for a group, from a position on where there is one. The answer, a refusal too, names the group.
fn subscription(group: &str, since: Option<&Since>) -> Value {
    let mut frame = json!({"type": "subscribe", "group": group, "ref": group});
    if let (Some(since), Some(members)) = (since, frame.as_object_mut()) {
        members.insert("since".to_owned(), json!(since));
    }
    frame
}

/// Plays `part` without end, over as many connections as it takes.
pub async fn play(mut part: impl Part, person: &Person, stage: &Stage, mut rng: StdRng) -> Infallible {
    let mut backoff = Backoff::default();
    let mut ticks = interval(stage.tick);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut hearing = Hearing::new(person.role() == Role::Customer);
    let mut lost = None;
    loop {
        let line = Line::open(stage, person, &mut hearing).await;
        let trouble = match line {
            Ok(line) => {
                match connected(&mut part, person, line, stage, &mut ticks, (&mut backoff, &mut lost)).await {
                    Ok(never) => match never {},
                    Err(trouble) => trouble,
                }
            }
            Err(trouble) => trouble,
        };
        stage.town.saw.lost(person.name(), &trouble);
        stage.town.told_to(person.name()).borrow_mut().line = None;
        part.lose(person);
        if !trouble.is_own() {
            lost.get_or_insert_with(Instant::now);
        }
        // An outage is news once.
        let level = if backoff.is_waiting() { log::Level::Debug } else { log::Level::Info };
        let wait = backoff.next(trouble.retry_in(), &mut rng);
        log::log!(level, "{}: {trouble}; again in {} ms", person.name(), wait.as_millis());
        sleep(wait).await;
    }
}

async fn connected(
    part: &mut impl Part,
    person: &Person,
    mut line: Line<'_>,
    stage: &Stage,
    ticks: &mut Interval,
    (backoff, lost): (&mut Backoff, &mut Option<Instant>),
) -> Result<Infallible, Trouble> {
    part.begin(person, &mut line).await?;
    // What has come meanwhile is heard from here on.
    line.is_steady_from(Instant::now());
    if let Some(lost) = lost.take() {
        stage.town.saw.lapse(Lapse::Back, lost.elapsed());
    }
    if backoff.is_waiting() {
        log::info!("{}: connected again", person.name());
    }
    backoff.reset();
    loop {
        tokio::select! {
            frame = line.next() => {
                let frame = frame?;
                if !line.note(person, &stage.town, &frame) {
                    continue;
                }
                if kind(&frame) == "token_expiring" {
                    let access = person.renew().await?;
                    line.say(&json!({"type": "auth", "token": access.0})).await?;
                }
                part.hear(person, &mut line, &frame).await?;
            }
            _ = ticks.tick() => {
                if line.heard.elapsed() > SILENCE {
                    return Err(Trouble::Silent(SILENCE));
                }
                line.try_again().await?;
                line.beat(person, &stage.town).await?;
                part.tick(person, &mut line).await?;
            }
        }
    }
}

/// The type of a frame.
#[must_use]
pub fn kind(frame: &Value) -> &str {
    frame.get("type").and_then(Value::as_str).unwrap_or_default()
}
