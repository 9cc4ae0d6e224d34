//! Dispatch over several servers: one winner, and no offer that is lost with a server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde_json::json;
use waybill::domain::dispatch::OfferStatus;
use waybill::domain::geo::Position;
use waybill::domain::ids::{OfferId, OrderId, PartnerId};
use waybill::domain::time::Timestamp;
use waybill::store::dispatch::{Offer, insert_offer};

use super::Fleet;
use crate::dispatch::offered;
use crate::support::steps::text;
use crate::support::{TestApp, TestUser};

/// Each of whom accepts once.
const PARTNERS: usize = 1_000;
/// Of whom so many listen.
const EARS: usize = 20;
/// Calls that are under way at once.
const AT_ONCE: usize = 128;

#[actix_web::test]
async fn a_thousand_who_accept_over_two_servers_have_one_winner_and_every_other_is_told_taken() {
    // The offers are made here: to look for a thousand partners, where each has to stand somewhere, is no part of the race.
    let fleet = Fleet::start_with(2, &[("WAYBILL_DISPATCH", "off")]).await;
    let here = &fleet.apps[0];
    // Half of the partners are with each server, whatever they do.
    let app_of = |at: usize| &fleet.apps[at % 2];
    let partners = here.partners_online(PARTNERS).await;
    let customer = here.customer().await;
    let order = here.order(&customer).await;
    let offers = make_offers(here, &order, &partners).await;
    let mut ears = Vec::new();
    for (at, partner) in partners.iter().enumerate().step_by(PARTNERS / EARS + 1) {
        ears.push((partner, app_of(at).at_work(partner).await));
    }

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

/// Offers an order to each of them, all at once.
async fn make_offers(app: &TestApp, order: &str, partners: &[TestUser]) -> HashMap<PartnerId, OfferId> {
    let (order_id, now): (OrderId, _) = (order.parse().expect("an id"), Timestamp::now());
    let offers: Vec<Offer> = partners
        .iter()
        .map(|partner| Offer {
            id: OfferId::new(),
            order_id,
            partner_id: partner.partner_id.expect("a partner"),
            look: 1,
            status: OfferStatus::Open,
            reason: None,
            pickup_distance: 100,
            created_at: now,
            expires_at: now.after(Duration::from_secs(3_600)),
            closed_at: None,
        })
        .collect();
    let made = offers.iter().map(|offer| (offer.partner_id, offer.id)).collect();
    let inserted = app.inner().write(move |tx| {
        for offer in &offers {
            insert_offer(tx.conn(), offer)?;
        }
        Ok(())
    });
    inserted.await.expect("they are made");
    made
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

#[actix_web::test]
async fn a_server_that_joins_is_told_who_is_near_though_nobody_has_said_so_since() {
    // Nothing of it is in the database yet.
    let mut fleet = Fleet::start_with(1, &[("WAYBILL_TRAIL_FLUSH_SECS", "60")]).await;
    let (partner, customer) = (fleet.apps[0].partner_at(100.0).await, fleet.apps[0].customer().await);
    fleet.add(&[]).await;
    let (_, there) = fleet.two();
    there
        .until("it knows who is near", || async {
            let centre = Position { latitude: 52.52, longitude: 13.405 };
            let now = Timestamp::now();
            let since = now.before(Duration::from_secs(60));
            let near = there.inner().tracking().positions().nearest(centre, 5_000.0, 2, since, now);
            near.iter().map(|near| Some(near.partner_id)).eq([partner.partner_id])
        })
        .await;
    fleet.apps.remove(0).vanish();
    let there = &fleet.apps[0];
    let mut work = there.at_work(&partner).await;
    let order = there.order(&customer).await;
    offered(&mut work, &order).await;
}
