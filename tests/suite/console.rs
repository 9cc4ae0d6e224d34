//! What admins see and do beside everybody else's calls: how the servers are, where partners are, what went wrong and who
//! looks after it, who does what.

use serde_json::{Value, json};
use waybill::domain::eta::Leg;
use waybill::domain::time::Timestamp;
use waybill::store::marks::{self, Mark};

use crate::support::steps::text;
use crate::support::users::PASSWORD;
use crate::support::{Socket, TestApp, TestUser};
use crate::tracking::{PICKUP, ago, frame, north, point};

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().expect("a list")
}

fn ids(list: &Value) -> Vec<String> {
    items(list).iter().map(|item| text(item, "id")).collect()
}

async fn until(screen: &mut Socket, kind: &str) -> Value {
    screen.until(kind).await.pop().expect("it came")
}

/// An order that an admin has given up.
async fn failed_order(app: &TestApp, admin: &TestUser) -> String {
    let order = app.order(&app.customer().await).await;
    app.step(admin, &order, "failed").await;
    order
}

/// Lets an order look as if its last step had been so many seconds ago.
async fn age(app: &TestApp, order: &str, seconds: i64) {
    let statement =
        format!("UPDATE orders SET updated_at = updated_at - {} WHERE id = '{order}'", 1_000 * seconds);
    assert_eq!(app.change(statement).await, 1);
}

#[actix_web::test]
async fn an_admin_is_told_every_2_seconds_how_the_server_is() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut screen = app.connect(&admin, "/ws/admin/").await;
    screen.expect("dashboard").await;
    let busy = |frame: &Value| frame["health"]["instances"][0]["deliveries_per_second"].as_f64() > Some(0.0);
    let health = screen.until_match("a server that is busy", busy).await.pop().expect("it came");
    let (instance, total) = (&health["health"]["instances"][0], &health["health"]["total"]);
    assert_eq!(health["seq"], Value::Null, "nobody keeps it");
    assert_eq!((&instance["connections"], &total["instances"]), (&json!(1), &json!(1)));
    assert_eq!((&instance["users"], &total["users"]), (&json!(1), &json!(1)));
    let kind = if app.database().is_shared() { "postgres" } else { "sqlite" };
    assert_eq!((&instance["database"]["kind"], &instance["database"]["ok"]), (&json!(kind), &json!(true)));
    let redis = if app.database().redis().is_some() { "up" } else { "none" };
    assert_eq!((&instance["redis"], &instance["publishes"]), (&json!(redis), &json!(true)));
    assert!(instance["latency"]["p99"].as_f64() >= instance["latency"]["p50"].as_f64(), "{instance}");
    assert!(instance["memory"].as_u64() > Some(1_000_000), "{instance}");
    assert_eq!(instance["version"], env!("CARGO_PKG_VERSION"));
    assert!(instance["groups"].as_i64() >= Some(1), "{instance}");
    let history = app.as_user(&admin).get("/admin/health").await.expect(200);
    assert_eq!(items(&history)[0]["instances"][0]["id"], instance["id"], "{history}");
}

#[actix_web::test]
async fn the_dashboard_is_what_the_overview_says() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (_, partner, order) = app.assigned_order().await;
    app.partners_online(2).await;
    app.as_user(&partner).put("/partner/availability", json!({"online": true})).await.expect(200);
    failed_order(&app, &admin).await;
    app.published().await;
    let mut first = app.connect(&admin, "/ws/admin/").await.expect("dashboard").await["dashboard"].take();
    let mut called = app.as_user(&admin).get("/admin/overview").await.expect(200);
    assert_eq!(first["partners"], json!({"online": 3, "idle": 2, "busy": 1}));
    assert_eq!(first["last_day"], json!({"placed": 2, "completed": 0, "cancelled": 0, "failed": 1}));
    assert_eq!(first["orders"], json!({"assigned": 1, "failed": 1}));
    assert!(first["recent"].as_array().expect("a list").iter().any(|recent| recent["id"] == order["id"]));
    // These go on from one to the other.
    for moving in ["health", "sessions", "users_online", "online", "exceptions"] {
        (first[moving], called[moving]) = (Value::Null, Value::Null);
    }
    assert_eq!(first, called);
}

#[actix_web::test]
async fn partners_move_on_the_map_of_an_admin() {
    let app = TestApp::start().await;
    let (admin, partner) = (app.admin().await, app.partner().await);
    let mut screen = app.connect(&admin, "/ws/admin/").await;
    screen.expect("dashboard").await;
    let mut phone = app.connect(&partner, "/ws/partner/").await;
    phone.expect("queue").await;
    let at = Timestamp::now();
    phone.send(frame(PICKUP, at)).await;
    let seen = until(&mut screen, "positions").await;
    let position = &seen["positions"][0];
    assert_eq!(position["partner_id"], json!(partner.partner_id));
    assert_eq!((position["latitude"].as_f64(), &position["timestamp"]), (Some(PICKUP.0), &json!(at)));
    let listed = app.as_user(&admin).get("/admin/positions").await.expect(200);
    assert_eq!(items(&listed), std::slice::from_ref(position));
    let partners = app.as_user(&admin).get("/admin/partners").await.expect(200);
    assert_eq!(items(&partners)[0]["position"], *position);
}

#[actix_web::test]
async fn an_exception_is_looked_after_by_one_admin() {
    let app = TestApp::start().await;
    let (first, second) = (app.admin().await, app.admin().await);
    let mut screen = app.connect(&second, "/ws/admin/").await;
    screen.expect("dashboard").await;
    let order = failed_order(&app, &first).await;
    let is_told = |claimed_by: Value| {
        let order = order.clone();
        move |frame: &Value| {
            let mut told = frame["exceptions"].as_array().into_iter().flatten();
            told.any(|one| one["order_id"] == order.as_str() && one["claim"]["user_id"] == claimed_by)
        }
    };
    let told = screen.until_match("the failed order", is_told(Value::Null)).await.pop().expect("it came");
    assert_eq!(
        (&told["exceptions"][0]["kind"], &told["exceptions"][0]["status"]),
        (&json!("failed"), &json!("failed"))
    );

    let path = format!("/orders/{order}/claim");
    let claim = app.as_user(&first).post(&path, json!({})).await.expect(200);
    assert_eq!((&claim["user_id"], &claim["name"]), (&json!(first.id), &json!("A admin")));
    let event = until(&mut screen, "claim").await;
    assert_eq!(
        (&event["order_id"], &event["claim"], &event["by"]),
        (&json!(order), &claim, &json!(first.id))
    );
    assert!(event["seq"].is_u64(), "it is kept for who comes back: {event}");
    screen.until_match("the claim among the exceptions", is_told(json!(first.id))).await;

    let refused = app.as_user(&second).post(&path, json!({})).await.refused(409, "already_claimed");
    assert_eq!(refused["claim"], claim);
    let delete = async |who: &TestUser| app.as_user(who).delete(&path).await;
    delete(&second).await.refused(409, "already_claimed");
    // From somebody who does not have it is not on purpose.
    let from = |user: &TestUser| json!({"from": user.id});
    app.as_user(&second).post(&path, from(&second)).await.refused(409, "already_claimed");
    let taken = app.as_user(&second).post(&path, from(&first)).await.expect(200);
    assert_eq!(taken["user_id"], json!(second.id));
    let listed = app.as_user(&first).get("/admin/claims").await.expect(200);
    assert_eq!(items(&listed), std::slice::from_ref(&taken));
    let again = app.as_user(&second).post(&path, json!({})).await.expect(200);
    assert_eq!(again["at"], taken["at"], "it is the same claim, renewed");
    delete(&first).await.refused(409, "already_claimed");
    for _ in 0..2 {
        assert_eq!(delete(&second).await.status, 204, "nothing to give up is as well");
    }
    let gone = |frame: &Value| frame["type"] == "claim" && frame["claim"].is_null();
    screen.until_match("the claim's end", gone).await;
    let listed = app.as_user(&first).get("/admin/claims").await.expect(200);
    assert!(items(&listed).is_empty(), "{listed}");
}

#[actix_web::test]
async fn of_two_admins_who_claim_at_once_one_has_it() {
    let app = TestApp::start().await;
    let (first, second) = (app.admin().await, app.admin().await);
    for _ in 0..5 {
        let order = app.order(&app.customer().await).await;
        let path = format!("/orders/{order}/claim");
        let claim = async |who: &TestUser| app.as_user(who).post(&path, json!({})).await.status;
        let mut both = futures_util::future::join(claim(&first), claim(&second)).await;
        if both.0 > both.1 {
            both = (both.1, both.0);
        }
        assert_eq!(both, (200, 409));
    }
}

#[actix_web::test]
async fn an_order_that_is_over_is_looked_after_by_nobody() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let customer = app.customer().await;
    let order = app.order(&customer).await;
    let path = format!("/orders/{order}/claim");
    app.as_user(&admin).post(&path, json!({})).await.expect(200);
    app.step(&customer, &order, "cancelled").await;
    let listed = app.as_user(&admin).get("/admin/claims").await.expect(200);
    assert!(items(&listed).is_empty(), "{listed}");
    app.as_user(&admin).post(&path, json!({})).await.refused(409, "order_over");
}

#[actix_web::test]
async fn an_order_that_stands_still_is_an_exception() {
    let app = TestApp::start_with(&[("WAYBILL_AUTO_CONFIRM", "off")]).await;
    let (admin, customer) = (app.admin().await, app.customer().await);
    let found = async || {
        let list = app.as_user(&admin).get("/admin/exceptions").await.expect(200);
        let kinds = items(&list).iter().map(|one| (text(one, "order_id"), text(one, "kind")));
        kinds.collect::<Vec<_>>()
    };
    let order = app.order(&customer).await;
    let is = |kind: &str| vec![(order.clone(), kind.to_owned())];
    assert_eq!(found().await, []);
    age(&app, &order, 301).await;
    assert_eq!(found().await, is("unconfirmed"));
    app.step(&admin, &order, "confirmed").await;
    assert_eq!(found().await, []);
    age(&app, &order, 121).await;
    assert_eq!(found().await, is("no_partner"));
    let partner = app.partner().await;
    app.assign(&admin, &order, &partner).await;
    age(&app, &order, 601).await;
    assert_eq!(found().await, is("stuck"));
    app.step(&partner, &order, "en_route").await;
    assert_eq!(found().await, []);
    age(&app, &order, 61).await;
    assert_eq!(found().await, is("silent"), "nothing was heard of its partner");
    let mut here = point(north(PICKUP, 2_000.0), Timestamp::now());
    here["order_id"] = json!(order);
    let heard = app.as_user(&partner).post("/partner/locations", json!({"points": [here]})).await.expect(202);
    assert_eq!(heard["accepted"], 1, "{heard}");
    app.until("the partner is heard of", || async { found().await.is_empty() }).await;
}

#[actix_web::test]
async fn a_partner_who_is_expected_a_minute_after_the_promise_is_an_exception() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (_, partner, order) = app.assigned_order().await;
    let order = text(&order, "id");
    app.step(&partner, &order, "en_route").await;
    let (promised, id) = (ago(120), order.parse().expect("an id"));
    let marked = app.inner().write(move |tx| {
        marks::set(tx.conn(), id, Mark::Promised(Leg::Pickup), promised)?;
        Ok(marks::set(tx.conn(), id, Mark::Announced(Leg::Pickup), promised)?)
    });
    marked.await.expect("it is promised");
    let mut here = point(north(PICKUP, 2_000.0), Timestamp::now());
    here["order_id"] = json!(order);
    app.as_user(&partner).post("/partner/locations", json!({"points": [here]})).await.expect(202);
    let mut screen = app.connect(&admin, "/ws/admin/").await;
    let is_late = |frame: &Value| frame["exceptions"][0]["kind"] == "late";
    let told = screen.until_match("an order that is late", is_late).await.pop().expect("it came");
    let late = &told["exceptions"][0];
    assert_eq!((&late["order_id"], &late["since"]), (&json!(order), &json!(promised)));
    assert!(late["seconds"].as_u64() > Some(120), "{late}");
}

#[actix_web::test]
async fn admins_see_who_looks_at_which_order() {
    let app = TestApp::start().await;
    let (first, second) = (app.admin().await, app.admin().await);
    let order = app.order(&app.customer().await).await;
    let mut other = app.connect(&second, "/ws/admin/").await;
    other.expect("dashboard").await;
    let mut screen = app.connect(&first, "/ws/admin/").await;
    screen.expect("dashboard").await;
    screen.send(json!({"type": "view", "order_id": order})).await;
    let told = until(&mut other, "viewing").await;
    assert_eq!((&told["user_id"], &told["order_id"]), (&json!(first.id), &json!(order)));
    let dashboard = app.as_user(&second).get("/admin/overview").await.expect(200);
    assert_eq!(dashboard["viewing"], json!([{"user_id": first.id, "name": "A admin", "order_id": order}]));
    screen.send(json!({"type": "view", "order_id": null})).await;
    assert_eq!(until(&mut other, "viewing").await["order_id"], Value::Null);
    let dashboard = app.as_user(&second).get("/admin/overview").await.expect(200);
    assert_eq!(dashboard["viewing"], json!([]));

    let mut customer = app.connect(&app.customer().await, "/ws/").await;
    customer.expect("welcome").await;
    customer.send(json!({"type": "view", "order_id": order, "ref": "v"})).await;
    let refused = customer.expect("error").await;
    assert_eq!((&refused["code"], &refused["ref"]), (&json!("role_not_allowed"), &json!("v")));
}

#[actix_web::test]
async fn partners_and_users_are_found_by_name_and_by_what_they_do() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (customer, idle, busy) = (app.customer().await, app.partner().await, app.partner().await);
    let order = app.order(&customer).await;
    app.assign(&admin, &order, &busy).await;
    app.as_user(&idle).put("/partner/availability", json!({"online": true})).await.expect(200);
    let list = async |path: &str| app.as_user(&admin).get(path).await.expect(200);

    let partners = list("/admin/partners").await;
    assert_eq!(
        ids(&partners),
        [busy.partner_id, idle.partner_id].map(|id| id.expect("a partner").to_string())
    );
    assert_eq!(items(&partners)[0]["orders"], json!([order]));
    assert_eq!(items(&partners)[0]["rating"], Value::Null);
    let online = list("/admin/partners?online=true").await;
    assert_eq!(ids(&online), [idle.partner_id.expect("a partner").to_string()]);
    let (name, _) = busy.email.split_once('@').expect("an address");
    let found = list(&format!("/admin/partners?q={}", name.to_uppercase())).await;
    assert_eq!(ids(&found), [busy.partner_id.expect("a partner").to_string()]);
    assert!(items(&list("/admin/partners?q=%25").await).is_empty(), "a per cent sign is only that");

    let users = list("/admin/users?limit=2").await;
    assert_eq!(ids(&users), [busy.id.to_string(), idle.id.to_string()]);
    let rest = list(&format!("/admin/users?limit=2&cursor={}", text(&users, "next_cursor"))).await;
    assert_eq!(ids(&rest), [customer.id.to_string(), admin.id.to_string()]);
    let named =
        json!({"email": "oe@example.org", "password": PASSWORD, "name": "Özge Yıldız", "role": "customer"});
    app.as_nobody().post("/auth/register", named).await.expect(201);
    let found = list("/admin/users?q=%C3%96zge%20Y").await;
    assert_eq!(items(&found)[0]["name"], "Özge Yıldız", "as it is written, on every database");
    let customers = list("/admin/users?role=customer&q=customer").await;
    assert_eq!(ids(&customers), [customer.id.to_string()]);

    app.carry_to(&busy, &order, "delivered").await;
    app.as_user(&customer).post(&format!("/orders/{order}/rating"), json!({"stars": 4})).await.expect(201);
    let partners = list("/admin/partners").await;
    assert_eq!(items(&partners)[0]["rating"], json!({"average": 4.0, "count": 1}));
    assert_eq!(items(&partners)[0]["orders"], json!([]));
}

#[actix_web::test]
async fn admins_see_who_has_a_session() {
    let app = TestApp::start().await;
    let (admin, here, away) = (app.admin().await, app.customer().await, app.customer().await);
    let list = async |path: &str| ids(&app.as_user(&admin).get(path).await.expect(200));
    let mut socket = app.connect(&here, "/ws/notifications/").await;
    socket.expect("unread_count").await;
    assert_eq!(list("/admin/users?online=true").await, [here.id.to_string()]);
    assert_eq!(list("/admin/users?online=false&limit=1").await, [away.id.to_string()]);
    assert_eq!(list("/admin/users?online=false").await, [away.id.to_string(), admin.id.to_string()]);
    assert!(list("/admin/users?online=true&role=partner").await.is_empty());
    socket.close().await;
    app.until("nobody is there", || async { list("/admin/users?online=true").await.is_empty() }).await;
}

#[actix_web::test]
async fn what_people_do_is_told_and_kept() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut screen = app.connect(&admin, "/ws/admin/").await;
    screen.expect("dashboard").await;
    let customer = app.customer().await;
    app.log_in(&customer).await;
    let told = until(&mut screen, "activity").await;
    assert_eq!(told["activity"]["id"], told["id"]);
    let order = failed_order(&app, &admin).await;
    app.as_user(&admin).post(&format!("/orders/{order}/claim"), json!({})).await.expect(200);
    let list =
        async |query: &str| app.as_user(&admin).get(&format!("/admin/activity{query}")).await.expect(200);
    let all = list("").await;
    let actions: Vec<&str> = items(&all).iter().filter_map(|one| one["action"].as_str()).collect();
    assert_eq!(actions, ["claimed", "failed_order", "logged_in"]);
    assert_eq!(items(&all)[2], told["activity"]);
    assert_eq!(items(&all)[1]["order_id"], order.as_str());
    let of_order = list(&format!("?order_id={order}&limit=1")).await;
    assert_eq!(items(&of_order), &items(&all)[..1]);
    let rest = list(&format!("?order_id={order}&cursor={}", text(&of_order, "next_cursor"))).await;
    assert_eq!((items(&rest), &rest["next_cursor"]), (&items(&all)[1..2], &Value::Null));
    let own = list(&format!("?user_id={}", customer.id)).await;
    assert_eq!(items(&own), &items(&all)[2..]);
}

#[actix_web::test]
async fn orders_are_listed_by_several_statuses_or_as_long_as_they_go_on() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let failed = failed_order(&app, &admin).await;
    let (_, _, assigned) = app.assigned_order().await;
    let assigned = text(&assigned, "id");
    let confirmed = app.order(&app.customer().await).await;
    let list =
        async |query: &str| ids(&app.as_user(&admin).get(&format!("/orders{query}")).await.expect(200));
    assert_eq!(list("?active=true").await, [confirmed.clone(), assigned.clone()]);
    assert_eq!(list("?active=false").await, std::slice::from_ref(&failed));
    assert_eq!(list("?status=assigned,failed").await, [assigned.clone(), failed]);
    assert_eq!(list("?status=assigned,failed&active=true").await, [assigned]);
    assert!(list("?status=failed&active=true").await.is_empty());
}
