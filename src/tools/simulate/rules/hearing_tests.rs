use serde_json::json;

use super::*;

const GROUP: &str = "order_01a20f31-1141-7610-842c-5a31abeb38a9";
const ORDER: &str = "01a20f31-1141-7610-842c-5a31abeb38a9";

/// A watcher of one order who has subscribed at 0.
struct Watcher {
    hearing: Hearing,
    begin: Instant,
    seq: u64,
}

impl Watcher {
    fn new() -> Self {
        let mut watcher = Self { hearing: Hearing::new(false), begin: Instant::now(), seq: 0 };
        assert_eq!(watcher.at(0, &subscribed(0, false)), []);
        watcher
    }

    /// What breaks a rule in a frame that comes so many milliseconds after the beginning.
    fn at(&mut self, ms: u64, frame: &Value) -> Vec<Break> {
        self.hear(ms, frame).broken
    }

    fn hear(&mut self, ms: u64, frame: &Value) -> Heard {
        self.hearing.hear(frame, self.begin + Duration::from_millis(ms))
    }

    /// A step, in order.
    fn step(&mut self, ms: u64, version: i64, from: &str, to: &str) -> Vec<Break> {
        self.seq += 1;
        let frame = step(self.seq, version, from, to);
        self.at(ms, &frame)
    }

    /// As the partner comes, and goes on.
    fn set_off(&mut self) {
        assert_eq!(self.step(0, 3, "confirmed", "assigned"), []);
        assert_eq!(self.step(0, 4, "assigned", "en_route"), []);
    }
}

fn subscribed(seq: u64, recovered: bool) -> Value {
    json!({"type": "subscribed", "group": GROUP, "epoch": "a", "seq": seq, "recovered": recovered})
}

fn event(seq: u64) -> Value {
    json!({"type": "anything", "group": GROUP, "id": id(seq), "epoch": "a", "seq": seq})
}

fn id(number: u64) -> String {
    format!("01a20f31-1141-7610-842c-{number:012}")
}

fn step(seq: u64, version: i64, from: &str, to: &str) -> Value {
    let mut frame = event(seq);
    frame["type"] = json!("order_update");
    frame["update"] = json!({"order_id": ORDER, "status": to, "previous_status": from, "version": version});
    frame
}

fn location(second: u64, age: u64, freshness: &str) -> Value {
    let timestamp = Timestamp::from_millis(1_767_323_045_678).after(Duration::from_secs(second));
    json!({
        "type": "location", "group": GROUP, "at": timestamp, "timestamp": timestamp, "age": age,
        "freshness": freshness,
    })
}

fn expected(broken: &[Break]) -> &str {
    let [Break { expected, .. }] = broken else { panic!("not one: {broken:?}") };
    expected
}

#[test]
fn numbers_without_a_hole_break_nothing() {
    let mut watcher = Watcher::new();
    for seq in 1..=5 {
        assert_eq!(watcher.at(0, &event(seq)), []);
    }
    let resync = json!({"type": "resync", "group": GROUP, "epoch": "b", "seq": 7});
    assert_eq!(watcher.at(0, &resync), []);
    let mut next = event(8);
    next["epoch"] = json!("b");
    assert_eq!(watcher.at(0, &next), []);
}

#[test]
fn a_hole_and_a_way_back_are_noticed() {
    let mut watcher = Watcher::new();
    assert_eq!(expected(&watcher.at(0, &event(2))), "1 of a");
    assert_eq!(expected(&watcher.at(0, &event(2))), "3 of a");
    let mut other = event(3);
    other["epoch"] = json!("b");
    assert_eq!(expected(&watcher.at(0, &other)), "3 of a");
}

#[test]
fn a_snapshot_tells_where_its_stream_begins() {
    let mut hearing = Hearing::new(true);
    let snapshot =
        json!({"type": "unread_count", "group": "user_1", "count": 0, "position": {"epoch": "a", "seq": 4}});
    assert_eq!(hearing.hear(&snapshot, Instant::now()).broken, []);
    let event = json!({"type": "notification", "group": "user_1", "id": "e", "epoch": "a", "seq": 6});
    assert_eq!(expected(&hearing.hear(&event, Instant::now()).broken), "5 of a");
}

#[test]
fn events_of_groups_that_were_left_are_noticed() {
    let mut watcher = Watcher::new();
    let left = json!({"type": "unsubscribed", "group": GROUP, "code": "access_lost"});
    assert_eq!(watcher.at(0, &left), []);
    assert_eq!(expected(&watcher.at(0, &event(1))), "no event of a group that is not listened to");
}

#[test]
fn who_comes_back_goes_on_where_it_ended() {
    let mut watcher = Watcher::new();
    assert_eq!(watcher.at(0, &event(1)), []);
    watcher.hearing.disconnect();
    assert_eq!(watcher.at(0, &subscribed(1, true)), []);
    assert_eq!(watcher.at(0, &event(2)), []);
    assert_eq!(expected(&watcher.at(0, &subscribed(3, true))), "to go on after 2 of a");
    // Without a promise, anywhere.
    assert_eq!(watcher.at(0, &subscribed(9, false)), []);
}

#[test]
fn who_heard_nothing_starts_over() {
    let mut hearing = Hearing::new(false);
    assert!(hearing.expect(GROUP) && !hearing.expect(GROUP));
    hearing.start_over();
    assert!(hearing.expect(GROUP), "it has to be asked for again");
}

#[test]
fn versions_grow_by_legal_steps() {
    let mut watcher = Watcher::new();
    watcher.set_off();
    assert_eq!(expected(&watcher.step(0, 5, "en_route", "delivered")), "a legal step from en_route");
    assert_eq!(expected(&watcher.step(0, 4, "assigned", "en_route")), "a version after 5");
    assert_eq!(expected(&watcher.step(0, 6, "picked_up", "in_transit")), "a legal step from delivered");
}

#[test]
fn the_same_event_may_come_twice_and_an_old_one_after_a_snapshot() {
    let mut watcher = Watcher::new();
    watcher.set_off();
    let mut again = step(3, 4, "assigned", "en_route");
    again["id"] = json!(id(2));
    assert_eq!(watcher.at(0, &again), []);
    assert_eq!(watcher.at(0, &subscribed(3, false)), []);
    watcher.seq = 3;
    assert_eq!(watcher.step(0, 4, "assigned", "en_route"), []);
}

#[test]
fn what_comes_again_is_not_new_and_says_the_same() {
    let mut watcher = Watcher::new();
    assert!(!watcher.hear(0, &event(1)).is_again);
    // The same event, under a number of its own.
    let mut again = event(2);
    again["id"] = json!(id(1));
    let heard = watcher.hear(0, &again);
    assert_eq!((heard.broken.as_slice(), heard.is_again), (&[][..], true));
    let mut other = event(3);
    other["id"] = json!(id(1));
    other["count"] = json!(7);
    assert_eq!(expected(&watcher.at(0, &other)), format!("the same event under the id {}", id(1)));
}

#[test]
fn what_is_older_than_the_subscription_may_be_told_again() {
    let mut watcher = Watcher::new();
    assert_eq!(watcher.at(0, &subscribed(0, false)), []);
    assert_eq!(watcher.step(0, 4, "assigned", "en_route"), []);
    assert_eq!(watcher.step(0, 5, "en_route", "arrived"), []);
    assert_eq!(watcher.step(0, 3, "confirmed", "assigned"), [], "from before it");
    assert_eq!(expected(&watcher.step(0, 4, "assigned", "en_route")), "a version after 5");
}

#[test]
fn a_subscription_begins_in_one_of_three_ways() {
    let mut watcher = Watcher::new();
    assert_eq!(watcher.hear(0, &subscribed(0, true)).begins, Some(Begins::Resumed));
    assert_eq!(watcher.hear(0, &subscribed(4, false)).begins, Some(Begins::Snapshot));
    let resync = json!({"type": "resync", "group": GROUP, "epoch": "b", "seq": 7});
    assert_eq!(watcher.hear(0, &resync).begins, Some(Begins::Resync));
}

#[test]
fn a_partner_is_seen_under_way_only() {
    let mut watcher = Watcher::new();
    watcher.set_off();
    assert_eq!(watcher.at(5_000, &location(1, 0, "live")), []);
    for (version, from, to) in
        [(5, "en_route", "arrived"), (6, "arrived", "picked_up"), (7, "picked_up", "in_transit")]
    {
        assert_eq!(watcher.step(6_000, version, from, to), []);
    }
    assert_eq!(watcher.step(7_000, 8, "in_transit", "delivered"), []);
    assert_eq!(watcher.at(8_900, &location(2, 0, "live")), [], "the step was heard just now");
    assert_eq!(expected(&watcher.at(9_100, &location(3, 0, "live"))), "no position while delivered");
}

#[test]
fn a_position_ahead_of_its_step_is_for_the_timeline_to_judge() {
    let mut watcher = Watcher::new();
    assert_eq!(watcher.step(0, 3, "confirmed", "assigned"), []);
    assert_eq!(watcher.hear(1_900, &location(1, 0, "live")).sighting, None);
    let heard = watcher.hear(2_100, &location(2, 0, "live"));
    assert_eq!(heard.broken, []);
    assert_eq!(heard.sighting.map(|seen| seen.order_id.to_string()), Some(ORDER.to_owned()));
}

#[test]
fn a_position_that_was_told_in_time_may_come_late() {
    let mut watcher = Watcher::new();
    let told = |second| Timestamp::from_millis(1_767_323_000_000).after(Duration::from_secs(second));
    watcher.seq = 1;
    let mut delivered = step(1, 8, "in_transit", "delivered");
    delivered["at"] = json!(told(10));
    assert_eq!(watcher.at(0, &delivered), []);
    for (second, breaks) in [(9, 0), (13, 1)] {
        let mut dot = location(second, 0, "live");
        dot["at"] = json!(told(second));
        assert_eq!(watcher.at(5_000, &dot).len(), breaks, "told at {second}");
    }
}

#[test]
fn a_dot_is_as_fresh_as_it_is_old_and_never_goes_back() {
    let mut watcher = Watcher::new();
    watcher.set_off();
    assert_eq!(expected(&watcher.at(0, &location(9, 21, "live"))), "a freshness that fits 21 s");
    assert_eq!(watcher.at(0, &location(10, 0, "live")), []);
    let expected_words = "no position before 2026-01-02T03:04:15.678Z";
    assert_eq!(expected(&watcher.at(0, &location(8, 2, "live"))), expected_words);
    assert_eq!(watcher.at(0, &location(8, 30, "stale")), [], "it has become old");
}

#[test]
fn the_code_is_for_the_customer_alone() {
    let order = json!({"type": "queue", "orders": [{"id": ORDER, "dropoff": {}, "code": "1234"}]});
    let hear = |sees_codes| Hearing::new(sees_codes).hear(&order, Instant::now()).broken;
    assert_eq!(hear(true), []);
    assert_eq!(expected(&hear(false)), "no hand-over code for anybody but the customer");
    // An error's code is none.
    let error = json!({"type": "error", "code": "not_found", "message": ""});
    assert_eq!(Hearing::new(false).hear(&error, Instant::now()).broken, []);
}
