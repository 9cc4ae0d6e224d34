//! What groups promise, whoever numbers their events: the same tests on this process's memory and on Redis.

mod one;
mod several;

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler};
use actix_web::rt::time::timeout;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, OrderId, PartnerId, SessionId, UserId};
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::protocol::client::Since;
use crate::protocol::dispatch::Dispatch;
use crate::telemetry::Metrics;

use super::lane::{DoorId, Lane, Next};
use super::messages::{Deliver, Frame, Joined, Member, Recovery};
use super::{
    BridgeSettings, Groups, Outgoing, RealtimeSettings, RedisServers, RedisTls, RelayError, Resident,
};

/// Events that a group keeps.
const KEPT: usize = 4;
/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The groups of one instance.
struct Instance {
    groups: Groups,
}

impl Instance {
    /// One that numbers by itself, and one for each Redis of the tests that lets it do so.
    async fn each() -> Vec<Self> {
        let mut all = vec![Self::start(None)];
        for redis in redises() {
            all.push(Self::with(&redis, &new_prefix()).await);
        }
        all
    }

    async fn with(redis: &RedisServers, prefix: &str) -> Self {
        let instance = Self::start(Some(BridgeSettings {
            servers: redis.clone(),
            prefix: prefix.into(),
            name: prefix.into(),
        }));
        instance.groups.until_connected(PATIENCE).await;
        instance
    }

    fn start(bridge: Option<BridgeSettings>) -> Self {
        let settings = RealtimeSettings {
            replay_events: KEPT,
            replay_age: Duration::from_secs(600),
            sessions_per_user: 20,
        };
        let metrics = Metrics::new().expect("no figure twice");
        let (groups, residents, bridge) = Groups::new(settings, bridge, &metrics);
        residents.into_iter().chain(bridge).for_each(Resident::move_in);
        Self { groups }
    }

    /// Lets committed changes go out.
    async fn relay(&self, dispatches: Vec<Dispatch>) {
        self.try_relay(dispatches.into_iter().map(outgoing).collect(), 1, false)
            .await
            .expect("they are taken");
    }

    async fn try_relay(
        &self,
        batch: Vec<Arc<Outgoing>>,
        fence: u64,
        repeated: bool,
    ) -> Result<(), RelayError> {
        if self.groups.has_bridge() {
            return self.groups.relay(batch, fence, repeated).await;
        }
        for Outgoing { id, at, dispatch } in batch.iter().map(AsRef::as_ref) {
            match dispatch {
                Dispatch::Publish { groups, frame } => {
                    groups.iter().for_each(|key| self.groups.publish(*key, *id, *at, frame.get().into()));
                }
                Dispatch::State { group, revision, frame } => {
                    let slot = super::slot_of(frame.get()).expect("a type");
                    self.groups.publish_state(*group, &slot, *revision, *id, *at, frame.get().into());
                }
                Dispatch::Expel { group, user_id } => self.groups.expel(*group, *user_id),
                Dispatch::EndSessions { .. } => panic!("none of these"),
            }
        }
        self.groups.settle().await.expect("they are there");
        Ok(())
    }

    /// Publishes events with these numbers in them.
    async fn count(&self, key: GroupKey, numbers: impl IntoIterator<Item = u64>) {
        self.relay(numbers.into_iter().map(|number| counted(key, number)).collect()).await;
    }

    /// Joins a group, and waits for the answer.
    async fn join(&self, key: GroupKey, since: Option<Since>) -> (Ear, Joined) {
        self.join_as(UserId::new(), key, since).await
    }

    async fn join_as(&self, user_id: UserId, key: GroupKey, since: Option<Since>) -> (Ear, Joined) {
        self.join_as_partner(None, user_id, key, since).await
    }

    async fn join_as_partner(
        &self,
        partner_id: Option<PartnerId>,
        user_id: UserId,
        key: GroupKey,
        since: Option<Since>,
    ) -> (Ear, Joined) {
        let (told, tells) = mpsc::unbounded_channel();
        let lane = Arc::new(Lane::new(1_000, 1_000_000));
        let belongs = Arc::clone(&lane);
        let address = Session { told, lane: belongs }.start();
        let door = lane.expect(key);
        let session = SessionId::new();
        let role = Role::Customer;
        let member = Member { session, user_id, role, partner_id, lane: Arc::clone(&lane), door };
        self.groups.join(key, member, since, Some(self.groups.watermark(key)));
        let mut ear = Ear { lane, tells, key, door, _address: address };
        let joined = ear.joined().await;
        (ear, joined)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.groups.stop();
        self.groups.stop_bridge();
    }
}

/// The server that `WAYBILL_TEST_REDIS` names, and the cluster that `WAYBILL_TEST_REDIS_CLUSTER` does.
fn redises() -> Vec<RedisServers> {
    let urls = ["WAYBILL_TEST_REDIS", "WAYBILL_TEST_REDIS_CLUSTER"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    urls.map(|url| RedisServers::new(url.parse().expect("a URL"), RedisTls::default()).expect("no files"))
        .collect()
}

fn new_prefix() -> String {
    format!("test-{}", Uuid::new_v4().simple())
}

fn outgoing(dispatch: Dispatch) -> Arc<Outgoing> {
    Arc::new(Outgoing { id: EventId::new(), at: Timestamp::now(), dispatch })
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("JSON")
}

fn counted(key: GroupKey, number: u64) -> Dispatch {
    Dispatch::Publish { groups: vec![key], frame: raw(&json!({"type": "counted", "number": number})) }
}

fn state(key: GroupKey, revision: i64) -> Dispatch {
    Dispatch::State { group: key, revision, frame: raw(&json!({"type": "level", "revision": revision})) }
}

/// Passes on what a session is told.
struct Session {
    told: mpsc::UnboundedSender<Deliver>,
    lane: Arc<Lane>,
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.lane.belongs_to(&ctx.address().recipient());
    }
}

impl Handler<Deliver> for Session {
    type Result = ();

    fn handle(&mut self, message: Deliver, _: &mut Self::Context) {
        // The test may be over.
        let _ = self.told.send(message);
    }
}

/// What a member hears.
struct Ear {
    lane: Arc<Lane>,
    tells: mpsc::UnboundedReceiver<Deliver>,
    key: GroupKey,
    door: DoorId,
    _address: actix::Addr<Session>,
}

impl Ear {
    async fn told(&mut self) -> Deliver {
        timeout(PATIENCE, self.tells.recv()).await.expect("in time").expect("the session lives")
    }

    /// The next answer to a join; what comes afterwards is let through.
    async fn joined(&mut self) -> Joined {
        match self.told().await {
            Deliver::Joined(joined) => {
                assert_eq!(joined.door, self.door);
                self.lane.open(self.key, joined.round, i64::MIN);
                *joined
            }
            other => panic!("{other:?}"),
        }
    }

    /// The next frame.
    async fn frame(&self) -> Arc<Frame> {
        let next = std::future::poll_fn(|cx| {
            loop {
                match self.lane.poll_next(cx) {
                    Poll::Ready(Next::Frame(frame)) => return Poll::Ready(frame),
                    Poll::Ready(Next::Actor) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        timeout(PATIENCE, next).await.expect("in time")
    }

    /// The next frame of a type, as JSON.
    async fn hear(&self, kind: &str) -> Value {
        loop {
            let frame: Value = serde_json::from_str(self.frame().await.text()).expect("JSON");
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The numbers in the next `count` events, after making sure that theirs follow each other.
    async fn numbers(&self, count: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        let mut last: Option<u64> = None;
        for _ in 0..count {
            let frame = self.hear("counted").await;
            let seq = frame["seq"].as_u64().expect("a number");
            assert!(last.is_none_or(|last| seq == last + 1), "{last:?}, {frame}");
            last = Some(seq);
            numbers.push(frame["number"].as_u64().expect("a number"));
        }
        numbers
    }
}

/// The numbers in what was missed.
fn missed(joined: &Joined) -> Option<Vec<u64>> {
    match &joined.recovery {
        Recovery::Events { events, .. } => Some(
            events
                .iter()
                .map(|frame| {
                    let frame: Value = serde_json::from_str(frame.text()).expect("JSON");
                    frame["number"].as_u64().expect("a number")
                })
                .collect(),
        ),
        Recovery::SnapshotCurrent | Recovery::SnapshotNeeded => None,
    }
}

fn since(joined: &Joined, seq: u64) -> Option<Since> {
    Some(Since { epoch: joined.epoch.to_string(), seq })
}

fn any_group() -> GroupKey {
    GroupKey::User(UserId::new())
}
