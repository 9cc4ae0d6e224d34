use serde_json::{from_value, json};

use super::*;

fn rows(steps: &[(i64, Option<&str>, &str, &str)]) -> Vec<Row> {
    // One a minute.
    let at = |version: i64| json!(Timestamp::from_millis(1_767_323_000_000 + 60_000 * version));
    let row = |(version, from, to, by): &(i64, Option<&str>, &str, &str)| {
        let row = json!({"version": version, "from": from, "to": to, "by": by, "at": at(*version)});
        from_value(row).expect("a row")
    };
    steps.iter().map(row).collect()
}

fn entry(kind: &str, amount: i64, balance_after: i64, order_id: Option<OrderId>) -> Entry {
    let created_at = Timestamp::from_millis(1_767_323_000_000);
    Entry { id: Uuid::now_v7(), kind: kind.to_owned(), amount, balance_after, order_id, created_at }
}

const BEGIN: [(i64, Option<&str>, &str, &str); 2] =
    [(1, None, "pending", "customer"), (2, Some("pending"), "confirmed", "system")];

#[test]
fn a_timeline_is_a_chain_of_legal_steps_up_to_now() {
    let (id, status) = (OrderId::new(), OrderStatus::Cancelled);
    let look = |last, version| timeline(id, status, version, &rows(&[BEGIN[0], BEGIN[1], last])).len();
    assert_eq!(look((3, Some("confirmed"), "cancelled", "customer"), 3), 0);
    assert_eq!(look((3, Some("confirmed"), "cancelled", "partner"), 3), 1, "whose step is it");
    assert_eq!(look((4, Some("confirmed"), "cancelled", "customer"), 4), 1, "a version is missing");
    assert_eq!(look((3, Some("pending"), "cancelled", "customer"), 3), 1, "no chain");
    assert_eq!(look((3, Some("confirmed"), "cancelled", "customer"), 4), 1, "the end is missing");
    assert_eq!(timeline(id, status, 1, &[]).len(), 1);
}

#[test]
fn entries_add_up_to_the_balance() {
    // Newest first.
    let entries = [entry("authorisation", -30, 70, None), entry("top_up", 100, 100, None)];
    assert_eq!(adds_up("a", 70, &entries), []);
    assert_eq!(adds_up("a", 71, &entries).len(), 1);
    assert_eq!(adds_up("a", 60, &[entry("authorisation", -30, 60, None), entries[1].clone()]).len(), 1);
    assert_eq!(adds_up("a", -30, &[entry("authorisation", -30, -30, None)]).len(), 1, "below zero");
    let later = [entry("capture", 5, 25, None)];
    assert_eq!(adds_up("a", 25, &later).len(), 1, "not from the beginning on");
}

#[test]
fn a_wallet_pays_once_and_gets_back_what_was_not_taken() {
    let id = OrderId::new();
    let aside = || entry("authorisation", -500, 0, Some(id));
    let back = |kind, amount| entry(kind, amount, 0, Some(id));
    let early = rows(&[BEGIN[0], BEGIN[1], (3, Some("confirmed"), "cancelled", "customer")]);
    let is_right = |status, entries: &[Entry]| paid_from_wallet(id, status, 500, &early, entries).is_none();
    use OrderStatus::{Cancelled, Completed, Failed};
    assert!(is_right(Completed, &[aside()]));
    assert!(is_right(Cancelled, &[aside(), back("release", 500)]));
    assert!(is_right(Failed, &[aside(), back("release", 500)]));
    assert!(!is_right(Completed, &[]));
    assert!(!is_right(Completed, &[aside(), aside()]));
    assert!(!is_right(Completed, &[aside(), back("release", 500)]));
    assert!(!is_right(Failed, &[aside()]));
    assert!(!is_right(Cancelled, &[aside()]));
    assert!(!is_right(Cancelled, &[aside(), back("release", 500), back("release", 500)]));
    for amount in [0, 499, 501] {
        assert!(!is_right(Cancelled, &[aside(), back("release", amount)]), "{amount}");
        assert!(!is_right(Failed, &[aside(), back("release", amount)]), "{amount}");
    }
}

#[test]
fn a_fee_is_taken_from_customers_who_cancel_when_the_partner_is_there() {
    let id = OrderId::new();
    let aside = || entry("authorisation", -500, 0, Some(id));
    let back = |kind, amount| entry(kind, amount, 0, Some(id));
    let end = |from, to, by| {
        let taken =
            [(3, Some("confirmed"), "assigned", "partner"), (4, Some("assigned"), "en_route", "partner")];
        rows(&[BEGIN[0], BEGIN[1], taken[0], taken[1], (6, Some(from), to, by)])
    };
    let late = end("arrived", "cancelled", "customer");
    let is_right =
        |status, rows: &[Row], entries: &[Entry]| paid_from_wallet(id, status, 500, rows, entries).is_none();
    use OrderStatus::{Cancelled, Failed};
    assert!(is_right(Cancelled, &late, &[aside(), back("cancellation_fee", 200)]));
    assert!(is_right(Cancelled, &late, &[aside()]), "a fee as high as the price");
    assert!(is_right(Cancelled, &late, &[aside(), back("release", 500)]), "a fee of nothing");
    assert!(!is_right(Cancelled, &late, &[aside(), back("release", 200)]), "no fee says that it is one");
    assert!(!is_right(Cancelled, &late, &[aside(), back("cancellation_fee", 501)]));
    assert!(!is_right(Cancelled, &late, &[aside(), back("cancellation_fee", 200), back("release", 300)]));
    for (status, rows) in [
        (Cancelled, end("en_route", "cancelled", "customer")),
        (Cancelled, end("arrived", "cancelled", "admin")),
        (Failed, end("arrived", "failed", "admin")),
    ] {
        assert!(!is_right(status, &rows, &[aside(), back("cancellation_fee", 200)]), "{rows:?}");
    }
}

#[test]
fn an_order_is_earned_once_and_as_offered() {
    let id = OrderId::new();
    let capture = |amount| entry("capture", amount, 0, Some(id));
    assert!(earned(id, Some(85), &[capture(85), entry("debt", -5, 0, Some(id))]).is_none());
    assert!(earned(id, Some(85), &[capture(84)]).is_some());
    assert!(earned(id, Some(85), &[capture(85), capture(85)]).is_some());
    assert!(earned(id, None, &[]).is_some());
}

#[test]
fn messages_are_there_once_and_the_same_for_both() {
    let (id, partner_id) = (OrderId::new(), PartnerId::new());
    let message = |id: &str| {
        let client_id = Some(id.to_owned());
        let created_at = Timestamp::from_millis(1_767_323_000_000);
        Message {
            id: id.to_owned(),
            client_id,
            text: "Hello".to_owned(),
            masked: false,
            partner_id,
            created_at,
        }
    };
    let both = [message("b"), message("a")];
    static HELLO: Words = Words::plain("Hello");
    let look = |written: &[(&'static str, bool)], customer: &[Message], partner: &[Message]| {
        let sent = written.iter().map(|(mark, is_sure)| Sent { mark, words: &HELLO, is_sure: *is_sure });
        messages(id, sent, customer, Some((partner_id, partner))).len()
    };
    assert_eq!(look(&[("a", true), ("b", true), ("c", false)], &both, &both), 0);
    assert_eq!(look(&[("c", true)], &both, &both), 1, "a lost one");
    let other = [Message { text: "Help".to_owned(), ..message("a") }];
    assert_eq!(look(&[("a", false)], &other, &other), 1, "another text");
    assert_eq!(
        look(&[("a", true)], &[message("a"), message("a")], &[message("a"), message("a")]),
        1,
        "twice"
    );
    assert_eq!(look(&[("a", true)], &both, &both[..1]), 1, "one for one side only");
    assert_eq!(look(&[], &both, &[message("a"), message("b")]), 1, "another order");
    // What was written in another partner's time is not this one's.
    let earlier = Message { partner_id: PartnerId::new(), ..message("z") };
    assert_eq!(look(&[], &[both[0].clone(), both[1].clone(), earlier], &both), 0);
}

#[test]
fn a_partner_is_seen_while_the_timeline_says_under_way() {
    let id = OrderId::new();
    let rows = rows(&[
        BEGIN[0],
        BEGIN[1],
        (3, Some("confirmed"), "assigned", "partner"),
        (4, Some("assigned"), "en_route", "partner"),
        (5, Some("en_route"), "confirmed", "partner"),
    ]);
    let is_right = |second: i64| {
        let at = Timestamp::from_millis(1_767_323_000_000 + 1_000 * second);
        seen_under_way(id, at, &rows).is_none()
    };
    // Under way from second 240 to 300.
    for (second, right) in [(200, false), (237, false), (239, true), (270, true), (301, true), (310, false)] {
        assert_eq!(is_right(second), right, "{second}");
    }
}

#[test]
fn an_order_is_a_partners_as_often_as_it_was_accepted() {
    let rows = rows(&[BEGIN[0], BEGIN[1], (3, Some("confirmed"), "assigned", "partner")]);
    assert!(assigned(OrderId::new(), 1, &rows).is_none());
    assert!(assigned(OrderId::new(), 2, &rows).is_some());
}

#[test]
fn the_last_ride_is_that_of_the_partner_who_has_the_order_in_the_end() {
    let assigned = |version| (version, Some("confirmed"), "assigned", "partner");
    let given_back = (4, Some("assigned"), "confirmed", "partner");
    let cancelled = (6, Some("assigned"), "cancelled", "customer");
    let versions = |rows: &[Row]| last_ride(rows).iter().map(|row| row.version).collect::<Vec<_>>();
    let all = rows(&[BEGIN[0], BEGIN[1], assigned(3), given_back, assigned(5), cancelled]);
    assert_eq!(versions(&all), [5, 6]);
    assert!(versions(&rows(&[BEGIN[0], BEGIN[1], assigned(3), given_back])).is_empty());
    assert!(versions(&rows(&BEGIN)).is_empty());
}
