//! Finding partners who are near, and what is believed of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn seen(partner_id: PartnerId, latitude: f64, longitude: f64, millis: i64) -> PartnerPosition {
    PartnerPosition { partner_id, position: Position { latitude, longitude }, accuracy: None, at: at(millis) }
}

fn within(metres: f64, seen: PartnerPosition) -> PartnerPosition {
    PartnerPosition { accuracy: Some(metres), ..seen }
}

fn around(positions: &Positions, latitude: f64, longitude: f64) -> Vec<(PartnerId, i64)> {
    let found = positions.nearest(Position { latitude, longitude }, 50_000.0, 10, at(0), at(1_000));
    found.into_iter().map(|near| (near.partner_id, near.metres.round() as i64)).collect()
}

#[test]
fn neither_the_antimeridian_nor_a_pole_is_in_the_way() {
    let (positions, [east, west, pole]) = (Positions::default(), [(); 3].map(|()| PartnerId::new()));
    positions.note(seen(east, 0.0, 179.95, 1), false);
    positions.note(seen(west, 0.0, -179.9, 1), false);
    positions.note(seen(pole, 89.9, -90.0, 1), false);
    assert_eq!(around(&positions, 0.0, -179.98), [(east, 7_784), (west, 8_896)]);
    assert_eq!(around(&positions, 89.9, 90.0), [(pole, 22_239)]);
}

#[test]
fn a_partner_is_where_it_was_last() {
    let (positions, partner) = (Positions::default(), PartnerId::new());
    positions.note(seen(partner, 52.5, 13.4, 10), false);
    positions.note_judged(&[seen(partner, 52.51, 13.4, 20)]);
    positions.note(seen(partner, 0.0, 0.0, 15), false);
    assert_eq!(around(&positions, 52.51, 13.4), [(partner, 0)]);
    assert_eq!(
        positions.take_moved(at(20), 100),
        [seen(partner, 52.5, 13.4, 10)],
        "the others know the rest"
    );
    assert_eq!(positions.take_moved(at(20), 100), []);
}

#[test]
fn what_the_database_gives_back_leaves_what_was_said_here_as_it_is() {
    let (positions, partner) = (Positions::default(), PartnerId::new());
    // The first one is far off, and doubted once the next ones say otherwise.
    positions.note(seen(partner, 48.1, 13.4, 1_000), false);
    for millis in [2_000, 3_000, 4_000] {
        positions.note_judged(&[seen(partner, 48.1, 13.4, 1_000)]);
        positions.note(seen(partner, 52.5, 13.4, millis), false);
    }
    assert_eq!(around(&positions, 52.5, 13.4), [(partner, 0)]);
    positions.take_moved(at(4_000), 100);
    positions.note_judged(&[seen(partner, 52.5, 13.4, 4_000)]);
    positions.tell_again(at(4_000));
    assert_eq!(positions.take_moved(at(4_000), 100), [seen(partner, 52.5, 13.4, 4_000)]);
}

#[test]
fn one_who_stays_where_it_is_and_says_so_is_as_fresh_as_its_last_word() {
    let (positions, partner) = (Positions::default(), PartnerId::new());
    let here = Position { latitude: 52.5, longitude: 13.4 };
    let found = |since: i64| positions.nearest(here, 10.0, 1, at(since), at(since)).len();
    positions.note(seen(partner, 52.5, 13.4, 1_000), false);
    positions.note(seen(partner, 52.5, 13.4, 2_000), false);
    assert_eq!((found(2_000), found(2_001)), (1, 0));
    positions.note_judged(&[seen(partner, 52.500_01, 13.4, 3_000)]);
    assert_eq!((found(3_000), found(3_001)), (1, 0));
}

#[test]
fn one_of_whom_nothing_was_heard_is_not_found_and_in_the_end_forgotten() {
    let (positions, partner) = (Positions::default(), PartnerId::new());
    positions.note(seen(partner, 52.5, 13.4, 0), false);
    let here = Position { latitude: 52.5, longitude: 13.4 };
    assert_eq!(positions.nearest(here, 10.0, 1, at(1), at(1)), []);
    assert_eq!(positions.nearest(here, 10.0, 1, at(0), at(1)).len(), 1);
    positions.take_moved(at(600_000), 100);
    assert_eq!(around(&positions, 52.5, 13.4).len(), 1);
    positions.take_moved(at(660_001), 100);
    assert_eq!(around(&positions, 52.5, 13.4), []);
    let index = positions.index();
    assert_eq!((index.tree.size(), index.cells.len()), (0, 0));
}

#[test]
fn one_glitch_of_a_receiver_moves_nobody_and_three_that_agree_do() {
    let (positions, partner) = (Positions::default(), PartnerId::new());
    let is_here = |latitude: f64| around(&positions, latitude, 13.4) == [(partner, 0)];
    positions.note(seen(partner, 52.5, 13.4, 1_000), false);
    positions.note(seen(partner, 48.1, 13.4, 2_000), false);
    assert!(is_here(52.5));
    positions.note(seen(partner, 52.5001, 13.4, 3_000), false);
    assert!(is_here(52.5001));
    [4_000, 5_000, 6_000].into_iter().for_each(|at| positions.note(seen(partner, 48.1, 13.4, at), false));
    assert!(is_here(48.1));
    // Whatever another instance has believed, is believed; and what is said here then follows from there.
    positions.note_judged(&[seen(partner, 50.0, 13.4, 7_000)]);
    positions.note(seen(partner, 48.1, 13.4, 8_000), false);
    assert!(is_here(50.0));
}

#[test]
fn what_another_instance_hardly_knows_counts_no_more_than_if_it_were_known_here() {
    let (positions, partner) = (Positions::default(), PartnerId::new());
    let is_here = |latitude: f64| around(&positions, latitude, 13.4) == [(partner, 0)];
    positions.note(within(8.0, seen(partner, 52.5, 13.4, 1_000)), false);
    positions.note_judged(&[within(50_000.0, seen(partner, 52.6, 13.4, 2_000))]);
    assert!(is_here(52.5), "a better one is fresh");
    positions.note_judged(&[within(50_000.0, seen(partner, 52.6, 13.4, 62_000))]);
    assert!(is_here(52.6), "which it is no more");
    positions.note(within(8.0, seen(partner, 52.5, 13.4, 63_000)), false);
    assert!(is_here(52.5), "put right at once, as it would be here");
}

#[test]
fn who_was_seen_here_is_told_again_and_written_once() {
    let (positions, [own, kept, theirs, old]) = (Positions::default(), [(); 4].map(|()| PartnerId::new()));
    positions.note(seen(old, 52.5, 13.4, 9_999), false);
    positions.note(seen(own, 52.5, 13.4, 10_000), false);
    positions.note(seen(kept, 52.5, 13.4, 10_000), true);
    positions.note_judged(&[seen(theirs, 52.5, 13.4, 10_000)]);
    let ids = |told: Vec<PartnerPosition>| -> BTreeSet<PartnerId> {
        told.into_iter().map(|seen| seen.partner_id).collect()
    };
    assert_eq!(ids(positions.take_moved(at(10_000), 100)), BTreeSet::from([own, kept, old]));
    positions.tell_again(at(40_000));
    assert_eq!(positions.take_moved(at(40_000), 1).len(), 1);
    positions.tell_again(at(40_000));
    assert_eq!(ids(positions.take_moved(at(40_000), 100)), BTreeSet::from([own, kept]));
    let unwritten = positions.take_unwritten();
    assert!(unwritten.is_sorted_by_key(|seen| seen.partner_id), "locked in one order by every instance");
    positions.note(seen(own, 52.501, 13.4, 20_000), false);
    positions.put_back(&unwritten);
    let unwritten = positions.take_unwritten();
    assert!(unwritten.contains(&seen(own, 52.501, 13.4, 20_000)), "the later one");
    assert_eq!(ids(unwritten), BTreeSet::from([own, old]));
    assert_eq!(positions.take_unwritten(), []);
}

#[test]
fn one_that_is_hardly_known_moves_nobody_whose_place_is_known_and_fresh() {
    let (positions, partner) = (Positions::default(), PartnerId::new());
    let is_here = |latitude: f64| around(&positions, latitude, 13.4) == [(partner, 0)];
    positions.note(within(50_000.0, seen(partner, 52.6, 13.4, 0)), false);
    assert!(is_here(52.6), "better than none");
    positions.note(within(8.0, seen(partner, 52.5, 13.4, 1_000)), false);
    assert!(is_here(52.5), "and put right by the first that is better");
    for millis in [2_000, 3_000, 4_000, 61_000] {
        positions.note(within(50_000.0, seen(partner, 52.6, 13.4, millis)), false);
        assert!(is_here(52.5), "{millis}");
    }
    positions.note(within(8.0, seen(partner, 52.5001, 13.4, 61_500)), false);
    assert!(is_here(52.5001), "it was not judged by what was not believed");
    positions.note(within(500.0, seen(partner, 52.51, 13.4, 121_501)), false);
    assert!(is_here(52.51), "nothing better is known any more");
}

proptest! {
    #[test]
    fn the_nearest_are_those_that_a_look_at_all_of_them_finds(
        places in prop::collection::vec((-90.0..90.0_f64, -180.0..180.0_f64), 1..200),
        // A world, a city, and a street or two.
        narrow in prop::sample::select(vec![1.0, 500.0, 100_000.0]),
        latitude in -90.0..90.0_f64,
        longitude in -180.0..180.0_f64,
        limit in 0..20_usize,
        radius in prop::sample::select(vec![100.0, 5_000.0, 1e9]),
    ) {
        let place = |(latitude, longitude): (f64, f64)| {
            Position { latitude: latitude / narrow, longitude: longitude / narrow }
        };
        let (positions, here) = (Positions::default(), place((latitude, longitude)));
        let partners: Vec<PartnerId> = places.iter().map(|_| PartnerId::new()).collect();
        // Each was somewhere else before.
        let moves = places.iter().rev().zip(&partners).map(|(at, partner_id)| (at, partner_id, 1));
        for (at, partner_id, millis) in moves.chain(places.iter().zip(&partners).map(|(at, id)| (at, id, 2))) {
            let position = place(*at);
            positions.note_judged(&[seen(*partner_id, position.latitude, position.longitude, millis)]);
        }
        let metres = places.iter().map(|at| here.distance(place(*at)));
        let mut expected: Vec<f64> = metres.filter(|metres| *metres <= radius).collect();
        expected.sort_by(f64::total_cmp);
        expected.truncate(limit);
        let found = positions.nearest(here, radius, limit, at(0), at(2));
        prop_assert_eq!(found.len(), expected.len());
        for (near, expected) in found.iter().zip(&expected) {
            prop_assert!((near.metres - expected).abs() < 0.001, "{} {}", near.metres, expected);
        }
        let index = positions.index();
        prop_assert_eq!(index.cells.values().map(HashMap::len).sum::<usize>(), places.len());
        prop_assert_eq!(index.tree.size(), index.cells.len());
    }
}
