use serde_json::{from_value, json};

use super::*;

const ORDER: &str = "01a20f31-1141-7610-842c-5a31abeb38a9";
const BEGIN: i64 = 1_767_323_000_000;

fn second(second: i64) -> Timestamp {
    Timestamp::from_millis(BEGIN + 1_000 * second)
}

fn id() -> OrderId {
    ORDER.parse().expect("an id")
}

/// Somebody who listens to what is theirs, and to one order, from second 0 on.
struct Listener {
    told: Told,
    seq: u64,
}

impl Listener {
    fn new() -> Self {
        let mut listener = Self { told: Told::default(), seq: 0 };
        for group in groups() {
            listener.hear(0, &json!({"type": "subscribed", "group": group, "recovered": false}));
        }
        listener
    }

    fn hear(&mut self, at: i64, frame: &Value) -> Option<Break> {
        self.told.hear(frame, second(at), false)
    }

    /// An event that happened, and came, then.
    fn event(&mut self, at: i64, group: &str, kind: &str, name: &str, body: Value) -> Option<Break> {
        self.seq += 1;
        let mut frame =
            json!({"type": kind, "group": group, "seq": self.seq, "epoch": "a", "at": second(at)});
        frame[name] = body;
        self.hear(at, &frame)
    }

    fn step(&mut self, at: i64, group: &str, version: i64) {
        let update = json!({"order_id": ORDER, "version": version, "status": "assigned"});
        assert_eq!(self.event(at, group, "order_update", "update", update), None);
    }

    fn untold(&self, role: Role) -> Vec<i64> {
        let rows = rows();
        let untold = |row: &&Row| !self.told.untold_steps(id(), role, std::slice::from_ref(*row)).is_empty();
        rows.iter().filter(untold).map(|row| row.version).collect()
    }
}

fn groups() -> [String; 3] {
    [format!("user_{ORDER}"), format!("partner_{ORDER}"), format!("order_{ORDER}")]
}

/// Version 1 in second 10, version 2 in second 20, and so on.
fn rows() -> Vec<Row> {
    let row = |(version, from, to): (i64, Option<&str>, &str)| {
        let row =
            json!({"version": version, "from": from, "to": to, "by": "system", "at": second(10 * version)});
        from_value(row).expect("a row")
    };
    let steps = [
        (1, None, "pending"),
        (2, Some("pending"), "confirmed"),
        (3, Some("confirmed"), "assigned"),
        (4, Some("assigned"), "cancelled"),
    ];
    steps.map(row).to_vec()
}

fn entry(at: i64, number: u128, amount: i64, balance_after: i64) -> Value {
    json!({
        "id": Uuid::from_u128(number), "kind": "top_up", "amount": amount, "balance_after": balance_after,
        "order_id": null, "created_at": second(at),
    })
}

fn entries(of: &[Value]) -> Vec<Entry> {
    of.iter().map(|entry| from_value(entry.clone()).expect("an entry")).collect()
}

#[test]
fn each_step_is_told_whichever_way_it_comes() {
    let mut listener = Listener::new();
    let [user, _, order] = &groups();
    assert_eq!(listener.untold(Role::Customer), [2, 3, 4], "that it was placed, nobody tells");
    listener.step(20, user, 2);
    listener.step(40, order, 4);
    assert_eq!((listener.untold(Role::Customer), listener.untold(Role::Partner)), (vec![3], vec![3]));
    listener.step(50, order, 3);
    assert!(listener.untold(Role::Customer).is_empty());
}

#[test]
fn what_happened_before_a_snapshot_may_be_in_it_alone() {
    let mut listener = Listener::new();
    let [user, _, order] = &groups();
    listener.step(20, user, 2);
    for group in [user, order] {
        listener.hear(35, &json!({"type": "resync", "group": group, "seq": 0, "epoch": "b"}));
    }
    assert_eq!(listener.untold(Role::Customer), [4], "the third was before it");
    assert_eq!(listener.untold(Role::Partner), [3, 4], "nothing went past a partner");
    // One connection after another, and each goes on.
    listener.hear(45, &json!({"type": "subscribed", "group": user, "recovered": true}));
    assert_eq!(listener.untold(Role::Customer), [4]);
    listener.hear(46, &json!({"type": "order_status", "group": order, "order": {"id": ORDER, "version": 4}}));
    assert_eq!(listener.told.stands(id(), 4), None);
    assert_eq!(listener.untold(Role::Customer), [4], "and still it had to be told");
}

#[test]
fn an_event_may_be_told_of_after_younger_ones() {
    let mut listener = Listener::new();
    let [user, _, order] = &groups();
    listener.told.leave(order);
    listener.step(22, user, 3);
    listener.hear(23, &json!({"type": "resync", "group": user}));
    assert_eq!(listener.untold(Role::Customer), [4], "the second was about to come");
    assert!(listener.told.knows(id(), 3) && !listener.told.knows(id(), 4));
    assert!(listener.told.stands(id(), 4).is_some());
}

#[test]
fn who_has_left_needs_to_be_told_of_nothing() {
    let mut listener = Listener::new();
    let [_, partner, order] = &groups();
    listener.step(21, order, 2);
    for group in [partner, order] {
        listener.hear(25, &json!({"type": "unsubscribed", "group": group, "code": "access_lost"}));
    }
    assert!(listener.untold(Role::Partner).is_empty());
    listener.hear(31, &json!({"type": "subscribed", "group": order, "recovered": false}));
    assert_eq!(listener.untold(Role::Partner), [4]);
}

#[test]
fn messages_come_to_all_who_listen() {
    let mut listener = Listener::new();
    let [_, _, order] = &groups();
    let message = |at: i64, id: &str| -> Message {
        let message = json!({"id": id, "text": "Hello", "masked": false, "partner_id": ORDER, "created_at": second(at)});
        from_value(message).expect("a message")
    };
    let all = [message(0, "early"), message(20, "told"), message(30, "lost")];
    let told = json!({"id": "told", "order_id": ORDER});
    assert_eq!(listener.event(20, order, "chat_message", "message", told), None);
    let untold = listener.told.untold_messages(id(), Role::Partner, &all);
    assert_eq!(untold.len(), 1, "{untold:?}");
    assert!(untold[0].expected.ends_with("message lost"), "{untold:?}");
    listener.told.leave(order);
    assert_eq!(listener.told.untold_messages(id(), Role::Partner, &all), [], "it was about to come");
}

#[test]
fn a_servers_clock_may_be_ahead() {
    let mut listener = Listener::new();
    let [user, _, _] = &groups();
    let listed = entries(&[entry(2, 1, 100, 100)]);
    assert_eq!(listener.told.untold_entries(Role::Customer, &listed).len(), 1);
    listener.hear(10, &json!({"type": "notification", "group": user, "seq": 1, "at": second(12)}));
    assert_eq!(listener.told.untold_entries(Role::Customer, &listed), [], "by ours it was in second 0");
}

#[test]
fn money_that_moves_is_told_of_and_what_is_told_of_moved() {
    let mut listener = Listener::new();
    let [user, _, _] = &groups();
    let (told, lost) = (entry(20, 1, 100, 100), entry(30, 2, -30, 70));
    assert_eq!(listener.event(20, user, "wallet_update", "entry", told.clone()), None);
    let listed = entries(&[lost.clone(), told.clone()]);
    assert_eq!(listener.told.untold_entries(Role::Customer, &listed).len(), 1);
    assert_eq!(made_up(&listener.told.entries(), &listed), []);
    let other = entries(&[lost.clone(), entry(20, 1, 90, 100)]);
    assert_eq!(made_up(&listener.told.entries(), &other).len(), 1, "another amount");
    assert_eq!(made_up(&listener.told.entries(), &entries(std::slice::from_ref(&lost))).len(), 1);
    assert!(listener.event(40, user, "wallet_update", "entry", entry(40, 3, -80, -10)).is_some());
}

#[test]
fn what_is_forgotten_is_not_asked_for() {
    let mut listener = Listener::new();
    let [user, _, _] = &groups();
    // They are younger than the first.
    for number in (0_u128..).take(ORDERS) {
        let update = json!({"order_id": Uuid::from_u128(u128::MAX - number), "version": 2});
        listener.event(50, user, "order_update", "update", update);
    }
    assert_eq!((listener.untold(Role::Customer), listener.told.stands(id(), 4)), (vec![], None));
    assert!(listener.told.knows(id(), 4));
    let numbered = (0_u128..).zip(60_i64..).take(ENTRIES + 1);
    let all: Vec<Value> = numbered.map(|(number, at)| entry(at, number, 1, 1)).collect();
    for entry in &all {
        listener.event(60, user, "wallet_update", "entry", entry.clone());
    }
    assert_eq!(listener.told.untold_entries(Role::Customer, &entries(&all)), []);
    assert_eq!(listener.told.entries().len(), ENTRIES);
}
