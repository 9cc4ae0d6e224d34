//! The connections to Redis: one, on which commands and what is pushed come in one order (RESP3), or in a cluster two to
//! each server.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::rt::time::sleep;
use futures_util::future::{join_all, try_join_all};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, PushInfo, PushKind, RedisError, RedisResult,
    ServerErrorKind, Value,
};

use super::scripts::{Scripts, TEXTS};
use super::servers::{Found, RedisServers};
use super::slots::SlotMap;

/// How long connecting may take, greeting included.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long an answer may take before the connection counts as dead.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often a command is sent where a server of a cluster points to, and how long after one that points nowhere yet.
const REDIRECTIONS: (usize, Duration) = (40, Duration::from_millis(25));

/// What a link tells by itself.
pub(in crate::realtime) enum Signal {
    /// The servers say something, or a connection has ended.
    Pushed(PushInfo),
    /// The servers of a cluster have shared out anew what they have. Told once.
    Moved,
}

/// What the connections of a link share.
struct Watch {
    tell: Box<dyn Fn(Signal) + Send + Sync>,
    /// Channels that this side gives up.
    leaving: Mutex<HashSet<Vec<u8>>>,
    has_moved: AtomicBool,
}

impl Watch {
    fn pushed(&self, info: PushInfo) {
        if info.kind == PushKind::SUnsubscribe {
            let Some(Value::BulkString(channel)) = info.data.first() else { return };
            let is_ours = self.leaving.lock().unwrap_or_else(PoisonError::into_inner).remove(channel);
            // Otherwise, the server has it no longer.
            if !is_ours {
                self.moved();
            }
            return;
        }
        (self.tell)(Signal::Pushed(info));
    }

    fn moved(&self) {
        if !self.has_moved.swap(true, Ordering::Relaxed) {
            (self.tell)(Signal::Moved);
        }
    }
}

/// What makes several servers one.
#[derive(Clone)]
struct Cluster {
    slots: Arc<SlotMap>,
    /// A connection of its own to each server for what is heard there: that a slot has moved comes unasked, and the
    /// library takes it for the answer to whatever is under way.
    ears: Arc<[MultiplexedConnection]>,
}

/// An open link. Cheap to clone.
#[derive(Clone)]
pub(in crate::realtime) struct Link {
    /// One to each server.
    connections: Arc<[MultiplexedConnection]>,
    cluster: Option<Cluster>,
    watch: Arc<Watch>,
    pub(super) scripts: Arc<Scripts>,
}

/// Says nothing of the connections, whose own description might hold secrets.
impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Connects within the limits of this project, which the library's own are below.
pub(super) async fn connect(
    client: &Client,
    pushed: impl Fn(PushInfo) + Send + Sync + 'static,
) -> RedisResult<MultiplexedConnection> {
    let sender = move |info: PushInfo| {
        pushed(info);
        Ok::<(), std::convert::Infallible>(())
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN))
        .set_push_sender(sender);
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// The names are digests of the texts, and so the same on every server.
async fn load(mut connection: MultiplexedConnection) -> RedisResult<Scripts> {
    let mut load = redis::pipe();
    for text in TEXTS {
        load.cmd("SCRIPT").arg("LOAD").arg(text);
    }
    let (relay, attach, enter, verify) = load.query_async(&mut connection).await?;
    Ok(Scripts { relay, attach, enter, verify })
}

impl Link {
    /// Finds the servers, connects, hands what is pushed to `tell`, and makes the scripts known.
    pub(in crate::realtime) async fn open(
        servers: &RedisServers,
        tell: impl Fn(Signal) + Send + Sync + 'static,
    ) -> RedisResult<Self> {
        let Found { clients, slots } = servers.find().await?;
        let watch = Watch {
            tell: Box::new(tell),
            leaving: Mutex::new(HashSet::new()),
            has_moved: AtomicBool::new(false),
        };
        let watch = Arc::new(watch);
        let connect_all = || {
            try_join_all(clients.iter().map(|client| {
                let watch = Arc::clone(&watch);
                connect(client, move |info| watch.pushed(info))
            }))
        };
        let connections = connect_all().await?;
        let scripts = try_join_all(connections.iter().cloned().map(load)).await?.pop();
        let scripts = scripts.ok_or_else(|| {
            RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "it has no servers"))
        })?;
        let cluster = match slots {
            Some(slots) => Some(Cluster { slots: Arc::new(slots), ears: connect_all().await?.into() }),
            None => None,
        };
        Ok(Self { connections: connections.into(), cluster, watch, scripts: Arc::new(scripts) })
    }

    /// Sends commands at once and gives the answer to each.
    pub(super) async fn send(&self, commands: Vec<Cmd>) -> RedisResult<Vec<RedisResult<Value>>> {
        match (&self.cluster, self.connections.first()) {
            (None, Some(connection)) => {
                let mut pipeline = redis::pipe();
                for command in commands {
                    pipeline.add_command(command);
                }
                pipeline.ignore_errors().query_async(&mut connection.clone()).await
            }
            (None, None) => Ok(Vec::new()),
            (Some(cluster), _) => self.send_to(&self.connections, cluster, &commands).await,
        }
    }

    /// Sends one command.
    pub(in crate::realtime) async fn ask(&self, command: Cmd) -> RedisResult<Value> {
        let answer = self.send(vec![command]).await?.pop();
        answer.unwrap_or_else(|| Err(RedisError::from((ErrorKind::Io, "no answer"))))
    }

    /// Makes sure that every connection lives.
    pub(super) async fn ping(&self) -> RedisResult<()> {
        let ears = self.cluster.iter().flat_map(|cluster| cluster.ears.iter());
        let ping = |connection: &MultiplexedConnection| {
            let mut connection = connection.clone();
            async move { redis::cmd("PING").query_async::<Value>(&mut connection).await }
        };
        try_join_all(self.connections.iter().chain(ears).map(ping)).await.map(drop)
    }

    /// Hears what is said to all instances, and in a cluster what is said a second time in a slot.
    pub(super) async fn hear_all(&self, channel: &str, in_slot: &str) -> RedisResult<()> {
        let ears = self.cluster.as_ref().map_or(&self.connections, |cluster| &cluster.ears);
        if let Some(connection) = ears.first() {
            connection.clone().subscribe(channel).await?;
        }
        match &self.cluster {
            Some(_) => self.subscribe(&[in_slot.to_owned()]).await,
            None => Ok(()),
        }
    }

    /// Whether the servers were found to have shared out anew what they have.
    pub(super) fn has_moved(&self) -> bool {
        self.watch.has_moved.load(Ordering::Relaxed)
    }

    /// Makes sure that every server takes writes, by one to a key whose name begins so.
    pub(super) async fn try_to_write(&self, beginning: &str) -> RedisResult<()> {
        let keys = match &self.cluster {
            Some(cluster) => cluster.slots.one_of_each(beginning),
            None => vec![beginning.to_owned()],
        };
        let write = |key: String| {
            let mut command = redis::cmd("SET");
            command.arg(key).arg(1).arg("PX").arg(60_000);
            command
        };
        let answers = self.send(keys.into_iter().map(write).collect()).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Hears these channels of groups from now on; they are heard once this returns.
    pub(super) async fn subscribe(&self, channels: &[String]) -> RedisResult<()> {
        match (&self.cluster, self.connections.first()) {
            (Some(cluster), _) => self.each(cluster, "SSUBSCRIBE", channels).await,
            (None, Some(connection)) => connection.clone().subscribe(channels).await,
            (None, None) => Ok(()),
        }
    }

    /// Hears these channels of groups no longer.
    pub(super) async fn unsubscribe(&self, channels: &[String]) -> RedisResult<()> {
        match (&self.cluster, self.connections.first()) {
            (Some(cluster), _) => {
                let leaving = || self.watch.leaving.lock().unwrap_or_else(PoisonError::into_inner);
                leaving().extend(channels.iter().map(|channel| channel.as_bytes().to_vec()));
                let outcome = self.each(cluster, "SUNSUBSCRIBE", channels).await;
                for channel in channels {
                    leaving().remove(channel.as_bytes());
                }
                outcome
            }
            (None, Some(connection)) => connection.clone().unsubscribe(channels).await,
            (None, None) => Ok(()),
        }
    }

    /// One command for each channel: those of one command would have to be in one slot.
    async fn each(&self, cluster: &Cluster, name: &str, channels: &[String]) -> RedisResult<()> {
        let command = |channel: &String| {
            let mut command = redis::cmd(name);
            command.arg(channel);
            command
        };
        let commands: Vec<Cmd> = channels.iter().map(command).collect();
        let answers = self.send_to(&cluster.ears, cluster, &commands).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Sends each command to the server that has what it is about, and on to where that one points.
    async fn send_to(
        &self,
        connections: &[MultiplexedConnection],
        cluster: &Cluster,
        commands: &[Cmd],
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let mut answers: Vec<RedisResult<Value>> = commands.iter().map(|_| Err(nobody())).collect();
        let mut steps: Vec<Step> = commands
            .iter()
            .enumerate()
            .filter_map(|(at, command)| Step::first(at, command, cluster))
            .collect();
        for _ in 0..REDIRECTIONS.0 {
            let mut lots: BTreeMap<usize, Vec<Step>> = BTreeMap::new();
            for step in steps.drain(..) {
                lots.entry(step.server).or_default().push(step);
            }
            let sent = lots.into_iter().filter_map(|(server, lot)| {
                let connection = connections.get(server)?.clone();
                Some(carry(connection, lot, commands))
            });
            let mut waits = false;
            for lot in join_all(sent).await {
                for (step, answer) in lot? {
                    let next = answer.as_ref().err().and_then(|error| step.after(error, cluster));
                    if let Err(error) = &answer
                        && (is(error, ServerErrorKind::Moved)
                            || is(error, ServerErrorKind::Ask) && next.is_none())
                    {
                        self.watch.moved();
                    }
                    waits |= next.as_ref().is_some_and(|next| next.waits);
                    steps.extend(next);
                    if let Some(place) = answers.get_mut(step.at) {
                        *place = answer;
                    }
                }
            }
            if steps.is_empty() {
                break;
            }
            if waits {
                sleep(REDIRECTIONS.1).await;
            }
        }
        Ok(answers)
    }
}

/// A command on its way through a cluster.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Which command.
    at: usize,
    server: usize,
    /// Whether the server has been handed it by the one that still has the slot.
    asking: bool,
    /// Whether it is better to wait before.
    waits: bool,
}

impl Step {
    fn first(at: usize, command: &Cmd, cluster: &Cluster) -> Option<Self> {
        Some(Self { at, server: cluster.slots.of(command)?, asking: false, waits: false })
    }

    /// Where to go on after this answer; nowhere if it is none that points on, or to a server that is not known.
    fn after(self, error: &RedisError, cluster: &Cluster) -> Option<Self> {
        let ErrorKind::Server(kind) = error.kind() else { return None };
        let server = error.redirect_node().and_then(|(name, _)| cluster.slots.named(name));
        match kind {
            ServerErrorKind::Moved => Some(Self { server: server?, asking: false, waits: false, ..self }),
            ServerErrorKind::Ask => Some(Self { server: server?, asking: true, waits: false, ..self }),
            // Some of its keys are here and some there. The library adds to the kinds.
            ServerErrorKind::TryAgain => Some(Self { waits: true, ..self }),
            _ => None,
        }
    }
}

async fn carry(
    mut connection: MultiplexedConnection,
    lot: Vec<Step>,
    commands: &[Cmd],
) -> RedisResult<Vec<(Step, RedisResult<Value>)>> {
    let mut pipeline = redis::pipe();
    for step in &lot {
        if step.asking {
            pipeline.cmd("ASKING").ignore();
        }
        if let Some(command) = commands.get(step.at) {
            pipeline.add_command(command.clone());
        }
    }
    let answers: Vec<RedisResult<Value>> = pipeline.ignore_errors().query_async(&mut connection).await?;
    Ok(lot.into_iter().zip(answers).collect())
}

fn nobody() -> RedisError {
    RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "no server has the slot"))
}

/// Whether an answer means that the connection, or the server behind it, is of no use for now.
pub(super) fn is_lost(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => true,
        ErrorKind::Server(kind) => match kind {
            // Scripts go with a server that was put in another's place, and after SCRIPT FLUSH.
            ServerErrorKind::NoScript
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::ClusterDown => true,
            // Any other: the kinds are the library's, which adds to them.
            _ => false,
        },
        // As above.
        _ => error.is_connection_dropped() || error.is_timeout(),
    }
}

fn is(error: &RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == ErrorKind::Server(kind)
}

/// Whether an answer means that a cluster is sharing out anew what its servers have.
pub(super) fn is_moving(error: &RedisError) -> bool {
    [ServerErrorKind::Moved, ServerErrorKind::Ask, ServerErrorKind::TryAgain]
        .into_iter()
        .any(|kind| is(error, kind))
}

/// Whether Redis was reached and will not have us, whatever time passes: a fault in the settings.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    let code = error.code().unwrap_or_default();
    matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig | ErrorKind::RESP3NotSupported
    ) || matches!(code, "WRONGPASS" | "NOAUTH" | "NOPERM" | "NOPROTO")
        || is_mistrust(error)
}

/// Whether one side does not trust the other's certificate.
fn is_mistrust(error: &RedisError) -> bool {
    type Cause = std::sync::Arc<dyn std::error::Error + Send + Sync>;
    // As the library keeps what another one has said.
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Cause>());
    let inner =
        cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()).and_then(std::io::Error::get_ref);
    matches!(
        inner.and_then(|inner| inner.downcast_ref()),
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_))
    )
}
