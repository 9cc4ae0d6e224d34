//! The program itself, in a process of its own: for signals, exit codes and what it prints.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::JWT_SECRET;

/// The program with an environment that holds these settings and no others, in an empty folder.
pub fn waybill(folder: &TempDir, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waybill"));
    command.current_dir(folder.path()).env_clear().env("WAYBILL_JWT_SECRET", JWT_SECRET);
    command.envs(settings.iter().copied());
    command
}

/// Runs a command to its end.
pub fn run(mut command: Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A command that does not read its input may have ended already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// A serving process. Dropping it kills it.
pub struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Reads standard error, so that the process never waits for us to.
    log: Option<JoinHandle<String>>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output after the line that says that it is ready.
    pub stdout: String,
    /// What it wrote to standard error.
    pub log: String,
}

impl Process {
    /// Starts `waybill serve` on a free port and waits until it is ready. Without `DATABASE_URL` among the
    /// settings, its database is in the folder.
    pub fn serve(folder: &TempDir, settings: &[(&str, &str)]) -> Self {
        Self::try_serve(folder, settings).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// The same for one that may refuse to start: what it said then.
    pub fn try_serve(folder: &TempDir, settings: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = waybill(folder, &[("WAYBILL_LISTEN", "127.0.0.1:0")]);
        command.envs(settings.iter().copied());
        let command = command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let stderr = child.stderr.take().expect("it is piped");
        let log = std::thread::spawn(move || read_all(stderr));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("standard output is read");
        let Some(address) = line.trim_end().strip_prefix("waybill listening on http://") else {
            let code = child.wait().expect("it ends");
            return Err(format!("{line:?} ({code}): {}", log.join().expect("the log is read")));
        };
        let address = address.parse().expect("an address");
        Ok(Self { child, stdout, log: Some(log), address })
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state is known").is_none()
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the process is there");
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let code = self.child.wait().expect("it ends").code();
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).expect("standard output is read");
        let log = self.log.take().expect("it is read once").join().expect("the log is read");
        Ended { code, stdout, log }
    }

    /// Asks it to stop and waits for the end.
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Kills it, as a crash or the system would.
    pub fn kill(self) -> Ended {
        self.signal(Signal::KILL);
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(mut stderr: ChildStderr) -> String {
    let mut text = Vec::new();
    // What was read until then is still worth showing.
    let _ = stderr.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
