//! How things look on the wire, in REST answers and in frames alike.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::eta::{Eta, EtaSource, LateRisk, Leg};
use crate::domain::geo::Place;
use crate::domain::ids::{MessageId, NotificationId, OfferId, OrderId, PartnerId, UserId};
use crate::domain::ledger::Commission;
use crate::domain::money::Money;
use crate::domain::order::{Item, Order, OrderStatus, Party, PaymentMethod};
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;

/// A user as that user sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UserView {
    /// Its id.
    pub id: UserId,
    /// For logging in.
    pub email: String,
    /// As others see it.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// The partner profile, for partners.
    pub partner_id: Option<PartnerId>,
    /// The language of notifications: `en` or `de`.
    pub locale: String,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// A person as the other side of an order sees it: no contact details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CustomerView {
    /// The account.
    pub id: UserId,
    /// The name.
    pub name: String,
}

/// A partner as the other side of an order sees it: no contact details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartnerView {
    /// The partner profile.
    pub id: PartnerId,
    /// The name.
    pub name: String,
}

/// Whether a position can be taken for the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// At most 20 s old.
    Live,
    /// At most 120 s old.
    Stale,
    /// Older.
    Lost,
}

impl Freshness {
    /// Of a position that is `age` seconds old.
    #[must_use]
    pub fn of(age: u64) -> Self {
        match age {
            0..=20 => Self::Live,
            21..=120 => Self::Stale,
            121.. => Self::Lost,
        }
    }
}

/// Where the partner of an order was last seen.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LocationView {
    /// WGS 84 degrees.
    pub latitude: f64,
    /// WGS 84 degrees.
    pub longitude: f64,
    /// When the device measured it.
    pub timestamp: Timestamp,
    /// Degrees clockwise from north.
    pub heading: Option<f64>,
    /// Metres per second.
    pub speed: Option<f64>,
    /// Radius of the 68 % confidence circle, metres.
    pub accuracy: Option<f64>,
    /// Seconds since it was measured, when this was sent.
    pub age: u64,
    /// What that age means.
    pub freshness: Freshness,
}

/// When the partner of an order is expected.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EtaView {
    /// Where: at the pick-up until `arrived`, at the drop-off from `picked_up` on.
    pub to: Leg,
    /// When.
    pub arrives_at: Timestamp,
    /// Seconds until then, when this was sent.
    pub seconds: u64,
    /// The way that is left, metres.
    pub distance: u64,
    /// Where that comes from.
    pub source: EtaSource,
    /// The first arrival at that place that was given.
    pub promised_at: Timestamp,
    /// How likely it is that this will be broken.
    pub late_risk: LateRisk,
    /// Seconds since the position was measured that it is worked out from, when this was sent.
    pub age: u64,
    /// What that age means.
    pub freshness: Freshness,
}

impl EtaView {
    /// An ETA as it looks at `now`.
    #[must_use]
    pub fn of(eta: &Eta, now: Timestamp) -> Self {
        let (arrives_at, age) = (eta.arrives_by(now), now.since(eta.at).as_secs());
        Self {
            to: eta.to,
            arrives_at,
            seconds: arrives_at.since(now).as_secs(),
            // Saturates, and no way on earth is that long.
            distance: eta.distance.round() as u64,
            source: eta.source,
            promised_at: eta.promised_at,
            late_risk: eta.late_risk(now),
            age,
            freshness: Freshness::of(age),
        }
    }
}

/// A position in an order's trail.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TrailPointView {
    /// WGS 84 degrees.
    pub latitude: f64,
    /// WGS 84 degrees.
    pub longitude: f64,
    /// When the device measured it.
    pub timestamp: Timestamp,
    /// Degrees clockwise from north.
    pub heading: Option<f64>,
    /// Metres per second.
    pub speed: Option<f64>,
    /// Radius of the 68 % confidence circle, metres.
    pub accuracy: Option<f64>,
}

/// An order, for one viewer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrderView {
    /// Its id.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Counts its changes, from 1.
    pub version: i64,
    /// Who placed it.
    pub customer: CustomerView,
    /// Who carries it out.
    pub partner: Option<PartnerView>,
    /// Where the goods are.
    pub pickup: Place,
    /// Where they go.
    pub dropoff: Place,
    /// What they are.
    pub items: Vec<Item>,
    /// What it costs in all.
    pub price: Money,
    /// How that is paid.
    pub payment_method: PaymentMethod,
    /// What the customer wants the partner to know. The partner sees no phone numbers and e-mail addresses in it.
    pub notes: Option<String>,
    /// When the partner is expected; `null` while nothing is known.
    pub eta: Option<EtaView>,
    /// Where the partner was last seen; from `en_route` to `delivered` only.
    pub location: Option<LocationView>,
    /// The hand-over code; for the customer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The partner's share of the price, once it is completed; for the partner only, while the order is in hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earnings: Option<Money>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl OrderView {
    /// The order as `viewer` may see it, by its row alone: without where the partner is.
    #[must_use]
    pub fn of(order: &Order, viewer: Party, commission: Commission) -> Self {
        let of_customer = |text: &String| viewer.seen(Party::Customer, text);
        let place = |place: &Place| Place { address: of_customer(&place.address), ..*place };
        let item = |item: &Item| Item { name: of_customer(&item.name), ..*item };
        Self {
            id: order.id,
            status: order.status,
            version: order.version,
            customer: CustomerView { id: order.customer_id, name: of_customer(&order.customer_name) },
            partner: order
                .partner
                .as_ref()
                .map(|partner| (partner.partner_id, viewer.seen(Party::Partner, &partner.name)))
                .map(|(id, name)| PartnerView { id, name }),
            pickup: place(&order.pickup),
            dropoff: place(&order.dropoff),
            items: order.items.iter().map(item).collect(),
            price: order.price,
            payment_method: order.payment_method,
            notes: order.notes.as_ref().map(of_customer),
            eta: None,
            location: None,
            code: (viewer == Party::Customer).then(|| order.code.clone()),
            earnings: (viewer == Party::Partner && order.status.is_in_hand())
                .then(|| share(order, commission)),
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// What of an order's price is its partner's.
fn share(order: &Order, commission: Commission) -> Money {
    Money { amount: commission.split(order.price.amount).0, ..order.price }
}

/// An order that is offered to a partner.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OfferView {
    /// Its id.
    pub id: OfferId,
    /// What is offered. The customer's notes and whole name are for whoever accepts.
    pub order: OrderView,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
    /// How far the partner was from the pick-up when it was made, metres.
    pub pickup_distance: u32,
    /// The partner's share of the price.
    pub earnings: Money,
}

impl OfferView {
    /// An offer of `order`.
    #[must_use]
    pub fn of(
        id: OfferId,
        order: &Order,
        expires_at: Timestamp,
        pickup_distance: u32,
        commission: Commission,
    ) -> Self {
        let earnings = share(order, commission);
        let mut order = OrderView { notes: None, ..OrderView::of(order, Party::Partner, commission) };
        // By first name, until somebody has the order.
        order.customer.name.truncate(order.customer.name.find(' ').unwrap_or(order.customer.name.len()));
        Self { id, order, expires_at, pickup_distance, earnings }
    }
}

/// What changed about an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrderUpdate {
    /// Which order.
    pub order_id: OrderId,
    /// Where it stands now.
    pub status: OrderStatus,
    /// Where it stood before.
    pub previous_status: OrderStatus,
    /// Its version now; a lower one than a client has is old news.
    pub version: i64,
    /// When it changed.
    pub updated_at: Timestamp,
    /// Who carries it out now.
    pub partner: Option<PartnerView>,
    /// Why, where somebody said so. Phone numbers and e-mail addresses are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who wrote a message: no contact details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SenderView {
    /// The account.
    pub id: UserId,
    /// The name.
    pub name: String,
    /// As what: `customer`, `partner` or `admin`.
    pub party: Party,
}

/// A message about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// About which order.
    pub order_id: OrderId,
    /// Which partner had the order then.
    pub partner_id: PartnerId,
    /// Who wrote it.
    pub sender: SenderView,
    /// What it says. Phone numbers and e-mail addresses are masked.
    pub text: String,
    /// Whether anything in it was masked.
    pub masked: bool,
    /// The sender's own mark, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A notification in the inbox.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NotificationView {
    /// Its id.
    pub id: NotificationId,
    /// Its type, such as `order_assigned`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line.
    pub title: String,
    /// A sentence or two.
    pub message: String,
    /// For deep links: ids, `url`, `icon`.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was read.
    pub read_at: Option<Timestamp>,
}
