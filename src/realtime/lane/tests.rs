use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::domain::ids::{EventId, OrderId};
use crate::domain::order::{OrderStatus, Standing};
use crate::protocol::ephemeral::{ETA, LOCATION};

fn frame(text: &str) -> Arc<Frame> {
    state(text, None)
}

fn state(text: &str, revision: Option<i64>) -> Arc<Frame> {
    Arc::new(Frame::new(GroupKey::Admin, EventId::new(), None, revision, text, Instant::now()))
}

#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn next(lane: &Lane) -> Option<String> {
    match lane.poll_next(&Context::from_waker(Waker::noop())) {
        Poll::Ready(Next::Frame(frame)) => Some(frame.text().to_string()),
        Poll::Ready(Next::Actor) => next(lane),
        Poll::Pending => None,
    }
}

/// Takes out all that is there.
fn texts(lane: &Lane) -> Vec<String> {
    std::iter::from_fn(|| next(lane)).collect()
}

fn open(lane: &Lane) -> DoorId {
    let door = lane.expect(GroupKey::Admin);
    lane.open(GroupKey::Admin, 0, i64::MIN);
    door
}

#[test]
fn a_full_lane_refuses_and_stays_shut() {
    let lane = Lane::new(2, 1000);
    let door = open(&lane);
    assert_eq!(lane.put(door, &frame("1"), None), Put::Taken);
    assert_eq!(lane.put(door, &frame("2"), None), Put::Taken);
    assert_eq!(lane.put(door, &frame("3"), None), Put::TooSlow);
    assert!(texts(&lane).is_empty(), "what waited is read anew by `since`");
    assert_eq!(lane.put(door, &frame("4"), None), Put::Shut);
}

#[test]
fn bytes_are_bounded_too_but_one_frame_always_fits() {
    let lane = Lane::new(100, 1000);
    let door = open(&lane);
    assert_eq!(lane.put(door, &frame(&"x".repeat(5000)), None), Put::Taken);
    assert_eq!(lane.put(door, &frame("1"), None), Put::TooSlow);
}

#[test]
fn room_that_was_taken_is_free_again() {
    let lane = Lane::new(2, 20);
    let door = open(&lane);
    for round in 0..10 {
        for _ in 0..2 {
            assert_eq!(lane.put(door, &frame("1234567"), None), Put::Taken, "{round}");
        }
        assert_eq!(texts(&lane).len(), 2);
    }
}

#[test]
fn frames_wait_behind_a_door_until_it_opens_and_then_come_in_order() {
    let lane = Lane::new(4, 1000);
    let door = lane.expect(GroupKey::Admin);
    lane.put(door, &frame("1"), None);
    lane.put(door, &state("old", Some(3)), None);
    lane.put(door, &state("new", Some(4)), None);
    assert!(texts(&lane).is_empty());
    lane.open(GroupKey::Admin, 0, 3);
    lane.put(door, &frame("5"), None);
    lane.put(door, &state("older", Some(2)), None);
    assert_eq!(texts(&lane), ["1", "new", "5"]);
    // Those behind a door count like the others.
    let door = lane.expect(GroupKey::Admin);
    for _ in 0..4 {
        assert_eq!(lane.put(door, &frame("x"), None), Put::Taken);
    }
    assert_eq!(lane.put(door, &frame("x"), None), Put::TooSlow);
}

#[test]
fn a_membership_that_has_ended_says_nothing_to_the_next_one() {
    let lane = Lane::new(4, 1000);
    let first = open(&lane);
    lane.put(first, &frame("first"), None);
    let second = lane.expect(GroupKey::Admin);
    assert_eq!(lane.put(first, &frame("late"), None), Put::Shut);
    assert_eq!(lane.put(second, &frame("second"), None), Put::Taken);
    lane.open(GroupKey::Admin, 0, i64::MIN);
    assert_eq!(texts(&lane), ["second"]);
    lane.put(second, &frame("x"), None);
    lane.shut(GroupKey::Admin);
    assert!(texts(&lane).is_empty());
    assert_eq!(lane.put(second, &frame("x"), None), Put::Shut);
}

#[test]
fn ephemeral_frames_are_conflated_per_slot_once_the_session_falls_behind() {
    let lane = Lane::new(1000, 1_000_000);
    let door = open(&lane);
    let (dot, eta): (Arc<str>, Arc<str>) = ("location".into(), "eta".into());
    assert_eq!(lane.put(door, &frame("dot 0"), Some(&dot)), Put::Taken);
    for _ in 1..CONFLATE_FROM {
        assert_eq!(lane.put(door, &frame("must"), None), Put::Taken);
    }
    let slotted = |replaced| Put::Slotted { replaced };
    assert_eq!(lane.put(door, &frame("dot 1"), Some(&dot)), slotted(false));
    assert_eq!(lane.put(door, &frame("eta 1"), Some(&eta)), slotted(false));
    assert_eq!(lane.put(door, &frame("dot 2"), Some(&dot)), slotted(true));
    let got = texts(&lane);
    assert_eq!(got.len(), CONFLATE_FROM + 2);
    assert_eq!(got[0], "dot 0");
    assert_eq!(got[CONFLATE_FROM..], ["eta 1", "dot 2"]);
    assert_eq!(lane.put(door, &frame("dot 3"), Some(&dot)), Put::Taken);
}

#[test]
fn while_an_order_is_not_under_way_no_position_and_no_eta_comes_through_and_none_takes_room() {
    let (dot, eta, members): (Arc<str>, Arc<str>, Arc<str>) =
        (LOCATION.into(), ETA.into(), "presence".into());
    let lane = Lane::new(CONFLATE_FROM + 1, 1_000_000);
    let (door, other) = (open(&lane), GroupKey::Order(OrderId::new()));
    let ajar = lane.expect(other);
    let stand = |group, version, status| lane.note_standing(group, Standing { version, status });
    lane.put(ajar, &frame("dot behind a door"), Some(&dot));
    for _ in 0..CONFLATE_FROM {
        assert_eq!(lane.put(door, &frame("must"), None), Put::Taken);
    }
    lane.put(door, &frame("dot"), Some(&dot));
    lane.put(door, &frame("eta"), Some(&eta));
    lane.put(door, &frame("members"), Some(&members));
    stand(GroupKey::Admin, 6, OrderStatus::Delivered);
    stand(other, 6, OrderStatus::Confirmed);
    assert_eq!(lane.put(door, &frame("delivered"), None), Put::Taken, "the one behind the door has gone");
    lane.put(door, &frame("late"), Some(&dot));
    lane.put(door, &frame("late eta"), Some(&eta));
    assert_eq!(texts(&lane)[CONFLATE_FROM..], ["delivered", "members"]);
    // What was so before is told once more, and then it is another partner's, who is a little faster than the step.
    stand(GroupKey::Admin, 5, OrderStatus::InTransit);
    lane.put(door, &frame("late"), Some(&dot));
    stand(GroupKey::Admin, 7, OrderStatus::Assigned);
    for text in ["early", "a little early"] {
        lane.put(door, &frame(text), Some(&dot));
    }
    lane.put(door, &frame("its eta"), Some(&eta));
    assert!(texts(&lane).is_empty());
    stand(GroupKey::Admin, 8, OrderStatus::EnRoute);
    lane.put(door, &frame("new"), Some(&dot));
    assert_eq!(texts(&lane), ["a little early", "its eta", "new"]);
    // Of a way that is over once the session hears of it.
    stand(GroupKey::Admin, 9, OrderStatus::Confirmed);
    lane.put(door, &frame("an eta to the pick-up"), Some(&eta));
    lane.put(door, &frame("dot"), Some(&dot));
    stand(GroupKey::Admin, 12, OrderStatus::PickedUp);
    assert_eq!(texts(&lane), ["dot"]);
    lane.put(ajar, &frame("early"), Some(&dot));
    stand(other, 7, OrderStatus::EnRoute);
    lane.open(other, 0, i64::MIN);
    assert_eq!(texts(&lane), ["early"]);
}

#[test]
fn while_a_slot_is_taken_no_ephemeral_frame_overtakes_it() {
    let lane = Lane::new(1000, 1_000_000);
    let (door, dot): (_, Arc<str>) = (open(&lane), "location".into());
    for _ in 0..CONFLATE_FROM {
        lane.put(door, &frame("must"), None);
    }
    lane.put(door, &frame("dot 1"), Some(&dot));
    for _ in 0..CONFLATE_FROM {
        assert_eq!(next(&lane).as_deref(), Some("must"));
    }
    assert_eq!(lane.put(door, &frame("dot 2"), Some(&dot)), Put::Slotted { replaced: true });
    assert_eq!(texts(&lane), ["dot 2"]);
}

#[test]
fn slots_are_bounded() {
    let lane = Lane::new(1000, 1_000_000);
    let door = open(&lane);
    for _ in 0..CONFLATE_FROM {
        lane.put(door, &frame("must"), None);
    }
    for index in 0..200 {
        lane.put(door, &frame("x"), Some(&format!("slot {index}").into()));
    }
    assert_eq!(texts(&lane).len(), CONFLATE_FROM + MAX_SLOTS);
}

#[test]
fn the_writer_is_called_once_for_all_that_comes_before_it_looks() {
    let lane = Arc::new(Lane::new(1000, 1_000_000));
    let door = open(&lane);
    let calls = Arc::new(Calls::default());
    let waker = Waker::from(Arc::clone(&calls));
    let cx = Context::from_waker(&waker);
    let called = || calls.0.load(Ordering::Relaxed);
    assert!(matches!(lane.poll_next(&cx), Poll::Ready(Next::Actor)), "it has to begin");
    for round in 1..4 {
        assert!(lane.poll_next(&cx).is_pending());
        for _ in 0..3 {
            lane.put(door, &frame("x"), None);
        }
        assert_eq!(called(), round);
        while lane.poll_next(&cx).is_ready() {}
    }
    let door = lane.expect(GroupKey::Admin);
    lane.put(door, &frame("x"), None);
    assert_eq!(called(), 3, "nobody is called to a door that is ajar");
    lane.open(GroupKey::Admin, 0, 0);
    assert_eq!(called(), 4);
    // What the actor says comes after the frames that were there before it was called, and before later ones.
    Waker::from(Arc::clone(&lane)).wake();
    lane.put(door, &frame("later"), None);
    assert!(matches!(lane.poll_next(&cx), Poll::Ready(Next::Frame(_))));
    assert!(matches!(lane.poll_next(&cx), Poll::Ready(Next::Actor)));
    assert!(matches!(lane.poll_next(&cx), Poll::Ready(Next::Frame(frame)) if **frame.text() == *"later"));
    assert!(lane.poll_next(&cx).is_pending());
    Waker::from(Arc::clone(&lane)).wake_by_ref();
    assert_eq!(called(), 5);
}

#[test]
fn a_snapshot_that_was_overtaken_lets_nothing_in_that_belongs_to_the_next() {
    let lane = Lane::new(100, 10_000);
    let door = open(&lane);
    let first = lane.hold(door);
    lane.put(door, &frame("in the second snapshot"), None);
    let second = lane.hold(door);
    lane.put(door, &frame("after it"), None);
    lane.open(GroupKey::Admin, first, i64::MIN);
    assert!(texts(&lane).is_empty(), "the second snapshot is not written yet");
    lane.open(GroupKey::Admin, second, i64::MIN);
    assert_eq!(texts(&lane), ["after it"]);
}

#[test]
fn the_actor_is_not_forgotten_over_frames_that_nobody_wants_any_more() {
    let lane = Arc::new(Lane::new(1000, 1_000_000));
    let cx = Context::from_waker(Waker::noop());
    assert!(matches!(lane.poll_next(&cx), Poll::Ready(Next::Actor)));
    let door = open(&lane);
    lane.put(door, &frame("x"), None);
    lane.call_actor();
    lane.shut(GroupKey::Admin);
    assert!(matches!(lane.poll_next(&cx), Poll::Ready(Next::Actor)));
    assert!(lane.poll_next(&cx).is_pending());
}

#[test]
fn the_bytes_in_slots_are_bounded_and_the_oldest_give_way() {
    let lane = Lane::new(1000, 4096);
    let door = open(&lane);
    for _ in 0..CONFLATE_FROM {
        lane.put(door, &frame("must"), None);
    }
    for index in 0..10 {
        let large = frame(&index.to_string().repeat(1500));
        lane.put(door, &large, Some(&format!("slot {index}").into()));
    }
    let got = texts(&lane);
    let slotted: Vec<&str> = got[CONFLATE_FROM..].iter().map(|text| &text[..1]).collect();
    assert_eq!(slotted, ["8", "9"]);
}

#[test]
fn ephemeral_frames_behind_a_door_are_conflated_too() {
    let lane = Lane::new(CONFLATE_FROM + 8, 1_000_000);
    let (door, dot): (_, Arc<str>) = (lane.expect(GroupKey::Admin), "location".into());
    for _ in 1..CONFLATE_FROM {
        assert_eq!(lane.put(door, &frame("must"), None), Put::Taken);
    }
    assert_eq!(lane.put(door, &frame("dot 0"), Some(&dot)), Put::Taken);
    for number in 1..100 {
        let put = lane.put(door, &frame(&format!("dot {number}")), Some(&dot));
        assert_eq!(put, Put::Slotted { replaced: true });
    }
    lane.open(GroupKey::Admin, 0, i64::MIN);
    let got = texts(&lane);
    assert_eq!((got.len(), got.last().map(String::as_str)), (CONFLATE_FROM, Some("dot 99")));
}

#[test]
fn while_the_socket_takes_nothing_only_the_end_reaches_the_actor() {
    use crate::protocol::close::CloseReason;

    let told = |lane: &Lane| lane.tell(Deliver::End(CloseReason::Silent)); // bounded: the end of a session
    for end in [told, |lane: &Lane| lane.close()] {
        let lane = Arc::new(Lane::new(1000, 1_000_000));
        let door = open(&lane);
        let calls = Arc::new(Calls::default());
        let waker = Waker::from(Arc::clone(&calls));
        let cx = Context::from_waker(&waker);
        let called = || calls.0.load(Ordering::Relaxed);
        assert!(matches!(lane.poll_next(&cx), Poll::Ready(Next::Actor)));
        assert!(lane.poll_next(&cx).is_pending());
        // The first frame calls the task, whose socket is full; the others find no room, and wake nobody.
        for _ in 0..3 {
            lane.put(door, &frame("x"), None);
            assert!(lane.poll_end(&cx).is_pending());
        }
        lane.call_actor();
        assert!(lane.poll_end(&cx).is_pending(), "what the actor would say has to wait");
        assert_eq!(called(), 1);

        end(&lane);
        assert!(lane.poll_end(&cx).is_ready(), "it has something to do");
        assert!(lane.poll_end(&cx).is_pending());
        let before = called();
        // Its patience is over, say.
        lane.call_actor();
        assert_eq!(called(), before + 1);
        assert!(lane.poll_end(&cx).is_ready());
    }
}
