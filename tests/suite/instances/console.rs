//! What admins see, with several servers.

use serde_json::{Value, json};
use waybill::domain::time::Timestamp;

use super::Fleet;
use crate::tracking::{PICKUP, frame};

fn names(frame: &Value) -> Vec<String> {
    let instances = frame["health"]["instances"].as_array().into_iter().flatten();
    instances.filter_map(|one| one["name"].as_str().map(Into::into)).collect()
}

#[actix_web::test]
async fn an_admin_sees_how_each_server_is_and_that_one_is_gone() {
    let mut fleet = Fleet::start(3).await;
    let admin = fleet.apps[0].admin().await;
    let mut screen = fleet.apps[0].connect(&admin, "/ws/admin/").await;
    screen.expect("dashboard").await;
    let all = |count: usize| move |frame: &Value| names(frame).len() == count;
    let health = screen.until_match("three servers", all(3)).await.pop().expect("it came")["health"].take();
    let instances = health["instances"].as_array().expect("a list");
    let publishing = instances.iter().filter(|one| one["publishes"] == true).count();
    assert_eq!((publishing, &health["total"]["instances"]), (1, &json!(3)));
    assert!(instances.iter().all(|one| one["redis"] == "up" && one["database"]["ok"] == true), "{health}");
    let called = fleet.apps[1].as_user(&admin).get("/admin/overview").await.expect(200);
    assert_eq!(names(&called), names(&json!({"health": health})), "each server knows of all");
    fleet.apps.pop().expect("a server").vanish();
    screen.until_match("two servers", all(2)).await;
}

#[actix_web::test]
async fn claims_views_and_positions_are_seen_from_every_server() {
    let fleet = Fleet::start(2).await;
    let (here, there) = fleet.two();
    let (first, second) = (here.admin().await, here.admin().await);
    let (customer, partner) = (here.customer().await, here.partner().await);
    let order = here.order(&customer).await;
    let mut screen = here.connect(&first, "/ws/admin/").await;
    screen.expect("dashboard").await;
    let mut other = there.connect(&second, "/ws/admin/").await;
    other.expect("dashboard").await;

    there.as_user(&second).post(&format!("/orders/{order}/claim"), json!({})).await.expect(200);
    let told = screen.until("claim").await.pop().expect("it came");
    assert_eq!(told["claim"]["user_id"], json!(second.id));
    here.as_user(&first)
        .post(&format!("/orders/{order}/claim"), json!({}))
        .await
        .refused(409, "already_claimed");

    other.send(json!({"type": "view", "order_id": order})).await;
    let told = screen.until("viewing").await.pop().expect("it came");
    assert_eq!((&told["user_id"], &told["order_id"]), (&json!(second.id), &json!(order)));
    let overview = here.as_user(&first).get("/admin/overview").await.expect(200);
    assert_eq!(overview["viewing"][0]["user_id"], json!(second.id));

    let mut phone = there.connect(&partner, "/ws/partner/").await;
    phone.expect("queue").await;
    phone.send(frame(PICKUP, Timestamp::now())).await;
    let seen = |frame: &Value| frame["positions"][0]["partner_id"] == json!(partner.partner_id);
    screen.until_match("the partner", seen).await;
    let listed = here.as_user(&first).get("/admin/positions").await.expect(200);
    assert_eq!(listed["items"][0]["partner_id"], json!(partner.partner_id));

    let mut bell = there.connect(&customer, "/ws/notifications/").await;
    bell.expect("unread_count").await;
    here.until("the customer is known to be on the other server", || async {
        let users = here.as_user(&first).get("/admin/users?online=true&role=customer").await.expect(200);
        users["items"][0]["id"] == json!(customer.id)
    })
    .await;
}
