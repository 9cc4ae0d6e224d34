//! A person's open socket, and the loop that keeps one open for as long as the simulation runs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix_web::rt::time::{Interval, interval, sleep, timeout};
use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::person::Person;
use super::trouble::{Backoff, Trouble};
use crate::tools::client::socket::{self, Socket};

/// How long opening may take.
const OPENING: Duration = Duration::from_secs(10);
/// The server pings every 25 s: after this long without a sound the socket is dead.
const SILENCE: Duration = Duration::from_secs(65);

/// What somebody does on a socket.
pub trait Part {
    /// Finds out how things stand. The socket is open, so nothing that happens from here on is missed.
    async fn begin(&mut self, person: &Person) -> Result<(), Trouble>;
    /// Takes in a frame.
    async fn hear(&mut self, person: &Person, line: &mut Line, frame: &Value) -> Result<(), Trouble>;
    /// Does what is due.
    async fn tick(&mut self, person: &Person, line: &mut Line) -> Result<(), Trouble>;
}

/// Where a part is played.
#[derive(Debug)]
pub struct Stage {
    /// The server.
    pub address: SocketAddr,
    /// The WebSocket endpoint.
    pub socket_url: String,
    /// How often something may be due.
    pub tick: Duration,
}

/// An open socket.
#[derive(Debug)]
pub struct Line {
    socket: Socket,
    heard: Instant,
}

impl Line {
    async fn open(stage: &Stage, person: &Person) -> Result<Self, Trouble> {
        let access = person.access().await?;
        match timeout(OPENING, socket::open(stage.address, &stage.socket_url, &access)).await {
            Ok(socket) => Ok(Self { socket: socket?, heard: Instant::now() }),
            Err(_) => Err(Trouble::Silent(OPENING)),
        }
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
}

/// Plays `part` without end, over as many connections as it takes.
pub async fn play(mut part: impl Part, person: &Person, stage: &Stage, mut rng: StdRng) -> Infallible {
    let mut backoff = Backoff::default();
    let mut ticks = interval(stage.tick);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let trouble = match connected(&mut part, person, stage, &mut ticks, &mut backoff).await {
            Ok(never) => match never {},
            Err(trouble) => trouble,
        };
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
    stage: &Stage,
    ticks: &mut Interval,
    backoff: &mut Backoff,
) -> Result<Infallible, Trouble> {
    let mut line = Line::open(stage, person).await?;
    part.begin(person).await?;
    if backoff.is_waiting() {
        log::info!("{}: connected again", person.name());
    }
    backoff.reset();
    loop {
        tokio::select! {
            frame = line.next() => {
                let frame = frame?;
                match kind(&frame) {
                    "token_expiring" => {
                        let access = person.renew().await?;
                        line.say(&json!({"type": "auth", "token": access.0})).await?;
                    }
                    "error" => log::warn!("{}: refused: {frame}", person.name()),
                    // Any other frame is for the part to make something of.
                    _ => part.hear(person, &mut line, &frame).await?,
                }
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
