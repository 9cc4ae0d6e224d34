use actix_web::test::{self, TestRequest};
use actix_web::{App as WebApp, web};
use serde_json::{Value, json};

use crate::domain::ids::{NotificationId, OrderId};
use crate::domain::notification::NotificationContent;
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;
use crate::http::api_routes;
use crate::services::notifications::{add, flush};
use crate::services::testing::TestApp;

/// Calls as somebody, and gives the status and the body.
async fn call(app: &TestApp, who: Principal, request: TestRequest) -> (u16, Value) {
    let service = test::init_service(
        WebApp::new()
            .app_data(web::Data::new((**app).clone()))
            .service(web::scope("/api/v1").configure(api_routes)),
    );
    let token = app.tokens().mint_access(&who, Timestamp::now()).expect("a token").token;
    let request = request.insert_header(("Authorization", format!("Bearer {token}")));
    let answer = test::call_service(&service.await, request.to_request()).await;
    let status = answer.status().as_u16();
    (status, test::read_body_json(answer).await)
}

async fn get(app: &TestApp, who: Principal, path: &str) -> (u16, Value) {
    call(app, who, TestRequest::get().uri(&format!("/api/v1{path}"))).await
}

async fn post(app: &TestApp, who: Principal, path: &str) -> (u16, Value) {
    call(app, who, TestRequest::post().uri(&format!("/api/v1{path}"))).await
}

fn field_and_code(body: &Value) -> (&str, &str) {
    let error = &body["errors"][0];
    (error["field"].as_str().unwrap_or_default(), error["code"].as_str().unwrap_or_default())
}

async fn notify(app: &TestApp, who: Principal, content: NotificationContent) {
    app.write(move |tx| add(tx, who.user_id, &content)).await.expect("notified");
}

/// Two confirmations and, between them, an arrival, all of one order.
async fn with_three(app: &TestApp) -> (Principal, OrderId) {
    let customer = app.user(Role::Customer).await;
    let order_id = OrderId::new();
    notify(app, customer, NotificationContent::OrderConfirmed { order_id }).await;
    notify(app, customer, NotificationContent::OrderDelivered { order_id }).await;
    notify(app, customer, NotificationContent::OrderConfirmed { order_id }).await;
    (customer, order_id)
}

fn ids(body: &Value) -> Vec<&str> {
    body["items"].as_array().expect("items").iter().filter_map(|item| item["id"].as_str()).collect()
}

#[actix_web::test]
async fn the_inbox_is_paged_newest_first_and_filtered() {
    for app in TestApp::each() {
        let (customer, _) = with_three(&app).await;
        let (status, all) = get(&app, customer, "/notifications").await;
        assert_eq!((status, &all["next_cursor"]), (200, &Value::Null));
        let all_ids = ids(&all);
        assert!(all_ids.is_sorted_by(|newer, older| newer > older), "{all_ids:?}");

        let (_, first) = get(&app, customer, "/notifications?limit=2").await;
        let cursor = first["next_cursor"].as_str().expect("another page");
        let (_, second) = get(&app, customer, &format!("/notifications?limit=2&cursor={cursor}")).await;
        assert_eq!([ids(&first), ids(&second)].concat(), all_ids);
        assert_eq!(second["next_cursor"], Value::Null);

        let (_, delivered) = get(&app, customer, "/notifications?type=order_delivered").await;
        assert_eq!(ids(&delivered), [all_ids[1]]);
        post(&app, customer, &format!("/notifications/{}/read", all_ids[1])).await;
        let (_, unread) = get(&app, customer, "/notifications?unread=true").await;
        assert_eq!(ids(&unread), [all_ids[0], all_ids[2]]);
        let (_, read) = get(&app, customer, "/notifications?unread=false").await;
        assert_eq!(ids(&read), [all_ids[1]]);
        assert!(read["items"][0]["read_at"].is_string());
    }
}

#[actix_web::test]
async fn reading_answers_with_what_is_left() {
    for app in TestApp::each() {
        let (customer, _) = with_three(&app).await;
        let (_, all) = get(&app, customer, "/notifications").await;
        let path = format!("/notifications/{}/read", ids(&all)[0]);
        for _ in 0..2 {
            assert_eq!(post(&app, customer, &path).await, (200, json!({"count": 2})));
        }
        let count = get(&app, customer, "/notifications/unread_count").await;
        assert_eq!(count, (200, json!({"count": 2})));

        let stranger = app.user(Role::Customer).await;
        for (who, path) in [
            (stranger, path),
            (customer, format!("/notifications/{}/read", NotificationId::new())),
            (customer, "/notifications/7/read".into()),
        ] {
            let (status, body) = post(&app, who, &path).await;
            assert_eq!((status, body["code"].as_str()), (404, Some("not_found")), "{path}");
        }
        assert_eq!(post(&app, customer, "/notifications/read_all").await, (200, json!({"count": 0})));
    }
}

#[actix_web::test]
async fn a_repeated_call_gets_the_answer_that_was_kept() {
    for app in TestApp::each() {
        let (customer, order_id) = with_three(&app).await;
        let read_all = || {
            TestRequest::post().uri("/api/v1/notifications/read_all").insert_header(("Idempotency-Key", "k"))
        };
        assert_eq!(call(&app, customer, read_all()).await, (200, json!({"count": 0})));
        notify(&app, customer, NotificationContent::OrderCompleted { order_id, price: price() }).await;
        assert_eq!(call(&app, customer, read_all()).await, (200, json!({"count": 0})));
        let (_, body) = get(&app, customer, "/notifications/unread_count").await;
        assert_eq!(body, json!({"count": 1}), "the second call was not run");
    }
}

fn price() -> crate::domain::money::Money {
    crate::domain::money::Money { amount: 1250, currency: crate::domain::money::Currency::DEFAULT }
}

#[actix_web::test]
async fn the_table_of_preferences_can_be_sent_back_as_it_came() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let (status, table) = get(&app, customer, "/notifications/preferences").await;
        assert_eq!(status, 200);
        let put = |body: Value| {
            call(&app, customer, TestRequest::put().uri("/api/v1/notifications/preferences").set_json(body))
        };
        assert_eq!(put(table.clone()).await, (200, table.clone()));

        let cell = json!({"type": "order_confirmed", "channel": "in_app", "enabled": false});
        let (status, changed) = put(json!({"preferences": [cell]})).await;
        assert_eq!(status, 200);
        let off = |table: &Value| -> Vec<Value> {
            let cells = table["preferences"].as_array().expect("cells").iter();
            cells.filter(|cell| cell["channel"] == "in_app" && cell["enabled"] == false).cloned().collect()
        };
        let expected = json!({
            "type": "order_confirmed", "channel": "in_app", "enabled": false, "can_switch_off": true,
        });
        assert_eq!((off(&table), off(&changed)), (vec![], vec![expected]));
        notify(&app, customer, NotificationContent::OrderConfirmed { order_id: OrderId::new() }).await;
        let count = get(&app, customer, "/notifications/unread_count").await;
        assert_eq!(count, (200, json!({"count": 0})));

        for (body, field, code) in [
            (
                json!([{"type": "security_new_login", "channel": "email", "enabled": false}]),
                "preferences[0].enabled",
                "cannot_switch_off",
            ),
            (
                json!([{"type": "order_lost", "channel": "email", "enabled": false}]),
                "preferences[0].type",
                "invalid",
            ),
            (json!([{"type": "order_placed", "channel": "email"}]), "preferences[0].enabled", "missing"),
        ] {
            let (status, body) = put(json!({"preferences": body})).await;
            assert_eq!((status, field_and_code(&body)), (422, (field, code)), "{body}");
        }
    }
}

#[actix_web::test]
async fn admins_see_what_became_of_an_orders_notifications() {
    for app in TestApp::each() {
        let (customer, order_id) = with_three(&app).await;
        let admin = app.user(Role::Admin).await;
        let (_, all) = get(&app, customer, "/notifications").await;
        let newest = ids(&all)[0];
        app.recorder().written(customer.user_id, newest.parse().expect("an id"));
        flush(&app).await.expect("written down");

        let (status, body) = get(&app, admin, &format!("/admin/deliveries?order_id={order_id}")).await;
        assert_eq!((status, body["items"].as_array().map(Vec::len)), (200, Some(3)), "{body}");
        assert_eq!(body["items"][0]["deliveries"][0]["state"], "written");
        assert_eq!(body["items"][1]["deliveries"][0]["state"], "queued");
        let path = format!("/admin/deliveries?notification_id={newest}");
        let (_, one) = get(&app, admin, &path).await;
        assert_eq!(one["items"], json!([body["items"][0]]));

        let (status, refused) = get(&app, customer, &path).await;
        assert_eq!((status, refused["code"].as_str()), (403, Some("role_not_allowed")));
        let both = format!("{path}&order_id={order_id}");
        for (path, field) in [("/admin/deliveries", "notification_id"), (both.as_str(), "order_id")] {
            let (status, refused) = get(&app, admin, path).await;
            assert_eq!((status, field_and_code(&refused).0), (422, field));
        }
    }
}

#[actix_web::test]
async fn only_admins_announce() {
    for app in TestApp::each() {
        let news = json!({"title": "Good news", "text": "From Monday on."});
        let request = || TestRequest::post().uri("/api/v1/admin/announcements").set_json(&news);
        let (status, body) = call(&app, app.user(Role::Partner).await, request()).await;
        assert_eq!((status, body["code"].as_str()), (403, Some("role_not_allowed")));
        let (status, body) = call(&app, app.user(Role::Admin).await, request()).await;
        assert_eq!((status, &body["title"], &body["text"]), (201, &news["title"], &news["text"]));
    }
}

#[actix_web::test]
async fn what_is_asked_wrongly_is_named() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("cursor=nonsense", "cursor"),
            ("type=order_lost", "type"),
            ("unread=perhaps", "unread"),
            ("kind=order_placed", "kind"),
        ] {
            let (status, body) = get(&app, customer, &format!("/notifications?{query}")).await;
            assert_eq!((status, field_and_code(&body).0), (422, field), "{query}: {body}");
        }
    }
}
