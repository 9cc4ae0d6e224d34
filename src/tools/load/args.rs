//! The arguments of `waybill load`, and what they come to once checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::cpu::Process;
use super::error::LoadError;
use super::ledger::Order;
use crate::domain::group::GroupKey;
use crate::tools::client::credentials::{LogIn, Secret};
use crate::tools::client::target::Target;

/// What kind of messages to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Stored and numbered by the server; none may be lost.
    Durable,
    /// Without guarantee: latest wins.
    Ephemeral,
}

impl Mode {
    /// As the command line has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Ephemeral => "ephemeral",
        }
    }

    /// By what order is judged.
    #[must_use]
    pub const fn order(self) -> Order {
        match self {
            Self::Durable => Order::Seq,
            Self::Ephemeral => Order::Number,
        }
    }
}

/// Put a server of one's own under load, and check that nothing is lost, doubled or out of order.
///
/// Exit code: 0 when all is well; 1 when anything was missing, doubled or out of order, when a connection was
/// lost, or when the load could not be offered; 2 when an argument is wrong.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// The server; several instances of one, which sessions and publishers take in turn, when it is given more than once.
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    pub url: Vec<String>,
    /// WebSocket sessions to open.
    #[arg(long, default_value_t = 100)]
    pub sessions: usize,
    /// Groups that the sessions are spread over.
    #[arg(long, default_value_t = 10)]
    pub groups: usize,
    /// Groups that each session subscribes to.
    #[arg(long, default_value_t = 1)]
    pub subscriptions: usize,
    /// Messages a second, over all groups.
    #[arg(long, default_value_t = 10.0)]
    pub rate: f64,
    /// Seconds to measure.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub duration: Duration,
    /// Seconds at the same rate before that: checked, but not in the latency.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub warmup: Duration,
    /// Seconds to wait for what is missing at the end.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub drain: Duration,
    /// Kind of messages.
    #[arg(long, value_enum, default_value_t = Mode::Durable)]
    pub mode: Mode,
    /// One of the server's service keys, which allow to publish.
    #[arg(long, env = "WAYBILL_SERVICE_KEY", hide_env_values = true)]
    pub service_key: Option<Secret>,
    /// Access token of all sessions.
    #[arg(long, env = "WAYBILL_LOAD_TOKEN", hide_env_values = true)]
    pub token: Option<Secret>,
    /// File with one access token a line; the sessions take them in turn.
    #[arg(long, value_name = "FILE")]
    pub tokens_file: Option<PathBuf>,
    /// Log in as this user (an admin, best) to get the token.
    #[arg(long)]
    pub email: Option<String>,
    /// That user's password.
    #[arg(long, env = "WAYBILL_LOAD_PASSWORD", hide_env_values = true)]
    pub password: Option<Secret>,
    /// Customer who places the orders that are missing, when there are fewer than groups.
    #[arg(long, value_name = "EMAIL")]
    pub customer_email: Option<String>,
    /// That customer's password.
    #[arg(long, value_name = "PASSWORD", env = "WAYBILL_LOAD_CUSTOMER_PASSWORD", hide_env_values = true)]
    pub customer_password: Option<Secret>,
    /// File with one group a line (`order_…`), instead of the orders that the first token lists.
    #[arg(long, value_name = "FILE")]
    pub groups_file: Option<PathBuf>,
    /// Requests in flight at once when publishing; ephemeral messages, at most one for each group.
    #[arg(long, default_value_t = 16)]
    pub publishers: usize,
    /// Handshakes at once when opening the sessions.
    #[arg(long, default_value_t = 64)]
    pub handshakes: usize,
    /// Seconds that a handshake or a request may take.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,
    /// The server's process on this machine: tells how much processor time a delivery took. Given more than once, all of
    /// them together.
    #[arg(long, value_name = "PID")]
    pub server_pid: Vec<u32>,
    /// Write the report as JSON to this file, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// No progress lines.
    #[arg(long)]
    pub quiet: bool,
    /// Allow a server that is not on this machine. It is meant to hurt: only on a server of your own.
    #[arg(long)]
    pub i_own_this_server: bool,
}

impl Default for LoadArgs {
    fn default() -> Self {
        Self {
            url: vec!["http://127.0.0.1:8000".to_owned()],
            sessions: 100,
            groups: 10,
            subscriptions: 1,
            rate: 10.0,
            duration: Duration::from_secs(10),
            warmup: Duration::from_secs(2),
            drain: Duration::from_secs(10),
            mode: Mode::Durable,
            service_key: None,
            token: None,
            tokens_file: None,
            email: None,
            password: None,
            customer_email: None,
            customer_password: None,
            groups_file: None,
            publishers: 16,
            handshakes: 64,
            timeout: Duration::from_secs(30),
            server_pid: Vec::new(),
            json: None,
            quiet: false,
            i_own_this_server: false,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// How the sessions prove who they are.
#[derive(Debug, Clone)]
pub enum Access {
    /// With these tokens, in turn; at least one.
    Tokens(Vec<Secret>),
    /// With the token of a log-in.
    LogIn(LogIn),
}

/// The arguments, checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where its instances are; at least one.
    pub targets: Vec<Target>,
    /// How the sessions get in.
    pub access: Access,
    /// Places orders.
    pub customer: Option<LogIn>,
    /// The groups to use; `None`: orders that the server lists.
    pub groups: Option<Vec<String>>,
    /// Allows to publish.
    pub service_key: Secret,
    /// The server's processes.
    pub processes: Vec<Process>,
}

impl Plan {
    /// Checks the arguments, and reads the files that they name.
    ///
    /// # Errors
    /// `Argument` says which one is wrong.
    pub fn new(args: &LoadArgs) -> Result<Self, LoadError> {
        let targets: Vec<Target> =
            args.url.iter().map(|url| server(url, args.i_own_this_server)).collect::<Result<_, _>>()?;
        check_numbers(args)?;
        let service_key = args.service_key.clone().ok_or_else(|| {
            wrong("a service key is needed to publish: --service-key or WAYBILL_SERVICE_KEY")
        })?;
        Ok(Self {
            targets,
            access: access(args)?,
            customer: log_in("--customer-", &args.customer_email, &args.customer_password)?,
            groups: args.groups_file.as_deref().map(|file| groups(file, args.groups)).transpose()?,
            service_key,
            processes: args.server_pid.iter().map(|pid| Process::new(*pid)).collect::<Result<_, _>>()?,
        })
    }
}

fn wrong(message: impl Into<String>) -> LoadError {
    LoadError::Argument(message.into())
}

fn check_numbers(args: &LoadArgs) -> Result<(), LoadError> {
    let counts = [
        ("--sessions", args.sessions),
        ("--groups", args.groups),
        ("--subscriptions", args.subscriptions),
        ("--publishers", args.publishers),
        ("--handshakes", args.handshakes),
    ];
    if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
        return Err(wrong(format!("{name} must be at least 1")));
    }
    if args.groups > args.sessions.saturating_mul(args.subscriptions) {
        return Err(wrong(
            "--groups must not exceed --sessions times --subscriptions: nobody would hear the others",
        ));
    }
    if args.subscriptions > args.groups {
        return Err(wrong("--subscriptions must not exceed --groups"));
    }
    if !(args.rate.is_finite() && args.rate > 0.0) {
        return Err(wrong("--rate must be above 0"));
    }
    if args.duration.is_zero() || args.timeout.is_zero() {
        return Err(wrong("--duration and --timeout must be above 0"));
    }
    // One record a message is kept until the end.
    if (args.duration + args.warmup).as_secs_f64() * args.rate > 1e8 {
        return Err(wrong("more than 100 million messages: lower --rate or --duration"));
    }
    Ok(())
}

fn server(text: &str, owned: bool) -> Result<Target, LoadError> {
    let target = Target::parse(text).map_err(|error| wrong(format!("--url {text}: {error}")))?;
    if !owned && !target.is_local() {
        return Err(wrong(format!(
            "--url {text} is not on this machine; if that server is yours, say so with --i-own-this-server"
        )));
    }
    Ok(target)
}

fn access(args: &LoadArgs) -> Result<Access, LoadError> {
    let log_in = log_in("--", &args.email, &args.password)?;
    match (&args.token, &args.tokens_file, log_in) {
        (Some(token), None, None) => Ok(Access::Tokens(vec![token.clone()])),
        (None, Some(file), None) => Ok(Access::Tokens(lines(file)?.into_iter().map(Secret).collect())),
        (None, None, Some(log_in)) => Ok(Access::LogIn(log_in)),
        (None, None, None) => Err(wrong("say who the sessions are: --token, --tokens-file, or --email")),
        (Some(_), _, Some(_)) | (_, Some(_), Some(_)) | (Some(_), Some(_), None) => {
            Err(wrong("--token, --tokens-file and --email exclude each other"))
        }
    }
}

fn log_in(
    prefix: &str,
    email: &Option<String>,
    password: &Option<Secret>,
) -> Result<Option<LogIn>, LoadError> {
    match (email, password) {
        (Some(email), Some(password)) => Ok(Some(LogIn { email: email.clone(), password: password.clone() })),
        (Some(_), None) => Err(wrong(format!("{prefix}email needs {prefix}password"))),
        // A password alone may be left over in the environment.
        (None, _) => Ok(None),
    }
}

fn groups(file: &Path, count: usize) -> Result<Vec<String>, LoadError> {
    let mut groups = lines(file)?;
    if let Some(bad) = groups.iter().find(|name| name.parse::<GroupKey>().is_err()) {
        return Err(wrong(format!("{}: `{bad}` names no group", file.display())));
    }
    groups.sort_unstable();
    groups.dedup();
    if groups.len() < count {
        return Err(wrong(format!("{}: {} groups, and --groups is {count}", file.display(), groups.len())));
    }
    groups.truncate(count);
    Ok(groups)
}

/// The lines that are not empty; at least one.
fn lines(file: &Path) -> Result<Vec<String>, LoadError> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| wrong(format!("{name}: {error}")))?;
    let lines: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.is_empty() { Err(wrong(format!("{name} is empty"))) } else { Ok(lines) }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
