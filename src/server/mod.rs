//! The process: puts the parts together, starts them in order, and stops them in the other order.
//!
//! Invariant: what a request or a frame does is decided in the rooms below; this one only wires.

pub mod demo;
pub mod logging;
pub mod settings;

mod background;
mod limits;
mod listen;
mod lock;
mod secret;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::rt::task::JoinHandle;
use actix_web::rt::time::{sleep, timeout};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::realtime::{Groups, check_redis};
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::tokens::{TokenConfigError, Tokens};
use crate::services::tracking;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

use background::Background;
use demo::{Demo, DemoOptions, PublicDemo};
pub use listen::routes;
use lock::{Claim, ClaimError};
use settings::{PaymentProvider, SettingError, Settings};

/// How long a start waits for Redis.
const REDIS_PATIENCE: Duration = Duration::from_secs(2);

/// Why the server did not start, or did not stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A setting that shows itself to be wrong when it is used.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A demo that strangers could log in to.
    #[error(transparent)]
    PublicDemo(#[from] PublicDemo),
    /// The demo's people could not be made, or not be kept out.
    #[error("the demo's people: {0}")]
    DemoUsers(ServiceError),
    /// The database is another server's.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {problem}; WAYBILL_LISTEN sets another address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What is wrong with it.
        problem: std::io::Error,
    },
    /// A part ended by itself.
    #[error("{part} has ended")]
    Ended {
        /// Which part.
        part: &'static str,
    },
    /// Not everything was done when the time was up.
    #[error("stopped after {0:?} with work left; it is done after the next start")]
    NotDrained(Duration),
    /// A fault of the system's or the program's.
    #[error("{0}")]
    Internal(String),
}

impl ServerError {
    /// What the process exits with: 2 when the fault is in the settings, 1 otherwise.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Setting(_) | Self::PublicDemo(_) => 2,
            Self::DemoUsers(_)
            | Self::Claim(_)
            | Self::Store(_)
            | Self::Listen { .. }
            | Self::Ended { .. }
            | Self::NotDrained(_)
            | Self::Internal(_) => 1,
        }
    }
}

/// A server that takes requests. Dropping it leaves it running for as long as its actix `System` lives.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    app: App,
    http: ServerHandle,
    http_task: JoinHandle<std::io::Result<()>>,
    background: Background,
    demo: Option<Demo>,
    claim: Option<Claim>,
    drain: Duration,
    retry_spread: Duration,
    drain_notice: Duration,
}

/// Makes what signs and verifies tokens.
///
/// # Errors
/// `Setting` when there is no secret, it is weak, or a file of public keys is of no use.
pub fn tokens(settings: &Settings) -> Result<Tokens, ServerError> {
    let secret = secret::load(settings)?;
    Tokens::new(settings.tokens(&secret)).map_err(|error| {
        let name = match &error {
            TokenConfigError::EmptySecret => "WAYBILL_JWT_SECRET",
            TokenConfigError::KeyFile { .. } => "WAYBILL_JWT_PUBLIC_KEYS",
            TokenConfigError::LifetimeTooShort | TokenConfigError::LeewayTooLong => {
                "WAYBILL_ACCESS_LIFETIME_SECS"
            }
        };
        SettingError::new(name, error.to_string()).into()
    })
}

/// Opens the database and brings its tables up to date. Blocks.
///
/// # Errors
/// `Store` when it cannot be used.
pub fn open_store(settings: &Settings, metrics: &Arc<Metrics>) -> Result<Store, ServerError> {
    Ok(Store::open(&settings.store(), Arc::clone(metrics))?)
}

/// Starts a server within the present actix `System` and comes back once it takes requests.
///
/// # Errors
/// Why it did not start; nothing is left running then that would not end with the `System`.
pub async fn start(settings: Settings) -> Result<Running, ServerError> {
    start_with(settings, None).await
}

/// Like [`start`], with a demo if there is to be one.
///
/// # Errors
/// As [`start`]; `PublicDemo`.
pub async fn start_with(mut settings: Settings, demo: Option<DemoOptions>) -> Result<Running, ServerError> {
    if let Some(demo) = demo {
        demo::check(settings.listen, demo.for_everyone)?;
        // Its people fill their wallets with nothing.
        settings.payment_provider = PaymentProvider::Test;
    } else if settings.payment_provider == PaymentProvider::Test {
        log::warn!("WAYBILL_PAYMENT_PROVIDER=test: whoever asks for money gets it");
    }
    limits::raise_open_files();
    limits::outlive_file_size_limit();
    let claim = settings.database_file().map(|path| lock::claim(path)).transpose()?;
    let tokens = tokens(&settings)?;
    let metrics = Metrics::new().map_err(|error| ServerError::Internal(error.to_string()))?;
    let store = {
        let (settings, metrics) = (settings.clone(), Arc::clone(&metrics));
        let opened = actix_web::rt::task::spawn_blocking(move || open_store(&settings, &metrics)).await;
        opened.map_err(|error| ServerError::Internal(error.to_string()))??
    };
    let bridge = settings.bridge()?;
    if let Some(bridge) = &bridge {
        let refused = |problem| SettingError::new("REDIS_URL", format!("Redis refuses: {problem}"));
        check_redis(bridge).await.map_err(refused)?;
    }
    let (groups, residents, bridge) = Groups::new(settings.realtime(), bridge, &metrics);
    if let Some(bridge) = bridge {
        bridge.move_in();
    }
    let app = App::new(store, groups, tokens, settings.services(), metrics);

    // First: the deadlines have partners looked for.
    tracking::recall_partners(&app).await;
    let background = Background::start(&app, settings.database_file().is_none());
    let logins = match demo {
        Some(_) => Some(demo::seed(&app).await.map_err(ServerError::DemoUsers)?),
        None => {
            demo::retire(&app).await.map_err(ServerError::DemoUsers)?;
            None
        }
    };
    app.groups().until_connected(REDIS_PATIENCE).await;
    if app.groups().has_bridge() && app.groups().away().is_none() {
        app.leadership().until_settled(REDIS_PATIENCE).await;
    }
    tracking::recall(&app).await;
    let server = listen::listen(&settings, &app, residents, settings.pages(logins))?;
    let address = server.address;
    let http = server.http.handle();
    let http_task = actix_web::rt::spawn(server.http);
    let demo = demo
        .and_then(|demo| demo.seed)
        .map(|seed| demo::start(address, seed))
        .transpose()
        .map_err(|error| ServerError::Internal(format!("the demo could not be started: {error}")))?;
    Ok(Running {
        address,
        app,
        http,
        http_task,
        background,
        demo,
        claim,
        drain: settings.drain,
        retry_spread: settings.retry_spread,
        drain_notice: settings.drain_notice,
    })
}

impl Running {
    /// Where it listens; with the port that it got when port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:8000`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What its requests work with.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Waits until a part ends that should not.
    pub async fn broken(&mut self) -> ServerError {
        tokio::select! {
            _ = &mut self.http_task => ServerError::Ended { part: "the HTTP server" },
            error = self.background.broken() => error,
        }
    }

    /// Stops: readiness goes red and handshakes are refused, sessions are ended and told when to come back,
    /// requests in hand are finished, and what they committed is sent on its way, by another instance if there is one.
    ///
    /// # Errors
    /// `NotDrained` when that took longer than the settings allow.
    pub async fn stop(self) -> Result<(), ServerError> {
        let drain = self.drain;
        self.app.begin_draining();
        match timeout(drain, self.finish()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(ServerError::NotDrained(drain)),
        }
    }

    async fn finish(self) {
        if let Some(demo) = self.demo {
            demo.stop();
        }
        // Whoever spreads the load is to see that this server will not take more, before it does not.
        sleep(self.drain_notice.min(self.drain / 6)).await;
        // Another instance publishes from now on, if there is one, however long the rest takes.
        self.app.leadership().resign();
        self.app.groups().depart().await;
        end_sessions(self.app.groups(), self.retry_spread, self.drain / 3).await;
        // Before the threads on which they live end, one sooner than another.
        self.app.groups().stop();
        self.http.stop(true).await;
        self.background.stop().await;
        self.app.groups().stop_bridge();
        self.app.store().close();
        drop(self.claim);
    }
}

/// Ends all sessions, and waits until they are gone or the time is up.
async fn end_sessions(groups: &Groups, spread: Duration, limit: Duration) {
    let deadline = Instant::now() + limit;
    // Again and again: a session whose handshake was under way may have come in meanwhile.
    loop {
        groups.end_all(spread).await;
        for _ in 0..20 {
            match groups.count().await {
                Ok(counts) if counts.sessions == 0 => return,
                Ok(counts) if Instant::now() >= deadline => {
                    log::warn!("{} sessions do not take their leave and are cut off", counts.sessions);
                    return;
                }
                Ok(_) => sleep(Duration::from_millis(25)).await,
                Err(error) => return log::error!("sessions cannot be ended: {error}"),
            }
        }
    }
}

/// Runs a server until the process is told to stop: starts it, says so on standard output in one line, and
/// stops it at SIGTERM or SIGINT. A second signal ends the process at once.
///
/// # Errors
/// Why it did not start, or what ended it.
pub async fn serve(settings: Settings, demo: Option<DemoOptions>) -> Result<(), ServerError> {
    let failed =
        |error: std::io::Error| ServerError::Internal(format!("signals cannot be received: {error}"));
    // Before the start, so that a signal during a long migration is not lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut running = tokio::select! {
        running = start_with(settings, demo) => running?,
        () = either(&mut terminate, &mut interrupt) => return Ok(()),
    };
    say_ready(&running.url())?;
    if demo.is_some() {
        // Not on standard output, where programs wait for the one line above.
        eprint!("{}", demo::introduction(&running.url()));
    }
    let broken = tokio::select! {
        error = running.broken() => Some(error),
        () = either(&mut terminate, &mut interrupt) => None,
    };
    if let Some(error) = broken {
        // What is left of it cannot be trusted to finish anything.
        return Err(error);
    }
    log::info!("stopping; a second signal ends it at once");
    tokio::select! {
        stopped = running.stop() => stopped?,
        () = either(&mut terminate, &mut interrupt) => {
            return Err(ServerError::Internal("stopped at once by a second signal".into()));
        }
    }
    log::info!("stopped");
    Ok(())
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn say_ready(url: &str) -> Result<(), ServerError> {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "waybill listening on {url}").and_then(|()| out.flush());
    said.map_err(|error| ServerError::Internal(format!("standard output cannot be written: {error}")))
}
