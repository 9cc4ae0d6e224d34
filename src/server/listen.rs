//! The HTTP server: its routes, its middleware, and its sockets.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_codec::Framed;
use actix_http::body::MessageBody;
use actix_http::{HttpService, Request, h1};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_factory, fn_service, map_config,
};
use actix_web::dev::{AppConfig, Server, ServiceResponse};
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App as Routes, Error, web};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::http::access;
use crate::http::extract::MAX_BODY;
use crate::http::pages::{self, PageSettings};
use crate::http::{api_routes, docs, ops};
use crate::realtime::Resident;
use crate::services::app::App;
use crate::ws;

use super::ServerError;
use super::settings::Settings;

/// How long an idle connection waits for its next request: longer than reverse proxies do (60 s), so that
/// none of them sends into a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to close its side of a connection that is done.
const DISCONNECT: Duration = Duration::from_secs(1);
/// Bytes of an answer that wait for the socket.
const WRITE_BUFFER: usize = 16 * 1024;
/// Connections that wait to be accepted: all clients come back at once after a restart.
const BACKLOG: i32 = 4096;
/// Connections for each thread. The limit that counts is that of the process's open files.
const CONNECTIONS: usize = 1_000_000;

/// A request that asks for WebSocket, and its connection.
type Upgrade = (Request, Framed<TcpStream, h1::Codec>);

/// A server that has its address and will take requests once it is polled.
pub(super) struct Listening {
    pub(super) http: Server,
    pub(super) address: SocketAddr,
}

/// How long requests in hand may take when the server stops.
fn finish_within(drain: Duration) -> u64 {
    (drain / 3).as_secs().max(1)
}

/// Every route of the server.
pub fn routes(pages: PageSettings) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .configure(ops::routes)
            .configure(ws::routes)
            .configure(docs::routes)
            .configure(pages::routes(pages))
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
    pages: PageSettings,
) -> Result<Listening, ServerError> {
    let (app, http) = (web::Data::new(app.clone()), web::Data::new(settings.http()));
    let sessions = web::Data::new(Arc::new(settings.sessions()));
    let socket =
        SocketSettings { send_buffer: settings.send_buffer, user_timeout: settings.tcp_user_timeout };
    let shares = Shares::new(residents, settings.workers);
    let handshake_timeout = settings.handshake_timeout;
    let failed = |problem| ServerError::Listen { address: settings.listen, problem };
    let listener = bind(settings.listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let routes = move || {
        Routes::new()
            .app_data(app.clone())
            .app_data(http.clone())
            .app_data(sessions.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .wrap(from_fn(access::around))
            .wrap(NormalizePath::trim())
            .configure(routes(pages.clone()))
    };
    let builder = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections(CONNECTIONS)
        .shutdown_timeout(finish_within(settings.drain))
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    // Not by actix-web's `HttpServer`, which has no way to take a connection over from its HTTP dispatcher.
    let builder = builder.listen("waybill", listener, move || {
        // Called once on each thread that serves.
        shares.move_in();
        let stopping = stopping.clone();
        let service = || map_config(routes().into_factory(), |()| AppConfig::default());
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(handshake_timeout)
            // Also how long what a client still sends is taken in after an early answer, lest a reset overtake that.
            .client_disconnect_timeout(DISCONNECT)
            .h1_write_buffer_size(WRITE_BUFFER)
            .local_addr(address)
            .on_connect_ext(move |stream: &TcpStream, _| socket.apply(stream))
            .upgrade(sessions_of(service()))
            .finish(service().map_err(|error| error.error_response()))
            .tcp()
    });
    Ok(Listening { http: builder.map_err(failed)?.run(), address })
}

/// Serves connections from a request that asks for WebSocket on.
fn sessions_of<F, B>(
    routes: F,
) -> impl ServiceFactory<Upgrade, Config = (), Response = (), Error = Error, InitError = F::InitError>
where
    F: ServiceFactory<Request, Config = (), Response = ServiceResponse<B>, Error = Error>,
    F::Service: 'static,
    B: MessageBody + 'static,
{
    fn_factory(move || {
        let routes = routes.new_service(());
        async move {
            let routes = Rc::new(routes.await?);
            Ok(fn_service(move |(request, connection): Upgrade| {
                let session = ws::serve(Rc::clone(&routes), request, connection);
                async move {
                    if let Err(error) = session.await {
                        // Clients vanish: nothing is wrong here.
                        log::debug!("a connection broke: {error}");
                    }
                    Ok(())
                }
            }))
        }
    })
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that starts again takes the place of the one before although connections of that are still fading.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What is set on every socket that is accepted.
#[derive(Debug, Clone, Copy)]
struct SocketSettings {
    send_buffer: usize,
    user_timeout: Duration,
}

impl SocketSettings {
    fn apply(self, stream: &TcpStream) {
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
