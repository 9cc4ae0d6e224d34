//! A Redis server of a test's own, which the test may stop, kill and fill.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Client;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The server. It keeps its data in a folder, if it is told to.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    options: Vec<String>,
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
        // Free a moment ago, and no longer in use once this is dropped.
        let port =
            TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut redis = Self { folder, port, options, server: None };
        redis.resume();
        redis
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it, for the first time or again, and waits until it answers.
    pub fn resume(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.arg("--dir").arg(self.folder.path()).args(&self.options);
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
