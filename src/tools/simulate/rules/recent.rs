//! A memory of what was met lately. It forgets what is too old, and the oldest of what is too much, so that it is as large
//! after a day as after an hour.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// What was met lately, by its key.
#[derive(Debug)]
pub struct Recent<K, V> {
    kept: Duration,
    most: usize,
    found: HashMap<K, V>,
    /// When each was met first, oldest first.
    ages: VecDeque<(Instant, K)>,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    /// Nothing yet. What comes is kept for so long, and no more than so many.
    #[must_use]
    pub fn new(kept: Duration, most: usize) -> Self {
        Self { kept, most, found: HashMap::new(), ages: VecDeque::new() }
    }

    /// What is remembered of `key`; if that is nothing, it is met now.
    pub fn meet(&mut self, key: K, at: Instant, first: impl FnOnce() -> V) -> Option<&mut V> {
        if !self.found.contains_key(&key) {
            self.forget(at);
            self.found.insert(key.clone(), first());
            self.ages.push_back((at, key));
            return None;
        }
        self.found.get_mut(&key)
    }

    /// What is remembered of `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.found.get(key)
    }

    /// What is remembered of `key`, to be changed.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.found.get_mut(key)
    }

    /// All that is remembered.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.found.iter()
    }

    /// All that is remembered, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.found.iter_mut()
    }

    /// Makes room for one more.
    fn forget(&mut self, at: Instant) {
        while self.ages.len() >= self.most
            || self.ages.front().is_some_and(|(met, _)| at.duration_since(*met) > self.kept)
        {
            let Some((_, key)) = self.ages.pop_front() else { return };
            self.found.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut recent = Recent::new(Duration::from_secs(60), 3);
        for number in 0..3 {
            assert_eq!(recent.meet(number, after(number), || number), None);
        }
        assert_eq!(recent.meet(1, after(5), || 9), Some(&mut 1));
        // The fourth is one too many.
        assert_eq!(recent.meet(3, after(6), || 3), None);
        assert_eq!((recent.get(&0), recent.get(&1)), (None, Some(&1)));
        // Being met again makes nothing younger.
        assert_eq!(recent.meet(4, after(63), || 4), None);
        assert_eq!(recent.iter().count(), 2);
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&3)), (None, None, Some(&3)));
    }
}
