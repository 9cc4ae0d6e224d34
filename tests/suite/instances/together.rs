//! Two servers as one: whatever is done on the one is seen on the other.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use waybill::tools::client::credentials::Secret;
use waybill::tools::load::{LoadArgs, measure};

use super::scene::LoggedIn;
use super::{Fleet, position, subscribe, tells};
use crate::chat;
use crate::support::steps::text;
use crate::support::users::PASSWORD;
use crate::support::{Socket, an_order};

#[actix_web::test]
async fn guarantee_2_an_order_is_followed_on_one_server_while_it_moves_on_another() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let id = text(&order, "id");
    let path = format!("/ws/orders/{id}/");
    let mut screens = [here.connect(&customer, &path).await, there.connect(&customer, &path).await];
    for screen in &mut screens {
        screen.expect("order_status").await;
    }
    let mut seen = Vec::new();
    for (at, status) in [(here, "en_route"), (there, "arrived"), (here, "picked_up"), (there, "in_transit")] {
        at.step(&partner, &id, status).await;
    }
    for screen in &mut screens {
        let frames = screen.until_match("in transit", |frame| tells(frame, "in_transit")).await;
        let updates: Vec<_> = frames.into_iter().filter(|frame| frame["type"] == "order_update").collect();
        seen.push(updates);
    }
    assert_eq!(seen[0], seen[1], "both hear the same, under the same numbers");
    let statuses: Vec<_> = seen[0].iter().map(|frame| text(&frame["update"], "status")).collect();
    assert_eq!(statuses, ["en_route", "arrived", "picked_up", "in_transit"]);
    let numbers: Vec<u64> = seen[0].iter().filter_map(|frame| frame["seq"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[actix_web::test]
async fn guarantee_3_who_moves_to_another_server_misses_nothing() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let id = text(&order, "id");
    let group = format!("order_{id}");
    let (mut first, _) = subscribe(here, &customer, &group, None).await;
    first.expect("order_status").await;
    here.step(&partner, &id, "en_route").await;
    let last = first.until_match("en route", |frame| tells(frame, "en_route")).await.pop().expect("one");
    first.close().await;
    here.step(&partner, &id, "arrived").await;
    there.step(&partner, &id, "picked_up").await;
    there.published().await;

    let (mut second, subscribed) = subscribe(there, &customer, &group, Some(&position(&last))).await;
    assert_eq!((&subscribed["recovered"], &subscribed["seq"]), (&json!(true), &last["seq"]));
    let missed = [second.next().await, second.next().await];
    assert!(tells(&missed[0], "arrived") && tells(&missed[1], "picked_up"), "{missed:?}");
    assert_eq!(missed[1]["seq"].as_u64(), last["seq"].as_u64().map(|seq| seq + 2));
}

#[actix_web::test]
async fn the_unread_count_is_the_same_on_every_server() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let customer = here.customer().await;
    let mut bells = [
        here.connect(&customer, "/ws/notifications/").await,
        there.connect(&customer, "/ws/notifications/").await,
    ];
    for bell in &mut bells {
        bell.expect("unread_count").await;
    }
    here.place_order(&customer).await;
    let mut ids = Vec::new();
    for bell in &mut bells {
        let frames = bell.until_match("two", |frame| frame["count"] == 2).await;
        ids = frames
            .iter()
            .filter(|frame| frame["type"] == "notification")
            .map(|frame| text(&frame["notification"], "id"))
            .collect();
    }
    bells[1].send(json!({"type": "mark_read", "id": ids[0]})).await;
    for bell in &mut bells {
        bell.until_match("one", |frame| frame["count"] == 1).await;
    }
    there.as_user(&customer).post("/notifications/read_all", json!({})).await.expect(200);
    for bell in &mut bells {
        bell.until_match("none", |frame| frame["count"] == 0).await;
    }
}

#[actix_web::test]
async fn everybody_who_is_there_is_seen_from_every_server() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let path = format!("/ws/orders/{}/", text(&order, "id"));
    let mut first = here.connect(&customer, &path).await;
    let alone = first.expect("presence").await;
    assert_eq!((&alone["members"].as_array().map(Vec::len), &alone["count"]), (&Some(1), &json!(1)));

    let mut second = there.connect(&partner, &path).await;
    // Whoever is on the list, or joins right behind it: one server may not have heard yet who has just come to the other.
    let both = second.until_match("both of them", |frame| frame["count"] == 2).await;
    let presence = || both.iter().filter(|frame| frame["type"] == "presence");
    let listed = presence().filter_map(|frame| frame["members"].as_array()).flatten();
    let joined = presence().map(|frame| &frame["joined"]).filter(|joined| !joined.is_null());
    let mut seen: Vec<_> = listed.chain(joined).map(|who| text(who, "user_id")).collect();
    seen.sort();
    let mut there_are = [customer.id.to_string(), partner.id.to_string()];
    there_are.sort();
    assert_eq!(seen, there_are, "each once: {both:?}");
    let joined = first.expect("presence").await;
    assert_eq!((&joined["joined"]["user_id"], &joined["count"]), (&json!(partner.id), &json!(2)));

    // The customer is on both for a while: only the last of a user's sessions to go is told of.
    let mut third = there.connect(&customer, &path).await;
    // A handshake is answered before the session has joined.
    third.expect("presence").await;
    first.close().await;
    third.close().await;
    let left = second.until_match("the customer has left", |frame| !frame["left"].is_null()).await;
    let left = left.last().expect("one");
    assert_eq!((&left["left"]["user_id"], &left["count"]), (&json!(customer.id), &json!(1)));
    let after = second.so_far().await;
    assert!(after.iter().all(|frame| frame["left"].is_null()), "{after:?}");
}

#[actix_web::test]
async fn guarantee_6_a_right_that_is_lost_on_one_server_is_lost_on_the_other() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (_customer, partner, order) = here.assigned_order().await;
    let id = text(&order, "id");
    let mut map = there.connect(&partner, &format!("/ws/orders/{id}/")).await;
    map.expect("order_status").await;
    here.try_step(&partner, &id, json!({"to": "confirmed", "reason": "a flat tyre"})).await.expect(200);
    assert_eq!(map.closed().await.0, 4403);

    let mut session = LoggedIn::on(here, there).await;
    session.logs_out(here).await;
    let headers = [("Authorization", session.bearer.as_str())];
    let refused = Socket::open(there.address(), "/ws/notifications/", &headers).await;
    assert_eq!(
        refused.err().map(|refusal| refusal.status),
        Some(401),
        "the other server does not know it as good"
    );
}

#[actix_web::test]
async fn the_oldest_session_of_a_user_gives_way_wherever_it_is() {
    let fleet = Fleet::start_with(2, &[("WAYBILL_SESSIONS_PER_USER", "2")]).await;
    let (here, there) = fleet.two();
    let customer = here.customer().await;
    let mut oldest = here.connect(&customer, "/ws/").await;
    oldest.expect("welcome").await;
    let mut second = there.connect(&customer, "/ws/").await;
    second.expect("welcome").await;
    let mut third = there.connect(&customer, "/ws/").await;
    third.expect("welcome").await;
    assert_eq!(oldest.closed().await.0, 4409);
    third.close().await;
    let mut fourth = here.connect(&customer, "/ws/").await;
    fourth.expect("welcome").await;
    assert!(second.so_far().await.is_empty(), "there was room again");
}

#[actix_web::test]
async fn a_ticket_and_an_idempotency_key_are_good_once_over_all_servers() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let customer = here.customer().await;
    let ticket = text(&here.as_user(&customer).get("/realtime/token").await.expect(200), "token");
    let path = format!("/ws/notifications/?token={ticket}");
    Socket::open(there.address(), &path, &[]).await.expect("the ticket is good");
    let again = Socket::open(here.address(), &path, &[]).await.err().expect("it was used");
    assert_eq!((again.status, &again.body["code"]), (401, &json!("token_used")));

    let key = [("Idempotency-Key", "once")];
    let first = here.as_user(&customer).post_with("/orders", &key, an_order()).await.expect(201);
    let second = there.as_user(&customer).post_with("/orders", &key, an_order()).await.expect(201);
    assert_eq!(first["id"], second["id"]);
}

#[actix_web::test]
async fn a_position_that_one_server_heard_is_shown_by_the_other() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let id = text(&order, "id");
    here.step(&partner, &id, "en_route").await;
    let mut map = there.connect(&customer, &format!("/ws/orders/{id}/")).await;
    map.expect("order_status").await;
    let mut phone = here.connect(&partner, "/ws/partner/").await;
    let now = waybill::domain::time::Timestamp::now();
    phone.send(json!({"type": "location", "latitude": 52.52, "longitude": 13.4, "timestamp": now})).await;
    let dot = map.expect("location").await;
    assert_eq!((&dot["latitude"], &dot["seq"]), (&json!(52.52), &serde_json::Value::Null));
    there
        .until("the order has its position", || async {
            let order = there.as_user(&customer).get(&format!("/orders/{id}")).await.expect(200);
            order["location"]["latitude"] == 52.52
        })
        .await;
}

#[actix_web::test]
async fn what_one_server_expects_of_a_partner_the_other_knows() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let id = text(&order, "id");
    here.step(&partner, &id, "en_route").await;
    let mut map = there.connect(&customer, &format!("/ws/orders/{id}/")).await;
    map.expect("order_status").await;
    let at = |latitude: f64| {
        let now = waybill::domain::time::Timestamp::now();
        json!({"type": "location", "latitude": latitude, "longitude": 13.405, "timestamp": now})
    };
    let mut phone = here.connect(&partner, "/ws/partner/").await;
    phone.send(at(52.54)).await;
    let eta = map.expect("eta").await["eta"].clone();
    there
        .until("the other server has the ETA", || async {
            let order = there.as_user(&customer).get(&format!("/orders/{id}")).await.expect(200);
            order["eta"]["arrives_at"] == eta["arrives_at"]
        })
        .await;
    there
        .until("the other server knows who is near", || async {
            let centre = waybill::domain::geo::Position { latitude: 52.52, longitude: 13.405 };
            let now = waybill::domain::time::Timestamp::now();
            let minute = now.before(Duration::from_secs(60));
            let near = there.inner().tracking().positions().nearest(centre, 5_000.0, 1, minute, now);
            near.first().map(|near| near.partner_id) == partner.partner_id
        })
        .await;
    // The promise is the first one's, whichever server takes the next sample.
    let mut elsewhere = there.connect(&partner, "/ws/partner/").await;
    elsewhere.send(at(52.5407)).await;
    map.until_match("the position", |frame| frame["latitude"] == 52.5407).await;
    let later = there.as_user(&customer).get(&format!("/orders/{id}")).await.expect(200);
    assert_eq!(later["eta"]["promised_at"], eta["promised_at"]);
}

#[actix_web::test]
async fn a_partner_whom_two_servers_see_at_the_pick_up_arrives_once() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let id = text(&order, "id");
    here.step(&partner, &id, "en_route").await;
    let mut map = there.connect(&customer, &format!("/ws/orders/{id}/")).await;
    map.expect("order_status").await;
    let mut phones =
        [here.connect(&partner, "/ws/partner/").await, there.connect(&partner, "/ws/partner/").await];
    for _ in 0..20 {
        for phone in &mut phones {
            let now = waybill::domain::time::Timestamp::now();
            phone
                .send(json!({"type": "location", "latitude": 52.52, "longitude": 13.405, "timestamp": now}))
                .await;
            phone.so_far().await;
        }
    }
    map.until_match("arrived", |frame| tells(frame, "arrived")).await;
    for phone in &mut phones {
        phone.so_far().await;
    }
    let timeline = here.as_user(&customer).get(&format!("/orders/{id}/timeline")).await.expect(200);
    let steps = timeline["items"].as_array().expect("items");
    assert_eq!(steps.iter().filter(|step| step["to"] == "arrived").count(), 1, "{timeline}");
}

#[actix_web::test]
async fn admins_see_who_is_online_on_all_servers() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, admin) = (here.customer().await, here.admin().await);
    let _elsewhere = there.connect(&customer, "/ws/notifications/").await;
    here.until("the other server's are counted", || async {
        let dashboard =
            here.connect(&admin, "/ws/admin/").await.expect("dashboard").await["dashboard"].clone();
        let online = dashboard["online"].as_array().expect("a list");
        dashboard["sessions"].as_u64() >= Some(1) && online.contains(&json!(customer.id))
    })
    .await;
}

#[actix_web::test]
async fn wrong_passwords_are_counted_over_all_servers() {
    let fleet = Fleet::start_with(2, &[("WAYBILL_RATE_LIMITS", "on")]).await;
    let (here, there) = fleet.two();
    let customer = here.customer().await;
    let guess = json!({"email": customer.email, "password": "not that one"});
    for _ in 0..10 {
        here.as_nobody().post("/auth/login", guess.clone()).await.refused(401, "invalid_credentials");
    }
    there
        .until("the other server refuses, too", || async {
            // Each of these counts as well, so it ends after ten more at most: far sooner if they are counted together.
            there.as_nobody().post("/auth/login", guess.clone()).await.status == 429
        })
        .await;
    let told = there.inner().metrics().render().expect("figures");
    let told = String::from_utf8(told).expect("UTF-8");
    let refused = |line: &&str| {
        line.contains("/auth/login") && line.contains("status=\"401\"") && line.contains("_count")
    };
    let looked_at: f64 =
        told.lines().filter(refused).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    assert!(looked_at < 5.0, "{looked_at} guesses were looked at there");
}

#[actix_web::test]
async fn a_load_is_shared_out_among_the_servers_and_nothing_of_it_is_missing() {
    let settings = [
        ("WAYBILL_SERVICE_KEYS", "load:0123456789abcdef0123456789abcdef"),
        ("WAYBILL_SESSIONS_PER_USER", "100"),
    ];
    let fleet = Fleet::start_with(2, &settings).await;
    let (here, there) = fleet.two();
    let (admin, customer) = (here.admin().await, here.customer().await);
    let load = LoadArgs {
        url: [here, there].map(|app| format!("http://{}", app.address())).into(),
        sessions: 60,
        groups: 20,
        rate: 100.0,
        duration: Duration::from_secs(1),
        drain: Duration::from_secs(60),
        service_key: Some(Secret("0123456789abcdef0123456789abcdef".into())),
        token: Some(Secret(admin.token.clone())),
        customer_email: Some(customer.email.clone()),
        customer_password: Some(Secret(PASSWORD.into())),
        quiet: true,
        ..LoadArgs::default()
    };
    let report = measure(&load).await.expect("it runs");
    assert!(report.is_clean(), "{report}");
    assert!(report.to_string().contains("of 900, "), "300 messages to three members each: {report}");
    for app in [here, there] {
        assert_eq!(app.inner().metrics().handshakes.with_label_values(&["accepted"]).get(), 30);
    }
}

#[actix_web::test]
async fn what_is_due_is_done_once_however_many_servers_look_for_it() {
    let fleet = Fleet::start_with(3, &[("WAYBILL_COMPLETE_AFTER_SECS", "1")]).await;
    let here = &fleet.apps[0];
    let mut due = Vec::new();
    for _ in 0..4 {
        let (customer, partner, order) = here.assigned_order().await;
        let id = text(&order, "id");
        let screen = fleet.apps[1].connect(&customer, &format!("/ws/orders/{id}/")).await;
        here.carry_to(&partner, &id, "delivered").await;
        due.push((customer, id, screen));
    }
    for (customer, id, screen) in &mut due {
        screen.until_match("completed", |frame| tells(frame, "completed")).await;
        here.published().await;
        let told = screen.so_far().await;
        assert!(!told.iter().any(|frame| tells(frame, "completed")), "{told:?}");
        let caller = here.as_user(customer);
        let timeline = caller.get(&format!("/orders/{id}/timeline")).await.expect(200);
        let inbox = caller.get("/notifications").await.expect(200);
        let count = |list: &Value, name: &str, value: &str| {
            list["items"].as_array().expect("a list").iter().filter(|item| item[name] == value).count()
        };
        assert_eq!(count(&timeline, "to", "completed"), 1, "{timeline}");
        assert_eq!(count(&inbox, "type", "order_completed"), 1, "{inbox}");
    }
}

#[actix_web::test]
async fn who_looks_at_an_order_on_another_server_is_not_notified_of_its_messages() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = chat::order(here).await;
    let mut screen = there.connect(&customer, &format!("/ws/orders/{order}/")).await;
    chat::until_listening(here, customer.id, &order, true).await;
    let message = chat::write(here, &partner, &order, "You see this.").await;
    assert_eq!(screen.expect("chat_message").await["message"], message);
    screen.close().await;
    chat::until_listening(here, customer.id, &order, false).await;
    chat::write(here, &partner, &order, "You do not see this.").await;
    let inbox = there.as_user(&customer).get("/notifications?type=chat_message").await.expect(200);
    let items = inbox["items"].as_array().expect("items");
    assert!(items.len() == 1 && text(&items[0], "message").contains("You do not"), "{inbox}");
}

#[actix_web::test]
async fn messages_that_are_written_on_two_servers_at_once_have_one_order() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = chat::order(here).await;
    let (mut screen, _) = subscribe(there, &customer, &format!("order_{order}"), None).await;
    screen.expect("order_status").await;
    let body = |words: String| json!({"text": words, "client_id": words});
    let writes = (0..12).flat_map(|number| {
        // Each twice, on either server: the second is the first.
        [(here, &customer), (there, &customer), (there, &partner)]
            .map(|(app, user)| chat::try_write(app, user, &order, body(format!("{number}"))))
    });
    for answer in join_all(writes).await {
        answer.expect(201);
    }
    let mut told = Vec::new();
    for _ in 0..24 {
        told.push(screen.expect("chat_message").await["message"].clone());
    }
    let page = chat::page(here, &customer, &order).await;
    let mut listed = page["items"].as_array().expect("items").clone();
    listed.reverse();
    assert_eq!(listed, told);
}

#[actix_web::test]
async fn a_users_messages_are_counted_over_all_servers() {
    let fleet = Fleet::start_with(2, &[("WAYBILL_RATE_LIMITS", "on")]).await;
    let (here, there) = fleet.two();
    let (customer, _, order) = chat::order(here).await;
    for _ in 0..20 {
        chat::write(here, &customer, &order, "Hello?").await;
    }
    // What was counted here is told there, and does not wait for anybody.
    there
        .until("the other server refuses", || async {
            chat::try_write(there, &customer, &order, json!({"text": "Hello?"})).await.status == 429
        })
        .await;
}

#[actix_web::test]
async fn who_is_typing_on_one_server_is_seen_on_another() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (customer, partner, order) = here.assigned_order().await;
    let group = format!("order_{}", text(&order, "id"));
    let (mut writing, _) = subscribe(here, &customer, &group, None).await;
    let (mut watching, _) = subscribe(there, &partner, &group, None).await;
    watching.expect("order_status").await;
    writing.send(json!({"type": "typing", "order_id": order["id"]})).await;
    let typing = watching.expect("typing").await;
    assert_eq!((&typing["group"], &typing["user_id"]), (&json!(group), &json!(customer.id)));
}
