//! A Redis server of a test's own, which the test may stop, kill and fill.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Client;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A port that was free a moment ago, below those that the system gives out by itself; as many higher as the bus of a
/// cluster is, there is one, too.
pub fn free_port() -> u16 {
    let is_free = |port: &u16| {
        [*port, port + 10_000].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
    };
    std::iter::repeat_with(|| rand::random_range(12_000..22_000)).find(is_free).expect("a port")
}

/// A path as a text.
pub fn shown(path: &Path) -> &str {
    path.to_str().expect("a text")
}

/// The server. It keeps its data in a folder, if it is told to.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    password: Option<String>,
    server: Option<Child>,
}

impl RedisServer {
    /// Starts one that keeps nothing.
    pub fn start() -> Self {
        Self::start_with(&["--appendonly", "no"])
    }

    /// Starts one with options of one's own.
    pub fn start_with(options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("redis-").expect("a folder");
        let port = free_port();
        let number = port.to_string();
        let usual = ["--bind", "127.0.0.1", "--port", &number, "--save", "", "--dir", shown(folder.path())];
        let arguments = usual.iter().chain(options).map(|&word| word.to_owned()).collect();
        Self::run(Self { folder, port, arguments, password: None, server: None })
    }

    /// Starts a Sentinel of a service with one master, which counts as down after a moment. It wants a password, and has
    /// more settings.
    pub fn start_sentinel(service: &str, master: u16, password: &str, more: &str) -> Self {
        let folder = TempDir::with_prefix("redis-").expect("a folder");
        let port = free_port();
        let settings = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor {service} 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds {service} 700\nsentinel failover-timeout {service} 2000\n\
             requirepass {password}\n{more}\n",
            folder.path().display(),
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, settings).expect("it is written");
        let arguments = vec![shown(&file).to_owned(), "--sentinel".into()];
        Self::run(Self { folder, port, arguments, password: Some(password.into()), server: None })
    }

    fn run(mut redis: Self) -> Self {
        redis.resume();
        redis
    }

    /// Where it is.
    pub fn url(&self) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{password}127.0.0.1:{}", self.port)
    }

    /// Starts it, for the first time or again, and waits until it answers.
    pub fn resume(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(command.spawn().expect("redis-server starts"));
        let begin = Instant::now();
        while let Err(error) = self.ask::<String>(&["PING"]) {
            if error.code() == Some("NOAUTH") {
                break;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{error}");
        }
    }

    /// One command.
    pub fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let mut connection = Client::open(self.url())?.get_connection_with_timeout(Duration::from_secs(1))?;
        let mut cmd = redis::cmd(command[0]);
        command[1..].iter().for_each(|argument| {
            cmd.arg(argument);
        });
        cmd.query(&mut connection)
    }

    fn signal(&self, signal: Signal) {
        let id = self.server.as_ref().expect("it runs").id();
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the process is there");
    }

    /// Lets it stand still: connections stay, nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets it go on, or starts it, if it does not.
    pub fn thaw_or_resume(&mut self) {
        if self.server.is_some() { self.thaw() } else { self.resume() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Throws away what it has kept on the disk.
    pub fn forget(&self) {
        for entry in std::fs::read_dir(self.folder.path()).expect("the folder").flatten() {
            let path = entry.path();
            let removed =
                if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            removed.expect("it is gone");
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().expect("it runs");
            server.wait().expect("it ends");
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a user of its own may do, as the page on operations has it.
fn rights() -> Vec<&'static str> {
    let page = include_str!("../../../docs/operations.md");
    let line = page.lines().find_map(|line| line.strip_prefix("ACL SETUSER waybill ")).expect("a line");
    line.split(' ').collect()
}

/// Makes that user, under the name `shop` and with the password `PASSWORD`.
pub fn let_in(redis: &RedisServer) {
    let command: Vec<&str> = ["ACL", "SETUSER", "shop"].into_iter().chain(rights()).collect();
    redis.ask::<()>(&command).expect("there is such a user");
}

/// Makes sure that nobody lacked a right.
pub fn refused_nothing(redis: &RedisServer) {
    let refused: Vec<redis::Value> = redis.ask(&["ACL", "LOG"]).expect("a list");
    assert!(refused.is_empty(), "{refused:?}");
}

/// Waits until something outside the servers is so.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it does not come: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
