//! How far each group's stream has come, for telling whether a snapshot is current.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::group::GroupKey;

/// Counts publications by group, many groups to a counter, so that a snapshot can be told to be current.
#[derive(Debug)]
pub(super) struct Watermarks {
    hasher: RandomState,
    marks: Box<[AtomicU64]>,
}

impl Watermarks {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), marks: (0..4096).map(|_| AtomicU64::new(0)).collect() }
    }

    fn mark(&self, key: GroupKey) -> Option<&AtomicU64> {
        let hash = usize::try_from(self.hasher.hash_one(key) % 4096).unwrap_or(0);
        self.marks.get(hash)
    }

    pub(super) fn get(&self, key: GroupKey) -> u64 {
        self.mark(key).map_or(0, |mark| mark.load(Ordering::Acquire))
    }

    pub(super) fn raise(&self, key: GroupKey) {
        if let Some(mark) = self.mark(key) {
            mark.fetch_add(1, Ordering::Release);
        }
    }
}
