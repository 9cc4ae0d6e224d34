//! Among many who read there are two who do not: one for a while, one for good.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::rt::spawn;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use waybill::tools::client::credentials::Secret;
use waybill::tools::client::socket::{self, Socket};

use super::caller::{Call, Caller};
use super::stage::{SERVICE_KEY, Stage, kill};
use crate::support::TestUser;

const READERS: usize = 1000;
/// More than the queue of a session holds, and fewer than the group keeps for those who come back.
const EVENTS: usize = 150;
/// Of one event: all of them fill the kernel's buffers many times over.
const BYTES: usize = 2000;
/// Within this every event reaches everybody who reads.
const SOON: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// When each event was published, and how long the slowest of the others waited for one.
struct Clock {
    published: RefCell<Vec<Instant>>,
    longest: RefCell<Duration>,
}

/// The number that an event carries.
fn number_in(text: &str) -> Option<usize> {
    let (_, rest) = text.split_once("\"n\":")?;
    rest.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
}

/// Reads all events, each of which has to come in its turn.
async fn read_all(mut socket: Socket, clock: Rc<Clock>, witness: Option<watch::Sender<usize>>) {
    let mut next = 0;
    while next < EVENTS {
        let message = socket.next().await.expect("the session goes on").expect("it is not broken");
        let Message::Text(text) = message else { continue };
        let Some(number) = number_in(&text) else { continue };
        assert_eq!(number, next);
        let took = clock.published.borrow()[number].elapsed();
        clock.longest.replace_with(|longest| took.max(*longest));
        next += 1;
        if let Some(witness) = &witness {
            witness.send_replace(next);
        }
    }
    // The session stays until the test is over.
    std::future::pending().await
}

/// A client whose kernel takes in little, so that it shows when it does not read.
struct Sluggish {
    user: TestUser,
    address: SocketAddr,
    socket: Socket,
    epoch: String,
    seq: u64,
    /// Events that it has seen.
    seen: Vec<usize>,
}

impl Sluggish {
    async fn open(address: SocketAddr, user: &TestUser) -> Self {
        let socket = Self::connect(address, user).await;
        let mut this =
            Self { user: user.clone(), address, socket, epoch: String::new(), seq: 0, seen: Vec::new() };
        let subscribed = this.subscribe(None).await;
        subscribed["epoch"].as_str().expect("an epoch").clone_into(&mut this.epoch);
        this
    }

    async fn connect(address: SocketAddr, user: &TestUser) -> Socket {
        let tcp = TcpSocket::new_v4().expect("a socket");
        tcp.set_recv_buffer_size(4096).expect("a small buffer");
        let tcp = tcp.connect(address).await.expect("it accepts");
        let mut request = format!("ws://{address}/ws/").into_client_request().expect("a URL");
        let bearer = format!("Bearer {}", user.token).parse().expect("a header's value");
        request.headers_mut().insert("Authorization", bearer);
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let opened = tokio_tungstenite::client_async_with_config(request, tcp, Some(config)).await;
        opened.expect("it is let in").0
    }

    async fn subscribe(&mut self, since: Option<Value>) -> Value {
        let mut frame = json!({"type": "subscribe", "group": format!("user_{}", self.user.id)});
        if let Some(since) = since {
            frame["since"] = since;
        }
        self.socket.send(Message::text(frame.to_string())).await.expect("sent");
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("in time");
            let Message::Text(text) = message.expect("it is open").expect("it is not broken") else {
                continue;
            };
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            if frame["type"] == "subscribed" {
                return frame;
            }
        }
    }

    /// Reads on, up to the end of the connection or the last event. Gives the code of the close, if one came.
    async fn read_on(&mut self) -> Option<u16> {
        while self.seen.len() < EVENTS {
            match timeout(PATIENCE, self.socket.next()).await.expect("events, or an end") {
                Some(Ok(Message::Text(text))) => self.see(&text),
                Some(Ok(Message::Close(close))) => return close.map(|close| close.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
        None
    }

    fn see(&mut self, text: &str) {
        let Some(number) = number_in(text) else { return };
        let frame: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(frame["epoch"], self.epoch.as_str());
        let seq = frame["seq"].as_u64().expect("a number");
        assert_eq!(seq, self.seq + 1, "after {:?}", self.seen.last());
        self.seq = seq;
        self.seen.push(number);
    }

    /// Comes back where it was and reads the rest.
    async fn come_back(&mut self) {
        self.socket = Self::connect(self.address, &self.user).await;
        let since = json!({"epoch": self.epoch, "seq": self.seq});
        let subscribed = self.subscribe(Some(since)).await;
        assert_eq!((&subscribed["recovered"], &subscribed["seq"]), (&json!(true), &json!(self.seq)));
        self.read_on().await;
        assert!(self.seen.iter().copied().eq(0..EVENTS), "{:?}", self.seen);
    }
}

/// Bytes of memory that a process has in use.
/// What a process has of the machine's memory, bytes.
pub fn memory_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process is there");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line with the memory");
    let kibibytes: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
    kibibytes * 1024
}

#[actix_web::test]
async fn two_who_do_not_read_harm_nobody_and_miss_nothing_among_1000() {
    let settings = [
        ("WAYBILL_SESSION_QUEUE", "64"),
        ("WAYBILL_SEND_BUFFER_BYTES", "4096"),
        ("WAYBILL_TCP_USER_TIMEOUT_MS", "4000"),
    ];
    let (stage, cast) = Stage::new(1, &settings).await;
    let (process, user) = (stage.serve().await, &cast.customers[0]);
    let (address, caller) = (process.address, Caller::new());

    let mut for_a_while = Sluggish::open(address, user).await;
    let mut for_good = Sluggish::open(address, user).await;
    let clock = Rc::new(Clock { published: RefCell::default(), longest: RefCell::default() });
    let (witness, mut witnessed) = watch::channel(0);
    let mut witness = Some(witness);
    for reader in 0..READERS {
        let url = format!("ws://{address}/ws/notifications/");
        let mut socket = socket::open(address, &url, &Secret(user.token.clone())).await.expect("it opens");
        // Its first frame says that it has joined.
        timeout(PATIENCE, socket.next()).await.expect("in time").expect("open").expect("whole");
        // The last one to join is the last one to be told.
        let witness = if reader + 1 == READERS { witness.take() } else { None };
        spawn(read_all(socket, Rc::clone(&clock), witness));
    }

    let before = memory_of(process.id());
    let caller_for_a_while = caller.clone();
    let resumed = spawn(async move {
        let put_out =
            caller_for_a_while.until_figure(address, "waybill_slow_readers_total", |count| count >= 2.0);
        timeout(PATIENCE, put_out).await.expect("both are put out");
        let code = for_a_while.read_on().await;
        (for_a_while, code)
    });
    let mut most = 0;
    for number in 0..EVENTS {
        let data = json!({"n": number, "filling": "x".repeat(BYTES)});
        let event = json!({"group": format!("user_{}", user.id), "type": "news", "data": data});
        clock.published.borrow_mut().push(Instant::now());
        let (status, body) =
            caller.once(address, &Call::post(SERVICE_KEY, "/events", event)).await.expect("taken");
        assert_eq!(status, 202, "{body}");
        let reached = witnessed.wait_for(|count| *count > number);
        timeout(PATIENCE, reached).await.expect("in time").expect("the readers are there");
        most = most.max(memory_of(process.id()));
    }
    let grown = most.saturating_sub(before) / 1024;
    eprintln!("the longest way took {:?}; {grown} KiB more", clock.longest.borrow());
    assert!(*clock.longest.borrow() < SOON, "{:?}", clock.longest.borrow());
    assert!(grown < 20 * 1024, "{grown} KiB more");

    // The one who reads again is told, comes back, and has everything.
    let (mut for_a_while, code) = timeout(PATIENCE, resumed).await.expect("in time").expect("it went well");
    assert_eq!(code, Some(4408));
    assert!(for_a_while.seen.len() < EVENTS);
    for_a_while.come_back().await;
    // The one who does not is cut off by the kernel; the readers and the one who came back are left.
    let left = |sessions: f64| (sessions - (READERS as f64 + 1.0)).abs() < 0.5;
    timeout(PATIENCE, caller.until_figure(address, "waybill_sessions", left)).await.expect("it is cut off");
    assert_eq!(for_good.read_on().await, None, "nobody was there to say good-bye");
    for_good.come_back().await;
    let slow = caller.figure(address, "waybill_slow_readers_total").await;
    assert!((slow - 2.0).abs() < f64::EPSILON, "{slow} were put out");
    kill(process).await;
}
