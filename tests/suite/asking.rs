//! What is asked and chosen around an order: its price before it is placed, the picture that somebody acts by, and the language
//! of what is said of it.

use serde_json::{Value, json};

use crate::support::steps::text;
use crate::support::{TestApp, TestUser, an_order};

#[actix_web::test]
async fn an_order_costs_what_was_said_before_it_was_placed() {
    let app = TestApp::start_with(&[("WAYBILL_MORE_CURRENCIES", "JPY:450:120:400")]).await;
    let client = app.as_user(&app.customer().await);
    let way =
        "pickup_latitude=52.52&pickup_longitude=13.405&dropoff_latitude=52.5163&dropoff_longitude=13.3777";
    for currency in ["USD", "JPY"] {
        let mut order = an_order();
        order["currency"] = json!(currency);
        let path = format!("/orders/quote?{way}&goods=900&currency={currency}");
        let quote = client.get(&path).await.expect(200);
        let part = |name: &str| quote[name]["amount"].as_i64().expect("an amount");
        assert_eq!(client.post("/orders", order).await.expect(201)["price"], quote["price"], "{quote}");
        assert_eq!((part("goods"), part("price")), (900, 900 + part("delivery")), "{quote}");
        assert!(part("delivery") > 0 && part("cancellation_fee") <= part("price"), "{quote}");
        // Of the two gates of these addresses, measured on a map.
        assert!((1_870.0..1_910.0).contains(&quote["distance"].as_f64().expect("metres")), "{quote}");
    }
    client.get(&format!("/orders/quote?{way}&goods=900&currency=EUR")).await.refused(422, "invalid_fields");
    // Nothing was placed by asking.
    let orders = client.get("/orders").await.expect(200);
    assert_eq!(orders["items"].as_array().map(Vec::len), Some(2), "{orders}");
}

#[actix_web::test]
async fn notifications_are_in_the_language_that_was_chosen_last() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let client = app.as_user(&customer);
    let latest = async || client.get("/notifications?limit=1").await.expect(200)["items"][0]["title"].clone();
    let choose = async |body: Value| {
        app.as_user(&customer).call(awc::http::Method::PATCH, "/api/v1/me", &[], Some(body)).await
    };
    app.place_order(&customer).await;
    let english = latest().await;
    assert_eq!(choose(json!({"locale": "de-AT"})).await.expect(200)["locale"], "de");
    assert_eq!(latest().await, english, "what was written before stays as it is");
    app.place_order(&customer).await;
    let german = latest().await;
    assert_ne!(german, english);
    // Nothing is asked, nothing is changed.
    assert_eq!(choose(json!({})).await.expect(200)["locale"], "de");
    choose(json!({"locale": "tlh"})).await.refused(422, "invalid_fields");
    assert_eq!(client.get("/me").await.expect(200)["locale"], "de");
}

#[actix_web::test]
async fn who_assigns_by_an_old_picture_takes_the_order_from_nobody() {
    let app = TestApp::start().await;
    let (customer, admin) = (app.customer().await, app.admin().await);
    let (first, second) = (app.partner().await, app.partner().await);
    let placed = app.place_order(&customer).await;
    let path = format!("/orders/{}/assign", text(&placed, "id"));
    let to =
        |partner: &TestUser, version: &Value| json!({"partner_id": partner.partner_id, "version": version});
    let assigned = app.as_user(&admin).post(&path, to(&first, &placed["version"])).await.expect(200);
    let refused = app.as_user(&admin).post(&path, to(&second, &placed["version"])).await;
    let problem = refused.refused(409, "version_conflict");
    assert_eq!((&problem["version"], &problem["current_status"]), (&assigned["version"], &json!("assigned")));
    // The same again is answered like the first time.
    let again = app.as_user(&admin).post(&path, to(&first, &placed["version"])).await.expect(200);
    assert_eq!(again["version"], assigned["version"]);
    let moved = app.as_user(&admin).post(&path, to(&second, &assigned["version"])).await.expect(200);
    assert_eq!(moved["partner"]["id"], json!(second.partner_id));
}
