//! Dispatch over several servers: one winner, and no offer that is lost with a server.

use std::collections::HashMap;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use serde_json::json;
use waybill::domain::dispatch::FRESH;
use waybill::domain::geo::Position;
use waybill::domain::ids::OrderId;
use waybill::domain::time::Timestamp;

use super::Fleet;
use crate::support::TestUser;
use crate::support::steps::text;

/// See `an_order`.
const PICKUP: Position = Position { latitude: 52.52, longitude: 13.405 };

/// Each of whom accepts once.
const PARTNERS: usize = 1_000;
/// Of whom so many listen.
const EARS: usize = 20;
/// Calls that are under way at once.
const AT_ONCE: usize = 128;

#[actix_web::test]
async fn a_thousand_who_accept_over_two_servers_have_one_winner_and_every_other_is_told_taken() {
    let count = PARTNERS.to_string();
    let settings = [("WAYBILL_OFFERS_AT_ONCE", count.as_str()), ("WAYBILL_OFFER_SECS", "3600")];
    let fleet = Fleet::start_with(2, &settings).await;
    let (here, there) = fleet.two();
    // Half of the partners are with each server, whatever they do.
    let app_of = |at: usize| &fleet.apps[at % 2];
    let partners = here.partners_online(PARTNERS).await;
    stream::iter(partners.iter().enumerate())
        .for_each_concurrent(AT_ONCE, |(at, partner)| app_of(at).stand(partner, 100.0 + at as f64))
        .await;
    let now = Timestamp::now();
    for app in &fleet.apps {
        app.until("it knows where they are", || async {
            let positions = app.inner().tracking().positions();
            positions.nearest(PICKUP, 2_000.0, PARTNERS, now.before(FRESH), now).len() == PARTNERS
        })
        .await;
    }
    let mut ears = Vec::new();
    for (at, partner) in partners.iter().enumerate().step_by(PARTNERS / EARS + 1) {
        ears.push((partner, app_of(at).at_work(partner).await));
    }
    let customer = here.customer().await;
    let order = here.order(&customer).await;
    let order_id: OrderId = order.parse().expect("an id");
    let offers =
        || there.inner().read(move |conn| Ok(waybill::store::dispatch::open_offers(conn, order_id)?));
    there.until("they have offers", || async { offers().await.expect("offers").len() == PARTNERS }).await;
    let offers: HashMap<_, _> =
        offers().await.expect("offers").iter().map(|offer| (offer.partner_id, offer.id)).collect();
    assert_eq!(offers.len(), PARTNERS, "one for each");

    let begin = Instant::now();
    let answers: Vec<_> = stream::iter(partners.iter().enumerate())
        .map(|(at, partner)| {
            let offer = partner.partner_id.and_then(|id| offers.get(&id)).expect("an offer");
            let path = format!("/partner/offers/{offer}/accept");
            async move { (partner, app_of(at).as_user(partner).post(&path, json!({})).await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    println!("{} accepts took {:?}", answers.len(), begin.elapsed());
    let taken = here.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200);
    assert_eq!((&taken["status"], &taken["version"]), (&json!("assigned"), &json!(3)), "it is assigned once");
    let is_winner = |partner: &TestUser| taken["partner"]["id"] == json!(partner.partner_id);
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.status == 200);
    assert!(won.len() == 1 && won.iter().all(|(partner, _)| is_winner(partner)), "{won:?}");
    assert_eq!(lost.len(), PARTNERS - 1);
    for (_, answer) in lost {
        assert_eq!(answer.refused(409, "offer_closed")["reason"], "taken");
    }
    let holders: Vec<_> = stream::iter(partners.iter().enumerate())
        .map(|(at, partner)| async move {
            // Of the other server this time.
            let queue = app_of(at + 1).as_user(partner).get("/partner/queue").await.expect(200);
            assert_eq!(queue["offers"], json!([]), "nobody may have it any more");
            queue["orders"]
                .as_array()
                .expect("orders")
                .iter()
                .map(|order| (partner, text(order, "id")))
                .collect()
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<Vec<_>>>()
        .await
        .concat();
    assert!(
        matches!(&holders[..], [(partner, held)] if is_winner(partner) && *held == order),
        "in the winner's queue and in no other: {holders:?}"
    );
    for (partner, socket) in &mut ears {
        let told = socket.expect("assignment_closed").await;
        assert_eq!(told["reason"], if is_winner(partner) { "accepted" } else { "taken" });
        if is_winner(partner) {
            assert_eq!(socket.expect("queue_update").await["order_id"], json!(order));
        } else {
            let told = socket.so_far().await;
            assert!(told.iter().all(|frame| frame["type"] != "queue_update"), "{told:?}");
        }
    }
}

#[actix_web::test]
async fn an_offer_made_by_a_server_that_dies_runs_out_and_goes_on_to_the_next_partner() {
    let settings = [("WAYBILL_OFFER_SECS", "5")];
    let mut fleet = Fleet::start_with(2, &settings).await;
    let here = fleet.apps.remove(0);
    let there = &fleet.apps[0];
    let (near, far) = (here.partner_at(100.0).await, here.partner_at(200.0).await);
    for (partner, metres) in [(&near, 100.0), (&far, 200.0)] {
        there.stand(partner, metres).await;
    }
    let (mut work, mut other) = (there.at_work(&near).await, there.at_work(&far).await);
    let order = here.order(&here.customer().await).await;
    let offer = text(&work.expect("assignment").await["offer"], "id");
    here.vanish();
    let closed = work.expect("assignment_closed").await;
    assert_eq!((&closed["offer_id"], &closed["reason"]), (&json!(offer), &json!("expired")));
    let next = other.expect("assignment").await;
    assert_eq!(next["offer"]["order"]["id"], json!(order));
    let path = format!("/partner/offers/{}/accept", text(&next["offer"], "id"));
    there.as_user(&far).post(&path, json!({})).await.expect(200);
}
