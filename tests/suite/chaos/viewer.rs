//! A client that behaves as the guides tell it to, and notes whether it is told what was promised.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use waybill::domain::time::Timestamp;

use super::site::Site;
use super::writers::Committed;
use crate::faults::caller::{Call, Caller};
use crate::faults::stage::Cast;
use crate::support::TestUser;

/// What the database says in the end.
pub struct Orders {
    /// The version that each order has come to.
    versions: HashMap<String, i64>,
    /// Of each customer: the notifications, with their times, and how many are unread.
    inboxes: HashMap<String, (Vec<(String, Timestamp)>, i64)>,
}

impl Orders {
    pub async fn read(site: &Site, cast: &Cast) -> Self {
        let caller = Caller::new();
        let (mut versions, mut inboxes) = (HashMap::new(), HashMap::new());
        for order in all(&caller, site.nginx.address, &cast.admin.token, "/orders").await {
            versions.insert(text(&order["id"]), order["version"].as_i64().expect("a version"));
        }
        for customer in &cast.customers {
            let notes = all(&caller, site.nginx.address, &customer.token, "/notifications").await;
            let notes = notes.iter().map(|note| (text(&note["id"]), time(&note["created_at"]))).collect();
            let call = Call::get(&customer.token, "/notifications/unread_count");
            let (status, body) = caller.once(site.nginx.address, &call).await.expect("an answer");
            assert_eq!(status, 200, "{body}");
            let count = body["count"].as_i64().expect("a count");
            inboxes.insert(format!("user_{}", customer.id), (notes, count));
        }
        Self { versions, inboxes }
    }
}

/// All pages of a list.
async fn all(caller: &Caller, address: SocketAddr, token: &str, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let call = Call::get(token, format!("{path}?limit=200{cursor}"));
        let (status, body) = caller.once(address, &call).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        items.extend(body["items"].as_array().expect("a list").iter().cloned());
        match body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn time(value: &Value) -> Timestamp {
    serde_json::from_value(value.clone()).expect("a time")
}

/// What a client knows of a group.
#[derive(Default)]
struct View {
    position: Option<(String, u64)>,
    /// Whether a snapshot has to come before anything else.
    awaits_snapshot: bool,
    ids: HashSet<String>,
    /// The latest snapshot: what happened before is in it, or is to be asked for.
    snapshot_at: Option<Timestamp>,
    count: Option<i64>,
    /// The versions of orders that events told of, and the highest that a snapshot did.
    versions: BTreeMap<String, Vec<i64>>,
    /// The last version of each order that an event told of since the last snapshot.
    since_snapshot: HashMap<String, i64>,
    snapshot_versions: HashMap<String, i64>,
}

#[derive(Default)]
struct Figures {
    connections: Cell<usize>,
    events: Cell<usize>,
    repeated: Cell<usize>,
    recovered: Cell<usize>,
    snapshots: Cell<usize>,
    resyncs: Cell<usize>,
}

fn count(cell: &Cell<usize>) {
    cell.set(cell.get() + 1);
}

struct Inner {
    name: String,
    token: String,
    address: SocketAddr,
    groups: RefCell<Vec<String>>,
    views: RefCell<HashMap<String, View>>,
    violations: RefCell<Vec<String>>,
    figures: Figures,
    vanish: Notify,
    reads: Cell<bool>,
    reads_again: Notify,
}

/// A client.
pub struct Viewer {
    inner: Rc<Inner>,
    committed: Rc<Committed>,
    /// The customer whose orders it follows, each of them.
    follows: Option<usize>,
}

/// Clients of every kind, some users with several devices.
pub fn start_all(site: &Site, cast: &Cast, committed: &Rc<Committed>, seed: u64) -> Vec<Viewer> {
    let mut viewers = Vec::new();
    let mut add = |name: String, user: &TestUser, groups: Vec<String>, follows: Option<usize>| {
        let inner = Rc::new(Inner {
            name,
            token: user.token.clone(),
            address: site.nginx.address,
            groups: RefCell::new(groups),
            views: RefCell::default(),
            violations: RefCell::default(),
            figures: Figures::default(),
            vanish: Notify::new(),
            reads: Cell::new(true),
            reads_again: Notify::new(),
        });
        let random = StdRng::seed_from_u64(seed + viewers.len() as u64);
        actix_web::rt::spawn(Rc::clone(&inner).run(random));
        viewers.push(Viewer { inner, committed: Rc::clone(committed), follows });
    };
    for (place, customer) in cast.customers.iter().enumerate() {
        for device in ["phone", "laptop"] {
            let groups = vec![format!("user_{}", customer.id)];
            add(
                format!("customer {place}'s {device}"),
                customer,
                groups,
                (device == "phone").then_some(place),
            );
        }
    }
    let partner_group = format!("partner_{}", cast.partner.partner_id.expect("a partner"));
    add("the partner".into(), &cast.partner, vec![partner_group], Some(0));
    for device in ["desk", "wall"] {
        add(format!("the admins' {device}"), &cast.admin, vec!["admin_dashboard".into()], None);
    }
    for viewer in &viewers {
        viewer.follow_orders();
    }
    viewers
}

/// How much the clients saw.
pub fn summary(viewers: &[Viewer]) -> String {
    let sum = |figure: fn(&Figures) -> &Cell<usize>| -> usize {
        viewers.iter().map(|viewer| figure(&viewer.inner.figures).get()).sum()
    };
    format!(
        "{} connections, {} events ({} twice), {} recoveries, {} snapshots, {} resyncs",
        sum(|figures| &figures.connections),
        sum(|figures| &figures.events),
        sum(|figures| &figures.repeated),
        sum(|figures| &figures.recovered),
        sum(|figures| &figures.snapshots),
        sum(|figures| &figures.resyncs),
    )
}

impl Viewer {
    /// Breaks its connection without a good-bye, and comes back.
    pub fn vanish(&self) {
        self.inner.vanish.notify_waiters();
    }

    /// Goes on reading, or stops.
    pub fn read(&self, reads: bool) {
        self.inner.reads.set(reads);
        if reads {
            self.inner.reads_again.notify_waiters();
        }
    }

    /// Subscribes to each of the customer's orders as it is placed.
    fn follow_orders(&self) {
        let Some(customer) = self.follows else { return };
        let (inner, committed) = (Rc::clone(&self.inner), Rc::clone(&self.committed));
        actix_web::rt::spawn(async move {
            let mut seen = 0;
            loop {
                let new: Vec<String> = committed.orders.borrow()[seen..]
                    .iter()
                    .filter(|(place, _)| *place == customer)
                    .map(|(_, id)| format!("order_{id}"))
                    .collect();
                seen = committed.orders.borrow().len();
                // A session has room for 128: the latest are followed.
                if !new.is_empty() {
                    let mut groups = inner.groups.borrow_mut();
                    groups.extend(new);
                    let over = groups.len().saturating_sub(40);
                    groups.drain(1..1 + over);
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
    }

    /// The promises that were broken.
    pub fn violations(&self) -> Vec<String> {
        self.inner.violations.borrow().iter().map(|line| format!("{}: {line}", self.inner.name)).collect()
    }

    /// What it does not know yet although it should.
    pub fn missing(&self, truth: &Orders, committed: &Committed) -> Vec<String> {
        let views = self.inner.views.borrow();
        let mut missing = Vec::new();
        for group in self.inner.groups.borrow().iter() {
            let mut miss =
                |what: String| missing.push(format!("{} misses in {group}: {what}", self.inner.name));
            let Some(view) = views.get(group).filter(|view| !view.awaits_snapshot) else {
                miss("everything".into());
                continue;
            };
            let is_covered = |at: Timestamp| view.snapshot_at.is_some_and(|snapshot_at| at <= snapshot_at);
            for event in committed.published.borrow().iter().filter(|event| event.group == *group) {
                if !view.ids.contains(&event.id) && !is_covered(event.asked_at) {
                    miss(format!("the event {}", event.id));
                }
            }
            if let Some((notes, count)) = truth.inboxes.get(group) {
                if view.count != Some(*count) {
                    miss(format!("the count {count}, it has {:?}", view.count));
                }
                for (id, created_at) in notes {
                    if !view.ids.contains(id) && !is_covered(*created_at) {
                        miss(format!("the notification {id}"));
                    }
                }
            }
            if let Some(order) = group.strip_prefix("order_") {
                let last = truth.versions.get(order).copied().unwrap_or(0);
                let snapshot = view.snapshot_versions.get(order).copied().unwrap_or(0);
                let told = view.versions.get(order).cloned().unwrap_or_default();
                for version in snapshot + 1..=last {
                    if !told.contains(&version) {
                        miss(format!("version {version} of {last}"));
                    }
                }
            }
        }
        missing
    }
}

type Stream = WebSocketStream<TcpStream>;

impl Inner {
    async fn run(self: Rc<Self>, mut random: StdRng) {
        loop {
            if let Ok(Some(mut stream)) = timeout(Duration::from_secs(4), self.connect()).await {
                count(&self.figures.connections);
                self.follow(&mut stream).await;
            }
            sleep(Duration::from_millis(random.random_range(50..500))).await;
        }
    }

    async fn connect(&self) -> Option<Stream> {
        let mut request = format!("ws://{}/ws/", self.address).into_client_request().expect("a URL");
        let bearer = format!("Bearer {}", self.token).parse().expect("a header's value");
        request.headers_mut().insert("Authorization", bearer);
        let tcp = TcpStream::connect(self.address).await.ok()?;
        tokio_tungstenite::client_async(request, tcp).await.ok().map(|(stream, _)| stream)
    }

    /// Until the connection ends, or something that is broken by it.
    async fn follow(&self, stream: &mut Stream) {
        let mut subscribed: HashSet<String> = HashSet::new();
        let mut look = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                biased;
                () = self.vanish.notified() => return,
                _ = look.tick() => {
                    let missing: Vec<String> =
                        self.groups.borrow().iter().filter(|group| !subscribed.contains(*group)).cloned().collect();
                    for group in missing {
                        let since = self.views.borrow().get(&group).and_then(|view| view.position.clone());
                        let mut frame = json!({"type": "subscribe", "group": group, "ref": group});
                        if let Some((epoch, seq)) = since {
                            frame["since"] = json!({"epoch": epoch, "seq": seq});
                        }
                        if stream.send(Message::text(frame.to_string())).await.is_err() {
                            return;
                        }
                        subscribed.insert(group);
                    }
                    let given_up: Vec<String> =
                        subscribed.iter().filter(|group| !self.groups.borrow().contains(group)).cloned().collect();
                    for group in given_up {
                        let frame = json!({"type": "unsubscribe", "group": group});
                        if stream.send(Message::text(frame.to_string())).await.is_err() {
                            return;
                        }
                        subscribed.remove(&group);
                        self.views.borrow_mut().remove(&group);
                    }
                }
                message = stream.next(), if self.reads.get() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
                        if frame["type"] == "error" {
                            // The database may be away at the moment: once more.
                            subscribed.remove(frame["ref"].as_str().unwrap_or_default());
                        }
                        self.take(&frame);
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
                () = self.reads_again.notified() => {}
            }
        }
    }

    fn broken(&self, frame: &Value, what: &str) {
        self.violations.borrow_mut().push(format!("{what}: {frame}"));
    }

    fn take(&self, frame: &Value) {
        let Some(group) = frame["group"].as_str() else { return };
        if !self.groups.borrow().iter().any(|known| known == group) {
            return;
        }
        let mut views = self.views.borrow_mut();
        let view = views.entry(group.to_owned()).or_default();
        let stated = || Some((frame["epoch"].as_str()?.to_owned(), frame["seq"].as_u64()?));
        match frame["type"].as_str().unwrap_or_default() {
            "subscribed" if frame["recovered"] == true => {
                count(&self.figures.recovered);
                if view.position != stated() {
                    self.broken(frame, &format!("recovered from elsewhere than {:?}", view.position));
                }
                view.awaits_snapshot = false;
            }
            "subscribed" => {
                view.position = stated();
                view.awaits_snapshot = true;
            }
            "resync" => {
                count(&self.figures.resyncs);
                view.position = stated();
                view.awaits_snapshot = true;
            }
            "unsubscribed" => self.broken(frame, "nobody lost a right"),
            _ if frame["position"].is_object() => self.take_snapshot(view, frame),
            _ if frame["seq"].is_u64() => self.take_event(view, frame),
            "unread_count" => view.count = frame["count"].as_i64(),
            // Presence, positions.
            _ => {}
        }
    }

    fn take_snapshot(&self, view: &mut View, frame: &Value) {
        count(&self.figures.snapshots);
        let position = &frame["position"];
        let stated = position["epoch"].as_str().map(str::to_owned).zip(position["seq"].as_u64());
        if !view.awaits_snapshot || view.position != stated {
            self.broken(frame, &format!("a snapshot that was not announced, at {:?}", view.position));
        }
        view.awaits_snapshot = false;
        view.snapshot_at = Some(time(&frame["at"]));
        // What is in it may be told of once more, from wherever.
        view.since_snapshot.clear();
        if frame["type"] == "unread_count" {
            view.count = frame["count"].as_i64();
        }
        if let (Some(id), Some(version)) = (frame["order"]["id"].as_str(), frame["order"]["version"].as_i64())
        {
            let known = view.snapshot_versions.entry(id.to_owned()).or_default();
            if version < *known {
                self.broken(frame, &format!("a snapshot of version {version} after one of {known}"));
            }
            *known = (*known).max(version);
        }
    }

    fn take_event(&self, view: &mut View, frame: &Value) {
        count(&self.figures.events);
        let (epoch, seq) = (text(&frame["epoch"]), frame["seq"].as_u64().unwrap_or_default());
        let follows = view.position.as_ref().is_some_and(|(known, last)| *known == epoch && seq == last + 1);
        if !follows || view.awaits_snapshot {
            self.broken(frame, &format!("not the number after {:?}", view.position));
        }
        view.position = Some((epoch, seq));
        if !view.ids.insert(text(&frame["id"])) {
            count(&self.figures.repeated);
            return;
        }
        let update = &frame["update"];
        if let (Some(order), Some(version)) = (update["order_id"].as_str(), update["version"].as_i64()) {
            let snapshot = view.snapshot_versions.get(order).copied().unwrap_or(0);
            view.versions.entry(order.to_owned()).or_default().push(version);
            let last = view.since_snapshot.entry(order.to_owned()).or_default();
            if version <= *last && version > snapshot {
                self.broken(frame, &format!("version {version} after {last}"));
            }
            *last = (*last).max(version);
        }
    }
}
