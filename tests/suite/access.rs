//! The right to listen is checked at the join and for as long as it lasts.

use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use crate::faults::stage::direct;
use crate::support::steps::text;
use crate::support::{Socket, TestApp, TestUser};

async fn subscribed(app: &TestApp, user: &TestUser, group: &str) -> Socket {
    let mut socket = app.connect(user, "/ws/").await;
    socket.expect("welcome").await;
    socket.send(json!({"type": "subscribe", "group": group})).await;
    assert_eq!(socket.next().await["type"], "subscribed");
    socket.expect("presence").await;
    socket
}

#[actix_web::test]
async fn guarantee_6_a_partner_who_loses_an_order_hears_of_it_no_more() {
    let app = TestApp::start().await;
    let (customer, admin) = (app.customer().await, app.admin().await);
    for give_back in [true, false] {
        let (before, after) = (app.partner().await, app.partner().await);
        let order = app.order(&customer).await;
        app.assign(&admin, &order, &before).await;
        let (path, group) = (format!("/ws/orders/{order}/"), format!("order_{order}"));
        let mut ended = app.connect(&before, &path).await;
        ended.expect("presence").await;
        let mut goes_on = subscribed(&app, &before, &group).await;
        let mut stays = app.connect(&customer, &path).await;
        stays.expect("presence").await;

        if give_back {
            app.try_step(&before, &order, json!({"to": "confirmed", "reason": "flat tyre"}))
                .await
                .expect(200);
        }
        app.assign(&admin, &order, &after).await;
        assert_eq!(ended.closed().await.0, 4403);
        let lost = goes_on.expect("unsubscribed").await;
        assert_eq!((&lost["group"], &lost["code"]), (&json!(group), &json!("access_lost")));

        let mut theirs = app.connect(&after, &path).await;
        theirs.expect("presence").await;
        app.step(&after, &order, "en_route").await;
        for socket in [&mut stays, &mut theirs] {
            let told = |frame: &Value| frame["update"]["status"] == "en_route";
            socket.until_match("en_route", told).await;
        }
        assert_eq!(goes_on.so_far().await, Vec::<Value>::new());
        goes_on.send(json!({"type": "subscribe", "group": group})).await;
        assert_eq!(goes_on.expect("error").await["code"], "not_found");
    }
}

#[actix_web::test]
async fn guarantee_6_a_right_that_is_lost_just_as_one_joins_is_lost() {
    let app = TestApp::start_with(&[("WAYBILL_SESSIONS_PER_USER", "1000")]).await;
    let (customer, admin) = (app.customer().await, app.admin().await);
    let mut partners = [app.partner().await, app.partner().await];
    let order = app.order(&customer).await;
    let group = format!("order_{order}");
    app.assign(&admin, &order, &partners[0]).await;
    let mut socket = app.connect(&partners[0], "/ws/").await;
    socket.expect("welcome").await;
    socket.send(json!({"type": "subscribe", "group": group})).await;
    let subscribed = socket.expect("subscribed").await;
    let since = json!({"epoch": subscribed["epoch"], "seq": subscribed["seq"]});
    for round in 0..8 {
        let [loses, gets] = &partners;
        let mut sockets = Vec::new();
        for _ in 0..25 {
            let mut socket = app.connect(loses, "/ws/").await;
            socket.expect("welcome").await;
            sockets.push(socket);
        }
        // One after another, so that for some of them the order changes hands between the look at the right and the
        // join.
        let subscribing = async {
            for (place, socket) in sockets.iter_mut().enumerate() {
                let mut frame = json!({"type": "subscribe", "group": group});
                if place % 2 == 0 {
                    frame["since"] = since.clone();
                }
                socket.send(frame).await;
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(subscribing, app.assign(&admin, &order, gets));
        for socket in &mut sockets {
            // Refused, or let in and put out again.
            let is_out = |frame: &Value| {
                frame["type"] == "error" || frame["type"] == "unsubscribed" && frame["code"] == "access_lost"
            };
            socket.until_match("the end", is_out).await;
        }
        app.published().await;
        for socket in &mut sockets {
            assert_eq!(socket.so_far().await, Vec::<Value>::new(), "round {round}");
        }
        partners.swap(0, 1);
    }
}

#[actix_web::test]
async fn guarantee_6_logging_out_ends_the_sessions_of_that_log_in_and_no_others() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let body = json!({"email": user.email, "password": crate::support::users::PASSWORD});
    let (mut log_ins, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let log_in = app.as_nobody().post("/auth/login", body.clone()).await.expect(200);
        let as_logged_in = TestUser { token: text(&log_in, "access"), ..user.clone() };
        sockets.push(app.connect(&as_logged_in, "/ws/notifications/").await);
        // One that a ticket of the log-in opens belongs to it as well.
        let ticket = app.as_user(&as_logged_in).get("/realtime/token").await.expect(200);
        let path = format!("/ws/?token={}", text(&ticket, "token"));
        sockets.push(Socket::open(app.address(), &path, &[]).await.expect("let in"));
        log_ins.push((log_in, as_logged_in));
    }
    let mut foreign = app.connect(&user, "/ws/").await;
    let refresh = json!({"refresh": log_ins[0].0["refresh"]});
    app.as_nobody().post("/auth/logout", refresh).await.expect(204);
    for socket in &mut sockets[..2] {
        assert_eq!(socket.closed().await.0, 4401);
    }
    for socket in &mut sockets[2..] {
        socket.so_far().await;
    }
    foreign.so_far().await;
    app.as_user(&log_ins[0].1).get("/me").await.refused(401, "token_revoked");
    app.as_user(&log_ins[1].1).get("/me").await.expect(200);
    let bearer = format!("Bearer {}", log_ins[0].1.token);
    let refused =
        Socket::open(app.address(), "/ws/", &[("Authorization", &bearer)]).await.err().expect("refused");
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!("token_revoked")));
}

#[actix_web::test]
async fn guarantee_6_whoever_changes_a_role_or_deletes_a_user_ends_their_sessions() {
    let app = TestApp::start().await;
    for change in ["role = 'customer'", "deleted_at = 1"] {
        let admin = app.admin().await;
        let mut dashboard = app.connect(&admin, "/ws/admin/").await;
        dashboard.expect("dashboard").await;
        let mut any = app.connect(&admin, "/ws/").await;
        any.expect("welcome").await;
        // Not by this server.
        direct(app.database())
            .batch_execute(&format!("UPDATE users SET {change} WHERE id = '{}'", admin.id))
            .expect("it is changed");
        let begin = std::time::Instant::now();
        for socket in [&mut dashboard, &mut any] {
            assert_eq!(socket.closed().await.0, 4401, "{change}");
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
        let bearer = format!("Bearer {}", admin.token);
        let again = Socket::open(app.address(), "/ws/admin/", &[("Authorization", &bearer)]).await;
        assert_eq!(again.err().expect("refused").status, 401, "{change}");
    }
}

#[actix_web::test]
async fn guarantee_6_a_refresh_token_that_is_used_twice_ends_its_log_in() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let body = json!({"email": user.email, "password": crate::support::users::PASSWORD});
    let log_in = app.as_nobody().post("/auth/login", body).await.expect(200);
    let mut socket = app.connect(&TestUser { token: text(&log_in, "access"), ..user.clone() }, "/ws/").await;
    let first = json!({"refresh": log_in["refresh"]});
    let second = app.as_nobody().post("/auth/refresh", first.clone()).await.expect(200);
    socket.so_far().await;
    app.as_nobody().post("/auth/refresh", first).await.refused(401, "token_reused");
    assert_eq!(socket.closed().await.0, 4401);
    let next = json!({"refresh": second["refresh"]});
    app.as_nobody().post("/auth/refresh", next).await.refused(401, "token_revoked");
}

#[actix_web::test]
async fn an_answer_that_was_lost_is_given_again_and_a_token_that_was_copied_is_still_found_out() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let nobody = app.as_nobody();
    let body = json!({"email": user.email, "password": crate::support::users::PASSWORD});
    let log_in = nobody.post("/auth/login", body).await.expect(200);
    let attempt = json!({"refresh": log_in["refresh"], "attempt": "6d0f7a8e-attempt-of-mine"});
    // Two at once, and one later: a page that was loaded anew, or a phone that was in a tunnel.
    let calls = [attempt.clone(), attempt.clone()].map(|body| nobody.post("/auth/refresh", body));
    let answers: Vec<Value> = join_all(calls).await.into_iter().map(|answer| answer.expect(200)).collect();
    let again = nobody.post("/auth/refresh", attempt.clone()).await.expect(200);
    assert!(answers.iter().all(|answer| answer["refresh"] == again["refresh"]), "{answers:?}");
    app.with_token(&text(&again, "access")).get("/me").await.expect(200);

    let next = json!({"refresh": again["refresh"], "attempt": "6d0f7a8e-the-next-attempt"});
    let next = nobody.post("/auth/refresh", next).await.expect(200);
    // What was answered has been used, so nobody can have missed it.
    nobody.post("/auth/refresh", attempt).await.refused(401, "token_reused");
    nobody.post("/auth/refresh", json!({"refresh": next["refresh"]})).await.refused(401, "token_revoked");
}

#[actix_web::test]
async fn an_exchange_that_is_more_than_a_day_old_is_not_answered_again() {
    let app = TestApp::start().await;
    let (user, nobody) = (app.customer().await, app.as_nobody());
    let body = json!({"email": user.email, "password": crate::support::users::PASSWORD});
    let log_in = nobody.post("/auth/login", body).await.expect(200);
    let attempt = json!({"refresh": log_in["refresh"], "attempt": "6d0f7a8e-attempt-of-mine"});
    let next = nobody.post("/auth/refresh", attempt.clone()).await.expect(200);
    app.change(format!("UPDATE refresh_tokens SET used_at = used_at - {}", 24 * 3_600_000 - 60_000)).await;
    nobody.post("/auth/refresh", attempt.clone()).await.expect(200);
    app.change("UPDATE refresh_tokens SET used_at = used_at - 60000".to_owned()).await;
    nobody.post("/auth/refresh", attempt).await.refused(401, "token_reused");
    nobody.post("/auth/refresh", json!({"refresh": next["refresh"]})).await.refused(401, "token_revoked");
}

#[actix_web::test]
async fn another_attempt_with_a_used_token_ends_the_log_in() {
    let app = TestApp::start().await;
    let user = app.customer().await;
    let nobody = app.as_nobody();
    for second in [json!("6d0f7a8e-attempt-of-yours"), Value::Null] {
        let body = json!({"email": user.email, "password": crate::support::users::PASSWORD});
        let log_in = nobody.post("/auth/login", body).await.expect(200);
        let attempt = |name: Value| json!({"refresh": log_in["refresh"], "attempt": name});
        let next = nobody.post("/auth/refresh", attempt(json!("6d0f7a8e-attempt-of-mine"))).await.expect(200);
        nobody.post("/auth/refresh", attempt(second)).await.refused(401, "token_reused");
        nobody.post("/auth/refresh", json!({"refresh": next["refresh"]})).await.refused(401, "token_revoked");
    }
    let short = json!({"refresh": "x", "attempt": "1"});
    nobody.post("/auth/refresh", short).await.refused(422, "invalid_fields");
}

/// A sample of where a device was a moment ago.
fn sample(latitude: f64) -> Value {
    json!({
        "type": "location", "latitude": latitude, "longitude": 13.4, "timestamp": Timestamp::now().to_string(),
        "heading": 90.0, "speed": 4.5, "accuracy": 8.0, "battery": 0.5,
    })
}

async fn refused(socket: &mut Socket, mut frame: Value) -> String {
    frame["ref"] = json!("where");
    socket.send(frame).await;
    let error = socket.expect("error").await;
    assert_eq!(error["ref"], "where", "{error}");
    text(&error, "code")
}

#[actix_web::test]
async fn guarantee_6_a_partners_position_is_shown_from_en_route_to_delivered_only() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    let mut work = app.connect(&partner, "/ws/partner/").await;
    work.expect("queue").await;
    let mut screen = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    screen.expect("presence").await;
    let shown = async || {
        app.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200)["location"].clone()
    };

    let named = |latitude: f64| {
        let mut frame = sample(latitude);
        frame["order_id"] = json!(order);
        frame
    };
    // For dispatch, and for nobody else.
    work.send(named(52.5)).await;
    assert_eq!(refused(&mut work, json!({"type": "what"})).await, "unknown_type");
    assert_eq!(shown().await, Value::Null);
    for (status, latitude) in
        [("en_route", 52.5), ("arrived", 52.5001), ("picked_up", 52.5002), ("in_transit", 52.5003)]
    {
        app.step(&partner, &order, status).await;
        let mut frame = sample(latitude);
        if status == "arrived" {
            frame["order_id"] = json!(order);
        }
        work.send(frame.clone()).await;
        let location = screen.expect("location").await;
        assert_eq!((&location["latitude"], &location["timestamp"]), (&json!(latitude), &frame["timestamp"]));
        assert_eq!((&location["freshness"], &location["heading"]), (&json!("live"), &json!(90.0)));
        assert!(location["age"].as_u64().is_some_and(|age| age <= 20), "{location}");
        assert_eq!((location.get("seq"), location.get("battery")), (None, None), "{location}");
        assert_eq!(shown().await["latitude"], json!(latitude));
        let mut late = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
        assert_eq!(late.next().await["order"]["location"]["latitude"], json!(latitude));
    }
    app.step(&partner, &order, "delivered").await;
    assert_eq!(refused(&mut work, named(52.5004)).await, "no_active_order");
    assert_eq!(shown().await, Value::Null);
    let after = screen.until_match("delivered", |frame| frame["update"]["status"] == "delivered").await;
    assert!(!after.iter().any(|frame| frame["latitude"] == 52.5004), "{after:?}");
}

#[actix_web::test]
async fn guarantee_6_a_partners_position_is_not_shown_once_the_order_is_cancelled_or_has_failed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for end in ["cancelled", "failed"] {
        let (customer, partner, order) = app.assigned_order().await;
        let order = text(&order, "id");
        let mut work = app.connect(&partner, "/ws/partner/").await;
        work.expect("queue").await;
        let mut screen = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
        screen.expect("presence").await;
        app.step(&partner, &order, "en_route").await;
        work.send(sample(52.5)).await;
        assert_eq!(screen.expect("location").await["latitude"], 52.5);
        app.step(&admin, &order, end).await;
        // It is taken as that of a partner who has nothing to do.
        work.send(sample(52.5001)).await;
        let mut named = sample(52.5002);
        named["order_id"] = json!(order);
        assert_eq!(refused(&mut work, named).await, "no_active_order");
        let seen = app.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200);
        assert_eq!(
            (&seen["status"], &seen["location"], &seen["eta"]),
            (&json!(end), &Value::Null, &Value::Null)
        );
        let mut frames = screen.until_match(end, |frame| frame["update"]["status"] == end).await;
        frames.extend(screen.so_far().await);
        assert!(!frames.iter().any(|frame| frame["latitude"].as_f64() > Some(52.5)), "{frames:?}");
    }
}

#[actix_web::test]
async fn a_position_that_cannot_be_is_refused_and_shown_to_nobody() {
    let app = TestApp::start().await;
    let (customer, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.step(&partner, &order, "en_route").await;
    crate::tracking::backdate(&app, 60);
    let mut work = app.connect(&partner, "/ws/partner/").await;
    let mut screen = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
    screen.expect("presence").await;
    let with = |name: &str, value: Value| {
        let mut frame = sample(52.0);
        frame[name] = value;
        frame
    };
    let ago = |seconds| Timestamp::now().before(std::time::Duration::from_secs(seconds)).to_string();
    let ahead = Timestamp::now().after(std::time::Duration::from_secs(60)).to_string();
    for (frame, code) in [
        (with("latitude", json!(90.5)), "invalid_fields"),
        (with("longitude", json!(-180.5)), "invalid_fields"),
        (with("heading", json!(361)), "invalid_fields"),
        (with("speed", json!(501)), "invalid_fields"),
        (with("accuracy", json!(-1)), "invalid_fields"),
        (with("battery", json!(1.5)), "invalid_fields"),
        (with("timestamp", json!(ago(301))), "invalid_fields"),
        (with("timestamp", json!(ahead)), "invalid_fields"),
        (with("order_id", json!("0190163d-8694-739b-aea5-966c26f8ad90")), "no_active_order"),
    ] {
        assert_eq!(refused(&mut work, frame.clone()).await, code, "{frame}");
    }
    let mut other = app.connect(&customer, "/ws/").await;
    other.expect("welcome").await;
    assert_eq!(refused(&mut other, sample(52.0)).await, "role_not_allowed");
    // Another partner's order cannot be named.
    let (_, stranger, _) = app.assigned_order().await;
    let mut theirs = app.connect(&stranger, "/ws/partner/").await;
    assert_eq!(refused(&mut theirs, with("order_id", json!(order))).await, "no_active_order");

    // One that comes late does not move the dot back.
    let at = |latitude: f64, seconds: u64| {
        let mut frame = sample(latitude);
        frame["timestamp"] = json!(ago(seconds));
        frame
    };
    work.send(at(52.5, 10)).await;
    assert_eq!(screen.expect("location").await["latitude"], 52.5);
    work.send(at(52.499, 20)).await;
    work.send(at(52.501, 5)).await;
    assert_eq!(screen.expect("location").await["latitude"], 52.501);
}
