//! What is decided about a push without asking anybody: how urgent it is, for how long it is news, what it replaces on a
//! device, and which addresses a push service can have.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use super::ids::{NotificationId, OrderId};
use super::notification::{NotificationContent, NotificationKind};
use super::time::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// How urgent a push is: whether a device is woken for it (RFC 8030, section 5.3), and which goes out first here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Urgency {
    /// Somebody waits for it.
    High,
    /// News.
    Normal,
    /// It can wait until the device is awake.
    Low,
}

impl Urgency {
    /// As the header has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// Its place in the queue: the lowest goes first.
    #[must_use]
    pub const fn rank(self) -> i64 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }

    /// That of a place in the queue.
    #[must_use]
    pub const fn of_rank(rank: i64) -> Self {
        if rank <= 0 {
            Self::High
        } else if rank == 1 {
            Self::Normal
        } else {
            Self::Low
        }
    }
}

/// How a push stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    /// It waits, or is on its way.
    Queued,
    /// The push service has taken it.
    Sent,
    /// It was sent, and a closing push after it.
    Closed,
    /// It was not sent, since nobody needed it any more or the browser was gone.
    Dropped,
    /// It was given up.
    Dead,
}

impl PushState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Sent, Self::Closed, Self::Dropped, Self::Dead];

    /// As the wire and the database have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Closed => "closed",
            Self::Dropped => "dropped",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for PushState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a push is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushKind {
    /// To show a notification.
    Notification,
    /// To close notifications that were read elsewhere, or are about nothing any more.
    Read,
}

impl PushKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Notification, Self::Read];

    /// As the wire and the database have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "notification",
            Self::Read => "read",
        }
    }
}

/// Text that names no state, or no kind, of pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected queued, sent, closed, dropped or dead")]
pub struct InvalidPush;

impl FromStr for PushState {
    type Err = InvalidPush;

    fn from_str(text: &str) -> Result<Self, InvalidPush> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(InvalidPush)
    }
}

impl FromStr for PushKind {
    type Err = InvalidPush;

    fn from_str(text: &str) -> Result<Self, InvalidPush> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(InvalidPush)
    }
}

/// How a notification is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How urgent it is.
    pub urgency: Urgency,
    /// From when on it is no news any more.
    pub expires_at: Timestamp,
    /// What it replaces on a device: whatever has the same tag. At most 64 bytes.
    pub tag: String,
}

impl Plan {
    /// The plan for a notification that is made at `now`.
    #[must_use]
    pub fn of(id: NotificationId, content: &NotificationContent, now: Timestamp) -> Self {
        let kind = content.kind();
        let expires_at = match content {
            // What nobody can accept any more is not worth a sound.
            NotificationContent::AssignmentOffered { expires_at, .. } => *expires_at,
            content => now.after(lasts(content.kind())),
        };
        Self { urgency: urgency(kind), expires_at, tag: tag(id, kind, content.order_id()) }
    }
}

const fn urgency(kind: NotificationKind) -> Urgency {
    match kind {
        NotificationKind::AssignmentOffered
        | NotificationKind::AssignmentGiven
        | NotificationKind::AssignmentWithdrawn
        | NotificationKind::PartnerArrived
        | NotificationKind::OrderArriving
        | NotificationKind::OrderCancelled
        | NotificationKind::OrderFailed
        | NotificationKind::ChatMessage
        | NotificationKind::SecurityNewLogin
        | NotificationKind::AccountUpdated => Urgency::High,
        NotificationKind::OrderPlaced
        | NotificationKind::OrderConfirmed
        | NotificationKind::OrderAssigned
        | NotificationKind::PartnerEnRoute
        | NotificationKind::OrderPickedUp
        | NotificationKind::OrderInTransit
        | NotificationKind::OrderDelivered
        | NotificationKind::OrderCompleted
        | NotificationKind::OrderReassigned
        | NotificationKind::EtaChanged
        | NotificationKind::PaymentAuthorised
        | NotificationKind::PaymentCaptured
        | NotificationKind::PaymentFailed
        | NotificationKind::RefundIssued
        | NotificationKind::WalletCredited
        | NotificationKind::WalletDebited
        | NotificationKind::AssignmentExpired
        | NotificationKind::EarningsCredited
        | NotificationKind::PayoutSent
        | NotificationKind::PayoutFailed
        | NotificationKind::RatingReceived => Urgency::Normal,
        NotificationKind::Announcement => Urgency::Low,
    }
}

/// For how long it is news.
const fn lasts(kind: NotificationKind) -> Duration {
    match kind {
        NotificationKind::PartnerArrived
        | NotificationKind::OrderArriving
        | NotificationKind::EtaChanged
        | NotificationKind::AssignmentOffered
        | NotificationKind::AssignmentExpired => MINUTE.saturating_mul(15),
        NotificationKind::OrderPlaced
        | NotificationKind::OrderConfirmed
        | NotificationKind::OrderAssigned
        | NotificationKind::OrderReassigned
        | NotificationKind::PartnerEnRoute
        | NotificationKind::OrderPickedUp
        | NotificationKind::OrderInTransit
        | NotificationKind::AssignmentGiven
        | NotificationKind::AssignmentWithdrawn => HOUR,
        NotificationKind::OrderDelivered
        | NotificationKind::OrderCompleted
        | NotificationKind::OrderCancelled
        | NotificationKind::OrderFailed
        | NotificationKind::PaymentAuthorised
        | NotificationKind::PaymentCaptured
        | NotificationKind::PaymentFailed
        | NotificationKind::RefundIssued
        | NotificationKind::WalletCredited
        | NotificationKind::WalletDebited
        | NotificationKind::EarningsCredited
        | NotificationKind::RatingReceived
        | NotificationKind::ChatMessage
        | NotificationKind::Announcement => DAY,
        NotificationKind::PayoutSent
        | NotificationKind::PayoutFailed
        | NotificationKind::SecurityNewLogin
        | NotificationKind::AccountUpdated => WEEK,
    }
}

/// Of one order, the latest step, the latest message and the latest about its offer stand on a device, one each.
/// Everything else stands by itself.
fn tag(id: NotificationId, kind: NotificationKind, order_id: Option<OrderId>) -> String {
    let subject = match kind {
        NotificationKind::OrderPlaced
        | NotificationKind::OrderConfirmed
        | NotificationKind::OrderAssigned
        | NotificationKind::PartnerEnRoute
        | NotificationKind::PartnerArrived
        | NotificationKind::OrderPickedUp
        | NotificationKind::OrderInTransit
        | NotificationKind::OrderArriving
        | NotificationKind::OrderDelivered
        | NotificationKind::OrderCompleted
        | NotificationKind::OrderCancelled
        | NotificationKind::OrderFailed
        | NotificationKind::OrderReassigned
        | NotificationKind::EtaChanged => "order",
        NotificationKind::AssignmentOffered
        | NotificationKind::AssignmentExpired
        | NotificationKind::AssignmentGiven
        | NotificationKind::AssignmentWithdrawn => "offer",
        NotificationKind::ChatMessage => "chat",
        NotificationKind::PaymentAuthorised
        | NotificationKind::PaymentCaptured
        | NotificationKind::PaymentFailed
        | NotificationKind::RefundIssued
        | NotificationKind::WalletCredited
        | NotificationKind::WalletDebited
        | NotificationKind::EarningsCredited
        | NotificationKind::PayoutSent
        | NotificationKind::PayoutFailed
        | NotificationKind::RatingReceived
        | NotificationKind::Announcement
        | NotificationKind::SecurityNewLogin
        | NotificationKind::AccountUpdated => return id.to_string(),
    };
    order_id.map_or_else(|| id.to_string(), |order_id| format!("{subject}-{order_id}"))
}

/// After how long a push that failed is tried again: from one second on, twice as long each time, at most five minutes.
/// `attempts` counts from 1.
#[must_use]
pub fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1).max(0)).unwrap_or(u32::MAX).min(9);
    Duration::from_secs(1 << doublings).min(MINUTE.saturating_mul(5))
}

/// Whether an address can be that of a server on the internet: not one of this machine, of a private or shared network, of a
/// link, of a group, of documentation, or of none of these yet (the special-purpose registries of RFC 6890). An IPv4
/// address within an IPv6 one is looked at as what it is.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    !(first == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        // Carrier-grade NAT (RFC 6598).
        || (first == 100 && second & 0b1100_0000 == 64)
        // Protocol assignments (RFC 6890), the relays that were 6to4's (RFC 7526), benchmarks (RFC 2544).
        || (first == 192 && second == 0 && third == 0)
        || (first == 192 && second == 88 && third == 99)
        || (first == 198 && second & 0b1111_1110 == 18)
        // Groups, and what is reserved, with the broadcast address.
        || first >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let [[one, two], [three, four]] = [high.to_be_bytes(), low.to_be_bytes()];
        is_public_v4(Ipv4Addr::new(one, two, three, four))
    };
    match (a, b) {
        // Mapped (RFC 4291), and translated by NAT64 (RFC 6052); the local-use prefix of RFC 8215 is not public.
        (0, 0) if [c, d, e, f] == [0, 0, 0, 0xffff] => embedded(g, h),
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => embedded(g, h),
        // 6to4 (RFC 3056).
        (0x2002, high) => embedded(high, c),
        // Protocol assignments, Teredo among them, and documentation (RFC 3849, RFC 9637).
        (0x2001, second) if second < 0x0200 || second == 0xdb8 => false,
        (0x3fff, second) if second < 0x1000 => false,
        // Global unicast is 2000::/3; everything else is of this machine, of a site, of a link, of a group, or nobody's.
        (first, _) => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::super::notification::samples;
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1.1.1.1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ];
        for address in private {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
        let public = [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.1.1",
            "223.255.255.255",
            "2a00:1450::1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ];
        for address in public {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn each_kind_has_a_plan_and_an_offer_is_no_news_once_it_is_over() {
        let now = Timestamp::from_millis(1_000);
        for content in samples::all() {
            let plan = Plan::of(NotificationId::new(), &content, now);
            assert!(plan.tag.len() <= 64, "{}", plan.tag);
            if let NotificationContent::AssignmentOffered { expires_at, .. } = content {
                assert_eq!((plan.urgency, plan.expires_at), (Urgency::High, expires_at));
            } else {
                assert!(plan.expires_at > now);
            }
        }
    }

    #[test]
    fn the_steps_of_an_order_replace_each_other_and_nothing_else() {
        let order_id = OrderId::new();
        let tag = |content: &NotificationContent| {
            Plan::of(NotificationId::new(), content, Timestamp::from_millis(0)).tag
        };
        let confirmed = NotificationContent::OrderConfirmed { order_id };
        let delivered = NotificationContent::OrderDelivered { order_id };
        let offered = NotificationContent::AssignmentExpired { order_id };
        assert_eq!(tag(&confirmed), tag(&delivered));
        assert_ne!(tag(&confirmed), tag(&offered));
        let other = NotificationContent::OrderConfirmed { order_id: OrderId::new() };
        assert_ne!(tag(&confirmed), tag(&other));
    }

    #[test]
    fn names_read_back_and_ranks_too() {
        for state in PushState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for kind in PushKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for urgency in [Urgency::High, Urgency::Normal, Urgency::Low] {
            assert_eq!(Urgency::of_rank(urgency.rank()), urgency);
        }
    }

    #[test]
    fn a_push_that_fails_is_tried_ever_more_seldom() {
        let pauses = [1, 2, 3, 8, 9, 10, i64::MAX].map(|attempts| pause(attempts).as_secs());
        assert_eq!(pauses, [1, 2, 4, 128, 256, 300, 300]);
    }
}
