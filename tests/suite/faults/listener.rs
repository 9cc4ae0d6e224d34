//! A client that follows its groups through everything, and knows at any time whether it missed something.
//!
//! For each order it knows the version that it has heard of. Each event must be the next one, or one that it knows
//! already, under the same id; only a declared snapshot may make it skip. So "nothing was missed" is not
//! compared at the end, it is checked with each frame.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::caller::{Call, Caller};
use crate::support::TestUser;

/// A little breath before the next attempt, where nothing tells that the server is back.
pub const BREATH: Duration = Duration::from_millis(10);

/// So long after the last frame nothing more is under way.
const LATE: Duration = Duration::from_secs(15);

/// Where the server is, if it is.
pub type Whereabouts = watch::Receiver<Option<SocketAddr>>;

/// Waits until there is a server.
pub async fn found(whereabouts: &mut Whereabouts) -> SocketAddr {
    let address = whereabouts.wait_for(Option::is_some).await.expect("the test goes on");
    address.expect("it was waited for")
}

/// What the listener is to have heard of when all is said.
#[derive(Debug, Clone, Default)]
pub struct Goal {
    /// The version of each order.
    pub orders: BTreeMap<String, i64>,
    /// The ids of all notifications.
    pub notifications: BTreeSet<String>,
    /// How many of them are unread.
    pub unread: i64,
}

/// What happened on the way.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    /// Connections that were opened.
    pub connections: usize,
    /// Events that were heard.
    pub events: usize,
    /// Of these, how many were known.
    pub repeated: usize,
    /// Subscriptions that went on where they had ended.
    pub recovered: usize,
    /// Subscriptions that began anew after having stood before.
    pub restarted: usize,
}

/// One subscription.
#[derive(Default)]
struct Track {
    /// Epoch and number of the last event; none while nothing is known.
    at: Option<(String, u64)>,
    /// What was asked for with the last `subscribe`.
    asked: Option<(String, u64)>,
    /// Begins anew: where, once the snapshot is in.
    begins: Option<(String, u64)>,
    was_there: bool,
}

/// The client.
pub struct Listener {
    user: TestUser,
    caller: Caller,
    rng: StdRng,
    whereabouts: Whereabouts,
    orders: mpsc::UnboundedReceiver<String>,
    goal: watch::Receiver<Option<Goal>>,
    tracks: BTreeMap<String, Track>,
    /// By group and order.
    versions: HashMap<(String, String), i64>,
    /// The event that brought an order to a version, whatever the group.
    ids: HashMap<(String, i64), String>,
    notifications: BTreeSet<String>,
    unread: Option<i64>,
    figures: Figures,
    /// The longest that a connection is kept.
    longest_stay: Duration,
}

type Stream = WebSocketStream<TcpStream>;
/// Whether to go on with this connection.
type Flow = ControlFlow<()>;

impl Listener {
    /// A listener to a user's own group, and to the orders that it is told of.
    pub fn new(
        user: &TestUser,
        seed: u64,
        whereabouts: Whereabouts,
        orders: mpsc::UnboundedReceiver<String>,
        goal: watch::Receiver<Option<Goal>>,
        longest_stay: Duration,
    ) -> Self {
        let own = match user.partner_id {
            Some(partner_id) => format!("partner_{partner_id}"),
            None => format!("user_{}", user.id),
        };
        Self {
            user: user.clone(),
            caller: Caller::new(),
            rng: StdRng::seed_from_u64(seed),
            whereabouts,
            orders,
            goal,
            tracks: BTreeMap::from([(own, Track::default())]),
            versions: HashMap::new(),
            ids: HashMap::new(),
            notifications: BTreeSet::new(),
            unread: None,
            figures: Figures::default(),
            longest_stay,
        }
    }

    /// Follows until the goal is reached.
    pub async fn follow(mut self) -> Figures {
        loop {
            let address = found(&mut self.whereabouts).await;
            if let Some(stream) = self.open(address).await {
                self.figures.connections += 1;
                self.stay(address, stream).await;
            } else {
                // Until the server is elsewhere, or simply for a moment.
                let _ = timeout(BREATH, self.whereabouts.changed()).await;
            }
            if self.missing().is_some_and(|missing| missing.is_empty()) {
                return self.figures;
            }
        }
    }

    async fn open(&self, address: SocketAddr) -> Option<Stream> {
        let mut request = format!("ws://{address}/ws/").into_client_request().expect("a URL");
        let bearer = format!("Bearer {}", self.user.token).parse().expect("a header's value");
        request.headers_mut().insert("Authorization", bearer);
        let tcp = TcpStream::connect(address).await.ok()?;
        let opening = timeout(Duration::from_secs(20), tokio_tungstenite::client_async(request, tcp));
        opening.await.expect("the handshake ends, one way or the other").ok().map(|(stream, _)| stream)
    }

    /// Listens until the connection breaks, the time is up, or the goal is reached.
    async fn stay(&mut self, address: SocketAddr, mut stream: Stream) {
        let stay = self.longest_stay.mul_f64(self.rng.random_range(0.05..1.0));
        let leave_at = Instant::now() + stay;
        let groups: Vec<String> = self.tracks.keys().cloned().collect();
        for group in groups {
            if self.subscribe(&group, &mut stream).await.is_err() {
                return;
            }
        }
        loop {
            tokio::select! {
                message = stream.next() => {
                    let Some(Ok(message)) = message else { return };
                    if self.hear(message, address, &mut stream).await.is_break() {
                        return;
                    }
                }
                Some(order) = self.orders.recv() => {
                    let group = format!("order_{order}");
                    self.tracks.insert(group.clone(), Track::default());
                    if self.subscribe(&group, &mut stream).await.is_err() {
                        return;
                    }
                }
                _ = self.goal.changed() => {}
                // Without a good-bye, as when the network is gone; not once there is a goal to reach.
                () = sleep_until(leave_at), if self.missing().is_none() => return,
                () = sleep(LATE), if self.missing().is_some() => {
                    panic!("nothing more comes, and this is missing: {:#?}", self.missing());
                }
            }
            if self.missing().is_some_and(|missing| missing.is_empty()) {
                return;
            }
        }
    }

    async fn subscribe(
        &mut self,
        group: &str,
        stream: &mut Stream,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        let Some(track) = self.tracks.get_mut(group) else { return Ok(()) };
        track.asked.clone_from(&track.at);
        let mut frame = json!({"type": "subscribe", "group": group, "ref": group});
        if let Some((epoch, seq)) = &track.at {
            frame["since"] = json!({"epoch": epoch, "seq": seq});
        }
        stream.send(Message::text(frame.to_string())).await
    }

    async fn hear(&mut self, message: Message, address: SocketAddr, stream: &mut Stream) -> Flow {
        let Message::Text(text) = message else { return Flow::Continue(()) };
        let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
        match frame["type"].as_str().expect("a frame has a type") {
            "subscribed" => self.subscribed(&frame),
            // The database is away: what was asked for with this mark is asked for again.
            "error" if frame["code"] == "unavailable" => {
                let group = text_of(&frame["ref"]);
                if self.subscribe(&group, stream).await.is_err() {
                    return Flow::Break(());
                }
                return Flow::Continue(());
            }
            "error" | "unsubscribed" if frame["code"].is_string() => panic!("{frame}"),
            _ => {}
        }
        if frame["seq"].is_u64() && frame["type"] != "subscribed" {
            self.step(&frame);
        }
        match frame["type"].as_str().expect("a frame has a type") {
            "order_status" => return self.order_snapshot(&frame, stream).await,
            "unread_count" => {
                self.unread = frame["count"].as_i64();
                return self.own_snapshot(&frame, address).await;
            }
            "queue" => return self.own_snapshot(&frame, address).await,
            "notification" => {
                self.notifications.insert(text_of(&frame["notification"]["id"]));
            }
            "order_update" => return self.order_update(&frame, stream).await,
            _ => {}
        }
        Flow::Continue(())
    }

    fn subscribed(&mut self, frame: &Value) {
        let group = text_of(&frame["group"]);
        let Some(track) = self.tracks.get_mut(&group) else { return };
        let position = (text_of(&frame["epoch"]), frame["seq"].as_u64().expect("a number"));
        if frame["recovered"] == true {
            self.figures.recovered += 1;
            assert_eq!(Some(&position), track.asked.as_ref(), "{group} goes on where it had ended");
        } else {
            self.figures.restarted += usize::from(track.was_there);
            track.at = None;
            track.begins = Some(position);
        }
        track.was_there = true;
    }

    /// A snapshot of the group itself is in, or none is needed: from here on events count.
    fn begin(&mut self, group: &str) {
        if let Some(track) = self.tracks.get_mut(group)
            && let Some(position) = track.begins.take()
        {
            track.at = Some(position);
        }
    }

    /// Events of a group come one by one, without a hole.
    fn step(&mut self, frame: &Value) {
        let group = text_of(&frame["group"]);
        let Some(track) = self.tracks.get_mut(&group) else { return };
        let (epoch, seq) = (text_of(&frame["epoch"]), frame["seq"].as_u64().expect("a number"));
        let Some((last_epoch, last)) = &mut track.at else {
            panic!("{group}: an event before its snapshot: {frame}")
        };
        assert_eq!((last_epoch.as_str(), *last + 1), (epoch.as_str(), seq), "{group}: {frame}");
        *last = seq;
        self.figures.events += 1;
    }

    async fn order_snapshot(&mut self, frame: &Value, stream: &mut Stream) -> Flow {
        let group = text_of(&frame["group"]);
        let (order, version) = (text_of(&frame["order"]["id"]), version_of(&frame["order"]));
        self.jump(&group, &order, version);
        self.begin(&group);
        self.leave_ended(&group, &frame["order"], stream).await
    }

    /// What a snapshot says replaces what was known, and is never older.
    fn jump(&mut self, group: &str, order: &str, version: i64) {
        let known = self.versions.entry((group.to_owned(), order.to_owned())).or_insert(version);
        assert!(*known <= version, "{group}: {order} went back from {known} to {version}");
        *known = version;
    }

    /// A user's or a partner's group begins anew: its first frame declares that, and what was missed is read as
    /// any client reads it.
    async fn own_snapshot(&mut self, frame: &Value, address: SocketAddr) -> Flow {
        if frame["position"].is_null() {
            return Flow::Continue(());
        }
        let group = text_of(&frame["group"]);
        let Some(orders) = self.read(address, "/orders?limit=50").await else { return Flow::Break(()) };
        for order in orders {
            self.jump(&group, &text_of(&order["id"]), version_of(&order));
        }
        if self.user.partner_id.is_none() {
            let read = self.read(address, "/notifications?limit=200").await;
            let Some(notifications) = read else { return Flow::Break(()) };
            self.notifications.extend(notifications.iter().map(|item| text_of(&item["id"])));
        }
        self.begin(&group);
        Flow::Continue(())
    }

    async fn read(&self, address: SocketAddr, path: &str) -> Option<Vec<Value>> {
        let (status, body) = self.caller.once(address, &Call::get(&self.user.token, path)).await.ok()?;
        (status == 200).then(|| body["items"].as_array().expect("a list").clone())
    }

    async fn order_update(&mut self, frame: &Value, stream: &mut Stream) -> Flow {
        let (group, update) = (text_of(&frame["group"]), &frame["update"]);
        let (order, version) = (text_of(&update["order_id"]), version_of(update));
        let id = text_of(&frame["id"]);
        let first = self.ids.entry((order.clone(), version)).or_insert_with(|| id.clone());
        assert_eq!(*first, id, "the same event under another id: {frame}");
        // A partner hears of an order from its assignment on, which makes its third version; everybody else from its
        // first step on.
        let before = if group.starts_with("partner_") { 2 } else { 1 };
        let known = self.versions.entry((group.clone(), order.clone())).or_insert(before);
        if version <= *known {
            self.figures.repeated += 1;
        } else {
            assert_eq!(version, *known + 1, "{group}: something is missing before {frame}");
            *known = version;
        }
        self.leave_ended(&group, update, stream).await
    }

    /// Nothing more comes of an order that is completed.
    async fn leave_ended(&mut self, group: &str, order: &Value, stream: &mut Stream) -> Flow {
        let has_ended = order["status"] == "completed" && group.starts_with("order_");
        if !has_ended || self.tracks.remove(group).is_none() {
            return Flow::Continue(());
        }
        let frame = json!({"type": "unsubscribe", "group": group});
        match stream.send(Message::text(frame.to_string())).await {
            Ok(()) => Flow::Continue(()),
            Err(_) => Flow::Break(()),
        }
    }

    /// What is missing to the goal, once there is one.
    fn missing(&self) -> Option<Vec<String>> {
        let goal = self.goal.borrow();
        let goal = goal.as_ref()?;
        let mut missing = Vec::new();
        let own = match self.user.partner_id {
            Some(partner_id) => format!("partner_{partner_id}"),
            None => format!("user_{}", self.user.id),
        };
        for (order, version) in &goal.orders {
            let groups = [own.clone(), format!("order_{order}")];
            for group in groups.iter().take(if self.user.partner_id.is_some() { 1 } else { 2 }) {
                let known = self.versions.get(&(group.clone(), order.clone()));
                if known != Some(version) {
                    missing.push(format!("{group}: {order}: {known:?} of {version}"));
                }
            }
        }
        if self.user.partner_id.is_none() {
            let unknown = goal.notifications.difference(&self.notifications);
            missing.extend(unknown.map(|id| format!("notification {id}")));
            if self.unread != Some(goal.unread) {
                missing.push(format!("unread: {:?} of {}", self.unread, goal.unread));
            }
        }
        Some(missing)
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn version_of(value: &Value) -> i64 {
    value["version"].as_i64().unwrap_or_else(|| panic!("{value} has no version"))
}
