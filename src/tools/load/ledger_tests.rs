use super::*;

const FIRST: &str = "\"a\"";
const SECOND: &str = "\"b\"";

fn id(n: u64) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1)
}

fn stamp(seq: u64, n: u64) -> Stamp<'static> {
    Stamp { epoch: FIRST, seq, id: Some(id(n)) }
}

/// One group, one session, whose group stood at 0.
fn one() -> (Ledger, Seat) {
    let mut ledger = Ledger::new(1, Order::Seq);
    let seat = ledger.join(0, Some((FIRST, 0)));
    (ledger, seat)
}

fn faults(ledger: &Ledger) -> Faults {
    ledger.faults().fold(Faults::default(), |mut sum, (_, faults)| {
        sum.add(&faults);
        sum
    })
}

#[test]
fn everything_once_and_in_order_is_clean() {
    let (mut ledger, seat) = one();
    for n in 0..100_u64 {
        assert_eq!(ledger.arrive(seat, Some(n as usize), Some(&stamp(n + 1, n))), Verdict::First);
        ledger.accept(n as usize);
    }
    assert_eq!(faults(&ledger), Faults::default());
    assert_eq!((ledger.expected(), ledger.delivered(), ledger.received()), (100, 100, 100));
}

#[test]
fn an_accepted_message_that_does_not_come_is_missing_for_each_member() {
    let mut ledger = Ledger::new(2, Order::Seq);
    let seats: Vec<Seat> = (0..4).map(|at| ledger.join(at % 2, Some((FIRST, 0)))).collect();
    // Messages 0 and 2 go to the first group, 1 to the second.
    for n in 0..3 {
        ledger.accept(n);
    }
    assert_eq!((ledger.expected(), ledger.delivered()), (6, 0));
    ledger.arrive(seats[0], Some(0), Some(&stamp(1, 0)));
    ledger.arrive(seats[0], Some(2), Some(&stamp(2, 2)));
    ledger.arrive(seats[2], Some(0), Some(&stamp(1, 0)));
    ledger.arrive(seats[1], Some(1), Some(&stamp(1, 1)));
    let missing: Vec<(usize, u64)> = ledger.faults().map(|(group, faults)| (group, faults.missing)).collect();
    assert_eq!(missing, [(0, 0), (1, 0), (0, 1), (1, 1)]);
    assert_eq!(ledger.expected() - ledger.delivered(), 2);
}

#[test]
fn a_message_that_was_not_accepted_is_not_expected() {
    let (mut ledger, seat) = one();
    ledger.accept(1);
    ledger.arrive(seat, Some(1), Some(&stamp(1, 1)));
    assert!(faults(&ledger).is_clean(), "message 0 was refused");
    // An answer that got lost says nothing: its message may come, and may not.
    ledger.arrive(seat, Some(2), Some(&stamp(2, 2)));
    assert!(faults(&ledger).is_clean());
    assert_eq!((ledger.expected(), ledger.delivered(), ledger.received()), (1, 1, 2));
}

#[test]
fn an_arrival_before_the_answer_counts_once() {
    let (mut ledger, seat) = one();
    ledger.arrive(seat, Some(0), Some(&stamp(1, 0)));
    assert_eq!((ledger.expected(), ledger.delivered()), (0, 0));
    ledger.accept(0);
    ledger.accept(0);
    assert_eq!((ledger.expected(), ledger.delivered()), (1, 1));
}

#[test]
fn the_same_event_again_is_doubled() {
    let (mut ledger, seat) = one();
    ledger.arrive(seat, Some(0), Some(&stamp(1, 0)));
    assert_eq!(ledger.arrive(seat, Some(0), Some(&stamp(1, 0))), Verdict::Repeat);
    assert_eq!(faults(&ledger), Faults { doubled: 1, ..Faults::default() });
}

#[test]
fn one_message_stored_as_two_events_is_doubled() {
    let (mut ledger, seat) = one();
    ledger.arrive(seat, Some(0), Some(&stamp(1, 0)));
    let other = Stamp { epoch: FIRST, seq: 2, id: Some(id(77)) };
    assert_eq!(ledger.arrive(seat, Some(0), Some(&other)), Verdict::Repeat);
    assert_eq!(faults(&ledger), Faults { doubled: 1, misnumbered: 1, ..Faults::default() });
}

#[test]
fn order_is_by_seq_and_not_by_number_when_durable() {
    let (mut ledger, seat) = one();
    // Two requests in flight at once may be numbered either way.
    ledger.arrive(seat, Some(1), Some(&stamp(1, 1)));
    ledger.arrive(seat, Some(0), Some(&stamp(2, 0)));
    assert!(faults(&ledger).is_clean());
    ledger.arrive(seat, Some(3), Some(&stamp(4, 3)));
    ledger.arrive(seat, Some(2), Some(&stamp(3, 2)));
    assert_eq!(faults(&ledger), Faults { out_of_order: 1, ..Faults::default() });
}

#[test]
fn a_position_that_never_comes_is_a_hole() {
    let (mut ledger, seat) = one();
    ledger.arrive(seat, Some(0), Some(&stamp(1, 0)));
    ledger.arrive(seat, Some(1), Some(&stamp(5, 1)));
    assert_eq!(faults(&ledger), Faults { holes: 3, ..Faults::default() });
    // An event of somebody else takes a position like any other.
    assert_eq!(ledger.arrive(seat, None, Some(&stamp(6, 900))), Verdict::Other);
    ledger.arrive(seat, Some(2), Some(&stamp(7, 2)));
    assert_eq!(faults(&ledger).holes, 3);
}

#[test]
fn events_of_others_are_judged_by_their_position() {
    let (mut ledger, seat) = one();
    for seq in [1, 1, 3, 2] {
        ledger.arrive(seat, None, Some(&stamp(seq, seq)));
    }
    assert_eq!(faults(&ledger), Faults { doubled: 1, out_of_order: 1, ..Faults::default() });
    assert_eq!(ledger.received(), 0);
}

#[test]
fn a_new_epoch_starts_again_at_one() {
    let (mut ledger, seat) = one();
    ledger.arrive(seat, Some(0), Some(&stamp(1, 0)));
    ledger.arrive(seat, Some(1), Some(&Stamp { epoch: SECOND, seq: 1, id: Some(id(1)) }));
    ledger.arrive(seat, Some(2), Some(&Stamp { epoch: SECOND, seq: 2, id: Some(id(2)) }));
    let found = faults(&ledger);
    assert_eq!(found, Faults { epochs: 1, ..Faults::default() });
    assert!(found.is_clean());
    ledger.arrive(seat, Some(3), Some(&Stamp { epoch: SECOND, seq: 4, id: Some(id(3)) }));
    assert_eq!(faults(&ledger).holes, 1);
}

#[test]
fn sessions_that_are_told_different_things_do_not_agree() {
    let mut ledger = Ledger::new(1, Order::Seq);
    let seats = [ledger.join(0, Some((FIRST, 0))), ledger.join(0, Some((FIRST, 0)))];
    ledger.arrive(seats[0], Some(0), Some(&stamp(1, 0)));
    ledger.arrive(seats[0], Some(1), Some(&stamp(2, 1)));
    ledger.arrive(seats[1], Some(1), Some(&stamp(1, 1)));
    ledger.arrive(seats[1], Some(0), Some(&stamp(2, 0)));
    assert_eq!(faults(&ledger), Faults { misnumbered: 2, ..Faults::default() });
}

#[test]
fn a_durable_message_must_be_numbered() {
    let (mut ledger, seat) = one();
    ledger.arrive(seat, Some(0), None);
    ledger.arrive(seat, Some(1), Some(&Stamp { epoch: FIRST, seq: 1, id: None }));
    assert_eq!(faults(&ledger), Faults { misnumbered: 2, ..Faults::default() });
}

#[test]
fn a_message_of_another_group_is_stray() {
    let mut ledger = Ledger::new(2, Order::Seq);
    let seat = ledger.join(0, Some((FIRST, 0)));
    assert_eq!(ledger.arrive(seat, Some(1), Some(&stamp(1, 1))), Verdict::Stray);
    assert_eq!(faults(&ledger), Faults { stray: 1, ..Faults::default() });
    assert_eq!(ledger.received(), 0);
}

#[test]
fn ephemeral_order_is_by_number_within_the_group() {
    let mut ledger = Ledger::new(2, Order::Number);
    let seat = ledger.join(1, None);
    for n in [1, 3, 7, 5, 5, 9] {
        ledger.arrive(seat, Some(n), None);
    }
    assert_eq!(faults(&ledger), Faults { doubled: 1, out_of_order: 1, ..Faults::default() });
}

#[test]
fn a_session_that_was_told_no_position_is_placed_by_its_first_event() {
    let mut ledger = Ledger::new(1, Order::Seq);
    let seat = ledger.join(0, None);
    ledger.arrive(seat, Some(0), Some(&stamp(41, 0)));
    ledger.arrive(seat, Some(1), Some(&stamp(42, 1)));
    assert_eq!(faults(&ledger), Faults::default());
}
