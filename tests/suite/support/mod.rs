//! What the tests stand on: the real server, started within the test's process on a port and with a database
//! of its own; its users; its front door.
//!
//! ```ignore
//! let app = TestApp::start().await;
//! let customer = app.customer().await;
//! let mut screen = app.connect(&customer, "/ws/notifications/").await;
//! app.as_user(&customer).post("/orders", an_order()).await.expect(201);
//! screen.expect("notification").await;
//! ```

pub mod client;
pub mod database;
pub mod process;
pub mod raw;
pub mod redis;
pub mod sign;
pub mod socket;
pub mod steps;
pub mod users;

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use waybill::server::settings::{Settings, Sources};
use waybill::server::{self, ServerError};
use waybill::services::app::App;

pub use client::{Answer, Client};
pub use database::TestDatabase;
pub use socket::Socket;
pub use users::{TestUser, an_order};

/// Signs the tokens of every test.
pub const JWT_SECRET: &str = "5ca1ab1e-0000-4000-8000-test-secret-of-more-than-32-bytes";

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(30);

type Stopped = Result<(), ServerError>;

/// A running server. Dropping it is like killing it: nothing is drained.
pub struct TestApp {
    address: SocketAddr,
    app: App,
    stop: Option<oneshot::Sender<oneshot::Sender<Stopped>>>,
    thread: Option<JoinHandle<()>>,
    // Dropped last: the server holds connections to it.
    database: Option<TestDatabase>,
}

impl TestApp {
    /// A server as the tests want it: nothing is limited, everything else is as it comes.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A server with settings of one's own, by the names of their variables.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_on(TestDatabase::new(), settings).await
    }

    /// A server on a database that is there already, such as one that [`TestApp::stop`] gave back.
    pub async fn start_on(database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        Self::try_start_on(database, settings).await.expect("the server starts")
    }

    /// Like [`TestApp::start_on`], for servers that may refuse to start.
    pub async fn try_start_on(
        database: TestDatabase,
        settings: &[(&str, &str)],
    ) -> Result<Self, ServerError> {
        let mut app = Self::start_beside(&database, settings).await?;
        app.database = Some(database);
        Ok(app)
    }

    /// One more server on a database that others use.
    pub async fn start_beside(
        database: &TestDatabase,
        settings: &[(&str, &str)],
    ) -> Result<Self, ServerError> {
        let settings = Settings::read(&Sources::new(variables(database, settings), []));
        let settings = settings.expect("good settings");
        let (started, start) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("server".into());
        let thread = thread
            .spawn(move || actix_web::rt::System::new().block_on(run(settings, started, stopped)))
            .expect("a thread");
        let (address, app) = start.await.expect("the server's thread lives")?;
        Ok(Self { address, app, stop: Some(stop), thread: Some(thread), database: None })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its requests work with, for what no request can tell or do.
    pub fn inner(&self) -> &App {
        &self.app
    }

    /// Waits until something is so.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, is_so: impl Fn() -> F) {
        let begin = Instant::now();
        while !is_so().await {
            assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            // Between two looks; nothing depends on how long it is.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What it says of its readiness, ready or not.
    pub async fn ready(&self) -> serde_json::Value {
        self.as_nobody().call(awc::http::Method::GET, "/readyz", &[], None).await.body
    }

    /// Its database, unless it is another's, too.
    pub fn database(&self) -> &TestDatabase {
        self.database.as_ref().expect("it goes with the server")
    }

    /// Calls as this user.
    pub fn as_user(&self, user: &TestUser) -> Client {
        Client::new(self.address, Some(user.token.clone()))
    }

    /// Calls with this token or key.
    pub fn with_token(&self, token: &str) -> Client {
        Client::new(self.address, Some(token.to_owned()))
    }

    /// Calls without a token.
    pub fn as_nobody(&self) -> Client {
        Client::new(self.address, None)
    }

    /// Opens a socket as this user; it must be let in.
    pub async fn connect(&self, user: &TestUser, path: &str) -> Socket {
        let bearer = format!("Bearer {}", user.token);
        Socket::open(self.address, path, &[("Authorization", &bearer)]).await.expect("the socket opens")
    }

    /// Stops it as SIGTERM does, and gives the database back.
    pub async fn stop(mut self) -> (TestDatabase, Stopped) {
        let outcome = self.tell_to_stop().await.expect("the server's thread lives");
        (self.database.take().expect("it goes with the server"), outcome)
    }

    /// Begins to stop as SIGTERM does; what comes back tells how it went.
    pub fn tell_to_stop(&mut self) -> oneshot::Receiver<Stopped> {
        let (reply, outcome) = oneshot::channel();
        let stop = self.stop.take().expect("it is told once");
        stop.send(reply).expect("the server's thread lives");
        outcome
    }

    /// Ends it without draining anything, as a crash would, and gives the database back.
    pub fn crash(mut self) -> TestDatabase {
        self.end();
        self.database.take().expect("it goes with the server")
    }

    /// As [`TestApp::crash`], for one that shares the database with others.
    pub fn vanish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server's thread ended in a panic");
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.end();
    }
}

/// Variables of a test's server; later ones win.
fn variables(database: &TestDatabase, settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let url = database.url();
    let usual = [
        ("DATABASE_URL", url.as_str()),
        ("WAYBILL_LISTEN", "127.0.0.1:0"),
        ("WAYBILL_JWT_SECRET", JWT_SECRET),
        ("WAYBILL_RATE_LIMITS", "off"),
        ("WAYBILL_WORKERS", "1"),
        // No load balancer has to notice.
        ("WAYBILL_DRAIN_NOTICE_MS", "0"),
        ("WAYBILL_DATABASE_CONNECTIONS", "4"),
        // The machine may be busy with other tests.
        ("WAYBILL_DATABASE_WAIT_MS", "30000"),
    ];
    let redis = database.redis();
    let redis = redis
        .iter()
        .flat_map(|(url, prefix)| [("REDIS_URL", url.as_str()), ("WAYBILL_REDIS_PREFIX", prefix.as_str())]);
    usual
        .iter()
        .copied()
        .chain(redis)
        .chain(settings.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The server's thread.
async fn run(
    settings: Settings,
    started: oneshot::Sender<Result<(SocketAddr, App), ServerError>>,
    stopped: oneshot::Receiver<oneshot::Sender<Stopped>>,
) {
    let running = match server::start(settings).await {
        Ok(running) => running,
        Err(error) => {
            // The test may have failed meanwhile.
            let _ = started.send(Err(error));
            return;
        }
    };
    let groups = running.app().groups().clone();
    // The test may have failed meanwhile.
    let _ = started.send(Ok((running.address(), running.app().clone())));
    if let Ok(reply) = stopped.await {
        // The test may have failed meanwhile.
        let _ = reply.send(running.stop().await);
    }
    groups.stop();
}
