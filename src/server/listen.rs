//! The HTTP server: its routes, its middleware, and its sockets.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::{Extensions, Server};
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App as Routes, HttpServer, web};
use socket2::SockRef;

use crate::http::access;
use crate::http::extract::MAX_BODY;
use crate::http::pages::{self, DemoLogins};
use crate::http::{api_routes, docs, ops};
use crate::realtime::Resident;
use crate::services::app::App;
use crate::ws;

use super::ServerError;
use super::settings::Settings;

/// How long an idle connection waits for its next request: longer than reverse proxies do (60 s), so that
/// none of them sends into a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Bytes of answers that wait for the socket; a session that cannot write more is no longer polled, and what
/// is for it then waits in its bounded queue.
const WRITE_BUFFER: usize = 16 * 1024;
/// Connections that wait to be accepted: all clients come back at once after a restart.
const BACKLOG: u32 = 4096;
/// Connections for each thread. The limit that counts is that of the process's open files.
const CONNECTIONS: usize = 1_000_000;

/// A server that has its address and will take requests once it is polled.
pub(super) struct Listening {
    pub(super) http: Server,
    pub(super) address: SocketAddr,
}

/// How long requests in hand may take when the server stops.
fn finish_within(drain: Duration) -> u64 {
    (drain / 3).as_secs().max(1)
}

/// Every route of the server. Those of the demo's log-ins are there only with a demo.
pub fn routes(demo: Option<DemoLogins>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .configure(ops::routes)
            .configure(ws::routes)
            .configure(docs::routes)
            .configure(pages::routes(demo))
            .service(web::scope("/api/v1").configure(api_routes))
            .default_service(web::to(access::not_found));
    }
}

/// The actors of groups, shared out among the worker threads.
#[derive(Debug, Clone)]
struct Shares(Arc<Mutex<Vec<Vec<Resident>>>>);

impl Shares {
    fn new(residents: Vec<Resident>, workers: usize) -> Self {
        let mut shares: Vec<Vec<Resident>> = (0..workers.max(1)).map(|_| Vec::new()).collect();
        let count = shares.len();
        for (index, resident) in residents.into_iter().enumerate() {
            if let Some(share) = shares.get_mut(index % count) {
                share.push(resident);
            }
        }
        Self(Arc::new(Mutex::new(shares)))
    }

    /// Gives the present thread its share.
    fn move_in(&self) {
        let share = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        share.into_iter().flatten().for_each(Resident::move_in);
    }
}

/// Binds the address. The actors of groups move in with the threads that serve.
pub(super) fn listen(
    settings: &Settings,
    app: &App,
    residents: Vec<Resident>,
    demo: Option<DemoLogins>,
) -> Result<Listening, ServerError> {
    let (app, http) = (web::Data::new(app.clone()), web::Data::new(settings.http()));
    let sessions = web::Data::new(Arc::new(settings.sessions()));
    let socket =
        SocketSettings { send_buffer: settings.send_buffer, user_timeout: settings.tcp_user_timeout };
    let failed = |problem| ServerError::Listen { address: settings.listen, problem };
    let shares = Shares::new(residents, settings.workers);
    let server = HttpServer::new(move || {
        // Called once on each thread that serves.
        shares.move_in();
        Routes::new()
            .app_data(app.clone())
            .app_data(http.clone())
            .app_data(sessions.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .wrap(from_fn(access::around))
            .wrap(NormalizePath::trim())
            .configure(routes(demo.clone()))
    })
    .workers(settings.workers)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(settings.handshake_timeout)
    .h1_write_buffer_size(WRITE_BUFFER)
    .max_connections(CONNECTIONS)
    .backlog(BACKLOG)
    .shutdown_timeout(finish_within(settings.drain))
    .disable_signals()
    // Must stand before `bind`, which takes what is there.
    .on_connect(move |io, _: &mut Extensions| socket.apply(io))
    .bind(settings.listen)
    .map_err(failed)?;
    let address = server.addrs().first().copied().unwrap_or(settings.listen);
    Ok(Listening { http: server.run(), address })
}

/// What is set on every socket that is accepted.
#[derive(Debug, Clone, Copy)]
struct SocketSettings {
    send_buffer: usize,
    user_timeout: Duration,
}

impl SocketSettings {
    fn apply(self, io: &dyn Any) {
        let Some(stream) = io.downcast_ref::<TcpStream>() else { return };
        let socket = SockRef::from(stream);
        let outcome = socket
            .set_tcp_nodelay(true)
            // Without a bound the kernel takes megabytes for a client that does not read.
            .and_then(|()| socket.set_send_buffer_size(self.send_buffer))
            .and_then(|()| self.limit_silence(&socket));
        if let Err(error) = outcome {
            // The client is gone already, most likely.
            log::debug!("a socket could not be set up: {error}");
        }
    }

    /// Makes the kernel drop a connection whose client takes nothing. A session that is stuck in writing is
    /// not polled and cannot end itself.
    #[cfg(target_os = "linux")]
    fn limit_silence(self, socket: &SockRef<'_>) -> std::io::Result<()> {
        socket.set_tcp_user_timeout(Some(self.user_timeout))
    }

    #[cfg(not(target_os = "linux"))]
    fn limit_silence(self, _: &SockRef<'_>) -> std::io::Result<()> {
        // Only Linux has it.
        let _ = self.user_timeout;
        Ok(())
    }
}
