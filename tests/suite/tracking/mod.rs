//! Where partners are, through the front door: what is taken and what is refused, what watchers see of it, and what
//! follows.

mod expecting;
mod nearness;
mod routing;
mod showing;
mod taking;
mod trails;

use std::time::Duration;

use serde_json::{Value, json};
use waybill::domain::eta::Leg;
use waybill::domain::time::Timestamp;
use waybill::store::marks::{self, Mark};

use crate::support::steps::text;
use crate::support::{Socket, TestApp, TestDatabase, TestUser};

/// Where the test's orders are picked up; see `an_order`.
pub(crate) const PICKUP: (f64, f64) = (52.52, 13.405);
/// And where they go.
const DROPOFF: (f64, f64) = (52.5163, 13.3777);

/// So many seconds ago.
pub(crate) fn ago(seconds: u64) -> Timestamp {
    Timestamp::now().before(Duration::from_secs(seconds))
}

/// So many metres north of a place.
pub(crate) fn north(place: (f64, f64), metres: f64) -> (f64, f64) {
    (place.0 + metres / 111_195.0, place.1)
}

/// A sample without its frame.
pub(crate) fn point(place: (f64, f64), at: Timestamp) -> Value {
    json!({"latitude": place.0, "longitude": place.1, "timestamp": at})
}

/// A frame with one sample.
pub(crate) fn frame(place: (f64, f64), at: Timestamp) -> Value {
    let mut frame = point(place, at);
    frame["type"] = json!("location");
    frame
}

/// An order under way, its partner's phone, and its customer's map.
struct Ride {
    customer: TestUser,
    partner: TestUser,
    order: String,
    phone: Socket,
    map: Socket,
    /// When the phone last said where it is: no two samples are of the same millisecond.
    said_at: Timestamp,
}

impl Ride {
    /// On the way to the pick-up, for some minutes.
    async fn begin(app: &TestApp) -> Self {
        let (customer, partner, order) = app.assigned_order().await;
        let order = text(&order, "id");
        app.step(&partner, &order, "en_route").await;
        backdate(app, 150);
        Self::watch(app, customer, partner, order).await
    }

    /// Of an order that is there already.
    async fn watch(app: &TestApp, customer: TestUser, partner: TestUser, order: String) -> Self {
        let mut phone = app.connect(&partner, "/ws/partner/").await;
        phone.expect("queue").await;
        let mut map = app.connect(&customer, &format!("/ws/orders/{order}/")).await;
        map.expect("presence").await;
        Self { customer, partner, order, phone, map, said_at: Timestamp::now() }
    }

    /// The phone says that it is there now.
    async fn is_at(&mut self, place: (f64, f64)) {
        self.said_at = Timestamp::now().max(self.said_at.after(Duration::from_millis(1)));
        self.phone.send(frame(place, self.said_at)).await;
    }

    /// The order as its customer sees it.
    async fn seen(&self, app: &TestApp) -> Value {
        app.as_user(&self.customer).get(&format!("/orders/{}", self.order)).await.expect(200)
    }

    /// Its trail as somebody sees it.
    async fn track(&self, app: &TestApp, who: &TestUser) -> Value {
        app.as_user(who).get(&format!("/orders/{}/track?tolerance=0", self.order)).await.expect(200)
    }

    /// Waits until the trail holds so many positions.
    async fn is_written(&self, app: &TestApp, count: usize) {
        app.until("the trail is written", || async {
            self.track(app, &self.partner).await["properties"]["measured"] == count
        })
        .await;
    }

    /// Uploads samples, and says what time it is.
    async fn upload_in_time(&self, app: &TestApp, points: Vec<Value>) -> Value {
        let body = json!({"points": points, "sent_at": Timestamp::now()});
        app.as_user(&self.partner).post("/partner/locations", body).await.expect(202)
    }

    /// Uploads samples.
    async fn upload(&self, app: &TestApp, points: Vec<Value>) -> Value {
        app.as_user(&self.partner).post("/partner/locations", json!({"points": points})).await.expect(202)
    }
}

/// The code of the `error` that a frame gets.
async fn refused(phone: &mut Socket, frame: Value) -> String {
    phone.send(frame).await;
    text(&phone.expect("error").await, "code")
}

/// Lets an arrival at the pick-up have been promised, from so many metres north of it, that is to be so many seconds later by
/// what a position of this time tells.
pub(crate) async fn promise(app: &TestApp, order: &str, metres: f64, measured: Timestamp, late: f64) {
    let order_id = order.parse().expect("an id");
    // By the road, at 25 km/h.
    let span = metres * 1.3 * 3.6 / 25.0 - late;
    let at = measured.after(Duration::from_secs_f64(span));
    let marked = app.inner().write(move |tx| {
        marks::set(tx.conn(), order_id, Mark::Promised(Leg::Pickup), at)?;
        Ok(marks::set(tx.conn(), order_id, Mark::Announced(Leg::Pickup), at)?)
    });
    marked.await.expect("it is marked");
}

/// Lets what happened to orders have happened so many seconds earlier.
pub(crate) fn backdate(app: &TestApp, seconds: u64) {
    backdate_in(app.database(), seconds);
}

/// The same on a database that several servers share.
pub(crate) fn backdate_in(database: &TestDatabase, seconds: u64) {
    use diesel::connection::SimpleConnection;
    let millis = seconds * 1000;
    crate::faults::stage::direct(database)
        .batch_execute(&format!(
            "UPDATE order_steps SET at = at - {millis}; UPDATE orders SET updated_at = updated_at - {millis}"
        ))
        .expect("it is changed");
}
