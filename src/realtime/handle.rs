//! The handle on groups that the rest of the house holds.

mod ephemeral;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Context, Handler};
use tokio::sync::{mpsc, oneshot};

use crate::domain::group::{GroupKey, GroupKind};
use crate::domain::ids::{EventId, FamilyId, InstanceId, OrderId, SessionId, UserId};
use crate::domain::time::Timestamp;
use crate::protocol::channel::Say;
use crate::protocol::client::Since;
use crate::protocol::close::CloseReason;
use crate::telemetry::Metrics;

use super::bridge::{
    Bridge, BridgeAddress, BridgeSettings, BridgeStatus, Depart, Neighbours, Outgoing, Peers, Reenter, Relay,
    RelayError, Tell, Try,
};
use super::directory::Directory;
use super::lane::Lane;
use super::messages::{
    Count, EndAll, EndSessions, Expel, Join, Leave, ListOnline, ListWatched, Member, Probe, Publish,
    PublishLane, Register, Share, Stop, Unregister, WhoListens,
};
use super::registry::GroupRegistry;
use super::resident::{Resident, Vacancy};
use super::ring::Window;
use super::watermarks::Watermarks;

/// What the realtime room can be told.
#[derive(Debug, Clone, Copy)]
pub struct RealtimeSettings {
    /// Events that a group keeps for those who come back.
    pub replay_events: usize,
    /// How long it keeps them, and an empty group lives.
    pub replay_age: Duration,
    /// Sessions that one user may have open; the oldest goes first.
    pub sessions_per_user: usize,
}

/// How many there are on this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Open sessions.
    pub sessions: usize,
    /// Users with at least one.
    pub users: usize,
}

/// Who listens to a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listeners {
    /// Each user once.
    pub users: Vec<UserId>,
    /// Whether these are all there are: while Redis is away only those on this instance are known, and of a group with more
    /// sessions than presence is told in, on another instance, none.
    pub is_all: bool,
}

/// A part of the realtime room does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{part} does not answer")]
pub struct ProbeFailed {
    /// Which part.
    pub part: &'static str,
}

/// How much of what other instances say may wait to be heeded.
const SAYS: usize = 4_096;

/// How long to wait for who listens to a group: Redis may have to be asked.
const LISTENERS_WAIT: Duration = Duration::from_secs(1);

/// As the directory is named when it does not answer.
const DIRECTORY: &str = "the directory of sessions";

/// A registry has more to do than it can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the groups have too much to do")]
pub struct Overloaded;

/// A handle on all groups and sessions of this instance. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Groups {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    user: Addr<GroupRegistry>,
    partner: Addr<GroupRegistry>,
    order: Addr<GroupRegistry>,
    admin: Addr<GroupRegistry>,
    directory: Addr<Directory>,
    watermarks: Arc<Watermarks>,
    ends: Arc<AtomicU64>,
    stopped: AtomicBool,
    /// Whether groups number their events themselves although there is a bridge: Redis is away.
    is_alone: Arc<AtomicBool>,
    bridge: Option<Across>,
}

/// What there is with several instances.
#[derive(Debug)]
struct Across {
    at: BridgeAddress,
    status: Arc<BridgeStatus>,
    says: Mutex<Option<mpsc::Receiver<Say>>>,
}

impl Groups {
    /// Makes the handle, and the actors behind it, which have yet to [move in](Resident::move_in).
    ///
    /// They are to live on the threads that serve sockets, but for the last one, the bridge, which outlives those: waking another thread costs more than handing a frame to
    /// a small group (see `docs/performance.md`).
    #[must_use]
    pub fn new(
        settings: RealtimeSettings,
        bridge: Option<BridgeSettings>,
        metrics: &Arc<Metrics>,
    ) -> (Self, Vec<Resident>, Option<Resident>) {
        let watermarks = Arc::new(Watermarks::new());
        let ends = Arc::new(AtomicU64::new(0));
        let is_alone = Arc::new(AtomicBool::new(false));
        let window = Window { events: settings.replay_events, age: settings.replay_age };
        let (bridge_at, bridge_vacancy) = Vacancy::<Bridge>::new();
        let instance = InstanceId::new();
        let at = bridge.is_some().then_some(BridgeAddress { address: bridge_at, instance });
        let mut residents = Vec::new();
        let mut registry = |kind: GroupKind| {
            let (watermarks, metrics) = (Arc::clone(&watermarks), Arc::clone(metrics));
            let (address, vacancy) = Vacancy::new();
            let (at, is_alone) = (at.clone(), Arc::clone(&is_alone));
            residents.push(vacancy.fill(GroupRegistry::new(kind, window, watermarks, at, is_alone, metrics)));
            address
        };
        let order = registry(GroupKind::Order);
        let user = registry(GroupKind::User);
        let partner = registry(GroupKind::Partner);
        let admin = registry(GroupKind::Admin);
        let (directory, vacancy) = Vacancy::new();
        residents.push(vacancy.fill(Directory::new(
            settings.sessions_per_user,
            Arc::clone(&ends),
            at.clone(),
        )));
        let bridge = bridge.zip(at).map(|(bridge, at)| {
            let neighbours = Neighbours {
                user: user.clone(),
                partner: partner.clone(),
                order: order.clone(),
                admin: admin.clone(),
                directory: directory.clone(),
            };
            let (sender, receiver) = mpsc::channel(SAYS);
            let status = Arc::new(BridgeStatus::new());
            let (metrics, shared) = (Arc::clone(metrics), Arc::clone(&status));
            let bridge = Bridge::new(bridge, settings, neighbours, shared, metrics, sender, instance);
            (Across { at, status, says: Mutex::new(Some(receiver)) }, bridge_vacancy.fill(bridge))
        });
        let (bridge, bridge_resident) = bridge.unzip();
        let stopped = AtomicBool::new(false);
        let inner =
            Inner { user, partner, order, admin, directory, watermarks, ends, stopped, is_alone, bridge };
        (Self { inner: Arc::new(inner) }, residents, bridge_resident)
    }

    /// What the other instances say, for whoever asks first; `None` without a bridge.
    #[must_use]
    pub fn take_says(&self) -> Option<mpsc::Receiver<Say>> {
        let across = self.inner.bridge.as_ref()?;
        across.says.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Says something to every instance, as far as they can be reached. Waits for nothing.
    pub fn tell(&self, say: Say) {
        if let Some(across) = &self.inner.bridge {
            across.at.address.do_send(Tell(say)); // bounded: each caller says a thing once for each event
        }
    }

    /// Whether there may be other instances.
    #[must_use]
    pub fn has_bridge(&self) -> bool {
        self.inner.bridge.is_some()
    }

    /// This instance, where there may be others.
    #[must_use]
    pub fn instance(&self) -> Option<InstanceId> {
        self.inner.bridge.as_ref().map(|across| across.at.instance)
    }

    /// For how long Redis has been away, and why; `None` while it is there, or where none is used.
    #[must_use]
    pub fn away(&self) -> Option<(Duration, String)> {
        self.inner.bridge.as_ref().and_then(|across| across.status.away())
    }

    /// Waits until Redis answers, where one is used; for as long as `patience`.
    pub async fn until_connected(&self, patience: Duration) {
        if let Some(across) = &self.inner.bridge
            && actix_web::rt::time::timeout(patience, across.status.until_up()).await.is_err()
        {
            log::warn!("starting without Redis; it is tried on");
        }
    }

    /// What the other instances have.
    #[must_use]
    pub fn peers(&self) -> Peers {
        self.inner.bridge.as_ref().map(|across| across.status.peers()).unwrap_or_default()
    }

    /// Whether `instance` is heard of in Redis; `None` while that cannot be said.
    #[must_use]
    pub fn hears(&self, instance: InstanceId) -> Option<bool> {
        self.inner.bridge.as_ref().and_then(|across| across.status.hears(instance))
    }

    /// Publishes events to all instances, in this order, and waits until Redis has them.
    ///
    /// # Errors
    /// `Away` when Redis cannot take them, or none is used; `Fenced` when somebody with a higher fence publishes.
    pub async fn relay(
        &self,
        batch: Vec<Arc<Outgoing>>,
        fence: u64,
        repeated: bool,
    ) -> Result<(), RelayError> {
        let away = |why: &str| RelayError::Away(why.into());
        let Some(across) = &self.inner.bridge else { return Err(away("there is none")) };
        let sent = across.at.address.send(Relay { batch, fence, repeated }).await;
        sent.unwrap_or_else(|_| Err(away("the bridge has ended")))
    }

    /// Whether Redis could take events now.
    ///
    /// # Errors
    /// Why not.
    pub async fn can_relay(&self) -> Result<(), String> {
        let Some(across) = &self.inner.bridge else { return Err("none is used".into()) };
        across.at.address.send(Try).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Lets groups number their events themselves, since Redis is away, or no longer. Their members begin anew each time.
    pub fn set_alone(&self, is_alone: bool) {
        let was_alone = self.inner.is_alone.swap(is_alone, Ordering::AcqRel);
        if was_alone != is_alone {
            for (_, registry) in self.registries() {
                registry.do_send(Share { by_redis: !is_alone }); // bounded: once for each loss and return of Redis
            }
            if is_alone {
                self.inner.directory.do_send(Reenter); // bounded: once for each loss of Redis
            }
        }
    }

    fn registry(&self, key: GroupKey) -> &Addr<GroupRegistry> {
        match key.kind() {
            GroupKind::User => &self.inner.user,
            GroupKind::Partner => &self.inner.partner,
            GroupKind::Order => &self.inner.order,
            GroupKind::Admin => &self.inner.admin,
        }
    }

    /// Where a group's stream of publications stands. A snapshot that is read after this call and joined
    /// with it is known to be current when nothing was published in between.
    #[must_use]
    pub fn watermark(&self, key: GroupKey) -> u64 {
        self.inner.watermarks.get(key)
    }

    /// Asks for membership; [`Deliver::Joined`](super::Deliver::Joined) answers.
    pub fn join(&self, key: GroupKey, member: Member, since: Option<Since>, watermark: Option<u64>) {
        self.registry(key).do_send(Join { key, member, since, watermark }); // bounded: by the subscriptions that a session may have
    }

    /// Ends a membership. Leaving twice is leaving once.
    pub fn leave(&self, key: GroupKey, session: SessionId) {
        self.registry(key).do_send(Leave { key, session }); // bounded: by the subscriptions that a session may have
    }

    /// How often sessions were ended so far. To be read before a session's token is looked at.
    #[must_use]
    pub fn ends(&self) -> u64 {
        self.inner.ends.load(Ordering::Acquire)
    }

    /// Makes a session known. The user's oldest one ends when there are too many. Where sessions were ended since
    /// `ends` was read, the session is asked to confirm that it may be.
    pub fn register(
        &self,
        session: SessionId,
        user_id: UserId,
        family_id: Option<FamilyId>,
        lane: Arc<Lane>,
        ends: u64,
    ) {
        self.inner.directory.do_send(Register { session, user_id, family_id, lane, ends }); // bounded: once for each session
    }

    /// Forgets a session.
    pub fn unregister(&self, session: SessionId, user_id: UserId) {
        self.inner.directory.do_send(Unregister { session, user_id }); // bounded: once for each session
    }

    /// Publishes a must-deliver event. `body` is the frame without its envelope. Waits for nothing: whoever
    /// publishes many calls [`Groups::settle`] now and then.
    pub fn publish(&self, key: GroupKey, id: EventId, at: Timestamp, body: Arc<str>) {
        self.send(key, id, at, body, PublishLane::Durable);
    }

    /// Publishes a state of which only the latest counts. An older `revision` never follows a newer one. Waits
    /// for nothing, like [`Groups::publish`].
    pub fn publish_state(
        &self,
        key: GroupKey,
        slot: &str,
        revision: i64,
        id: EventId,
        at: Timestamp,
        body: Arc<str>,
    ) {
        self.send(key, id, at, body, PublishLane::State { slot: slot.into(), revision });
    }

    fn send(&self, key: GroupKey, id: EventId, at: Timestamp, body: Arc<str>, lane: PublishLane) {
        let publish = Publish { key, id, at, accepted_at: Instant::now(), lane, body };
        self.registry(key).do_send(publish); // bounded: the relay settles after each batch
    }

    /// Waits until the registries and the directory have dealt with all that was asked of them before.
    ///
    /// # Errors
    /// `ProbeFailed` when one of them is gone that should be there.
    pub async fn settle(&self) -> Result<(), ProbeFailed> {
        if self.inner.stopped.load(Ordering::Acquire) {
            // Every session has ended: there is nobody who could still be told.
            return Ok(());
        }
        for (part, registry) in self.registries() {
            registry.send(Probe).await.map_err(|_| ProbeFailed { part })?;
        }
        self.inner.directory.send(Probe).await.map_err(|_| ProbeFailed { part: DIRECTORY })
    }

    fn registries(&self) -> [(&'static str, &Addr<GroupRegistry>); 4] {
        [
            ("the user registry", &self.inner.user),
            ("the partner registry", &self.inner.partner),
            ("the order registry", &self.inner.order),
            ("the admin registry", &self.inner.admin),
        ]
    }

    /// The way to the other instances, while it is open.
    fn across(&self) -> Option<&Across> {
        let is_alone = self.inner.is_alone.load(Ordering::Acquire);
        self.inner.bridge.as_ref().filter(|across| !is_alone && across.status.away().is_none())
    }

    /// Puts every session of a user out of a group. Waits for nothing, like [`Groups::publish`].
    pub fn expel(&self, key: GroupKey, user_id: UserId) {
        self.registry(key).do_send(Expel { key, user_id }); // bounded: the relay settles after each batch
    }

    /// Ends the sessions of a user: those of one log-in, or all. Waits for nothing, like [`Groups::publish`].
    pub fn end_sessions(&self, user_id: UserId, family_id: Option<FamilyId>, reason: CloseReason) {
        self.inner.directory.do_send(EndSessions { user_id, family_id, reason }); // bounded: the relay settles after each batch
    }

    /// Ends every session; clients are told to come back at a random time within `spread`.
    pub async fn end_all(&self, spread: Duration) {
        let spread = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
        if self.inner.directory.send(EndAll { spread }).await.is_err() {
            log::error!("the directory of sessions is gone: none can be ended");
        }
    }

    /// Which of these orders, or of all, somebody watches on this instance: a session that is not its partner's.
    ///
    /// # Errors
    /// `ProbeFailed` when the registry is gone.
    pub async fn watched(&self, orders: Option<Vec<OrderId>>) -> Result<HashSet<OrderId>, ProbeFailed> {
        let asked = self.inner.order.send(ListWatched { orders }).await;
        asked.map_err(|_| ProbeFailed { part: "the order registry" })
    }

    /// How many sessions and users there are.
    ///
    /// # Errors
    /// `ProbeFailed` when the directory is gone.
    pub async fn count(&self) -> Result<Counts, ProbeFailed> {
        self.inner.directory.send(Count).await.map_err(|_| ProbeFailed { part: DIRECTORY })
    }

    /// Users with a session, at most `limit`, in no order.
    ///
    /// # Errors
    /// `ProbeFailed` when the directory is gone.
    pub async fn online(&self, limit: usize) -> Result<Vec<UserId>, ProbeFailed> {
        self.inner.directory.send(ListOnline { limit }).await.map_err(|_| ProbeFailed { part: DIRECTORY })
    }

    /// Users who listen to a group, on any instance, as far as that can be told.
    pub async fn listeners(&self, key: GroupKey) -> Listeners {
        let is_all = |groups: &Self| !groups.has_bridge() || groups.across().is_some();
        let was_all = is_all(self);
        let (reply, listeners) = oneshot::channel();
        self.registry(key).do_send(WhoListens { key, reply }); // bounded: the caller waits
        let answer = actix_web::rt::time::timeout(LISTENERS_WAIT, listeners).await;
        match answer {
            Ok(Ok((users, knows_all))) => Listeners { users, is_all: was_all && knows_all && is_all(self) },
            // A single instance has no such group: nobody listens.
            Ok(Err(_)) => Listeners { users: Vec::new(), is_all: !self.has_bridge() },
            Err(_) => Listeners::default(),
        }
    }

    /// Makes a round trip through every registry, the directory, and the bridge where there is one.
    ///
    /// # Errors
    /// Names the first part that did not answer within `patience`.
    pub async fn probe(&self, patience: Duration) -> Result<(), ProbeFailed> {
        for (part, registry) in self.registries() {
            answers(registry, part, patience).await?;
        }
        answers(&self.inner.directory, DIRECTORY, patience).await?;
        match &self.inner.bridge {
            Some(across) => answers(&across.at.address, "the bridge to Redis", patience).await,
            None => Ok(()),
        }
    }

    /// Ends the registries and the directory, once no session is left. What is published afterwards reaches nobody.
    pub fn stop(&self) {
        self.inner.stopped.store(true, Ordering::Release);
        for (_, registry) in self.registries() {
            stop(registry);
        }
        stop(&self.inner.directory);
    }

    /// Lets the other instances know that this one is going: its sessions count no more, neither as present nor for how
    /// many a user may have. To be called before they are ended, so that none is in the way of itself when it comes back.
    pub async fn depart(&self) {
        if let Some(across) = &self.inner.bridge
            && across.at.address.send(Depart).await.is_err()
        {
            log::debug!("the bridge has ended before");
        }
    }

    /// Ends the bridge to other instances. Nothing is published afterwards.
    pub fn stop_bridge(&self) {
        if let Some(across) = &self.inner.bridge {
            stop(&across.at.address);
        }
    }
}

async fn answers<A>(actor: &Addr<A>, part: &'static str, patience: Duration) -> Result<(), ProbeFailed>
where
    A: Actor<Context = Context<A>> + Handler<Probe>,
{
    match actix_web::rt::time::timeout(patience, actor.send(Probe)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(ProbeFailed { part }),
    }
}

fn stop<A>(actor: &Addr<A>)
where
    A: Actor<Context = Context<A>> + Handler<Stop>,
{
    actor.do_send(Stop); // bounded: once, at the end
}
