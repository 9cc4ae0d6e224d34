//! Where partners are, for dispatch.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::dispatch::Candidate;
use crate::domain::geo::Position;
use crate::domain::ids::PartnerId;
use crate::domain::time::Timestamp;

/// Where each partner was last seen.
#[derive(Debug, Default)]
pub struct Positions {
    partners: Mutex<HashMap<PartnerId, (Position, Timestamp)>>,
}

impl Positions {
    /// Notes where a partner is.
    pub fn note(&self, partner_id: PartnerId, position: Position, at: Timestamp) {
        self.partners.lock().unwrap_or_else(PoisonError::into_inner).insert(partner_id, (position, at));
    }

    /// The partners nearest to a position, within `radius` metres, who were seen at most `newest` ago; at most `limit`.
    #[must_use]
    pub fn nearest(
        &self,
        position: Position,
        radius: u32,
        limit: usize,
        now: Timestamp,
        fresh: Duration,
    ) -> Vec<Candidate> {
        let partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Candidate> = partners
            .iter()
            .filter(|(_, (_, at))| now.since(*at) <= fresh)
            .map(|(partner_id, (at, seen_at))| Candidate {
                partner_id: *partner_id,
                distance: position.distance(*at).round() as u32,
                age: now.since(*seen_at).as_secs(),
            })
            .filter(|candidate| candidate.distance <= radius)
            .collect();
        found.sort_by_key(|candidate| candidate.distance);
        found.truncate(limit);
        found
    }
}
