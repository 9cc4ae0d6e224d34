//! How often somebody may do something: a rate limiter over any kind of key.
//!
//! It is the generic cell rate algorithm (ITU-T I.371, appendix 3): for each key one point in time, at which the
//! key's budget is whole again. The `governor` crate has it, too, but can only take from a budget where a
//! log-in must be looked at first and charged once it has failed, and it keeps as many keys as strangers
//! care to send.
//!
//! Invariant: no clock here; the present time is an argument. Memory is bounded whatever comes in.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A budget: `burst` at once, and one more `every` so often.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// How many at once. At least 1.
    pub burst: u32,
    /// How long it takes until one more is allowed.
    pub every: Duration,
}

impl Rate {
    fn whole(self) -> Duration {
        self.every.saturating_mul(self.burst)
    }
}

/// Turns keys into hashes under a secret, so that nobody can choose two that collide. Instances that share the secret
/// have the same hashes, and say no more than these of what was counted where.
#[derive(Debug, Clone)]
pub struct KeyHasher(Arc<[u8]>);

impl KeyHasher {
    /// Under this secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(secret.into())
    }

    fn hash(&self, key: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.0);
        key.hash(&mut hasher);
        hasher.finish()
    }
}

/// Keeps to one [`Rate`] for each key.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    hasher: KeyHasher,
    /// When the budget of a key is whole again.
    whole_at: Mutex<Recent<Instant>>,
}

impl Limiter {
    /// Remembers at least the `keys` keys that were charged last, and at most twice as many.
    #[must_use]
    pub fn new(rate: Rate, keys: usize, hasher: &KeyHasher) -> Self {
        Self { rate, hasher: hasher.clone(), whole_at: Mutex::new(Recent::new(keys)) }
    }

    /// Whether there is something left of the key's budget. Takes nothing.
    ///
    /// # Errors
    /// How long it takes until there is.
    pub fn check(&self, key: &impl Hash, now: Instant) -> Result<(), Duration> {
        let table = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.wait(table.get(self.hasher.hash(key)), 1, now)
    }

    /// Takes from the key's budget, down to nothing. Gives the key's hash.
    pub fn charge(&self, key: &impl Hash, now: Instant) -> u64 {
        let key = self.hasher.hash(key);
        self.charge_hash(key, now);
        key
    }

    /// As [`Limiter::charge`], for a key that another instance has counted.
    pub fn charge_hash(&self, key: u64, now: Instant) {
        let mut table = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        let whole_at = table.get(key).map_or(now, |at| at.max(now));
        table.put(key, (whole_at + self.rate.every).min(now + self.rate.whole()));
    }

    /// Takes from the key's budget if there is something left. Gives the key's hash.
    ///
    /// # Errors
    /// How long it takes until there is.
    pub fn take(&self, key: &impl Hash, now: Instant) -> Result<u64, Duration> {
        self.take_some(key, 1, now)
    }

    /// As [`Limiter::take`], so many at once or none.
    ///
    /// # Errors
    /// How long it takes until there are so many.
    pub fn take_some(&self, key: &impl Hash, count: u32, now: Instant) -> Result<u64, Duration> {
        let key = self.hasher.hash(key);
        let mut table = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        let whole_at = table.get(key);
        self.wait(whole_at, count, now)?;
        table.put(key, whole_at.map_or(now, |at| at.max(now)) + self.rate.every.saturating_mul(count));
        Ok(key)
    }

    /// Gives one back to the key's budget.
    pub fn give_back(&self, key: &impl Hash) {
        let key = self.hasher.hash(key);
        let mut table = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = table.get(key).and_then(|at| at.checked_sub(self.rate.every)) {
            table.put(key, before);
        }
    }

    fn wait(&self, whole_at: Option<Instant>, count: u32, now: Instant) -> Result<(), Duration> {
        let spent = whole_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let wait = (spent + self.rate.every.saturating_mul(count)).saturating_sub(self.rate.whole());
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }
}

/// Keeps to so many in any stretch of time of a given length, for each key. It remembers each that it has counted: a
/// [`Limiter`] lets a burst pass, and as much again while its budget grows.
#[derive(Debug)]
pub struct Window {
    most: usize,
    within: Duration,
    hasher: KeyHasher,
    /// When those of a key were counted, the oldest first.
    counted: Mutex<Recent<VecDeque<Instant>>>,
}

impl Window {
    /// Remembers at least the `keys` keys that were counted last, and at most twice as many. `most` is at least 1.
    #[must_use]
    pub fn new(most: usize, within: Duration, keys: usize, hasher: &KeyHasher) -> Self {
        Self { most, within, hasher: hasher.clone(), counted: Mutex::new(Recent::new(keys)) }
    }

    /// Whether one more may be counted. Counts nothing.
    ///
    /// # Errors
    /// How long it takes until it may.
    pub fn check(&self, key: &impl Hash, now: Instant) -> Result<(), Duration> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        self.room(&counted, self.hasher.hash(key), now).map(|_| ())
    }

    /// Counts one more if that may be. Gives the key's hash.
    ///
    /// # Errors
    /// How long it takes until it may.
    pub fn take(&self, key: &impl Hash, now: Instant) -> Result<u64, Duration> {
        let key = self.hasher.hash(key);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times = self.room(&counted, key, now)?;
        times.push_back(now);
        counted.put(key, times);
        Ok(key)
    }

    /// Counts the last one of a key no more.
    pub fn give_back(&self, key: &impl Hash) {
        let key = self.hasher.hash(key);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut times) = counted.get(key) {
            times.pop_back();
            counted.put(key, times);
        }
    }

    /// Counts one that another instance has counted.
    pub fn charge_hash(&self, key: u64, now: Instant) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times = counted.get(key).unwrap_or_default();
        times.push_back(now);
        if times.len() > self.most {
            times.pop_front();
        }
        counted.put(key, times);
    }

    /// What is counted of a key that has room for one more.
    fn room(
        &self,
        counted: &Recent<VecDeque<Instant>>,
        key: u64,
        now: Instant,
    ) -> Result<VecDeque<Instant>, Duration> {
        let mut times = counted.get(key).unwrap_or_default();
        times.retain(|at| now.saturating_duration_since(*at) < self.within);
        match times.front() {
            Some(oldest) if times.len() >= self.most => {
                Err(self.within.saturating_sub(now.saturating_duration_since(*oldest)))
            }
            Some(_) | None => Ok(times),
        }
    }
}

/// Whether a job has counted something, for whoever gives that back when the job fails.
#[derive(Debug, Clone, Default)]
pub struct Counted(Arc<AtomicBool>);

impl Counted {
    /// It has.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    #[must_use]
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A set of keys that forgets those that were not used for longest.
#[derive(Debug)]
pub struct Familiar {
    hasher: KeyHasher,
    keys: Mutex<Recent<()>>,
}

impl Familiar {
    /// Remembers at least the `keys` keys that were put last, and at most twice as many.
    #[must_use]
    pub fn new(keys: usize, hasher: &KeyHasher) -> Self {
        Self { hasher: hasher.clone(), keys: Mutex::new(Recent::new(keys)) }
    }

    /// Whether a key was put.
    #[must_use]
    pub fn has(&self, key: &impl Hash) -> bool {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(self.hasher.hash(key)).is_some()
    }

    /// Remembers a key. Gives its hash.
    pub fn put(&self, key: &impl Hash) -> u64 {
        let key = self.hasher.hash(key);
        self.put_hash(key);
        key
    }

    /// As [`Familiar::put`], for a key that another instance has seen.
    pub fn put_hash(&self, key: u64) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).put(key, ());
    }
}

/// A map of two generations: when the younger is full it becomes the older, and the older is dropped.
#[derive(Debug)]
struct Recent<V> {
    young: HashMap<u64, V>,
    old: HashMap<u64, V>,
    size: usize,
}

impl<V: Clone> Recent<V> {
    fn new(size: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), size }
    }

    fn get(&self, key: u64) -> Option<V> {
        self.young.get(&key).or_else(|| self.old.get(&key)).cloned()
    }

    fn put(&mut self, key: u64, value: V) {
        if self.young.len() >= self.size && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> KeyHasher {
        KeyHasher::new(b"a secret")
    }

    const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(10) };

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let (limiter, begin) = (Limiter::new(RATE, 10, &hasher()), Instant::now());
        for _ in 0..3 {
            assert!(limiter.take(&"a", begin).is_ok());
        }
        assert_eq!(limiter.take(&"a", begin), Err(Duration::from_secs(10)));
        assert!(limiter.take(&"b", begin).is_ok(), "another key has a budget of its own");

        let later = begin + Duration::from_secs(4);
        assert_eq!(limiter.take(&"a", later), Err(Duration::from_secs(6)));
        let later = begin + Duration::from_secs(10);
        assert!(limiter.take(&"a", later).is_ok());
        assert_eq!(limiter.take(&"a", later), Err(Duration::from_secs(10)));
    }

    #[test]
    fn looking_takes_nothing_and_charging_stops_at_nothing_left() {
        let (limiter, begin) = (Limiter::new(RATE, 10, &hasher()), Instant::now());
        for _ in 0..10 {
            assert_eq!(limiter.check(&1, begin), Ok(()));
        }
        for _ in 0..10 {
            limiter.charge(&1, begin);
        }
        assert_eq!(limiter.check(&1, begin), Err(Duration::from_secs(10)));
        assert_eq!(limiter.check(&1, begin + Duration::from_secs(10)), Ok(()));
    }

    #[test]
    fn a_budget_grows_no_further_than_whole() {
        let (limiter, begin) = (Limiter::new(RATE, 10, &hasher()), Instant::now());
        limiter.charge(&1, begin);
        let later = begin + Duration::from_secs(3600);
        let passed = (0..10).filter(|_| limiter.take(&1, later).is_ok()).count();
        assert_eq!(passed, 3);
    }

    #[test]
    fn memory_is_bounded_and_the_latest_keys_are_kept() {
        let (limiter, begin) = (Limiter::new(RATE, 100, &hasher()), Instant::now());
        for key in 0..10_000 {
            for _ in 0..3 {
                limiter.charge(&key, begin);
            }
        }
        let table = limiter.whole_at.lock().expect("no thread has panicked");
        assert!(table.young.len() + table.old.len() <= 200);
        drop(table);
        assert!((9_900..10_000).all(|key| limiter.check(&key, begin).is_err()));
    }

    #[test]
    fn what_one_instance_counts_another_can_count_too() {
        let begin = Instant::now();
        let (here, there) = (Limiter::new(RATE, 10, &hasher()), Limiter::new(RATE, 10, &hasher()));
        for _ in 0..3 {
            there.charge_hash(here.take(&"a", begin).expect("there is something left"), begin);
        }
        assert!(there.take(&"a", begin).is_err());
        assert!(there.take(&"b", begin).is_ok());
        let stranger = Limiter::new(RATE, 10, &KeyHasher::new(b"another secret"));
        assert_ne!(
            stranger.take(&"b", begin),
            here.take(&"b", begin),
            "without the secret hashes say nothing"
        );
    }

    #[test]
    fn no_minute_has_more_than_its_share_wherever_it_begins() {
        let (window, begin) = (Window::new(20, Duration::from_secs(60), 10, &hasher()), Instant::now());
        let mut taken = Vec::new();
        for tenth in 0..3_000 {
            let now = begin + Duration::from_millis(100 * tenth);
            let is_free = window.check(&"a", now).is_ok();
            assert_eq!(window.take(&"a", now).is_ok(), is_free);
            if is_free {
                taken.push(now);
            }
        }
        assert_eq!(taken.len(), 100, "as many as there may be");
        for (index, first) in taken.iter().enumerate() {
            let within =
                taken[index..].iter().filter(|at| at.duration_since(*first) < Duration::from_secs(60));
            assert!(within.count() <= 20);
        }
        let now = begin + Duration::from_secs(299);
        let wait = window.take(&"a", now).expect_err("the minute is full");
        assert!(window.take(&"a", now + wait).is_ok());
        assert!(window.take(&"b", now).is_ok(), "another key has a budget of its own");
    }

    #[test]
    fn a_window_counts_what_another_instance_counts() {
        let begin = Instant::now();
        let minute = Duration::from_secs(60);
        let (here, there) = (Window::new(3, minute, 10, &hasher()), Window::new(3, minute, 10, &hasher()));
        for _ in 0..3 {
            there.charge_hash(here.take(&"a", begin).expect("there is room"), begin);
        }
        there.charge_hash(here.hasher.hash(&"a"), begin);
        assert_eq!(there.take(&"a", begin), Err(minute));
        assert!(there.take(&"a", begin + minute).is_ok());
    }

    #[test]
    fn a_familiar_key_that_is_seen_again_stays() {
        let familiar = Familiar::new(10, &hasher());
        familiar.put(&"owner");
        for key in 0..1000 {
            familiar.put(&key);
            familiar.put(&"owner");
        }
        assert!(familiar.has(&"owner"));
        assert!(!familiar.has(&1));
    }
}
