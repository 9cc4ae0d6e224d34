//! A person's open socket, and the loop that keeps one open for as long as the simulation runs. A connection that breaks
//! is followed by one that goes on where it ended.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt::time::{Interval, interval, sleep, timeout};
use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::person::Person;
use super::rules::hearing::Hearing;
use super::trouble::{Backoff, Trouble};
use super::world::Town;
use crate::domain::principal::Role;
use crate::protocol::client::Since;
use crate::tools::client::socket::{self, Socket};

/// How long opening may take.
const OPENING: Duration = Duration::from_secs(10);
/// The server pings every 25 s: after this long without a sound the socket is dead.
const SILENCE: Duration = Duration::from_secs(65);

/// What somebody does on a socket.
pub trait Part {
    /// Finds out how things stand. The socket is open, so nothing that happens from here on is missed.
    async fn begin(&mut self, person: &Person, line: &mut Line<'_>) -> Result<(), Trouble>;
    /// Takes in a frame.
    async fn hear(&mut self, person: &Person, line: &mut Line<'_>, frame: &Value) -> Result<(), Trouble>;
    /// Does what is due.
    async fn tick(&mut self, person: &Person, line: &mut Line<'_>) -> Result<(), Trouble>;
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
}

impl<'a> Line<'a> {
    async fn open(stage: &Stage, person: &Person, hearing: &'a mut Hearing) -> Result<Self, Trouble> {
        let access = person.access().await?;
        hearing.disconnect();
        let goes_on = hearing.positions().any(|(_, position)| position.is_some());
        let url = if goes_on { &stage.next_url } else { &stage.first_url };
        let Ok(socket) = timeout(OPENING, socket::open(stage.address, url, &access)).await else {
            return Err(Trouble::Silent(OPENING));
        };
        let mut line = Self { socket: socket?, heard: Instant::now(), hearing };
        if goes_on {
            let frames: Vec<Value> =
                line.hearing.positions().map(|(group, since)| subscription(group, since)).collect();
            for frame in frames {
                line.say(&frame).await?;
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
        Ok(self.socket.send(Message::text(frame.to_string())).await?)
    }

    /// Listens to a group, too.
    pub async fn listen(&mut self, group: &str) -> Result<(), Trouble> {
        if self.hearing.expect(group) { self.say(&subscription(group, None)).await } else { Ok(()) }
    }

    /// Listens to a group no longer.
    pub async fn hang_up(&mut self, group: &str) -> Result<(), Trouble> {
        if !self.hearing.leave(group) {
            return Ok(());
        }
        self.say(&json!({"type": "unsubscribe", "group": group, "ref": group})).await
    }

    /// Takes note of a frame.
    fn note(&mut self, person: &Person, town: &Town, frame: &Value) {
        town.saw.heard();
        for broken in self.hearing.hear(frame, Instant::now()) {
            town.saw.broke(person.name(), broken);
        }
        if kind(frame) == "error" {
            let member = |name| frame.get(name).and_then(Value::as_str).unwrap_or_default();
            town.saw.refused(person.name(), member("code"), &frame.to_string());
            // Whoever lost an order while away may not listen to it any more; a `ref` that is no group's says nothing.
            self.hearing.forget(member("ref"));
            log::debug!("{}: refused: {frame}", person.name());
        }
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
    loop {
        let line = Line::open(stage, person, &mut hearing).await;
        let trouble = match line {
            Ok(line) => match connected(&mut part, person, line, stage, &mut ticks, &mut backoff).await {
                Ok(never) => match never {},
                Err(trouble) => trouble,
            },
            Err(trouble) => trouble,
        };
        stage.town.saw.lost(person.name(), &trouble);
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
    backoff: &mut Backoff,
) -> Result<Infallible, Trouble> {
    part.begin(person, &mut line).await?;
    if backoff.is_waiting() {
        log::info!("{}: connected again", person.name());
    }
    backoff.reset();
    loop {
        tokio::select! {
            frame = line.next() => {
                let frame = frame?;
                line.note(person, &stage.town, &frame);
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
