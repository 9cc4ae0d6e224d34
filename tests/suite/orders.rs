//! An order's life through the front door: who may take which step, who hears of it, and what a repeated or a
//! racing call gets.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::steps::text;
use crate::support::{Socket, TestApp, TestUser, an_order};

/// What a step brings to one socket. An event that the snapshot holds already may follow it (guarantee 7): like any
/// client, this passes over lower versions.
async fn expect_update(socket: &mut Socket, order: &str, status: &str, version: i64) -> Value {
    let frame = loop {
        let frame = socket.expect("order_update").await;
        if frame["update"]["version"].as_i64() >= Some(version) {
            break frame;
        }
    };
    let update = &frame["update"];
    assert_eq!(
        (update["order_id"].as_str(), update["status"].as_str(), update["version"].as_i64()),
        (Some(order), Some(status), Some(version)),
        "{frame}"
    );
    assert!(frame["seq"].is_u64() && frame["epoch"].is_string() && frame["id"].is_string(), "{frame}");
    assert!(update["updated_at"].is_string(), "{frame}");
    frame
}

/// Whether any object in a frame has a member of this name.
fn has_member(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(members) => {
            members.contains_key(name) || members.values().any(|value| has_member(value, name))
        }
        Value::Array(items) => items.iter().any(|value| has_member(value, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

async fn unread(app: &TestApp, user: &TestUser) -> i64 {
    let answer = app.as_user(user).get("/notifications/unread_count").await.expect(200);
    answer["count"].as_i64().expect("a number")
}

#[actix_web::test]
async fn an_orders_whole_life_is_told_to_everybody_who_watches_it() {
    let app = TestApp::start().await;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let mut bell = app.connect(&customer, "/ws/notifications/").await;
    assert_eq!(bell.next().await["count"], 0);
    let mut board = app.connect(&admin, "/ws/admin/").await;
    let first = board.next().await;
    assert_eq!(first["type"], "dashboard");

    let placed = app.place_order(&customer).await;
    let order = text(&placed, "id");
    assert_eq!((placed["status"].as_str(), placed["version"].as_i64()), (Some("confirmed"), Some(2)));
    let created = board.expect("order_created").await;
    assert_eq!(
        (created["order"]["id"].as_str(), &created["order"]["version"]),
        (Some(order.as_str()), &json!(1))
    );
    expect_update(&mut board, &order, "confirmed", 2).await;
    for (kind, count) in [("order_placed", 1), ("order_confirmed", 2)] {
        assert_eq!(bell.expect("notification").await["notification"]["type"], kind);
        assert_eq!(bell.expect("unread_count").await["count"], count);
    }

    let mut tracking = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    let first = tracking.next().await;
    let seen = app.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200);
    assert_eq!((first["type"].as_str(), &first["order"]), (Some("order_status"), &seen));
    let mut work = app.connect(&partner, "/ws/partner/").await;
    let first = work.next().await;
    assert_eq!((first["type"].as_str(), &first["orders"]), (Some("queue"), &json!([])));
    assert_eq!(first["offers"], json!([]));

    app.assign(&admin, &order, &partner).await;
    let life = [
        ("assigned", "order_assigned", Some("added")),
        ("en_route", "partner_en_route", Some("changed")),
        ("arrived", "partner_arrived", Some("changed")),
        ("picked_up", "order_picked_up", Some("changed")),
        ("in_transit", "order_in_transit", Some("changed")),
        // As the queue itself has it: what is delivered is not in it any more.
        ("delivered", "order_delivered", Some("removed")),
        ("completed", "order_completed", None),
    ];
    for (index, (status, notification, action)) in life.into_iter().enumerate() {
        let version = index as i64 + 3;
        if status != "assigned" {
            let by = if status == "completed" { &customer } else { &partner };
            let answer = app.step(by, &order, status).await;
            assert_eq!(
                (answer["status"].as_str(), answer["version"].as_i64()),
                (Some(status), Some(version))
            );
        }
        let told = [&mut bell, &mut tracking, &mut work, &mut board];
        for socket in told {
            let update = expect_update(socket, &order, status, version).await;
            assert_eq!(update["update"]["partner"]["id"], json!(partner.partner_id));
        }
        if let Some(action) = action {
            let queue = work.expect("queue_update").await;
            assert_eq!(
                (queue["order_id"].as_str(), queue["action"].as_str()),
                (Some(order.as_str()), Some(action))
            );
            assert_eq!(queue["order"].is_null(), action == "removed", "{queue}");
        }
        let queue = app.as_user(&partner).get("/partner/queue").await.expect(200);
        let is_there = queue["orders"].as_array().is_some_and(|orders| !orders.is_empty());
        assert_eq!(is_there, matches!(action, Some("added" | "changed")), "{queue}");
        assert_eq!(bell.expect("notification").await["notification"]["type"], notification);
        assert_eq!(bell.expect("unread_count").await["count"], version);
        assert_eq!(unread(&app, &customer).await, version);
    }

    let timeline = app.as_user(&customer).get(&format!("/orders/{order}/timeline")).await.expect(200);
    let steps = timeline["items"].as_array().expect("items");
    let told: Vec<_> = steps.iter().map(|step| (text(step, "to"), text(step, "by"))).collect();
    let by =
        ["customer", "system", "admin", "partner", "partner", "partner", "partner", "partner", "customer"];
    let to = ["pending", "confirmed"].into_iter().chain(life.map(|(status, ..)| status));
    let expected: Vec<_> = to.zip(by).map(|(to, by)| (to.to_owned(), by.to_owned())).collect();
    assert_eq!(told, expected);
    assert_eq!(steps[7]["note"], "left with the neighbour");
    assert_eq!(steps[3]["user_id"], json!(partner.id));
    assert!(steps.windows(2).all(|pair| text(&pair[0], "at") <= text(&pair[1], "at")), "{timeline}");
}

#[actix_web::test]
async fn guarantee_2_a_session_sees_a_groups_events_in_seq_order_and_a_status_never_goes_back() {
    let app = TestApp::start_with(&[("WAYBILL_ORDERS_IN_HAND", "5")]).await;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let mut watcher = app.connect(&admin, "/ws/admin/").await;
    watcher.expect("dashboard").await;
    // Orders that are placed and taken on all at once.
    let orders = join_all((0..5).map(|_| app.order(&customer))).await;
    join_all(orders.iter().map(|order| async {
        app.assign(&admin, order, &partner).await;
        app.carry_to(&partner, order, "delivered").await;
    }))
    .await;
    let (mut last, mut versions, mut delivered) = (None, std::collections::HashMap::new(), 0);
    while delivered < orders.len() {
        let frame = watcher.next().await;
        let Some(seq) = frame["seq"].as_u64() else { continue };
        if let Some(last) = last {
            assert_eq!(seq, last + 1, "{frame}");
        }
        last = Some(seq);
        if frame["type"] == "order_update" {
            let version = frame["update"]["version"].as_i64().expect("a number");
            let before = versions.insert(text(&frame["update"], "order_id"), version).unwrap_or(1);
            assert_eq!(version, before + 1, "{frame}");
            delivered += usize::from(frame["update"]["status"] == "delivered");
        }
    }
}

#[actix_web::test]
async fn the_hand_over_code_is_for_the_customer_only() {
    let app = TestApp::start().await;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let mut board = app.connect(&admin, "/ws/admin/").await;
    let mut work = app.connect(&partner, "/ws/partner/").await;
    let order = app.order(&customer).await;
    app.assign(&admin, &order, &partner).await;
    let path = format!("/orders/{order}");
    let code = text(&app.as_user(&customer).get(&path).await.expect(200), "code");
    assert!(code.len() == 4 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    let list = app.as_user(&customer).get("/orders").await.expect(200);
    assert_eq!(list["items"][0]["code"], code.as_str());

    let ws = format!("/ws/orders/{order}/");
    let mut own = app.connect(&customer, &ws).await;
    assert_eq!(own.next().await["order"]["code"], code.as_str());
    for other in [&partner, &admin] {
        assert!(!has_member(&app.as_user(other).get(&path).await.expect(200), "code"));
        assert!(!has_member(&app.as_user(other).get("/orders").await.expect(200), "code"));
        assert!(!has_member(&app.connect(other, &ws).await.next().await, "code"));
    }
    app.carry_to(&partner, &order, "in_transit").await;
    let told = |frame: &Value| frame["update"]["status"] == "in_transit";
    for socket in [&mut own, &mut work, &mut board] {
        let frames = socket.until_match("in_transit", told).await;
        for frame in frames.iter().filter(|frame| frame["type"] != "order_status") {
            assert!(!has_member(frame, "code"), "{frame}");
        }
    }
    // A session that begins with the queue or the dashboard is told no code, either.
    for (user, ws) in [(&partner, "/ws/partner/"), (&admin, "/ws/admin/")] {
        let first = app.connect(user, ws).await.next().await;
        assert!(first.to_string().contains(&order) && !has_member(&first, "code"), "{first}");
    }
}

#[actix_web::test]
async fn a_step_that_is_not_legal_names_those_that_are() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    for (who, to, allowed) in [
        (&partner, "delivered", json!(["confirmed", "en_route"])),
        (&partner, "cancelled", json!(["confirmed", "en_route"])),
        (&customer, "en_route", json!(["cancelled"])),
        (&customer, "completed", json!(["cancelled"])),
    ] {
        let refused = app.try_step(who, &order, json!({"to": to})).await.refused(409, "illegal_transition");
        assert_eq!((&refused["allowed"], &refused["current_status"]), (&allowed, &json!("assigned")), "{to}");
    }
    app.carry_to(&partner, &order, "picked_up").await;
    // From here on only the operation can end it.
    let refused = app.try_step(&customer, &order, json!({"to": "cancelled"})).await;
    assert_eq!(refused.refused(409, "illegal_transition")["allowed"], json!([]));
    let admin = app.admin().await;
    app.step(&admin, &order, "failed").await;
    for who in [&customer, &partner, &admin] {
        let refused = app.try_step(who, &order, json!({"to": "delivered", "note": "x"})).await;
        assert_eq!(refused.refused(409, "illegal_transition")["allowed"], json!([]));
    }
}

#[actix_web::test]
async fn a_step_from_a_version_that_has_passed_is_a_conflict() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    for version in [1, 2, 4, 1000] {
        let refused = app.try_step(&partner, &order, json!({"to": "en_route", "version": version})).await;
        assert_eq!(refused.refused(409, "version_conflict")["version"], 3);
    }
    app.try_step(&partner, &order, json!({"to": "en_route", "version": 3})).await.expect(200);
    let late = app.try_step(&customer, &order, json!({"to": "cancelled", "version": 3})).await;
    late.refused(409, "version_conflict");
}

#[actix_web::test]
async fn two_callers_who_race_get_one_winner() {
    let app = TestApp::start_with(&[("WAYBILL_ORDERS_IN_HAND", "8")]).await;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    for round in 0..8 {
        let order = app.order(&customer).await;
        app.assign(&admin, &order, &partner).await;
        // With a version, and without: then it is the step itself that is no longer legal, or still is.
        let version = (round % 2 == 0).then_some(3);
        let (cancelled, under_way) = join(
            app.try_step(&customer, &order, json!({"to": "cancelled", "version": version})),
            app.try_step(&partner, &order, json!({"to": "en_route", "version": version})),
        )
        .await;
        let now = app.as_user(&admin).get(&format!("/orders/{order}")).await.expect(200);
        match (cancelled.status, under_way.status) {
            (200, 409) => assert_eq!((&now["status"], &now["version"]), (&json!("cancelled"), &json!(4))),
            (409, 200) => assert_eq!((&now["status"], &now["version"]), (&json!("en_route"), &json!(4))),
            // An order that is under way can be cancelled by who has not said what it saw.
            (200, 200) if version.is_none() => assert_eq!(now["status"], "cancelled"),
            other => panic!("{other:?}: {now}"),
        }
    }
}

#[actix_web::test]
async fn an_order_is_given_back_with_a_reason() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let mut work = app.connect(&partner, "/ws/partner/").await;
    work.expect("queue").await;
    let refused = app.try_step(&partner, &order, json!({"to": "confirmed"})).await;
    assert_eq!(refused.refused(422, "invalid_fields")["errors"][0]["field"], "reason");
    let give_back = json!({"to": "confirmed", "reason": "flat tyre"});
    let first = app.try_step(&partner, &order, give_back.clone()).await.expect(200);
    assert_eq!((&first["status"], &first["partner"]), (&json!("confirmed"), &Value::Null));
    // The answer may have been lost on the way.
    assert_eq!(app.try_step(&partner, &order, give_back.clone()).await.expect(200), first);
    assert_eq!(expect_update(&mut work, &order, "confirmed", 4).await["update"]["reason"], "flat tyre");
    assert_eq!(work.expect("queue_update").await["action"], "removed");
    let timeline = app.as_user(&customer).get(&format!("/orders/{order}/timeline")).await.expect(200);
    assert_eq!(timeline["items"][3]["reason"], "flat tyre");
    app.as_user(&partner).get(&format!("/orders/{order}")).await.refused(404, "not_found");
}

#[actix_web::test]
async fn who_carried_an_order_out_proves_it_with_the_code_or_a_note() {
    let app = TestApp::start().await;
    for proof in ["code", "note"] {
        let (customer, partner, order) = app.assigned_order().await;
        let order = text(&order, "id");
        app.carry_to(&partner, &order, "in_transit").await;
        let code = text(&app.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200), "code");
        let wrong = format!("{:04}", (code.parse::<u32>().expect("digits") + 1) % 10_000);
        for (body, problem) in [
            (json!({"to": "delivered"}), "missing"),
            (json!({"to": "delivered", "code": wrong}), "wrong"),
            (json!({"to": "delivered", "code": wrong, "note": "x"}), "wrong"),
        ] {
            let refused = app.try_step(&partner, &order, body).await.refused(422, "invalid_fields");
            let error = &refused["errors"][0];
            assert_eq!((error["field"].as_str(), error["code"].as_str()), (Some("code"), Some(problem)));
        }
        let good = if proof == "code" { json!(code) } else { json!("left at the door") };
        app.try_step(&partner, &order, json!({"to": "delivered", proof: good})).await.expect(200);
    }
}

#[actix_web::test]
async fn an_order_is_rated_once_by_its_customer_after_it_was_delivered() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let path = format!("/orders/{order}/rating");
    let rating = json!({"stars": 4, "comment": "Warm."});
    // What was refused is not kept under its key.
    let key = [("Idempotency-Key", "my rating")];
    let early = app.as_user(&customer).post_with(&path, &key, rating.clone()).await;
    early.refused(409, "not_delivered");
    app.carry_to(&partner, &order, "delivered").await;
    app.as_user(&partner).post(&path, rating.clone()).await.refused(403, "role_not_allowed");
    app.as_user(&customer).get(&path).await.refused(404, "not_found");
    let mut bell = app.connect(&partner, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    let rated = app.as_user(&customer).post_with(&path, &key, rating.clone()).await.expect(201);
    assert_eq!(
        (&rated["stars"], &rated["comment"], &rated["order_id"]),
        (&json!(4), &json!("Warm."), &json!(order))
    );
    assert_eq!(bell.expect("notification").await["notification"]["type"], "rating_received");
    app.as_user(&customer).post(&path, rating.clone()).await.refused(409, "already_rated");
    let again = app.as_user(&customer).post_with(&path, &key, rating).await;
    assert_eq!((again.header("Idempotency-Replayed"), again.status), (Some("true"), 201));
    for who in [&customer, &partner] {
        assert_eq!(app.as_user(who).get(&path).await.expect(200), rated);
    }
    app.as_user(&app.customer().await).get(&path).await.refused(404, "not_found");
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().expect("items").iter().map(|order| text(order, "id")).collect()
}

#[actix_web::test]
async fn lists_hold_what_one_may_see_newest_first_filtered_and_in_pages() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.customer().await, app.customer().await);
    let (partner, admin) = (app.partner().await, app.admin().await);
    let mut orders = Vec::new();
    for customer in [&ada, &bob, &ada, &ada, &bob] {
        orders.push(app.order(customer).await);
    }
    orders.reverse();
    let [b2, a3, a2, b1, a1] = orders.as_slice() else { panic!("five orders") };
    app.assign(&admin, a2, &partner).await;
    app.assign(&admin, b1, &partner).await;
    app.step(&ada, a1, "cancelled").await;
    let (partner_id, ada_id, bob_id) = (partner.partner_id.expect("a partner"), ada.id, bob.id);
    let cases: [(&TestUser, String, &[&String]); 14] = [
        (&ada, String::new(), &[a3, a2, a1]),
        (&bob, String::new(), &[b2, b1]),
        (&partner, String::new(), &[a2, b1]),
        (&admin, String::new(), &[b2, a3, a2, b1, a1]),
        (&admin, format!("?customer_id={ada_id}"), &[a3, a2, a1]),
        (&admin, format!("?partner_id={partner_id}"), &[a2, b1]),
        (&admin, format!("?partner_id={partner_id}&customer_id={bob_id}"), &[b1]),
        (&admin, "?status=cancelled".into(), &[a1]),
        (&ada, "?status=assigned".into(), &[a2]),
        (&ada, format!("?partner_id={partner_id}"), &[a2]),
        (&ada, "?status=completed".into(), &[]),
        // Somebody else's are not there, rather than one's own in their place.
        (&ada, format!("?customer_id={bob_id}"), &[]),
        (&partner, format!("?customer_id={bob_id}"), &[b1]),
        (&partner, format!("?partner_id={}", Uuid::now_v7()), &[]),
    ];
    for (who, query, expected) in cases {
        let page = app.as_user(who).get(&format!("/orders{query}")).await.expect(200);
        assert_eq!(ids(&page).iter().collect::<Vec<_>>(), expected, "{query}");
        assert_eq!(page["next_cursor"], Value::Null, "{query}");
        // And the same again, one by one.
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let join = if query.is_empty() { '?' } else { '&' };
            let page =
                app.as_user(who).get(&format!("/orders{query}{join}limit=1{cursor}")).await.expect(200);
            found.extend(ids(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[actix_web::test]
async fn somebody_elses_order_is_not_there_however_one_asks() {
    let app = TestApp::start().await;
    let (_, _, order) = app.assigned_order().await;
    let (theirs, none) = (text(&order, "id"), Uuid::now_v7().to_string());
    for stranger in [app.customer().await, app.partner().await] {
        let mut answers = Vec::new();
        for order in [&theirs, &none] {
            let client = app.as_user(&stranger);
            let path = format!("/orders/{order}");
            let mut bodies = vec![
                client.get(&path).await.refused(404, "not_found"),
                client.get(&format!("{path}/timeline")).await.refused(404, "not_found"),
                client.post(&format!("{path}/rating"), json!({"stars": 1})).await.refused(404, "not_found"),
            ];
            for to in ["cancelled", "confirmed", "en_route", "delivered"] {
                bodies.push(
                    app.try_step(&stranger, order, json!({"to": to, "reason": "x"}))
                        .await
                        .refused(404, "not_found"),
                );
            }
            let bearer = format!("Bearer {}", stranger.token);
            let refused =
                Socket::open(app.address(), &format!("/ws/orders/{order}/"), &[("Authorization", &bearer)])
                    .await;
            let refused = refused.err().expect("refused");
            assert_eq!(refused.status, 404);
            bodies.push(refused.body);
            let mut socket = app.connect(&stranger, "/ws/").await;
            socket.expect("welcome").await;
            socket.send(json!({"type": "subscribe", "group": format!("order_{order}"), "ref": "x"})).await;
            bodies.push(socket.expect("error").await);
            answers.push(bodies);
        }
        assert_eq!(answers[0], answers[1], "nothing tells an order of others from one that does not exist");
        assert_eq!(answers[0].last().map(|error| &error["code"]), Some(&json!("not_found")));
    }
    let stranger = app.customer().await;
    let partner_id = app.partner().await.partner_id;
    let (path, body) = (format!("/orders/{theirs}/assign"), json!({"partner_id": partner_id}));
    app.as_user(&stranger).post(&path, body).await.refused(403, "role_not_allowed");
}

#[actix_web::test]
async fn a_key_makes_a_repeated_call_one_call() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.customer().await, app.customer().await);
    let key = [("Idempotency-Key", "7f2c")];
    let place = |who: TestUser, body: Value| {
        let client = app.as_user(&who);
        async move { client.post_with("/orders", &key, body).await }
    };
    let first = place(ada.clone(), an_order()).await;
    assert_eq!((first.status, first.header("Idempotency-Replayed")), (201, None));
    let again = place(ada.clone(), an_order()).await;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (201, Some("true")));
    let first = first.expect(201);
    assert_eq!(again.expect(201), first);
    let mut other = an_order();
    other["notes"] = json!("something else");
    place(ada.clone(), other).await.refused(409, "idempotency_key_reused");
    let path = format!("/orders/{}/transitions", text(&first, "id"));
    let elsewhere = app.as_user(&ada).post_with(&path, &key, json!({"to": "cancelled"})).await;
    elsewhere.refused(409, "idempotency_key_reused");
    // Bob's keys are Bob's own.
    assert_ne!(place(bob, an_order()).await.expect(201)["id"], first["id"]);
    assert_eq!(ids(&app.as_user(&ada).get("/orders").await.expect(200)), [text(&first, "id")]);
    assert_eq!(unread(&app, &ada).await, 2, "it was announced once");
}

#[actix_web::test]
async fn a_key_holds_for_calls_at_the_same_time() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let client = app.as_user(&customer);
    let key = [("Idempotency-Key", "at once")];
    let answers = join_all((0..8).map(|_| client.post_with("/orders", &key, an_order()))).await;
    let replayed =
        answers.iter().filter(|answer| answer.header("Idempotency-Replayed") == Some("true")).count();
    assert_eq!(replayed, 7);
    let bodies: Vec<Value> = answers.into_iter().map(|answer| answer.expect(201)).collect();
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(ids(&client.get("/orders").await.expect(200)).len(), 1);
}
