//! A proxy for TCP, by which connections break, crawl and stall.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;

/// How it treats its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As if it were not there.
    Open,
    /// It breaks what there is, and takes nothing new.
    Cut,
    /// Everything waits for so long.
    Slow(Duration),
    /// Nothing comes through, and nothing breaks.
    Stalled,
}

/// Where it leads to.
#[derive(Debug, Clone)]
pub enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

struct Shared {
    mode: Cell<Mode>,
    changed: Notify,
    severed: Notify,
}

/// The proxy. It lives as long as the test.
#[derive(Clone)]
pub struct Proxy {
    shared: Rc<Shared>,
    pub address: SocketAddr,
}

impl Proxy {
    pub async fn start(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared =
            Rc::new(Shared { mode: Cell::new(Mode::Open), changed: Notify::new(), severed: Notify::new() });
        let proxy = Self { shared: Rc::clone(&shared), address };
        actix_web::rt::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.mode.get() != Mode::Cut {
                    actix_web::rt::spawn(serve(client, target.clone(), Rc::clone(&shared)));
                }
            }
        });
        proxy
    }

    pub fn set(&self, mode: Mode) {
        self.shared.mode.set(mode);
        self.shared.changed.notify_waiters();
    }

    /// Breaks the connections that there are. New ones are taken at once.
    pub fn sever(&self) {
        self.shared.severed.notify_waiters();
    }
}

async fn serve(client: TcpStream, target: Target, shared: Rc<Shared>) {
    // A side that ends, ends the other; what the peer makes of it is what the test is about.
    let _ = match target {
        Target::Tcp(address) => match TcpStream::connect(address).await {
            Ok(server) => both(client, server, &shared).await,
            Err(error) => Err(error),
        },
        Target::Unix(path) => match UnixStream::connect(path).await {
            Ok(server) => both(client, server, &shared).await,
            Err(error) => Err(error),
        },
    };
}

async fn both<S: AsyncRead + AsyncWrite>(client: TcpStream, server: S, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = tokio::io::split(server);
    tokio::select! {
        done = pass(from_client, to_server, shared) => done,
        done = pass(from_server, to_client, shared) => done,
        () = cut(shared) => Ok(()),
        () = shared.severed.notified() => Ok(()),
    }
}

async fn cut(shared: &Shared) {
    loop {
        let changed = shared.changed.notified();
        if shared.mode.get() == Mode::Cut {
            return;
        }
        changed.await;
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        loop {
            let changed = shared.changed.notified();
            match shared.mode.get() {
                Mode::Stalled => changed.await,
                Mode::Slow(span) => {
                    tokio::time::sleep(span).await;
                    break;
                }
                Mode::Open | Mode::Cut => break,
            }
        }
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
    }
}
