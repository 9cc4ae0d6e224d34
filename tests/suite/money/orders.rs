//! What orders cost, when that is taken, and when it is given back.

use std::time::Instant;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::currencies::start_with_more;
use super::{
    PRICE, SHARE, assert_whole, complete, on_the_wallet, rich, start, told, top_up, wallet, wallet_order,
};
use crate::support::steps::text;
use crate::support::{Answer, Client, TestApp, TestUser, an_order};

/// The kinds and amounts of what moved in a customer's wallet, newest first.
async fn moved(app: &TestApp, customer: &TestUser) -> Vec<(String, i64)> {
    let entries = app.as_user(customer).get("/wallet/entries").await.expect(200);
    let entries = entries["items"].as_array().expect("items");
    entries.iter().map(|entry| (text(entry, "kind"), entry["amount"].as_i64().expect("a number"))).collect()
}

async fn earnings(app: &TestApp, partner: &TestUser) -> Value {
    app.as_user(partner).get("/partner/earnings").await.expect(200)
}

async fn refund(app: &TestApp, who: &TestUser, order: &str, body: Value) -> Answer {
    app.as_user(who).post(&format!("/orders/{order}/refund"), body).await
}

#[actix_web::test]
async fn an_order_on_the_wallet_is_set_aside_taken_and_shared() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, 2000).await, app.partner().await, app.admin().await);
    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    let mut work = app.connect(&partner, "/ws/partner/").await;
    let mut board = app.connect(&admin, "/ws/admin/").await;
    for (socket, first) in [(&mut bell, "unread_count"), (&mut work, "queue"), (&mut board, "dashboard")] {
        socket.expect(first).await;
    }
    let order = wallet_order(&app, &customer, &partner).await;
    assert_eq!(wallet(&app, &customer).await, (2000 - PRICE, PRICE));
    let update = bell.expect("wallet_update").await;
    assert_eq!(
        (&update["wallet"]["balance"], &update["entry"]["kind"], &update["entry"]["order_id"]),
        (&json!(2000 - PRICE), &json!("authorisation"), &json!(order))
    );
    let payment = board.expect("payment").await["payment"].clone();
    assert_eq!(
        (&payment["status"], &payment["order_id"], &payment["customer_id"], &payment["method"]),
        (&json!("authorised"), &json!(order), &json!(customer.id), &json!("wallet"))
    );
    assert_eq!(payment["amount"], json!({"amount": PRICE, "currency": "USD"}));

    complete(&app, &customer, &partner, &order).await;
    assert_eq!(wallet(&app, &customer).await, (2000 - PRICE, 0));
    let payment = board.expect("payment").await["payment"].clone();
    assert_eq!((&payment["status"], &payment["captured"]["amount"]), (&json!("captured"), &json!(PRICE)));
    let update = work.expect("earnings_update").await;
    assert_eq!(
        update["earnings"],
        json!({"today": SHARE, "week": SHARE, "balance": SHARE, "currency": "USD"})
    );
    assert_eq!((&update["entry"]["kind"], &update["entry"]["amount"]), (&json!("capture"), &json!(SHARE)));
    let seen = earnings(&app, &partner).await;
    assert_eq!(
        (&seen["balance"], &seen["owed"], &seen["entries"]),
        (&json!(SHARE), &json!(0), &json!([update["entry"]]))
    );

    let letters = told(&app, &customer).await;
    for (kind, times) in
        [("payment_authorised", 1), ("payment_captured", 1), ("order_completed", 1), ("wallet_debited", 0)]
    {
        assert_eq!(letters.iter().filter(|letter| *letter == kind).count(), times, "{letters:?}");
    }
    assert_eq!(told(&app, &partner).await, ["earnings_credited"]);
    assert_whole(&app).await;
}

#[actix_web::test]
async fn an_order_that_cannot_be_paid_does_not_come_to_be() {
    let app = start_with_more().await;
    let customer = rich(&app, PRICE - 1).await;
    let refused = app.as_user(&customer).post("/orders", on_the_wallet()).await;
    let refused = refused.refused(409, "insufficient_funds");
    assert_eq!(refused["balance"], json!({"amount": PRICE - 1, "currency": "USD"}));
    let orders = app.as_user(&customer).get("/orders").await.expect(200);
    assert_eq!((&orders["items"], wallet(&app, &customer).await), (&json!([]), (PRICE - 1, 0)));
    assert_eq!(told(&app, &customer).await, ["payment_failed", "wallet_credited"]);
    // A client that tries again with its key is told once.
    let client = app.as_user(&customer);
    for _ in 0..2 {
        let call = client.post_with("/orders", &[("Idempotency-Key", "k")], on_the_wallet());
        call.await.refused(409, "insufficient_funds");
    }
    assert_eq!(told(&app, &customer).await, ["payment_failed", "payment_failed", "wallet_credited"]);
    // Dollars pay no euros.
    top_up(&app, &customer, 10_000).await;
    let mut order = on_the_wallet();
    order["currency"] = json!("EUR");
    app.as_user(&customer).post("/orders", order).await.refused(409, "insufficient_funds");
    assert_whole(&app).await;
}

#[actix_web::test]
async fn who_places_one_order_after_the_other_is_told_to_wait_and_what_was_placed_is_answered_all_the_same() {
    let app = TestApp::start_with(&[("WAYBILL_RATE_LIMITS", "on")]).await;
    let customer = app.customer().await;
    let client = app.as_user(&customer);
    let placed = async || client.post_with("/orders", &[("Idempotency-Key", "k")], an_order()).await;
    let begin = Instant::now();
    let first = placed().await.expect(201);
    let mut refused = 0;
    let answer = loop {
        let answer = client.post("/orders", on_the_wallet()).await;
        if answer.status == 429 {
            break answer;
        }
        answer.refused(409, "insufficient_funds");
        refused += 1;
        assert!(refused < 1_000, "no limit");
    };
    // One more every five seconds.
    let grown = begin.elapsed().as_secs() / 5 + 1;
    assert!((59..=59 + grown).contains(&refused), "{refused}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    answer.refused(429, "rate_limited");
    assert_eq!(placed().await.expect(201), first);
    app.order(&app.customer().await).await;
}

#[actix_web::test]
async fn of_orders_that_race_for_one_wallet_as_many_are_placed_as_it_pays() {
    let app = start().await;
    let customer = rich(&app, 2 * PRICE + PRICE / 2).await;
    let client = app.as_user(&customer);
    let placed = join_all((0..8).map(|_| client.post("/orders", on_the_wallet()))).await;
    let count = |status| placed.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (2, 6));
    assert_eq!(wallet(&app, &customer).await, (PRICE / 2, 2 * PRICE));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn what_was_set_aside_goes_back_when_an_order_ends_early() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, 10_000).await, app.partner().await, app.admin().await);
    let by_customer = wallet_order(&app, &customer, &partner).await;
    app.carry_to(&partner, &by_customer, "en_route").await;
    app.step(&customer, &by_customer, "cancelled").await;
    let by_admin = wallet_order(&app, &customer, &partner).await;
    app.carry_to(&partner, &by_admin, "arrived").await;
    app.step(&admin, &by_admin, "cancelled").await;
    let failed = wallet_order(&app, &customer, &partner).await;
    app.carry_to(&partner, &failed, "delivered").await;
    app.step(&admin, &failed, "failed").await;
    assert_eq!(wallet(&app, &customer).await, (10_000, 0));
    assert_eq!(earnings(&app, &partner).await["balance"], 0);
    for order in [&by_customer, &by_admin, &failed] {
        let body = json!({"reason": "sorry"});
        refund(&app, &admin, order, body).await.refused(409, "nothing_to_refund");
    }
    assert_whole(&app).await;
}

#[actix_web::test]
async fn who_cancels_when_the_partner_is_there_pays_a_fee() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, 10_000).await, app.partner().await, app.admin().await);
    let mut board = app.connect(&admin, "/ws/admin/").await;
    board.expect("dashboard").await;
    let order = wallet_order(&app, &customer, &partner).await;
    board.expect("payment").await;
    app.carry_to(&partner, &order, "arrived").await;
    app.step(&customer, &order, "cancelled").await;
    assert_eq!(wallet(&app, &customer).await, (10_000 - 300, 0));
    assert_eq!(moved(&app, &customer).await[0], ("cancellation_fee".into(), PRICE - 300));
    let payment = board.expect("payment").await["payment"].clone();
    assert_eq!((&payment["status"], &payment["captured"]["amount"]), (&json!("captured"), &json!(300)));
    let seen = earnings(&app, &partner).await;
    assert_eq!((&seen["balance"], &seen["today"]), (&json!(255), &json!(255)));
    let inbox = app.as_user(&customer).get("/notifications?type=order_cancelled").await.expect(200);
    assert_eq!(inbox["items"][0]["data"]["fee"], json!({"amount": 300, "currency": "USD"}));

    // In cash, it is taken from the wallet as far as that goes.
    for (in_wallet, fee) in [(1000, 300), (40, 40), (0, 0)] {
        let customer = if in_wallet > 0 { rich(&app, in_wallet).await } else { app.customer().await };
        let order = app.order(&customer).await;
        app.assign(&admin, &order, &partner).await;
        app.carry_to(&partner, &order, "arrived").await;
        app.step(&customer, &order, "cancelled").await;
        assert_eq!(wallet(&app, &customer).await, (in_wallet - fee, 0));
        let inbox = app.as_user(&customer).get("/notifications?type=order_cancelled").await.expect(200);
        let told = if fee > 0 { json!({"amount": fee, "currency": "USD"}) } else { Value::Null };
        assert_eq!(inbox["items"][0]["data"]["fee"], told);
        let debits = app.as_user(&customer).get("/notifications?type=wallet_debited").await.expect(200);
        let debits: Vec<Value> = debits["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|one| one["data"]["amount"].clone())
            .collect();
        assert_eq!(debits, if fee > 0 { vec![told] } else { Vec::new() });
    }
    assert_eq!(earnings(&app, &partner).await["balance"], 255 + 255 + 34);
    assert_whole(&app).await;
}

#[actix_web::test]
async fn a_fee_is_never_more_than_the_price() {
    let settings = [super::SETTINGS.as_slice(), &[("WAYBILL_CANCELLATION_FEE", "100000")]].concat();
    let app = TestApp::start_with(&settings).await;
    let (customer, partner) = (rich(&app, PRICE).await, app.partner().await);
    let order = wallet_order(&app, &customer, &partner).await;
    app.carry_to(&partner, &order, "arrived").await;
    app.step(&customer, &order, "cancelled").await;
    assert_eq!(wallet(&app, &customer).await, (0, 0));
    assert_eq!(earnings(&app, &partner).await["balance"], SHARE);
    assert_whole(&app).await;
}

#[actix_web::test]
async fn cash_leaves_a_debt_that_later_earnings_pay() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, 10_000).await, app.partner().await, app.admin().await);
    let mut board = app.connect(&admin, "/ws/admin/").await;
    board.expect("dashboard").await;
    let commission = PRICE - SHARE;
    let order = app.order(&customer).await;
    app.assign(&admin, &order, &partner).await;
    complete(&app, &customer, &partner, &order).await;
    let payment = board.expect("payment").await["payment"].clone();
    assert_eq!((&payment["method"], &payment["status"]), (&json!("cash"), &json!("captured")));
    let seen = earnings(&app, &partner).await;
    assert_eq!(
        (&seen["today"], &seen["balance"], &seen["owed"]),
        (&json!(SHARE), &json!(0), &json!(commission)),
        "the share is in the partner's hand already"
    );
    assert_eq!(wallet(&app, &customer).await, (10_000, 0));

    let order = wallet_order(&app, &customer, &partner).await;
    complete(&app, &customer, &partner, &order).await;
    let seen = earnings(&app, &partner).await;
    assert_eq!(
        (&seen["today"], &seen["balance"], &seen["owed"]),
        (&json!(2 * SHARE), &json!(SHARE - commission), &json!(0))
    );
    let kinds: Vec<String> =
        seen["entries"].as_array().expect("entries").iter().map(|entry| text(entry, "kind")).collect();
    assert_eq!(kinds, ["debt", "capture", "debt", "cash_order"]);
    assert_whole(&app).await;
}

#[actix_web::test]
async fn an_admin_gives_back_what_was_paid_and_no_more() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, PRICE).await, app.partner().await, app.admin().await);
    let order = wallet_order(&app, &customer, &partner).await;
    refund(&app, &admin, &order, json!({"reason": "early"})).await.refused(409, "nothing_to_refund");
    complete(&app, &customer, &partner, &order).await;
    for who in [&customer, &partner] {
        refund(&app, who, &order, json!({"reason": "mine"})).await.refused(403, "role_not_allowed");
    }
    let refused = refund(&app, &admin, &order, json!({"amount": PRICE + 1, "reason": "cold"})).await;
    let refused = refused.refused(409, "refund_too_large");
    assert_eq!(refused["refundable"], json!({"amount": PRICE, "currency": "USD"}));

    let path = format!("/orders/{order}/refund");
    let body = json!({"amount": 360, "reason": "cold"});
    let client = app.as_user(&admin);
    let once =
        join_all((0..5).map(|_| client.post_with(&path, &[("Idempotency-Key", "r")], body.clone()))).await;
    for answer in once {
        let payment = answer.expect(200);
        assert_eq!((&payment["status"], &payment["refunded"]["amount"]), (&json!("captured"), &json!(360)));
    }
    assert_eq!(wallet(&app, &customer).await, (360, 0));
    let rest = refund(&app, &admin, &order, json!({"reason": "still cold"})).await.expect(200);
    assert_eq!((&rest["status"], &rest["refunded"]["amount"]), (&json!("refunded"), &json!(PRICE)));
    refund(&app, &admin, &order, json!({"reason": "once more"})).await.refused(409, "nothing_to_refund");
    assert_eq!(wallet(&app, &customer).await, (PRICE, 0));
    assert_eq!(earnings(&app, &partner).await["balance"], SHARE, "the house pays, not the partner");
    let letters = told(&app, &customer).await;
    assert_eq!(letters.iter().filter(|letter| *letter == "refund_issued").count(), 2);
    let by = format!(
        "UPDATE ledger_transactions SET note = note WHERE kind = 'refund' AND by_user = '{}'",
        admin.id
    );
    assert_eq!(app.change(by).await, 2, "who has decided it is on record");
    // What was paid in cash comes back to the wallet, too.
    let order = app.order(&customer).await;
    app.assign(&admin, &order, &partner).await;
    complete(&app, &customer, &partner, &order).await;
    refund(&app, &admin, &order, json!({"reason": "spilt"})).await.expect(200);
    assert_eq!(wallet(&app, &customer).await, (2 * PRICE, 0));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn refunds_that_race_give_back_no_more_than_was_paid() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, PRICE).await, app.partner().await, app.admin().await);
    let order = wallet_order(&app, &customer, &partner).await;
    complete(&app, &customer, &partner, &order).await;
    let body = json!({"amount": 500, "reason": "cold"});
    let answers = join_all((0..6).map(|_| refund(&app, &admin, &order, body.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2);
    assert_eq!(wallet(&app, &customer).await, (1000, 0));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn two_who_make_good_for_the_same_do_not_both_pay() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, PRICE).await, app.partner().await, app.admin().await);
    let order = wallet_order(&app, &customer, &partner).await;
    complete(&app, &customer, &partner, &order).await;
    // Both have seen that nothing had been given back.
    let body = json!({"amount": 500, "refunded": 0, "reason": "cold"});
    let answers = join_all((0..2).map(|_| refund(&app, &admin, &order, body.clone()))).await;
    let (paid, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((paid.len(), refused.len()), (1, 1));
    for answer in refused {
        let problem = answer.refused(409, "refund_conflict");
        assert_eq!(problem["refunded"], json!({"amount": 500, "currency": "USD"}));
    }
    assert_eq!(wallet(&app, &customer).await, (500, 0));
    let more = json!({"amount": 100, "refunded": 500, "reason": "very cold"});
    refund(&app, &admin, &order, more).await.expect(200);
    assert_eq!(wallet(&app, &customer).await, (600, 0));
    // Also when there is nothing left.
    let rest = json!({"refunded": 600, "reason": "all of it"});
    refund(&app, &admin, &order, rest.clone()).await.expect(200);
    let problem = refund(&app, &admin, &order, rest).await.refused(409, "refund_conflict");
    assert_eq!(problem["refunded"], json!({"amount": PRICE, "currency": "USD"}));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn admins_who_refund_different_amounts_at_once_give_back_no_more_than_was_paid() {
    let app = start().await;
    let (customer, partner) = (rich(&app, PRICE).await, app.partner().await);
    let (one, other) = (app.admin().await, app.admin().await);
    let order = wallet_order(&app, &customer, &partner).await;
    complete(&app, &customer, &partner, &order).await;
    let path = &format!("/orders/{order}/refund");
    let (one, other) = (app.as_user(&one), app.as_user(&other));
    let calls: [(&Client, &str, i64); 5] =
        [(&one, "a", 900), (&other, "b", 700), (&one, "c", 460), (&other, "a", 200), (&other, "c", 61)];
    let all = || {
        join_all(calls.iter().map(|(admin, key, amount)| async move {
            let body = json!({"amount": amount, "reason": "cold"});
            admin.post_with(path, &[("Idempotency-Key", *key)], body).await
        }))
    };
    let answers = all().await;
    let amounts = |status: u16| {
        let answered = calls.iter().zip(&answers).filter(move |(_, answer)| answer.status == status);
        answered.map(|((_, _, amount), _)| *amount).collect::<Vec<i64>>()
    };
    let given: i64 = amounts(200).iter().sum();
    assert!(given <= PRICE, "{given} of {PRICE}");
    assert_eq!(amounts(200).len() + amounts(409).len(), calls.len());
    assert!(amounts(409).iter().all(|amount| *amount > PRICE - given), "it would have fitted");
    assert_eq!(wallet(&app, &customer).await, (given, 0));
    // Each with its key once more: nothing is given twice, and what did not fit still does not.
    for (answer, again) in answers.iter().zip(all().await) {
        assert_eq!(again.status, answer.status);
        assert_eq!(again.header("Idempotency-Replayed"), (answer.status == 200).then_some("true"));
    }
    assert_eq!(wallet(&app, &customer).await, (given, 0));
    assert_whole(&app).await;
}

#[actix_web::test]
async fn an_order_is_paid_once_or_given_back_however_its_ends_race() {
    let app = start().await;
    let (customer, partner, admin) = (rich(&app, 20_000).await, app.partner().await, app.admin().await);
    let mut left = 20_000;
    for _ in 0..6 {
        let order = wallet_order(&app, &customer, &partner).await;
        app.carry_to(&partner, &order, "delivered").await;
        let complete = || app.try_step(&customer, &order, json!({"to": "completed"}));
        let fail = app.try_step(&admin, &order, json!({"to": "failed"}));
        let ((first, second), failed) = join(join(complete(), complete()), fail).await;
        match failed.status {
            200 => assert_eq!((first.status, second.status), (409, 409)),
            _ => {
                assert_eq!((first.status, second.status), (200, 200), "a repeated step is the same step");
                left -= PRICE;
            }
        }
        assert_eq!(wallet(&app, &customer).await, (left, 0));
    }
    let captured = (20_000 - left) / PRICE;
    assert_eq!(earnings(&app, &partner).await["balance"], captured * SHARE);
    assert_whole(&app).await;
}
