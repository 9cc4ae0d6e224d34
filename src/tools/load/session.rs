//! One WebSocket session: opens it, subscribes it, and enters what it receives.

use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt::time::timeout;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::floor::Floor;
use super::frame::{Incoming, Meaning, Subscribe};
use super::ledger::{Seat, Verdict};
use super::meters::count;
use crate::tools::client::credentials::Secret;
use crate::tools::client::socket::{self, Socket, closed, in_words, short};

/// A session that has subscribed.
pub struct Session {
    socket: Socket,
    /// By group; at least one.
    seats: Vec<(usize, Seat)>,
}

impl Session {
    /// Opens session number `at` with `token`, and subscribes it to its groups.
    ///
    /// # Errors
    /// In words, why it could not.
    pub async fn open(floor: &Rc<Floor>, at: usize, token: &Secret) -> Result<Self, String> {
        match timeout(floor.timeout, Self::open_in_time(floor, at, token)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("not subscribed after {:?}", floor.timeout)),
        }
    }

    async fn open_in_time(floor: &Rc<Floor>, at: usize, token: &Secret) -> Result<Self, String> {
        let began = Instant::now();
        // Shifted from one round of the groups to the next, so that the members of a group are shared out, too.
        let instance = floor.instances.of(at + at * floor.subscriptions / floor.groups.len());
        let opened = socket::open(instance.address, &instance.socket_url, token).await;
        let mut socket = opened.map_err(|error| in_words(&error))?;
        floor.meters.borrow_mut().handshake.record(began.elapsed());
        let groups: Vec<usize> =
            (0..floor.subscriptions).map(|k| (at * floor.subscriptions + k) % floor.groups.len()).collect();
        let mut seats = Vec::with_capacity(groups.len());
        let mut next = groups.iter();
        loop {
            let text = next_text(&mut socket).await?;
            match Incoming::read(&text).map_err(|error| format!("{error} in {text}"))?.meaning() {
                Meaning::Welcome => subscribe(&mut socket, floor, next.next()).await?,
                Meaning::Subscribed(since) => {
                    let Some(group) = groups.get(seats.len()) else {
                        return Err("subscribed unasked".into());
                    };
                    seats.push((*group, floor.ledger.borrow_mut().join(*group, since)));
                    if seats.len() == groups.len() {
                        let mut meters = floor.meters.borrow_mut();
                        meters.join.record(began.elapsed());
                        meters.open += 1;
                        seats.sort_unstable_by_key(|(group, _)| *group);
                        return Ok(Self { socket, seats });
                    }
                    subscribe(&mut socket, floor, next.next()).await?;
                }
                Meaning::Error(why) => return Err(format!("error {}", short(&why))),
                // Whatever comes before the answer was not asked for.
                Meaning::Load { .. } | Meaning::Event { .. } | Meaning::Resync | Meaning::Nothing => {}
            }
        }
    }

    /// Receives until the run is over or the connection is.
    pub async fn attend(mut self, floor: Rc<Floor>) {
        let mut over = pin!(floor.over.notified());
        let ended = loop {
            tokio::select! {
                biased;
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.enter(&floor, &text),
                    Some(Ok(Message::Close(frame))) => break Some(closed(frame.as_ref())),
                    // Pings are answered by the library.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                    Some(Err(error)) => break Some(in_words(&error)),
                    None => break Some("ended without a close".to_owned()),
                },
                () = &mut over => break None,
            }
        };
        {
            let mut meters = floor.meters.borrow_mut();
            meters.open = meters.open.saturating_sub(1);
            if let Some(reason) = ended {
                count(&mut meters.lost, reason);
                return;
            }
        }
        // The server may be gone by now, which is nobody's fault any more.
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    /// The seat in a group; without one, what came was not for this session, and is noted as that.
    fn seat(&self, floor: &Floor, group: &str) -> Option<Seat> {
        let index = floor.index.get(group);
        let place = index.and_then(|index| self.seats.binary_search_by_key(index, |(group, _)| *group).ok());
        let seat = place.and_then(|place| self.seats.get(place)).map(|(_, seat)| *seat);
        if seat.is_none()
            && let Some((_, any)) = self.seats.first()
        {
            floor.ledger.borrow_mut().stray(*any);
        }
        seat
    }

    fn enter(&self, floor: &Floor, text: &str) {
        let now = Instant::now();
        let Ok(frame) = Incoming::read(text) else {
            floor.meters.borrow_mut().unreadable += 1;
            return;
        };
        match frame.meaning() {
            Meaning::Load { load, group, stamp } => {
                let Some(seat) = self.seat(floor, &group) else { return };
                let own = load.run == floor.run && load.n < floor.schedule.total;
                let n = own.then_some(load.n);
                let verdict = floor.ledger.borrow_mut().arrive(seat, n, stamp.as_ref());
                if verdict == Verdict::First {
                    floor.time(load.n, now);
                }
            }
            Meaning::Event { group, stamp } => {
                let Some(seat) = self.seat(floor, &group) else { return };
                floor.ledger.borrow_mut().arrive(seat, None, Some(&stamp));
            }
            Meaning::Error(why) => count(&mut floor.meters.borrow_mut().errors, short(&why)),
            Meaning::Resync => floor.meters.borrow_mut().resyncs += 1,
            Meaning::Welcome | Meaning::Subscribed(_) | Meaning::Nothing => {}
        }
    }
}

/// Asks for a group, if there is one more to ask for.
async fn subscribe(socket: &mut Socket, floor: &Floor, group: Option<&usize>) -> Result<(), String> {
    let Some(name) = group.and_then(|group| floor.groups.get(*group)) else { return Ok(()) };
    let request = Subscribe { kind: "subscribe", group: name, reference: "load" };
    let request = serde_json::to_string(&request).map_err(|error| error.to_string())?;
    socket.send(Message::text(request)).await.map_err(|error| in_words(&error))
}

async fn next_text(socket: &mut Socket) -> Result<tokio_tungstenite::tungstenite::Utf8Bytes, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text),
            Some(Ok(Message::Close(frame))) => return Err(closed(frame.as_ref())),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return Err(in_words(&error)),
            None => return Err("ended without a close".to_owned()),
        }
    }
}
