//! A push service: takes messages for its browsers over TLS, opens them, and answers as it is told.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

use super::decrypt::BrowserSecret;

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(45);

/// What it answers.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new() }
    }
}

/// A message that came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// For which browser.
    pub browser: String,
    /// In lower case.
    pub headers: HashMap<String, String>,
    /// Opened.
    pub payload: Value,
    /// When.
    pub at: Instant,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} among {:?}", self.headers))
    }

    pub fn id(&self) -> &str {
        self.payload["id"].as_str().unwrap_or_else(|| panic!("no id in {}", self.payload))
    }
}

struct Shared {
    secrets: Mutex<HashMap<String, BrowserSecret>>,
    script: Mutex<VecDeque<Reply>>,
    by_browser: Mutex<HashMap<String, Reply>>,
    usual: Mutex<Reply>,
    is_gated: AtomicBool,
    gate: Semaphore,
    connections: AtomicUsize,
    came: mpsc::UnboundedSender<Received>,
}

/// The service. It ends with the test.
pub struct PushService {
    port: u16,
    shared: Arc<Shared>,
    inbox: tokio::sync::Mutex<mpsc::UnboundedReceiver<Received>>,
}

/// A browser that has subscribed there.
#[derive(Clone)]
pub struct Browser {
    pub name: String,
    pub endpoint: String,
    pub subscription: Value,
}

struct Papers {
    folder: tempfile::TempDir,
    config: Arc<ServerConfig>,
}

/// One authority for all services of a test.
fn papers() -> &'static Papers {
    static PAPERS: OnceLock<Papers> = OnceLock::new();
    PAPERS.get_or_init(|| {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "authority of push services");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let issuer = issuer.expect("it signs itself");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("authority.pem"), issuer.pem()).expect("it is written");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("it is signed");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("papers");
        Papers { folder, config: Arc::new(config) }
    })
}

/// The file with the authority of all push services.
pub fn authority() -> PathBuf {
    papers().folder.path().join("authority.pem")
}

impl PushService {
    pub fn start() -> Self {
        let (came, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            secrets: Mutex::default(),
            script: Mutex::default(),
            by_browser: Mutex::default(),
            usual: Mutex::new(Reply::status(201)),
            is_gated: AtomicBool::new(false),
            gate: Semaphore::new(0),
            connections: AtomicUsize::new(0),
            came,
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("a socket");
        let (own, config) = (Arc::clone(&shared), Arc::clone(&papers().config));
        // A thread of its own: it answers while the test waits for something else.
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, config, own));
        });
        Self { port, shared, inbox: tokio::sync::Mutex::new(inbox) }
    }

    /// As the queue names it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn origin(&self) -> String {
        format!("https://{}", self.host())
    }

    /// Connections that it has taken.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// A browser subscribes.
    pub fn browser(&self) -> Browser {
        let (name, secret) = (uuid::Uuid::new_v4().simple().to_string(), BrowserSecret::new());
        let endpoint = format!("{}/push/{name}", self.origin());
        let subscription = json!({
            "endpoint": endpoint, "expirationTime": null,
            "keys": {"p256dh": secret.p256dh(), "auth": secret.auth()},
        });
        self.shared.secrets.lock().expect("no panic").insert(name.clone(), secret);
        Browser { name, endpoint, subscription }
    }

    /// Answers the next message so, and those after the ones that were told of before.
    pub fn answer_next(&self, reply: Reply) {
        self.shared.script.lock().expect("no panic").push_back(reply);
    }

    /// Answers so whatever is for this browser.
    pub fn answer_browser(&self, browser: &Browser, reply: Reply) {
        self.shared.by_browser.lock().expect("no panic").insert(browser.name.clone(), reply);
    }

    /// Answers so from now on.
    pub fn answer_always(&self, reply: Reply) {
        *self.shared.usual.lock().expect("no panic") = reply;
    }

    /// Takes messages from now on and answers none.
    pub fn hold(&self) {
        self.shared.is_gated.store(true, Ordering::SeqCst);
    }

    /// Answers so many of those.
    pub fn release(&self, count: usize) {
        self.shared.gate.add_permits(count);
    }

    /// Answers everything again.
    pub fn open(&self) {
        self.shared.is_gated.store(false, Ordering::SeqCst);
        self.shared.gate.add_permits(10_000);
    }

    /// The next message that comes in.
    pub async fn next(&self) -> Received {
        let next = tokio::time::timeout(PATIENCE, async { self.inbox.lock().await.recv().await }).await;
        next.expect("a message comes in").expect("the service lives")
    }

    /// So many of them.
    pub async fn take(&self, count: usize) -> Vec<Received> {
        let mut found = Vec::new();
        for _ in 0..count {
            found.push(self.next().await);
        }
        found
    }

    /// What has come in and was not looked at.
    pub async fn so_far(&self) -> Vec<Received> {
        let mut inbox = self.inbox.lock().await;
        std::iter::from_fn(|| inbox.try_recv().ok()).collect()
    }
}

async fn serve(listener: std::net::TcpListener, config: Arc<ServerConfig>, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    let acceptor = TlsAcceptor::from(config);
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let mut read = Vec::new();
            while let Some((path, headers, body)) = request(&mut stream, &mut read).await {
                let reply = take(&shared, &path, headers, &body).await;
                let more: String =
                    reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let length = if more.contains("Content-Length") { "" } else { "Content-Length: 2\r\n" };
                let answer = format!("HTTP/1.1 {} Told\r\n{length}{more}\r\nok", reply.status);
                if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn take(shared: &Shared, path: &str, headers: HashMap<String, String>, body: &[u8]) -> Reply {
    let browser = path.rsplit('/').next().expect("a name").to_owned();
    let secret = shared.secrets.lock().expect("no panic").get(&browser).cloned();
    let Some(plain) = secret.and_then(|secret| secret.open(body)) else { return Reply::status(400) };
    let payload = serde_json::from_slice(&plain).expect("JSON");
    let own = shared.by_browser.lock().expect("no panic").get(&browser).cloned();
    let reply = own.or_else(|| shared.script.lock().expect("no panic").pop_front());
    // The test may be over.
    let _ = shared.came.send(Received { browser, headers, payload, at: Instant::now() });
    if shared.is_gated.load(Ordering::SeqCst) {
        shared.gate.acquire().await.expect("it is never closed").forget();
    }
    reply.unwrap_or_else(|| shared.usual.lock().expect("no panic").clone())
}

type Request = (String, HashMap<String, String>, Vec<u8>);

async fn request(stream: &mut (impl AsyncReadExt + Unpin), read: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        fill(stream, read).await?;
    };
    let head = String::from_utf8(read.drain(..end).collect()).ok()?;
    let mut lines = head.lines();
    let first = lines.next()?;
    assert!(first.starts_with("POST "), "{first}");
    let path = first.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    while read.len() < length {
        fill(stream, read).await?;
    }
    Some((path, headers, read.drain(..length).collect()))
}

async fn fill(stream: &mut (impl AsyncReadExt + Unpin), read: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4096];
    let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
    read.extend_from_slice(&chunk[..count]);
    Some(())
}
