//! Several servers on one database, with Redis between them: what the contract promises holds across them, and through
//! what happens to Redis and to each of them.

mod alone;
mod clocks;
mod console;
mod deadlines;
mod death;
mod dispatch;
mod money;
mod offers;
mod papers;
mod pushes;
mod redis_away;
mod redis_cluster;
mod redis_kinds;
pub mod redis_server;
mod rolling;
mod scene;
mod together;
mod tracking;

use serde_json::{Value, json};

use crate::support::{Socket, TestApp, TestDatabase, TestUser};

/// Servers that share a database and a Redis.
pub struct Fleet {
    /// Each of them.
    pub apps: Vec<TestApp>,
    // Dropped last: the servers hold connections to it.
    database: TestDatabase,
}

impl Fleet {
    /// So many servers with the Redis that all tests use.
    pub async fn start(count: usize) -> Self {
        Self::start_with(count, &[]).await
    }

    /// The same with settings of one's own, such as another Redis.
    pub async fn start_with(count: usize, settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::new();
        assert!(database.is_shared(), "these tests belong to the run with PostgreSQL");
        let mut apps = Vec::new();
        for _ in 0..count {
            apps.push(TestApp::start_beside(&database, settings).await.expect("the server starts"));
        }
        let fleet = Self { apps, database };
        fleet.met().await;
        fleet
    }

    /// One more server, with settings of its own.
    pub async fn add(&mut self, settings: &[(&str, &str)]) {
        let app = TestApp::start_beside(&self.database, settings).await.expect("the server starts");
        self.apps.push(app);
        self.met().await;
    }

    /// Waits until every server knows of every other.
    pub async fn met(&self) {
        let others = self.apps.len() - 1;
        for app in &self.apps {
            app.until("it knows the others", || async { app.inner().groups().peers().instances == others })
                .await;
        }
    }

    /// The first two.
    pub fn two(&self) -> (&TestApp, &TestApp) {
        (&self.apps[0], &self.apps[1])
    }
}

/// Subscribes, with or without a position to come back to; gives `subscribed`, too.
pub async fn subscribe(
    app: &TestApp,
    user: &TestUser,
    group: &str,
    since: Option<&Value>,
) -> (Socket, Value) {
    let mut socket = app.connect(user, "/ws/").await;
    let mut frame = json!({"type": "subscribe", "group": group});
    if let Some(since) = since {
        frame["since"] = since.clone();
    }
    socket.send(frame).await;
    let subscribed = socket.expect("subscribed").await;
    (socket, subscribed)
}

/// Where an event stands, for coming back.
pub fn position(frame: &Value) -> Value {
    json!({"epoch": frame["epoch"], "seq": frame["seq"]})
}

/// Whether a frame tells that an order has come to a status.
pub fn tells(frame: &Value, status: &str) -> bool {
    frame["type"] == "order_update" && frame["update"]["status"] == status
}
