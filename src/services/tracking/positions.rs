//! Where partners are, those without an order too: an index of points for finding the nearest.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rstar::RTree;
use rstar::primitives::GeomWithData;

use crate::domain::geo::Position;
use crate::domain::ids::PartnerId;
use crate::domain::time::Timestamp;
use crate::protocol::channel::PartnerPosition;

/// Partners of whom nothing was heard for so long are forgotten.
const KEPT: Duration = Duration::from_secs(600);
/// Between two looks for these.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A point on the unit sphere, so that neither the poles nor the antimeridian are anything special.
type Point = GeomWithData<[f64; 3], PartnerId>;

/// A partner who was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Who.
    pub partner_id: PartnerId,
    /// How far away, metres.
    pub metres: f64,
    /// How long ago that was.
    pub age: Duration,
}

/// Where partners were last seen.
#[derive(Debug, Default)]
pub struct Positions {
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    tree: RTree<Point>,
    partners: HashMap<PartnerId, PartnerPosition>,
    /// Those that were noted here since the other instances were told.
    moved: HashMap<PartnerId, PartnerPosition>,
    swept_at: Option<Timestamp>,
}

fn point(partner_id: PartnerId, position: Position) -> Point {
    let (north, east) = (position.latitude.to_radians(), position.longitude.to_radians());
    GeomWithData::new([north.cos() * east.cos(), north.cos() * east.sin(), north.sin()], partner_id)
}

impl Index {
    /// Moves a partner; `false` when a later position is there.
    fn put(&mut self, seen: PartnerPosition) -> bool {
        if let Some(before) = self.partners.insert(seen.partner_id, seen) {
            if before.at > seen.at {
                self.partners.insert(seen.partner_id, before);
                return false;
            }
            if before.position == seen.position {
                return true;
            }
            self.tree.remove(&point(before.partner_id, before.position));
        }
        self.tree.insert(point(seen.partner_id, seen.position));
        true
    }

    fn sweep(&mut self, now: Timestamp) {
        let oldest = now.before(KEPT);
        let gone = self.partners.extract_if(|_, seen| seen.at < oldest);
        for (partner_id, seen) in gone.collect::<Vec<_>>() {
            self.tree.remove(&point(partner_id, seen.position));
        }
        self.swept_at = Some(now);
    }
}

impl Positions {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes where a partner is, who said so here.
    pub fn note(&self, seen: PartnerPosition) {
        let mut index = self.index();
        if index.put(seen) {
            index.moved.insert(seen.partner_id, seen);
        }
    }

    /// Notes what another instance says.
    pub fn note_from_elsewhere(&self, partners: &[PartnerPosition]) {
        let mut index = self.index();
        for seen in partners {
            index.put(*seen);
        }
    }

    /// What the other instances do not know yet. Forgets, now and then, partners of whom nothing is heard any more.
    pub(super) fn take_moved(&self, now: Timestamp) -> Vec<PartnerPosition> {
        let mut index = self.index();
        if index.swept_at.is_none_or(|swept_at| now.since(swept_at) >= SWEEP_EVERY) {
            index.sweep(now);
        }
        std::mem::take(&mut index.moved).into_values().collect()
    }

    /// The nearest partners around `position` within `radius` metres who were seen at `since` or later, nearest first, at
    /// most `limit`.
    #[must_use]
    pub fn nearest(
        &self,
        position: Position,
        radius: f64,
        limit: usize,
        since: Timestamp,
        now: Timestamp,
    ) -> Vec<Near> {
        let index = self.index();
        let centre = *point(PartnerId::default(), position).geom();
        index
            .tree
            .nearest_neighbor_iter(centre)
            .filter_map(|point| index.partners.get(&point.data))
            .map(|seen| (seen, position.distance(seen.position)))
            .take_while(|(_, metres)| *metres <= radius)
            .filter(|(seen, _)| seen.at >= since)
            .take(limit)
            .map(|(seen, metres)| Near { partner_id: seen.partner_id, metres, age: now.since(seen.at) })
            .collect()
    }
}
