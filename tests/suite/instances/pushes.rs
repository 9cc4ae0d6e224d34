//! Several servers share the queue of pushes.

use std::collections::BTreeSet;

use super::Fleet;
use crate::push::service::PushService;
use crate::push::settings;

/// Users with a browser each.
const USERS: usize = 60;

#[actix_web::test]
async fn each_push_is_sent_once_by_one_of_two_servers() {
    let service = PushService::start();
    let fleet = Fleet::start_with(2, &settings("0")).await;
    let (here, there) = fleet.two();
    let key = |app: &crate::support::TestApp, user: &crate::support::TestUser| {
        let client = app.as_user(user);
        async move { client.get("/push/key").await.expect(200) }
    };
    let users = here.partners_online(USERS).await;
    assert_eq!(key(here, &users[0]).await, key(there, &users[0]).await);
    for user in &users {
        here.subscribe(user, &service).await;
    }
    let mut expected = BTreeSet::new();
    for (number, user) in users.iter().enumerate() {
        let app = if number % 2 == 0 { here } else { there };
        for _ in 0..2 {
            app.tell(user).await;
        }
        expected.extend(app.inbox(user).await);
    }
    let admin = here.admin().await;
    let mut came: Vec<String> =
        service.take(2 * USERS).await.iter().map(|message| message.id().to_owned()).collect();
    here.until("nothing waits", || async { here.pushes(&admin, "queued").await.is_empty() }).await;
    came.extend(service.so_far().await.iter().map(|message| message.id().to_owned()));
    assert_eq!(came.len(), 2 * USERS, "none twice");
    assert_eq!(came.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[actix_web::test]
async fn a_living_server_sends_what_one_that_died_had_in_its_hands() {
    let service = PushService::start();
    let mut fleet = Fleet::start_with(1, &settings("0")).await;
    let user = fleet.apps[0].with_browser(fleet.apps[0].customer().await, &service).await;
    service.hold();
    fleet.apps[0].tell(&user).await;
    let first = service.next().await;
    fleet.add(&settings("0")).await;
    fleet.apps.remove(0).vanish();
    service.open();
    assert_eq!(service.next().await.payload, first.payload);
}

#[actix_web::test]
async fn what_is_read_at_one_server_is_closed_although_another_has_pushed_it() {
    let service = PushService::start();
    let fleet = Fleet::start_with(2, &settings("0")).await;
    let (here, there) = fleet.two();
    let user = here.with_browser(here.customer().await, &service).await;
    here.tell(&user).await;
    let pushed = service.next().await;
    there.read(&user, pushed.id()).await;
    assert_eq!(service.next().await.payload["ids"], serde_json::json!([pushed.id()]));
}
