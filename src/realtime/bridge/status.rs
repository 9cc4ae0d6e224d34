//! How the bridge is, for those who do not speak to its actor.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::domain::ids::{InstanceId, UserId};
use crate::protocol::channel::Here;

/// An instance that says nothing for so long is gone.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// For how long it is remembered that an instance has said good-bye: longer than one takes to stop.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// Whether Redis can be reached, and which other instances there are. Shared by the bridge and the handle on groups.
#[derive(Debug)]
pub struct BridgeStatus {
    inner: Mutex<Inner>,
    came_up: Notify,
}

#[derive(Debug)]
struct Inner {
    up: bool,
    since: Instant,
    problem: Option<String>,
    others: HashMap<InstanceId, Other>,
    /// Those that said good-bye, and when: what they still say does not bring them back.
    left: HashMap<InstanceId, Instant>,
}

#[derive(Debug)]
struct Other {
    heard_at: Instant,
    here: Option<Here>,
}

impl Other {
    fn name(self) -> String {
        self.here.map(|here| here.name).unwrap_or_default()
    }
}

/// The other instances together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// How many.
    pub instances: usize,
    /// Their open sessions.
    pub sessions: usize,
    /// Their users with a session; who has some on two instances counts twice.
    pub users: usize,
    /// Some of these users.
    pub online: Vec<UserId>,
}

impl BridgeStatus {
    pub(in crate::realtime) fn new() -> Self {
        let inner = Inner {
            up: false,
            since: Instant::now(),
            problem: None,
            others: HashMap::new(),
            left: HashMap::new(),
        };
        Self { inner: Mutex::new(inner), came_up: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long Redis has been away, and why; `None` while it is there.
    #[must_use]
    pub fn away(&self) -> Option<(Duration, String)> {
        let inner = self.lock();
        let why = || inner.problem.clone().unwrap_or_else(|| "not connected yet".into());
        (!inner.up).then(|| (inner.since.elapsed(), why()))
    }

    /// What the other instances have.
    #[must_use]
    pub fn peers(&self) -> Peers {
        let inner = self.lock();
        let mut peers = Peers { instances: inner.others.len(), ..Peers::default() };
        for here in inner.others.values().filter_map(|other| other.here.as_ref()) {
            peers.sessions += here.sessions;
            peers.users += here.users;
            peers.online.extend(&here.online);
        }
        peers
    }

    /// Redis answers. Whoever was there before has some time to be heard again.
    pub(super) fn set_up(&self) {
        let mut inner = self.lock();
        let now = Instant::now();
        (inner.up, inner.since, inner.problem) = (true, now, None);
        for other in inner.others.values_mut() {
            other.heard_at = now;
        }
        drop(inner);
        self.came_up.notify_waiters();
    }

    /// Waits until Redis answers.
    pub(in crate::realtime) async fn until_up(&self) {
        loop {
            let came_up = self.came_up.notified();
            if self.away().is_none() {
                return;
            }
            came_up.await;
        }
    }

    /// Redis is away; `true` when it was there.
    pub(super) fn set_away(&self, problem: String) -> bool {
        let mut inner = self.lock();
        let was_up = inner.up;
        if was_up {
            (inner.up, inner.since) = (false, Instant::now());
        }
        inner.problem = Some(problem);
        was_up
    }

    /// Another instance was heard of, or from; `true` when it tells of itself for the first time.
    pub(super) fn heard(&self, instance: InstanceId, here: Option<Here>) -> bool {
        let mut inner = self.lock();
        if inner.left.contains_key(&instance) {
            return false;
        }
        let other =
            inner.others.entry(instance).or_insert_with(|| Other { heard_at: Instant::now(), here: None });
        other.heard_at = Instant::now();
        let is_new = here.is_some() && other.here.is_none();
        if here.is_some() {
            other.here = here;
        }
        is_new
    }

    /// An instance has said good-bye. Its name, if it was known.
    pub(super) fn forget(&self, instance: InstanceId) -> Option<String> {
        let mut inner = self.lock();
        inner.left.retain(|_, at| at.elapsed() < REMEMBERED);
        inner.left.insert(instance, Instant::now());
        inner.others.remove(&instance).map(Other::name)
    }

    /// Takes out the instances that have been silent for too long, with their names. None while Redis is away.
    pub(super) fn take_silent(&self) -> Vec<(InstanceId, String)> {
        let mut inner = self.lock();
        if !inner.up {
            return Vec::new();
        }
        let is_silent = |other: &Other| other.heard_at.elapsed() > SILENCE;
        let gone = inner.others.extract_if(|_, other| is_silent(other));
        gone.map(|(instance, other)| (instance, other.name())).collect()
    }

    /// Whether this instance and `instance` meet in one Redis; `None` while that cannot be said, which is so as well of
    /// one that has said good-bye.
    pub(in crate::realtime) fn hears(&self, instance: InstanceId) -> Option<bool> {
        let inner = self.lock();
        let is_known = inner.others.contains_key(&instance);
        let may_be_heard = inner.up && inner.since.elapsed() > SILENCE && !inner.left.contains_key(&instance);
        (inner.up && is_known || may_be_heard).then_some(is_known)
    }

    /// Whether every other instance that lives has had the time to say so.
    pub(super) fn knows_the_others(&self) -> bool {
        let inner = self.lock();
        inner.up && inner.since.elapsed() > SILENCE
    }

    /// The other instances that live.
    pub(super) fn living(&self) -> Vec<InstanceId> {
        self.lock().others.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_others_have_is_added_up_and_goes_with_them() {
        let status = BridgeStatus::new();
        assert!(status.away().is_some());
        status.set_up();
        assert!(status.away().is_none());
        let (first, second) = (InstanceId::new(), InstanceId::new());
        let user = UserId::new();
        let here = |sessions, users, online| Here { name: "web-1".into(), sessions, users, online };
        assert!(status.heard(first, Some(here(3, 2, vec![user]))));
        assert!(!status.heard(second, None) && !status.heard(first, None));
        assert_eq!(status.hears(second), Some(true));
        assert_eq!(status.hears(InstanceId::new()), None, "there was no time to hear of it");
        let expected = Peers { instances: 2, sessions: 3, users: 2, online: vec![user] };
        assert_eq!(status.peers(), expected);
        assert_eq!((status.forget(first), status.forget(first)), (Some("web-1".into()), None));
        assert!(!status.heard(first, Some(here(1, 1, Vec::new()))), "it has gone");
        assert_eq!(status.peers(), Peers { instances: 1, ..Peers::default() });
    }
}
