//! What the tests of Redis' fates have on stage.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use waybill::protocol::channel::Route;

use super::{Fleet, subscribe, tells};
use crate::faults::stage::direct;
use crate::support::steps::text;
use crate::support::users::PASSWORD;
use crate::support::{Socket, TestApp, TestUser};

/// An order under way on two servers, and a screen on each that follows it.
pub struct Scene {
    pub fleet: Fleet,
    pub partner: TestUser,
    pub customer: TestUser,
    pub order: String,
    pub screens: Vec<Socket>,
}

impl Scene {
    /// On a fleet with these settings.
    pub async fn set(settings: &[(&str, &str)]) -> Self {
        let fleet = Fleet::start_with(2, settings).await;
        let (here, there) = fleet.two();
        let (customer, partner, order) = here.assigned_order().await;
        let order = text(&order, "id");
        let mut screens = Vec::new();
        for app in [here, there] {
            let (mut screen, _) = subscribe(app, &customer, &format!("order_{order}"), None).await;
            screen.expect("order_status").await;
            screens.push(screen);
        }
        Self { fleet, partner, customer, order, screens }
    }

    /// The partner takes a step, on the server in this place.
    pub async fn step(&self, at: usize, to: &str) {
        self.fleet.apps[at].step(&self.partner, &self.order, to).await;
    }

    /// What every screen hears up to a status.
    pub async fn hear(&mut self, status: &str) -> Vec<Vec<Value>> {
        let mut all = Vec::new();
        for screen in &mut self.screens {
            let shows = |frame: &Value| tells(frame, status) || frame["order"]["status"] == status;
            all.push(screen.until_match(status, shows).await);
        }
        all
    }

    /// A step on each server, of which both screens hear under the next number.
    pub async fn is_followed(&mut self, [one, other]: [&str; 2]) {
        self.step(0, one).await;
        self.step(1, other).await;
        for frames in self.hear(other).await {
            let numbers: Vec<u64> = frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
            assert!(numbers.len() == 2 && numbers[1] == numbers[0] + 1, "{frames:?}");
        }
    }

    /// Lets it be time to look again whether messages were read, until that had this outcome on one of the servers.
    pub async fn looks_again(&self, outcome: &str) {
        let looked = |app: &TestApp| {
            app.inner().metrics().deadlines.with_label_values(&["unread_message", outcome]).get()
        };
        let [app, other] = [0, 1].map(|at| &self.fleet.apps[at]);
        let now = "UPDATE deadlines SET due_at = 0 WHERE kind = 'unread_message'";
        direct(&self.fleet.database).batch_execute(now).expect("it is changed");
        app.until("it is looked again", || async { looked(app) + looked(other) > 0 }).await;
    }

    /// Waits until events go through Redis.
    pub async fn everybody_uses_redis(&self) {
        for app in &self.fleet.apps {
            app.until("Redis is used", || async {
                let is_there = app.inner().groups().away().is_none();
                is_there && app.inner().leadership().route() == Route::Redis
            })
            .await;
        }
    }
}

/// A session that somebody opened after logging in.
pub struct LoggedIn {
    refresh: String,
    pub bearer: String,
    pub bell: Socket,
}

impl LoggedIn {
    /// Logs in on one server, and opens a session on another.
    pub async fn on(here: &TestApp, there: &TestApp) -> Self {
        let user = here.customer().await;
        let body = json!({"email": user.email, "password": PASSWORD});
        let pair = here.as_nobody().post("/auth/login", body).await.expect(200);
        let bearer = format!("Bearer {}", text(&pair, "access"));
        let headers = [("Authorization", bearer.as_str())];
        let mut bell = Socket::open(there.address(), "/ws/notifications/", &headers).await.expect("it opens");
        bell.expect("unread_count").await;
        Self { refresh: text(&pair, "refresh"), bearer, bell }
    }

    /// Logs out, which ends the session.
    pub async fn logs_out(&mut self, on: &TestApp) {
        on.as_nobody().post("/auth/logout", json!({"refresh": self.refresh})).await.expect(204);
        assert_eq!(self.bell.closed().await.0, 4401);
    }
}
