//! A rolling restart under load: every session moves to another server and back, nobody misses an event, and they do not
//! all come at once.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt::task::spawn_blocking;
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use rand::Rng;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use waybill::domain::ids::UserId;
use waybill::domain::principal::Role;
use waybill::domain::time::Timestamp;
use waybill::store::users::{self, User};

use crate::chaos::nginx::Nginx;
use crate::chaos::site::free_address;
use crate::faults::caller::{Call, Caller};
use crate::faults::stage::{SERVICE_KEY, Stage, direct};
use crate::support::process::Process;
use crate::support::{TestDatabase, TestUser, sign};

/// Each user has so many sessions, as many as one may have.
const SESSIONS_EACH: usize = 20;
/// How long those who are sent away are told to take at most.
const SPREAD: Duration = Duration::from_secs(3);

struct Shared {
    address: SocketAddr,
    /// How many sessions have heard that they are subscribed.
    subscribed: Cell<usize>,
    /// Of each user: how many events were published.
    published: RefCell<Vec<u64>>,
    done: Cell<bool>,
    changed: Notify,
    /// When sessions came back.
    returns: RefCell<Vec<Instant>>,
}

struct Session {
    shared: Rc<Shared>,
    user: usize,
    group: String,
    token: String,
    position: Option<(String, u64)>,
    seen: u64,
    moves: usize,
}

type Stream = WebSocketStream<TcpStream>;

impl Session {
    /// Until it has seen everything, and nothing more comes.
    async fn run(mut self) -> usize {
        loop {
            let Some(mut stream) = self.come().await else {
                // Too many come at the moment, or no server was there.
                sleep(Duration::from_millis(rand::rng().random_range(100..500))).await;
                continue;
            };
            match self.listen(&mut stream).await {
                None => return self.moves,
                Some(retry_in) => {
                    self.moves += 1;
                    sleep(retry_in).await;
                }
            }
        }
    }

    async fn come(&mut self) -> Option<Stream> {
        let mut request = format!("ws://{}/ws/", self.shared.address).into_client_request().expect("a URL");
        request.headers_mut().insert("Authorization", self.token.parse().expect("a header's value"));
        let tcp = TcpStream::connect(self.shared.address).await.ok()?;
        let opened =
            timeout(Duration::from_secs(10), tokio_tungstenite::client_async(request, tcp)).await.ok()?;
        let (mut stream, _) = opened.ok()?;
        if self.position.is_some() {
            self.shared.returns.borrow_mut().push(Instant::now());
        }
        let mut frame = json!({"type": "subscribe", "group": self.group});
        if let Some((epoch, seq)) = &self.position {
            frame["since"] = json!({"epoch": epoch, "seq": seq});
        }
        stream.send(Message::text(frame.to_string())).await.ok()?;
        Some(stream)
    }

    /// How long to wait before coming back; `None` when all is done.
    async fn listen(&mut self, stream: &mut Stream) -> Option<Duration> {
        loop {
            let changed = self.shared.changed.notified();
            if self.shared.done.get() && self.seen == self.shared.published.borrow()[self.user] {
                return None;
            }
            let message = tokio::select! {
                () = changed => continue,
                message = stream.next() => message,
            };
            match message {
                Some(Ok(Message::Text(text))) => self.take(&serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(Some(close)))) => {
                    assert_eq!(u16::from(close.code), 1012, "{close:?}");
                    let reason: Value = serde_json::from_str(&close.reason).expect("JSON");
                    let retry_in = Duration::from_millis(reason["retry_in"].as_u64().expect("milliseconds"));
                    assert!(retry_in <= SPREAD);
                    return Some(retry_in);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => panic!("a connection ended without a word"),
            }
        }
    }

    fn take(&mut self, frame: &Value) {
        let stated = || Some((frame["epoch"].as_str()?.to_owned(), frame["seq"].as_u64()?));
        match frame["type"].as_str().unwrap_or_default() {
            "subscribed" => {
                let is_first = self.position.is_none();
                assert_eq!(frame["recovered"], !is_first, "{frame}");
                assert!(is_first || self.position == stated(), "{frame}");
                if is_first {
                    self.shared.subscribed.set(self.shared.subscribed.get() + 1);
                }
                self.position = stated();
            }
            "counted" => {
                let (epoch, seq) = self.position.clone().expect("it is subscribed");
                assert_eq!(stated(), Some((epoch, seq + 1)), "without a hole");
                self.position = stated();
                self.seen += 1;
                assert_eq!(frame["data"]["number"], self.seen);
            }
            "resync" | "error" => panic!("{frame}"),
            _ => {}
        }
    }
}

struct Servers {
    folder: Arc<TempDir>,
    settings: Vec<(String, String)>,
}

impl Servers {
    async fn start(&self, address: SocketAddr) -> Process {
        let (folder, settings, listen) =
            (Arc::clone(&self.folder), self.settings.clone(), address.to_string());
        let started = spawn_blocking(move || {
            let settings: Vec<(&str, &str)> = settings
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .chain([("WAYBILL_LISTEN", listen.as_str())])
                .collect();
            Process::serve(&folder, &settings)
        });
        started.await.expect("it is ready")
    }
}

async fn stop(process: Process) {
    let ended = spawn_blocking(|| process.stop()).await.expect("it stopped");
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

fn add_users(database: &TestDatabase, count: usize) -> Vec<TestUser> {
    let mut conn = direct(database);
    (0..count)
        .map(|number| {
            let id = UserId::new();
            let email = format!("rider-{number}@example.org");
            let user = User {
                id,
                email: email.clone(),
                name: "A rider".into(),
                role: Role::Customer,
                locale: "en".into(),
                password_hash: "none".into(),
                created_at: Timestamp::now(),
                deleted_at: None,
                partner_id: None,
            };
            assert!(users::insert(&mut conn, &user).expect("it is stored"));
            let mut user = TestUser { email, id, partner_id: None, token: String::new() };
            user.token = sign::hs256(&sign::claims(&user));
            user
        })
        .collect()
}

#[actix_web::test]
async fn guarantee_3_a_rolling_restart_moves_every_session_and_loses_none_of_its_events() {
    let count =
        std::env::var("WAYBILL_TEST_ROLLING_SESSIONS").map_or(600, |text| text.parse().expect("a number"));
    let (stage, _) = Stage::on(TestDatabase::new(), 0, &[]).await;
    let database = stage.into_database();
    let (redis, prefix) = database.redis().expect("these tests belong to the run with PostgreSQL");
    let users = add_users(&database, usize::div_ceil(count, SESSIONS_EACH));
    let settings = [
        ("DATABASE_URL", database.url()),
        ("REDIS_URL", redis),
        ("WAYBILL_REDIS_PREFIX", prefix),
        ("WAYBILL_WORKERS", "1".into()),
        ("WAYBILL_SERVICE_KEYS", format!("tests:{SERVICE_KEY}")),
        ("WAYBILL_DRAIN_NOTICE_MS", "200".into()),
        ("WAYBILL_RETRY_SPREAD_MS", SPREAD.as_millis().to_string()),
        ("WAYBILL_HANDSHAKES_PER_SECOND", "400".into()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let servers = Servers { folder: Arc::new(TempDir::new().expect("a folder")), settings };
    let addresses = [free_address(), free_address()];
    let mut processes = [Some(servers.start(addresses[0]).await), Some(servers.start(addresses[1]).await)];
    let nginx = Nginx::start(&addresses);

    let shared = Rc::new(Shared {
        address: nginx.address,
        subscribed: Cell::new(0),
        published: RefCell::new(vec![0; users.len()]),
        done: Cell::new(false),
        changed: Notify::new(),
        returns: RefCell::default(),
    });
    let sessions: Vec<_> = (0..count)
        .map(|number| {
            let user = number / SESSIONS_EACH;
            let session = Session {
                shared: Rc::clone(&shared),
                user,
                group: format!("user_{}", users[user].id),
                token: format!("Bearer {}", users[user].token),
                position: None,
                seen: 0,
                moves: 0,
            };
            actix_web::rt::spawn(session.run())
        })
        .collect();
    let caller = Caller::new();
    let open = || async {
        let mut open = 0.0;
        for address in &addresses {
            open += caller.figure(*address, "waybill_sessions").await;
        }
        open as usize
    };
    // Not only open: what is published before that is for nobody to count.
    while shared.subscribed.get() < count {
        sleep(Duration::from_millis(50)).await;
    }

    let publishing = {
        let (shared, groups) = (Rc::clone(&shared), users.iter().map(|user| format!("user_{}", user.id)));
        let groups: Vec<String> = groups.collect();
        actix_web::rt::spawn(async move {
            let caller = Caller::new();
            while !shared.done.get() {
                for (user, group) in groups.iter().enumerate() {
                    let number = shared.published.borrow()[user] + 1;
                    let body = json!({"group": group, "type": "counted", "data": {"number": number}});
                    let call = Call::post(SERVICE_KEY, "/events", body);
                    while !matches!(caller.once(shared.address, &call).await, Ok((202, _))) {
                        sleep(Duration::from_millis(20)).await;
                    }
                    shared.published.borrow_mut()[user] = number;
                }
            }
        })
    };

    for process in &mut processes {
        let address = process.as_ref().expect("it runs").address;
        stop(process.take().expect("it runs")).await;
        *process = Some(servers.start(address).await);
        caller.until_status(address, "/readyz", 200).await;
        while open().await < count {
            sleep(Duration::from_millis(50)).await;
        }
    }
    shared.done.set(true);
    publishing.await.expect("no panic");
    shared.changed.notify_waiters();
    let moves: usize = join_all(sessions).await.into_iter().map(|moves| moves.expect("no panic")).sum();
    assert!(moves >= count, "every session has moved: {moves}");

    let mut returns = shared.returns.take();
    returns.sort_unstable();
    let most = (0..returns.len())
        .map(|from| {
            returns[from..].iter().take_while(|at| **at - returns[from] < Duration::from_millis(500)).count()
        })
        .max();
    let most = most.unwrap_or(0);
    println!(
        "{moves} moves, at most {most} within half a second, {} events",
        shared.published.borrow().iter().sum::<u64>()
    );
    assert!(most * 3 < moves * 2, "they came at once: {most} of {moves}");
}
