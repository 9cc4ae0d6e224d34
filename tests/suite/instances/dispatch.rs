//! Dispatch over several servers: one winner, and no offer that is lost with a server.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;

use super::Fleet;
use crate::support::steps::text;

/// Partners, each of whom accepts on both servers, twice.
const PARTNERS: usize = 250;

#[actix_web::test]
async fn a_thousand_who_accept_over_two_servers_have_one_winner_and_every_other_is_told_taken() {
    let fleet = Fleet::start_with(2, &[("WAYBILL_OFFERS_AT_ONCE", "250")]).await;
    let (here, there) = fleet.two();
    let mut partners = Vec::new();
    for at in 0..PARTNERS {
        partners.push(here.partner_at(100.0 + at as f64).await);
    }
    for partner in &partners {
        there.stand(partner, 100.0).await;
    }
    let mut ears = Vec::new();
    for (at, partner) in partners.iter().step_by(50).enumerate() {
        let app = &fleet.apps[at % 2];
        ears.push((partner, app.at_work(partner).await));
    }
    let customer = here.customer().await;
    let order = here.order(&customer).await;
    let mut offers = Vec::new();
    for partner in &partners {
        let found = || async {
            let offers = there.as_user(partner).get("/partner/offers").await.expect(200);
            offers["items"].as_array().is_some_and(|items| !items.is_empty())
        };
        there.until("an offer", found).await;
        let found = there.as_user(partner).get("/partner/offers").await.expect(200);
        offers.push((partner, text(&found["items"][0], "id")));
    }
    let begin = Instant::now();
    let calls = (0..4).flat_map(|round| offers.iter().map(move |offer| (round, offer)));
    let answers: Vec<_> = stream::iter(calls)
        .map(|(round, (partner, offer))| async move {
            let app = if round % 2 == 0 { here } else { there };
            let path = format!("/partner/offers/{offer}/accept");
            (partner.partner_id, app.as_user(partner).post(&path, json!({})).await)
        })
        .buffer_unordered(64)
        .collect()
        .await;
    println!("{} accepts took {:?}", answers.len(), begin.elapsed());
    let taken = here.as_user(&customer).get(&format!("/orders/{order}")).await.expect(200);
    let mut won = 0;
    for (partner_id, answer) in answers {
        if answer.status == 200 {
            won += 1;
            assert_eq!(taken["partner"]["id"], json!(partner_id));
        } else {
            assert_eq!(answer.refused(409, "offer_closed")["reason"], "taken");
        }
    }
    assert_eq!(won, 4, "the winner, who accepts four times");
    assert_eq!(taken["version"], 3, "and is assigned once");
    for (partner, socket) in &mut ears {
        let told = socket.expect("assignment_closed").await;
        let has_it = taken["partner"]["id"] == json!(partner.partner_id);
        assert_eq!(told["reason"], if has_it { "accepted" } else { "taken" });
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
