//! One WebSocket session: opens it, subscribes it, and enters what it receives.

use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt::net::TcpStream;
use actix_web::rt::time::timeout;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::args::Secret;
use super::floor::Floor;
use super::frame::{Incoming, Meaning, Subscribe};
use super::ledger::{Seat, Verdict};
use super::meters::count;

/// Bytes read at once. Every session has such a buffer, so it must be small; a longer frame makes it grow.
const READ_BUFFER: usize = 4 << 10;
/// Largest frame accepted, bytes: a long snapshot.
const LARGEST_FRAME: usize = 1 << 20;
/// Most of a server's words that are kept as a reason, characters.
const WORDS: usize = 200;

/// A session that has subscribed.
pub struct Session {
    socket: WebSocketStream<TcpStream>,
    group: usize,
    seat: Seat,
}

impl Session {
    /// Opens session number `at` with `token`, and subscribes it to its group.
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
        let mut socket = handshake(floor, token).await.map_err(|error| in_words(&error))?;
        floor.meters.borrow_mut().handshake.record(began.elapsed());
        let group = at % floor.groups.len();
        let name = floor.groups.get(group).map_or("", |name| name);
        let request = Subscribe { kind: "subscribe", group: name, reference: "load" };
        let request = serde_json::to_string(&request).map_err(|error| error.to_string())?;
        loop {
            let text = next_text(&mut socket).await?;
            match Incoming::read(&text).map_err(|error| format!("{error} in {text}"))?.meaning() {
                Meaning::Welcome => {
                    let sent = socket.send(Message::text(request.as_str())).await;
                    sent.map_err(|error| in_words(&error))?;
                }
                Meaning::Subscribed(since) => {
                    let seat = floor.ledger.borrow_mut().join(group, since);
                    let mut meters = floor.meters.borrow_mut();
                    meters.join.record(began.elapsed());
                    meters.open += 1;
                    return Ok(Self { socket, group, seat });
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

    fn enter(&self, floor: &Floor, text: &str) {
        let now = Instant::now();
        let Ok(frame) = Incoming::read(text) else {
            floor.meters.borrow_mut().unreadable += 1;
            return;
        };
        let mine = floor.groups.get(self.group).map_or("", |name| name);
        match frame.meaning() {
            Meaning::Load { group, .. } if group != mine => floor.ledger.borrow_mut().stray(self.seat),
            Meaning::Event { group, .. } if group != mine => floor.ledger.borrow_mut().stray(self.seat),
            Meaning::Load { load, stamp, .. } => {
                let own = load.run == floor.run && load.n < floor.schedule.total;
                let n = own.then_some(load.n);
                let verdict = floor.ledger.borrow_mut().arrive(self.seat, n, stamp.as_ref());
                if verdict == Verdict::First {
                    floor.time(load.n, now);
                }
            }
            Meaning::Event { stamp, .. } => {
                floor.ledger.borrow_mut().arrive(self.seat, None, Some(&stamp));
            }
            Meaning::Error(why) => count(&mut floor.meters.borrow_mut().errors, short(&why)),
            Meaning::Resync => floor.meters.borrow_mut().resyncs += 1,
            Meaning::Welcome | Meaning::Subscribed(_) | Meaning::Nothing => {}
        }
    }
}

async fn handshake(floor: &Floor, token: &Secret) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(floor.address).await?;
    stream.set_nodelay(true)?;
    let mut request = floor.socket_url.as_str().into_client_request()?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.0))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(LARGEST_FRAME))
        .max_frame_size(Some(LARGEST_FRAME));
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}

async fn next_text(
    socket: &mut WebSocketStream<TcpStream>,
) -> Result<tokio_tungstenite::tungstenite::Utf8Bytes, String> {
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

fn closed(frame: Option<&CloseFrame>) -> String {
    match frame {
        Some(frame) => {
            // A restart tells each session to come back at another time; that would make each a case of its own.
            let reason = if frame.reason.starts_with('{') { "" } else { frame.reason.as_str() };
            format!("closed {} {}", u16::from(frame.code), short(reason)).trim_end().to_owned()
        }
        None => "closed without a code".to_owned(),
    }
}

fn in_words(error: &Error) -> String {
    let Error::Http(answer) = error else { return error.to_string() };
    // The `code` of a problem body says more than the status, and unlike the detail holds no ids.
    let code = answer
        .body()
        .as_deref()
        .and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok())
        .and_then(|problem| problem.get("code")?.as_str().map(short));
    format!("refused {} {}", answer.status(), code.unwrap_or_default()).trim_end().to_owned()
}

fn short(text: &str) -> String {
    text.chars().take(WORDS).collect()
}
