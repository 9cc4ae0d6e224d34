//! Whom an order reaches when those who are nearest do not answer, or are gone.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use super::{closed, offered};
use crate::faults::stage::direct;
use crate::money::{SETTINGS, assert_whole, on_the_wallet, rich};
use crate::support::TestApp;
use crate::support::steps::text;

/// Lets offers that ran out have done so more than a minute earlier, when their partners may be asked again.
fn a_minute_passes(app: &TestApp) {
    direct(app.database())
        .batch_execute("UPDATE offers SET closed_at = closed_at - 61000 WHERE status = 'expired'")
        .expect("it is changed");
}

#[actix_web::test]
async fn nobody_is_asked_again_before_everybody_was_asked_also_far_away() {
    let app = TestApp::start_with(&[("WAYBILL_OFFER_SECS", "2"), ("WAYBILL_DISPATCH_AGAIN_MS", "100")]).await;
    let customer = app.customer().await;
    let mut silent = Vec::new();
    for metres in [100.0, 200.0] {
        let partner = app.partner_at(metres).await;
        silent.push(app.at_work(&partner).await);
    }
    let far = app.partner_at(7_000.0).await;
    let mut work = app.at_work(&far).await;
    let order = app.order(&customer).await;
    for socket in &mut silent {
        let offer = offered(socket, &order).await;
        // Whoever was asked before could be asked again by now.
        a_minute_passes(&app);
        assert_eq!(closed(socket, &offer).await, "expired");
    }
    let offer = offered(&mut work, &order).await;
    a_minute_passes(&app);
    assert_eq!(closed(&mut work, &offer).await, "expired");
    // Now that there is nobody else, they are asked again, in turn.
    for socket in &mut silent {
        let offer = offered(socket, &order).await;
        a_minute_passes(&app);
        assert_eq!(closed(socket, &offer).await, "expired");
    }
    let offer = offered(&mut work, &order).await;
    app.answer(&far, &offer, "accept").await.expect(200);
    let looks = app.audit(&order).await;
    let asked: Vec<_> = looks.iter().map(|look| look["offers"][0]["pickup_distance"].clone()).collect();
    assert_eq!(asked, [100, 200, 7000, 100, 200, 7000]);
    let verdicts: Vec<_> = looks[2]["candidates"]
        .as_array()
        .expect("some")
        .iter()
        .map(|one| (one["distance"].clone(), text(one, "verdict")))
        .collect();
    let verdict = |metres: u32, verdict: &str| (json!(metres), verdict.to_owned());
    assert_eq!(verdicts, [verdict(100, "asked"), verdict(200, "asked"), verdict(7000, "offered")]);
}

#[actix_web::test]
async fn who_goes_offline_while_partners_are_looked_for_keeps_no_offer() {
    let app = TestApp::start_with(&[("WAYBILL_DISPATCH_AGAIN_MS", "100")]).await;
    let customer = app.customer().await;
    for round in 0..8 {
        let partner = app.partner_at(500.0 - f64::from(round)).await;
        let order = {
            let leave = app.as_user(&partner);
            let leave = leave.put("/partner/availability", json!({"online": false}));
            let (order, left) = tokio::join!(app.order(&customer), leave);
            left.expect(200);
            order
        };
        app.until("it is judged", || async { !app.audit(&order).await.is_empty() }).await;
        app.until("nothing is offered", || async {
            let offers = app.as_user(&partner).get("/partner/offers").await.expect(200);
            offers["items"] == json!([])
        })
        .await;
        let looks = app.audit(&order).await;
        let offers = looks.iter().flat_map(|look| look["offers"].as_array().expect("offers"));
        let ends: Vec<_> = offers.map(|offer| text(offer, "status")).collect();
        assert!(ends.is_empty() || ends == ["withdrawn"], "{ends:?}");
        app.step(&customer, &order, "cancelled").await;
    }
}

#[actix_web::test]
async fn an_order_on_the_wallet_that_nobody_takes_gives_back_what_was_set_aside() {
    let more = [("WAYBILL_NO_PARTNER_SECS", "1"), ("WAYBILL_DISPATCH_AGAIN_MS", "100")];
    let app = TestApp::start_with(&[SETTINGS.as_slice(), &more].concat()).await;
    let (customer, partner) = (rich(&app, 2000).await, app.partner_at(100.0).await);
    let mut work = app.at_work(&partner).await;
    let order = app.as_user(&customer).post("/orders", on_the_wallet()).await.expect(201);
    let price = order["price"]["amount"].as_i64().expect("a price");
    let order = text(&order, "id");
    let wallet = app.as_user(&customer).get("/wallet").await.expect(200);
    assert_eq!((&wallet["balance"], &wallet["held"]), (&json!(2000 - price), &json!(price)));
    let offer = offered(&mut work, &order).await;
    assert_eq!(closed(&mut work, &offer).await, "withdrawn");
    app.until_status(&customer, &order, "failed").await;
    let wallet = app.as_user(&customer).get("/wallet").await.expect(200);
    assert_eq!((&wallet["balance"], &wallet["held"]), (&json!(2000), &json!(0)));
    let entries = app.as_user(&customer).get("/wallet/entries").await.expect(200);
    let entries = entries["items"].as_array().expect("items");
    let moved: Vec<_> = entries.iter().map(|entry| (text(entry, "kind"), entry["amount"].clone())).collect();
    assert_eq!(moved[0], ("release".to_owned(), json!(price)), "{moved:?}");
    assert_eq!(moved.len(), 3, "topped up, set aside, given back, each once: {moved:?}");
    let letters = app.as_user(&customer).get("/notifications?type=order_failed").await.expect(200);
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        app.as_user(&partner).get("/partner/offers").await.expect(200)["items"],
        Value::Array(Vec::new())
    );
    assert_whole(&app).await;
}
