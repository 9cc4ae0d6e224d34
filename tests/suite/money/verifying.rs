//! What a check of the ledger sees: also money that was left where the order's end should have moved it.

use serde_json::json;

use super::{PRICE, SETTINGS, assert_whole, complete, faults, rich, wallet_order};
use crate::support::TestApp;
use crate::support::steps::text;

#[actix_web::test]
async fn an_order_that_went_another_way_than_its_money_is_found() {
    let app = TestApp::start_with(&[SETTINGS.as_slice(), &[("WAYBILL_ORDERS_IN_HAND", "10")]].concat()).await;
    let (customer, partner, admin) = (rich(&app, 10_000).await, app.partner().await, app.admin().await);
    // One of each kind of end, from the wallet and in cash, and one of each that is under way.
    let open = wallet_order(&app, &customer, &partner).await;
    let done = wallet_order(&app, &customer, &partner).await;
    complete(&app, &customer, &partner, &done).await;
    let failed = wallet_order(&app, &customer, &partner).await;
    app.step(&admin, &failed, "failed").await;
    let late = wallet_order(&app, &customer, &partner).await;
    app.carry_to(&partner, &late, "arrived").await;
    app.step(&customer, &late, "cancelled").await;
    let cash_open = app.order(&customer).await;
    let mut cash = Vec::new();
    for _ in 0..3 {
        let order = app.order(&customer).await;
        app.assign(&admin, &order, &partner).await;
        cash.push(order);
    }
    let [cash_done, cash_failed, cash_late] = cash.try_into().expect("three");
    complete(&app, &customer, &partner, &cash_done).await;
    app.step(&admin, &cash_failed, "failed").await;
    app.carry_to(&partner, &cash_late, "arrived").await;
    app.step(&customer, &cash_late, "cancelled").await;
    app.as_user(&admin).post(&format!("/orders/{done}/refund"), json!({"reason": "cold"})).await.expect(200);
    assert_whole(&app).await;

    let status =
        text(&app.as_user(&customer).get(&format!("/orders/{cash_open}")).await.expect(200), "status");
    let unpaid = format!("is completed at {PRICE}, and was paid 0");
    for (order, column, wrong, right, fault) in [
        (&open, "orders.status", "cancelled", "assigned", "is cancelled, and its price is still set aside"),
        (&open, "orders.status", "completed", "assigned", &unpaid),
        (&open, "payments.status", "released", "authorised", "is not set aside: its payment is released"),
        (&open, "payments.amount", "1361", "1360", "its payment is 1361 USD (wallet)"),
        (&open, "payments.amount", "1359", "1360", "its payment is 1359 USD (wallet)"),
        (&open, "payments.currency", "EUR", "USD", "its payment is 1360 EUR (wallet)"),
        (&open, "payments.method", "cash", "wallet", "its payment is 1360 USD (cash)"),
        (&failed, "orders.status", "in_transit", "failed", "is in_transit, and its price is not set aside"),
        (&failed, "orders.status", "completed", "failed", &unpaid),
        (&failed, "payments.status", "authorised", "released", "is failed, and its price is still set aside"),
        (&done, "payments.status", "released", "refunded", "is completed at 1360, and was paid 1360"),
        (&done, "orders.status", "failed", "completed", "is failed, and was paid 1360"),
        (&late, "orders.status", "completed", "cancelled", "is completed at 1360, and was paid 300"),
        (&cash_done, "orders.price_amount", "1361", "1360", "is completed at 1361, and was paid 1360"),
        (&cash_done, "orders.status", "delivered", "completed", "is delivered, and was paid 1360"),
        (&cash_failed, "orders.status", "completed", "failed", &unpaid),
        (&cash_late, "payments.amount", "1361", "300", "its payment is 1361 USD (cash)"),
        (&cash_open, "orders.status", "completed", &status, &unpaid),
    ] {
        let (table, name) = column.split_once('.').expect("table.column");
        let key = if table == "orders" { "id" } else { "order_id" };
        let set = |to: &str| format!("UPDATE {table} SET {name} = '{to}' WHERE {key} = '{order}'");
        assert_eq!(app.change(set(wrong)).await, 1);
        let found = faults(&app).await;
        assert!(
            found.contains(&format!("order {order}")) && found.contains(fault),
            "{column} {wrong}: {found}"
        );
        assert_eq!(app.change(set(right)).await, 1);
        assert_whole(&app).await;
    }
}
