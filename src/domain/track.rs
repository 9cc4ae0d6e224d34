//! What a sequence of positions tells: which of them cannot be, and which can be left out without changing the line.

use std::time::Duration;

use simplify_polyline::{Point, simplify as simplify_points};

use super::geo::Position;
use super::time::Timestamp;

/// Nobody who carries goods is faster: 300 km/h, in metres per second.
const MAX_SPEED: f64 = 300.0 / 3.6;
/// A position that is known less precisely is poor, metres: it is no match for a better one.
const POOR: f64 = 200.0;
/// So many positions in a row that go together are believed, however far they are from the one before.
const BELIEVED_AFTER: u8 = 3;
/// Of fewer positions it cannot be said which one jumps.
pub const MIN_LINE: usize = 3;
/// The library calls itself for each point that it keeps, so it gets no more than this at once.
const STRETCH: usize = 2_000;

/// A position at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// Where.
    pub position: Position,
    /// When.
    pub at: Timestamp,
    /// Radius of the 68 % confidence circle, metres.
    pub accuracy: Option<f64>,
}

impl Fix {
    /// Whether it is known so little that any better one of about the same time is to be preferred.
    #[must_use]
    pub fn is_poor(&self) -> bool {
        self.accuracy.is_some_and(|accuracy| accuracy > POOR)
    }

    /// Whether nobody can have come from here to `next` in the time between. One that is hardly known excuses no jump,
    /// but may be put right by one that is.
    fn is_too_far_from(&self, next: &Self) -> bool {
        let span = next.at.since(self.at).max(self.at.since(next.at)).max(Duration::from_secs(1));
        let most = if next.is_poor() { POOR } else { f64::INFINITY };
        let doubt = self.accuracy.unwrap_or_default().min(most) + next.accuracy.unwrap_or_default().min(POOR);
        self.position.distance(next.position) > MAX_SPEED * span.as_secs_f64() + doubt
    }
}

/// Tells positions that cannot be from those that can.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    believed: Option<Fix>,
    /// The last one that was not believed, and how many before it went together with it.
    doubted: Option<(Fix, u8)>,
}

impl Judge {
    /// One that has believed this position, whoever judged it.
    #[must_use]
    pub const fn after(believed: Fix) -> Self {
        Self { believed: Some(believed), doubted: None }
    }

    /// Whether a position of an earlier time goes together with the last one that was believed.
    #[must_use]
    pub fn allows(&self, fix: &Fix) -> bool {
        self.believed.is_none_or(|believed| !believed.is_too_far_from(fix))
    }

    /// Judges the next position. `false`: it jumps faster than 300 km/h. After three in a row that go together it is
    /// the one before that was wrong.
    pub fn believes(&mut self, fix: Fix) -> bool {
        if self.allows(&fix) {
            *self = Self::after(fix);
            return true;
        }
        let together = match &self.doubted {
            Some((doubted, together)) if !doubted.is_too_far_from(&fix) => together + 1,
            Some(_) | None => 1,
        };
        if together >= BELIEVED_AFTER {
            *self = Self::after(fix);
            return true;
        }
        self.doubted = Some((fix, together));
        false
    }
}

/// Which positions of a line, oldest first, jump. Judged from the first that goes together with the one after it, so that
/// one which is wrong at the beginning does not make the others so; of two it cannot be said which one does.
#[must_use]
pub fn jumps(line: &[Fix]) -> Vec<bool> {
    if line.len() < MIN_LINE {
        return vec![false; line.len()];
    }
    // Whatever comes after one that is hardly known goes together with it.
    let go_together =
        |pair: &[Fix]| matches!(pair, [one, next] if !one.is_poor() && !one.is_too_far_from(next));
    let (before, rest) = line.split_at(line.windows(2).position(go_together).unwrap_or_default());
    let mut backwards = Judge { believed: rest.first().copied(), doubted: None };
    let mut found: Vec<bool> = before.iter().rev().map(|fix| !backwards.believes(*fix)).collect();
    found.reverse();
    let mut forwards = Judge::default();
    found.extend(rest.iter().map(|fix| !forwards.believes(*fix)));
    found
}

/// Whether a position of a time that is gone by jumps among those around it, some before and some after: whether nobody
/// can have come from there to most of them, or back. One alone that was wrong itself is outvoted, and says nothing where
/// there is no other.
#[must_use]
pub fn stands_apart(fix: &Fix, around: &[Fix]) -> bool {
    let apart = around.iter().filter(|other| other.is_too_far_from(fix)).count();
    around.len() > 1 && 2 * apart > around.len()
}

/// Which positions of a line are needed so that what is left out is nowhere further than `tolerance` metres from it
/// (Douglas and Peucker). Ascending; the first and the last are among them.
#[must_use]
pub fn simplify(line: &[Position], tolerance: f64) -> Vec<usize> {
    let points = flat(line);
    let mut kept = Vec::new();
    let mut start = 0;
    // Each stretch begins where the one before it ends.
    while let Some(stretch) = points.get(start..points.len().min(start + STRETCH)) {
        let mut simple = simplify_points(stretch, tolerance, true).into_iter().peekable();
        for (index, point) in stretch.iter().enumerate() {
            if simple.next_if_eq(point).is_some() && kept.last() != Some(&(start + index)) {
                kept.push(start + index);
            }
        }
        let next = start + stretch.len().saturating_sub(1);
        if next == start {
            break;
        }
        start = next;
    }
    // Its place was taken by an earlier one if the partner stood still in the end.
    let last = line.len().saturating_sub(1);
    if kept.last().is_some_and(|kept| *kept < last) {
        kept.push(last);
    }
    kept
}

/// The line in metres, on a plane that touches the earth at its beginning: true enough for what one drives in a day.
fn flat(line: &[Position]) -> Vec<Point<2, f64>> {
    let Some(origin) = line.first() else { return Vec::new() };
    let metre = 360.0 / 40_030_228.9;
    let narrow = origin.latitude.to_radians().cos();
    line.iter()
        .map(|position| {
            // The short way round, also across the antimeridian.
            let east = (position.longitude - origin.longitude + 540.0).rem_euclid(360.0) - 180.0;
            let north = position.latitude - origin.latitude;
            Point { vec: [east * narrow / metre, north / metre] }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        Position { latitude, longitude }
    }

    fn fix(latitude: f64, seconds: i64) -> Fix {
        Fix { position: at(latitude, 13.4), at: Timestamp::from_millis(seconds * 1000), accuracy: Some(8.0) }
    }

    #[test]
    fn a_jump_is_not_believed_and_what_follows_on_from_before_is() {
        let mut judge = Judge::default();
        assert!(judge.believes(fix(52.5, 0)));
        assert!(judge.believes(fix(52.5005, 1)), "55 m within a second");
        assert!(!judge.believes(fix(52.6, 2)), "11 km within a second");
        assert!(judge.believes(fix(52.501, 3)));
        assert!(judge.believes(fix(52.6, 303)), "and within 5 minutes");
    }

    #[test]
    fn a_receiver_that_stays_elsewhere_is_believed_in_the_end() {
        let mut judge = Judge::default();
        let believed: Vec<bool> = [52.0, 53.0, 53.0001, 53.0002, 53.0003]
            .into_iter()
            .zip(0..)
            .map(|(latitude, second)| judge.believes(fix(latitude, second)))
            .collect();
        assert_eq!(believed, [true, false, false, true, true]);
        let mut judge = Judge::default();
        let jumping = [52.0, 53.0, 54.0, 53.0, 54.0].into_iter().zip(0..);
        assert_eq!(jumping.filter(|(latitude, second)| judge.believes(fix(*latitude, *second))).count(), 1);
    }

    #[test]
    fn in_a_line_a_jump_is_found_wherever_it_is() {
        let line = |latitudes: &[f64]| -> Vec<Fix> {
            latitudes.iter().zip(0..).map(|(latitude, second)| fix(*latitude, second)).collect()
        };
        assert_eq!(jumps(&line(&[53.0, 52.0, 52.0001, 52.0002])), [true, false, false, false]);
        assert_eq!(jumps(&line(&[52.0, 52.0001, 53.0, 52.0002])), [false, false, true, false]);
        assert_eq!(jumps(&line(&[52.0, 52.0001, 52.0002, 53.0])), [false, false, false, true]);
        assert_eq!(jumps(&line(&[52.0, 53.0])), [false, false]);
        assert_eq!(jumps(&line(&[52.0])), [false]);
        assert_eq!(jumps(&[]), Vec::<bool>::new());
    }

    #[test]
    fn one_that_is_far_from_those_before_and_after_it_stands_apart() {
        let around = |latitudes: &[f64]| -> Vec<Fix> {
            latitudes.iter().zip(0..).map(|(latitude, step)| fix(*latitude, step)).collect()
        };
        let is_apart = |latitude: f64, latitudes: &[f64]| stands_apart(&fix(latitude, 2), &around(latitudes));
        assert!(!is_apart(57.0, &[]), "nothing else is known");
        assert!(!is_apart(57.0, &[52.5]), "either may be wrong");
        assert!(!is_apart(57.0, &[52.5, 57.0]), "either may be wrong");
        assert!(is_apart(57.0, &[52.5, 52.5]));
        assert!(is_apart(57.0, &[52.5, 52.5, 52.5, 52.5]));
        assert!(!is_apart(52.5, &[52.5, 57.0, 52.5, 52.5]), "that one was wrong");
        let long_ago = Fix { at: Timestamp::from_millis(-36_000_000), ..fix(52.5, 0) };
        assert!(
            stands_apart(&fix(57.0, 2), &[long_ago, fix(52.5, 3), fix(52.5, 4)]),
            "ten hours are time enough, a second is not"
        );
    }

    #[test]
    fn noise_within_the_accuracy_is_no_jump() {
        let mut judge = Judge::default();
        assert!(judge.believes(Fix { accuracy: Some(150.0), ..fix(52.5, 0) }));
        assert!(judge.believes(Fix { accuracy: Some(150.0), ..fix(52.503, 1) }), "333 m");
    }

    #[test]
    fn one_that_is_hardly_known_excuses_no_jump_and_is_put_right_by_a_better_one() {
        let mut judge = Judge::default();
        let cell = |latitude: f64, seconds: i64| Fix { accuracy: Some(50_000.0), ..fix(latitude, seconds) };
        assert!(judge.believes(fix(52.5, 0)));
        assert!(!judge.believes(cell(52.8, 1)), "33 km");
        assert!(judge.believes(fix(52.5001, 2)));
        assert!(!judge.allows(&cell(52.8, 1)));
        let mut judge = Judge::after(cell(52.8, 1));
        assert!(!judge.believes(cell(52.5, 2)));
        assert!(judge.believes(fix(52.5, 2)));
        assert!(!judge.believes(fix(52.8, 3)), "and now it is known");
        assert_eq!(jumps(&[fix(52.5, 0), cell(52.8, 1), fix(52.5, 2)]), [false, true, false]);
    }

    #[test]
    fn a_straight_line_keeps_its_ends_and_a_corner() {
        // 0.0001 degrees of latitude are 11 m.
        let line: Vec<Position> = (0..50)
            .map(|step| at(52.5 + f64::from(step) * 1e-4, 13.4))
            .chain((1..50).map(|step| at(52.5049, 13.4 + f64::from(step) * 1e-4)))
            .collect();
        assert_eq!(simplify(&line, 5.0), [0, 49, 98]);
        assert_eq!(simplify(&line, 0.0).first(), Some(&0));
        assert_eq!(simplify(&[], 5.0), Vec::<usize>::new());
        assert_eq!(simplify(&line[..1], 5.0), [0]);
        assert_eq!(simplify(&line[..2], 5.0), [0, 1]);
    }

    #[test]
    fn a_way_there_and_back_stays_one() {
        let there = (0..100).map(|step| at(52.5 + f64::from(step) * 1e-4, 13.4));
        let line: Vec<Position> = there.clone().chain(there.rev()).collect();
        let kept = simplify(&line, 5.0);
        assert!(kept.contains(&99) || kept.contains(&100), "{kept:?}");
    }

    #[test]
    fn nothing_that_is_left_out_is_further_away_than_the_tolerance() {
        let line: Vec<Position> = (0..5_000)
            .map(|step| {
                let step = f64::from(step);
                at(1e-4 * step + 3e-4 * (step / 7.0).sin(), 179.9 + 1e-4 * step)
            })
            .map(|position| {
                if position.longitude > 180.0 {
                    at(position.latitude, position.longitude - 360.0)
                } else {
                    position
                }
            })
            .collect();
        let kept = simplify(&line, 20.0);
        assert!(kept.len() < 2_500 && kept.is_sorted(), "{}", kept.len());
        let points = flat(&line);
        for pair in kept.windows(2) {
            let ([ax, ay], [bx, by]) = (points[pair[0]].vec, points[pair[1]].vec);
            for Point { vec: [x, y] } in &points[pair[0]..pair[1]] {
                let length = (bx - ax).hypot(by - ay);
                let off = ((bx - ax) * (ay - y) - (ax - x) * (by - ay)).abs() / length;
                assert!(off <= 20.001, "{off}");
            }
        }
    }
}
