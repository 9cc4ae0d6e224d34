//! Where partners are, those without an order too: an index of points for finding the nearest.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::f64::consts::FRAC_PI_2;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rstar::primitives::GeomWithData;
use rstar::{PointDistance, RTree};

use crate::domain::dispatch::FRESH;
use crate::domain::geo::{EARTH_RADIUS, Position};
use crate::domain::ids::PartnerId;
use crate::domain::time::Timestamp;
use crate::domain::track::{Fix, Judge};
use crate::protocol::channel::PartnerPosition;

/// Partners of whom nothing was heard for so long are forgotten.
pub(super) const KEPT: Duration = Duration::from_secs(600);
/// So many are noted without letting others in between.
const AT_ONCE: usize = 1_000;
/// Between two looks for these.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// An instance that comes is told who was seen here within this time: nobody says less often where it is, and what is older
/// is in the database, where that instance finds it.
const RETOLD: Duration = Duration::from_secs(30);

/// The edge of a cell, in radii of the Earth: 50 m.
const EDGE: f64 = 50.0 / EARTH_RADIUS;
/// No place in a cell is farther from its middle: half of the diagonal of a cube, and a little for the errors of sums.
const REACH: f64 = EDGE * 0.9;

/// A cube of a lattice around the unit sphere, by the number of its edge along each axis; neither the poles nor the
/// antimeridian are anything special.
type Cell = [i32; 3];
/// A place on the unit sphere.
type Point = [f64; 3];
/// The middle of a cell in which somebody is.
type Middle = GeomWithData<Point, Cell>;

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

/// Partners by the cell that they are in, and the cells in a tree. Most moves are within a cell and touch neither; and
/// however many are at one place, the tree has one point for it: in a tree of partners each removal there would have to look
/// through all of them.
#[derive(Debug, Default)]
struct Index {
    tree: RTree<Middle>,
    cells: HashMap<Cell, HashMap<PartnerId, Seat>>,
    partners: HashMap<PartnerId, Seen>,
    /// Those that were noted here since the other instances were told.
    moved: HashMap<PartnerId, PartnerPosition>,
    /// Those that were noted here since they were written down.
    unwritten: HashMap<PartnerId, PartnerPosition>,
    swept_at: Option<Timestamp>,
}

/// What is looked at of everybody in a cell where many are.
#[derive(Debug, Clone, Copy)]
struct Seat {
    point: Point,
    at: Timestamp,
}

#[derive(Debug, Clone)]
struct Seen {
    at: PartnerPosition,
    cell: Cell,
    /// Of what is said here: one glitch of a receiver is not to put an idle partner into another city.
    judge: Judge,
    /// Whether it was said here, not to another instance.
    is_own: bool,
}

fn fix(seen: &PartnerPosition) -> Fix {
    Fix { position: seen.position, at: seen.at, accuracy: seen.accuracy }
}

fn point(position: Position) -> Point {
    let (north, east) = (position.latitude.to_radians(), position.longitude.to_radians());
    [north.cos() * east.cos(), north.cos() * east.sin(), north.sin()]
}

fn cell(point: Point) -> Cell {
    // At most 127,420 of them from the middle of the Earth.
    point.map(|along| (along / EDGE).round() as i32)
}

fn middle(cell: Cell) -> Middle {
    GeomWithData::new(cell.map(|along| f64::from(along) * EDGE), cell)
}

/// The way through the Earth, in its radii, for one of `metres` over the ground; a little more, for the errors of sums.
fn chord(metres: f64) -> f64 {
    2.0 * (metres / EARTH_RADIUS / 2.0).min(FRAC_PI_2).sin() + 1e-9
}

impl Index {
    /// Moves a partner, unless a later position is there.
    fn put(&mut self, seen: PartnerPosition, judge: Judge, is_own: bool) {
        let (partner_id, point) = (seen.partner_id, point(seen.position));
        let cell = cell(point);
        let before = self.partners.insert(partner_id, Seen { at: seen, cell, judge, is_own });
        if let Some(left) = before.map(|before| before.cell).filter(|left| *left != cell) {
            self.leave(partner_id, left);
        }
        let members = self.cells.entry(cell).or_default();
        if members.is_empty() {
            self.tree.insert(middle(cell));
        }
        members.insert(partner_id, Seat { point, at: seen.at });
    }

    fn leave(&mut self, partner_id: PartnerId, cell: Cell) {
        if let Entry::Occupied(mut members) = self.cells.entry(cell) {
            members.get_mut().remove(&partner_id);
            if members.get().is_empty() {
                members.remove();
                self.tree.remove(&middle(cell));
            }
        }
    }

    /// Whether what is known of a partner is later, or better as long as dispatch goes by it.
    fn knows_better(&self, seen: &PartnerPosition) -> bool {
        let is_better = |known: &PartnerPosition| {
            fix(seen).is_poor() && !fix(known).is_poor() && seen.at.since(known.at) <= FRESH
        };
        let known = self.partners.get(&seen.partner_id).map(|known| &known.at);
        known.is_some_and(|known| known.at > seen.at || is_better(known))
    }

    fn sweep(&mut self, now: Timestamp) {
        let oldest = now.before(KEPT);
        let gone = self.partners.extract_if(|_, seen| seen.at.at < oldest);
        for (partner_id, seen) in gone.collect::<Vec<_>>() {
            self.leave(partner_id, seen.cell);
        }
        self.moved.retain(|_, seen| seen.at >= oldest);
        self.unwritten.retain(|_, seen| seen.at >= oldest);
        self.swept_at = Some(now);
    }
}

impl Positions {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes where a partner is, who said so here; unless that jumps, or is hardly known while a better one is fresh.
    /// `is_kept`: a trail keeps it, and it need not be written down beside that.
    pub fn note(&self, seen: PartnerPosition, is_kept: bool) {
        let mut index = self.index();
        if index.knows_better(&seen) {
            return;
        }
        let fix = fix(&seen);
        let judged = index.partners.get_mut(&seen.partner_id).map(|known| {
            let is_believed = known.judge.believes(fix);
            is_believed.then(|| known.judge.clone())
        });
        let Some(judge) = judged.unwrap_or_else(|| Some(Judge::after(fix))) else { return };
        index.put(seen, judge, true);
        index.moved.insert(seen.partner_id, seen);
        if !is_kept {
            index.unwritten.insert(seen.partner_id, seen);
        }
    }

    /// Notes what another instance says, or the database, where it was judged. What is known already stays as it is, with
    /// what is doubted about it.
    pub fn note_judged(&self, partners: &[PartnerPosition]) {
        // Many come at once, which must not keep those waiting who look for somebody.
        for partners in partners.chunks(AT_ONCE) {
            let mut index = self.index();
            for seen in partners {
                let is_known =
                    index.partners.get(&seen.partner_id).is_some_and(|known| known.at.at == seen.at);
                if !is_known && !index.knows_better(seen) {
                    index.put(*seen, Judge::after(fix(seen)), false);
                }
            }
        }
    }

    /// What the other instances do not know yet, at most `most`. Forgets, now and then, partners of whom nothing is heard any
    /// more.
    pub(super) fn take_moved(&self, now: Timestamp, most: usize) -> Vec<PartnerPosition> {
        let mut index = self.index();
        if index.swept_at.is_none_or(|swept_at| now.since(swept_at) >= SWEEP_EVERY) {
            index.sweep(now);
        }
        if index.moved.len() <= most {
            return std::mem::take(&mut index.moved).into_values().collect();
        }
        let mut taken = 0;
        let some = index.moved.extract_if(|_, _| {
            taken += 1;
            taken <= most
        });
        some.map(|(_, seen)| seen).collect()
    }

    /// Has all who were seen here a moment ago told once more: another instance did not listen, or was not there.
    pub fn tell_again(&self, now: Timestamp) {
        let (mut index, since) = (self.index(), now.before(RETOLD));
        let own = index.partners.values().filter(|seen| seen.is_own && seen.at.at >= since);
        let own: Vec<PartnerPosition> = own.map(|seen| seen.at).collect();
        index.moved.extend(own.into_iter().map(|seen| (seen.partner_id, seen)));
    }

    /// Everybody who was seen within the last ten minutes, in no order.
    pub fn all(&self, now: Timestamp) -> Vec<PartnerPosition> {
        let (index, since) = (self.index(), now.before(KEPT));
        index.partners.values().map(|seen| seen.at).filter(|seen| seen.at >= since).collect()
    }

    /// What is to be written down, in the order of the partners' ids.
    pub(super) fn take_unwritten(&self) -> Vec<PartnerPosition> {
        let mut unwritten: Vec<PartnerPosition> =
            std::mem::take(&mut self.index().unwritten).into_values().collect();
        unwritten.sort_unstable_by_key(|seen| seen.partner_id);
        unwritten
    }

    /// What could not be written down waits for the next time.
    pub(super) fn put_back(&self, unwritten: &[PartnerPosition]) {
        let mut index = self.index();
        for seen in unwritten {
            index.unwritten.entry(seen.partner_id).or_insert(*seen);
        }
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
        let (index, centre) = (self.index(), point(position));
        // By the square of the way through the Earth, which orders them like that over the ground.
        let mut found: Vec<(f64, PartnerId)> = Vec::with_capacity(limit.min(index.partners.len()));
        let mut farthest = chord(radius).powi(2);
        for (cell, to_middle) in index.tree.nearest_neighbor_iter_with_distance_2(centre) {
            if limit == 0 || to_middle.sqrt() - REACH > farthest.sqrt() {
                break;
            }
            for (partner_id, seat) in index.cells.get(&cell.data).into_iter().flatten() {
                let square = seat.point.distance_2(&centre);
                if seat.at < since || square >= farthest {
                    continue;
                }
                let place = found.partition_point(|(nearer, _)| *nearer <= square);
                found.truncate(limit - 1);
                found.insert(place, (square, *partner_id));
                if let Some((last, _)) = found.last().filter(|_| found.len() == limit) {
                    farthest = *last;
                }
            }
        }
        let seen =
            found.iter().filter_map(|(_, partner_id)| index.partners.get(partner_id)).map(|seen| seen.at);
        let near = seen.map(|seen| Near {
            partner_id: seen.partner_id,
            metres: position.distance(seen.position),
            age: now.since(seen.at),
        });
        near.filter(|near| near.metres <= radius).collect()
    }
}

#[cfg(test)]
mod tests;
