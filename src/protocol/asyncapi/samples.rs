//! One of each frame, always the same: what the document shows, and what it asks who hears what.

mod admin;

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::domain::dispatch::OfferStatus;
use crate::domain::eta::{Eta, EtaSource, LateRisk, Leg};
use crate::domain::geo::Place;
use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, MessageId, NotificationId, OrderId, PartnerId, SessionId, UserId};
use crate::domain::ledger::MovementKind;
use crate::domain::money::{Currency, Money};
use crate::domain::order::{Item, OrderStatus, Party, PaymentMethod};
use crate::domain::payment::PaymentStatus;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::protocol::client::ClientKind;
use crate::protocol::ephemeral::{EphemeralFrame, PresentView};
use crate::protocol::event::{Event, QueueAction, chat_frame, offer_frame};
use crate::protocol::money::{EarningsBalance, EntryView, PaymentView, WalletBalance};
use crate::protocol::server::Control;
use crate::protocol::snapshot::SnapshotFrame;
use crate::protocol::views::{
    CustomerView, EtaView, Freshness, LocationView, MessageView, NotificationView, OfferView, OrderUpdate,
    OrderView, PartnerView, SenderView, TrailPointView,
};

/// The numbering of all samples.
pub(super) const EPOCH: &str = "0199f3a07c1d7e0f8a4b5c6d7e8f9a0b";
/// 2026-01-02T03:04:05.678Z.
const AT: i64 = 1_767_323_045_678;

/// When all samples happened.
pub(super) fn at() -> Timestamp {
    Timestamp::from_millis(AT)
}

/// An id that is the same every time, so that the document is.
fn id<T: FromStr + Default>(last: &str) -> T {
    format!("019b7d2a-5c4e-7000-8000-0000000000{last}").parse().unwrap_or_default()
}

/// The id of all sample events.
pub(super) fn event_id() -> EventId {
    id("e1")
}

fn order_id() -> OrderId {
    id("01")
}

fn customer_id() -> UserId {
    id("c1")
}

fn partner_id() -> PartnerId {
    id("b1")
}

/// The group of the sample order.
pub(super) fn order_group() -> GroupKey {
    GroupKey::Order(order_id())
}

fn partner() -> PartnerView {
    PartnerView { id: partner_id(), name: "Grace".into() }
}

fn location() -> LocationView {
    LocationView {
        latitude: 52.5163,
        longitude: 13.3777,
        timestamp: at(),
        heading: Some(90.0),
        speed: Some(6.5),
        accuracy: Some(8.0),
        age: 1,
        freshness: Freshness::Live,
    }
}

fn eta() -> EtaView {
    let arrives_at = Timestamp::from_millis(AT + 420_000);
    let (to, source) = (Leg::Pickup, EtaSource::Estimate);
    let told_risk = LateRisk::None;
    let eta = Eta { to, arrives_at, distance: 2_925.0, source, at: at(), promised_at: arrives_at, told_risk };
    EtaView::of(&eta, at())
}

fn trail_point() -> TrailPointView {
    let LocationView { latitude, longitude, timestamp, heading, speed, accuracy, .. } = location();
    TrailPointView { latitude, longitude, timestamp, heading, speed, accuracy }
}

fn order(status: OrderStatus) -> OrderView {
    let place = |latitude, longitude, address: &str| Place { latitude, longitude, address: address.into() };
    OrderView {
        id: order_id(),
        status,
        version: 4,
        customer: CustomerView { id: customer_id(), name: "Ada".into() },
        partner: Some(partner()),
        pickup: place(52.5200, 13.4050, "Karl-Liebknecht-Straße 1"),
        dropoff: place(52.5163, 13.3777, "Pariser Platz 1"),
        items: vec![Item { name: "Soup".into(), quantity: 2, unit_price: 650 }],
        price: Money { amount: 1750, currency: Currency::DEFAULT },
        payment_method: PaymentMethod::Cash,
        notes: None,
        eta: Leg::of(status).map(|_| eta()),
        location: status.shows_location().then(location),
        code: None,
        earnings: None,
        created_at: at(),
        updated_at: at(),
    }
}

fn offer() -> OfferView {
    OfferView {
        id: id("d1"),
        order: OrderView { partner: None, ..order(OrderStatus::Confirmed) },
        expires_at: at(),
        pickup_distance: 420,
        earnings: Money { amount: 1488, currency: Currency::DEFAULT },
    }
}

fn entry(kind: MovementKind, amount: i64, balance_after: i64) -> EntryView {
    let order_id = Some(order_id());
    EntryView { id: id("d1"), kind, amount, balance_after, order_id, transfer_id: None, created_at: at() }
}

fn payment() -> PaymentView {
    let money = |amount| Money { amount, currency: Currency::DEFAULT };
    PaymentView {
        order_id: order_id(),
        customer_id: customer_id(),
        method: PaymentMethod::Wallet,
        status: PaymentStatus::Authorised,
        amount: money(1750),
        captured: money(0),
        refunded: money(0),
        created_at: at(),
        updated_at: at(),
    }
}

fn message() -> MessageView {
    MessageView {
        id: id::<MessageId>("e1"),
        order_id: order_id(),
        partner_id: partner_id(),
        sender: SenderView { id: customer_id(), name: "Ada".into(), party: Party::Customer },
        text: "The bell is broken. Call me: •••".into(),
        masked: true,
        client_id: Some("m-1".into()),
        created_at: at(),
    }
}

/// One of each event that has a frame.
pub(super) fn events() -> Vec<Event> {
    let user_id = customer_id();
    let update = OrderUpdate {
        order_id: order_id(),
        status: OrderStatus::EnRoute,
        previous_status: OrderStatus::Assigned,
        version: 4,
        updated_at: at(),
        partner: Some(partner()),
        reason: None,
    };
    let notification = NotificationView {
        id: id::<NotificationId>("a1"),
        kind: "partner_en_route".into(),
        title: "Grace is on the way".into(),
        message: "Grace is on the way to the pick-up.".into(),
        data: json!({"order_id": order_id()}),
        created_at: at(),
        read_at: None,
    };
    let events = [
        Event::OrderCreated { order: Box::new(OrderView { partner: None, ..order(OrderStatus::Pending) }) },
        Event::OrderUpdated { update, customer_id: user_id, partner_id: Some(partner_id()) },
        Event::QueueUpdated {
            partner_id: partner_id(),
            order_id: order_id(),
            action: QueueAction::Added,
            order: Some(Box::new(order(OrderStatus::Assigned))),
        },
        Event::OfferMade { partner_id: partner_id(), offer: Box::new(offer()) },
        Event::OfferClosed { partner_id: partner_id(), offer_id: offer().id, reason: OfferStatus::Taken },
        Event::TrailFilled { order_id: order_id(), points: vec![trail_point()] },
        Event::ChatMessage { message: Box::new(message()) },
        Event::ChatRead { order_id: order_id(), user_id, up_to: message().id },
        Event::ChatClosed { order_id: order_id() },
        Event::NotificationAdded { user_id, notification: Box::new(notification) },
        Event::UnreadCountChanged { user_id, count: 3, revision: 12 },
        Event::WalletChanged {
            user_id,
            wallet: WalletBalance { balance: 3250, currency: Currency::DEFAULT },
            entry: entry(MovementKind::Authorisation, -1750, 3250),
        },
        Event::EarningsChanged {
            partner_id: partner_id(),
            earnings: EarningsBalance { today: 1488, week: 9120, balance: 1488, currency: Currency::DEFAULT },
            entry: entry(MovementKind::Capture, 1488, 1488),
        },
        Event::PaymentChanged { payment: payment() },
    ];
    events.into_iter().chain(admin::events()).collect()
}

/// One of each ephemeral frame, and a group of each kind that it goes to.
pub(super) fn with_ephemeral(mut show: impl FnMut(GroupKey, &EphemeralFrame<'_>)) {
    show(order_group(), &EphemeralFrame::Location { location: &location() });
    show(order_group(), &EphemeralFrame::Eta { eta: &eta() });
    show(GroupKey::Partner(partner_id()), &EphemeralFrame::Cadence { interval: 3 });
    show(order_group(), &EphemeralFrame::Typing { user_id: customer_id() });
    let present = PresentView { user_id: customer_id(), role: Role::Customer };
    let presence =
        EphemeralFrame::Presence { members: Some(vec![present]), joined: None, left: None, count: 1 };
    show(order_group(), &presence);
    show(GroupKey::Admin, &presence);
    admin::with_ephemeral(&mut show);
}

/// Events that one session may get by itself, as the answer to what it has asked for.
pub(super) fn with_answers(mut show: impl FnMut(GroupKey, &str)) {
    let closed = offer_frame(offer().id, OfferStatus::Accepted, Some("9"));
    show(GroupKey::Partner(partner_id()), &closed);
    show(order_group(), &chat_frame(&message()));
}

/// The snapshot of a group of each kind.
pub(super) fn with_snapshots(mut show: impl FnMut(GroupKey, &SnapshotFrame<'_>)) {
    let order = order(OrderStatus::EnRoute);
    show(GroupKey::User(customer_id()), &SnapshotFrame::UnreadCount { count: 3 });
    show(order_group(), &SnapshotFrame::OrderStatus { order: &order });
    let orders = std::slice::from_ref(&order);
    show(GroupKey::Partner(partner_id()), &SnapshotFrame::Queue { offers: &[offer()], orders });
    show(GroupKey::Admin, &SnapshotFrame::Dashboard { dashboard: &admin::dashboard() });
}

/// A frame of another back end, without its envelope.
pub(super) fn published_body() -> String {
    json!({"type": "stock_changed", "data": {"item": "Soup", "left": 4}}).to_string()
}

/// One of each frame that answers or informs a session, by `type`.
pub(super) fn controls() -> BTreeMap<String, Vec<Value>> {
    let (expires_at, reference) = (at(), Some("7"));
    let taken = [("reason".to_owned(), json!(OfferStatus::Taken))].into_iter().collect();
    let nothing = Map::new();
    let frames = [
        Control::Welcome {
            session_id: id::<SessionId>("f1"),
            user_id: customer_id(),
            expires_at,
            ping_interval: 25,
        },
        Control::Authenticated { expires_at, reference },
        Control::Subscribed { group: order_group(), epoch: EPOCH, seq: 41, recovered: false, reference },
        Control::Resync { group: order_group(), epoch: EPOCH, seq: 0 },
        Control::Unsubscribed { group: order_group(), code: Some("access_lost"), reference: None },
        Control::Pong { reference },
        Control::Error {
            code: "not_found",
            message: "There is no such order.",
            reference,
            details: &nothing,
        },
        Control::Error {
            code: "offer_closed",
            message: "The offer is closed: taken.",
            reference,
            details: &taken,
        },
        Control::TokenExpiring { expires_at },
    ];
    let mut samples = BTreeMap::<String, Vec<Value>>::new();
    for frame in frames {
        let frame: Value = serde_json::from_str(&frame.to_text()).unwrap_or_default();
        let name = frame.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        samples.entry(name).or_default().push(frame);
    }
    samples
}

/// A frame of this kind as a client sends it.
pub(super) fn client(kind: ClientKind) -> Value {
    let mut frame = match kind {
        ClientKind::MarkRead => json!({"id": id::<NotificationId>("a1")}),
        ClientKind::Ack => json!({"ids": [event_id()]}),
        ClientKind::Subscribe => {
            json!({"group": order_group(), "since": {"epoch": EPOCH, "seq": 41}, "ref": "7"})
        }
        ClientKind::Unsubscribe => json!({"group": order_group(), "ref": "8"}),
        ClientKind::Location => json!({
            "latitude": 52.5163, "longitude": 13.3777, "timestamp": at(), "heading": 90.0, "speed": 6.5,
            "accuracy": 8.0, "battery": 0.8, "order_id": order_id(), "sent_at": at(),
        }),
        ClientKind::Accept => json!({"offer_id": offer().id, "ref": "9"}),
        ClientKind::Decline => json!({"offer_id": offer().id, "reason": "too far", "ref": "10"}),
        ClientKind::Chat => json!({
            "order_id": order_id(), "text": "The bell is broken. Call me: 0170 1234567", "client_id": "m-1", "ref": "10",
        }),
        ClientKind::Typing => json!({"order_id": order_id()}),
        ClientKind::ChatRead => json!({"order_id": order_id(), "up_to": message().id}),
        ClientKind::View => json!({"order_id": order_id()}),
        ClientKind::Auth => json!({"token": "eyJhbGciOiJIUzI1NiJ9…"}),
        ClientKind::MarkAllRead | ClientKind::Ping => json!({"ref": "9"}),
    };
    if let Some(members) = frame.as_object_mut() {
        members.insert("type".into(), kind.as_str().into());
    }
    frame
}
