//! One connection to Redis: commands and what is pushed share it, so that they come in one order (RESP3).

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, PushInfo, RedisError, RedisResult,
    ServerErrorKind, Value,
};

use super::scripts::{Scripts, TEXTS};

/// How long connecting may take, greeting included.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long an answer may take before the connection counts as dead.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// An open connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    connection: MultiplexedConnection,
    pub(super) scripts: Arc<Scripts>,
}

/// Says nothing of the connection, whose own description might hold secrets.
impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// Connects, hands everything that is pushed to `pushed`, and makes the scripts known.
    pub(super) async fn open(
        client: &Client,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<Self> {
        let sender = move |info: PushInfo| {
            pushed(info);
            Ok::<(), std::convert::Infallible>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_push_sender(sender);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut load = redis::pipe();
        for text in TEXTS {
            load.cmd("SCRIPT").arg("LOAD").arg(text);
        }
        let (relay, attach, enter) = load.query_async(&mut connection).await?;
        Ok(Self { connection, scripts: Arc::new(Scripts { relay, attach, enter }) })
    }

    /// Sends commands at once and gives the answer to each.
    pub(super) async fn send(&mut self, mut pipeline: Pipeline) -> RedisResult<Vec<RedisResult<Value>>> {
        pipeline.ignore_errors().query_async(&mut self.connection).await
    }

    /// Sends one command.
    pub(super) async fn ask(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        cmd.query_async(&mut self.connection).await
    }

    /// Hears these channels from now on; they are heard once this returns.
    pub(super) async fn subscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        self.connection.subscribe(channels).await
    }

    /// Hears these channels no longer.
    pub(super) async fn unsubscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        self.connection.unsubscribe(channels).await
    }
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

/// Whether Redis was reached and will not have us, whatever time passes: a fault in the settings.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    let code = error.code().unwrap_or_default();
    matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig | ErrorKind::RESP3NotSupported
    ) || matches!(code, "WRONGPASS" | "NOAUTH" | "NOPERM" | "NOPROTO")
}
