//! The order machine: every step that there is, and none besides, for everybody. The table is written down anew here, from
//! what is agreed with those who build on it.

use std::collections::BTreeMap;

use serde_json::json;
use waybill::domain::order::{OrderStatus, Party, StepRefused, find_step};

use crate::support::{TestApp, TestUser};

const LEGAL: &[(&str, &str, &str)] = &[
    ("pending", "confirmed", "admin system"),
    ("pending", "cancelled", "customer admin"),
    ("pending", "failed", "admin system"),
    ("confirmed", "assigned", "partner admin"),
    ("confirmed", "cancelled", "customer admin"),
    ("confirmed", "failed", "admin system"),
    ("assigned", "confirmed", "partner admin"),
    ("assigned", "en_route", "partner"),
    ("assigned", "cancelled", "customer admin"),
    ("assigned", "failed", "admin system"),
    ("en_route", "arrived", "partner system"),
    ("en_route", "cancelled", "customer admin"),
    ("en_route", "failed", "admin system"),
    ("arrived", "picked_up", "partner"),
    ("arrived", "cancelled", "customer admin"),
    ("arrived", "failed", "admin system"),
    ("picked_up", "in_transit", "partner"),
    ("picked_up", "failed", "admin system"),
    ("in_transit", "delivered", "partner"),
    ("in_transit", "failed", "admin system"),
    ("delivered", "completed", "customer system"),
    ("delivered", "failed", "admin system"),
];

const STATUSES: [&str; 11] = [
    "pending",
    "confirmed",
    "assigned",
    "en_route",
    "arrived",
    "picked_up",
    "in_transit",
    "delivered",
    "completed",
    "cancelled",
    "failed",
];

fn is_legal(from: &str, to: &str, party: &str) -> bool {
    LEGAL.iter().any(|step| step.0 == from && step.1 == to && step.2.split(' ').any(|by| by == party))
}

/// Where a party may take an order, in the order of names.
fn allowed(from: &str, party: &str) -> Vec<&'static str> {
    let mut allowed: Vec<_> = STATUSES.into_iter().filter(|to| is_legal(from, to, party)).collect();
    allowed.sort_unstable();
    allowed
}

#[test]
fn every_step_of_every_party_is_legal_where_the_table_has_it_and_refused_elsewhere() {
    assert_eq!(STATUSES.to_vec(), OrderStatus::ALL.map(OrderStatus::as_str).to_vec());
    for from in OrderStatus::ALL {
        for to in OrderStatus::ALL {
            for party in [Party::Customer, Party::Partner, Party::Admin, Party::System] {
                let what = format!("{from} to {to} by {}", party.as_str());
                match find_step(from, to, party) {
                    Ok(step) => {
                        assert!(is_legal(from.as_str(), to.as_str(), party.as_str()), "{what}");
                        assert_eq!((step.from, step.to), (from, to), "{what}");
                    }
                    Err(StepRefused::Illegal { from: stands, to: asked, allowed: steps }) => {
                        assert!(!is_legal(from.as_str(), to.as_str(), party.as_str()), "{what}");
                        assert_eq!((stands, asked), (from, to), "{what}");
                        let mut steps: Vec<_> = steps.into_iter().map(OrderStatus::as_str).collect();
                        steps.sort_unstable();
                        assert_eq!(steps, allowed(from.as_str(), party.as_str()), "{what}");
                    }
                }
            }
        }
    }
}

/// An order of this customer in each status, and whether the partner has it.
async fn one_in_each(
    app: &TestApp,
    customer: &TestUser,
    partner: &TestUser,
    admin: &TestUser,
) -> BTreeMap<&'static str, (String, bool)> {
    let mut orders = BTreeMap::new();
    for status in STATUSES {
        let order = app.order(customer).await;
        if status != "pending" {
            app.step(admin, &order, "confirmed").await;
        }
        let has_partner = !matches!(status, "pending" | "confirmed");
        if has_partner {
            app.assign(admin, &order, partner).await;
        }
        match status {
            "pending" | "confirmed" | "assigned" => {}
            "completed" => {
                app.carry_to(partner, &order, "delivered").await;
                app.step(customer, &order, "completed").await;
            }
            "cancelled" => {
                app.step(customer, &order, "cancelled").await;
            }
            "failed" => {
                app.step(admin, &order, "failed").await;
            }
            _ => app.carry_to(partner, &order, status).await,
        }
        orders.insert(status, (order, has_partner));
    }
    orders
}

#[actix_web::test]
async fn no_party_takes_a_step_that_the_table_does_not_have() {
    let app = TestApp::start_with(&[("WAYBILL_AUTO_CONFIRM", "off"), ("WAYBILL_ORDERS_IN_HAND", "20")]).await;
    let (customer, partner, admin) = (app.customer().await, app.partner().await, app.admin().await);
    let orders = one_in_each(&app, &customer, &partner, &admin).await;
    for (from, (order, has_partner)) in &orders {
        let version =
            app.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200)["version"].clone();
        for (party, user) in [("customer", &customer), ("partner", &partner), ("admin", &admin)] {
            // Each party has taken steps of these, which it would repeat; but not who knows of all that followed.
            for to in STATUSES.into_iter().filter(|to| to != from && !is_legal(from, to, party)) {
                let body = json!({"to": to, "version": version, "reason": "x", "note": "x"});
                let answer = app.try_step(user, order, body).await;
                if party == "partner" && !has_partner {
                    answer.refused(404, "not_found");
                    continue;
                }
                let refused = answer.refused(409, "illegal_transition");
                let mut steps: Vec<_> = refused["allowed"]
                    .as_array()
                    .expect("steps")
                    .iter()
                    .filter_map(|step| step.as_str())
                    .collect();
                steps.sort_unstable();
                assert_eq!(steps, allowed(from, party), "{from} to {to} by {party}");
                assert_eq!(refused["current_status"], *from);
            }
        }
        let stands = app.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200);
        assert_eq!(stands["status"], *from, "nothing has moved it");
    }
}
