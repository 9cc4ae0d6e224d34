//! Identifiers. Each kind is a type of its own, so that an order's id cannot be passed as a user's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::time::Timestamp;

/// Text that was meant as an id and is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: UUIDv7 (RFC 9562), so ids sort by the time they were made.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Not above any id that is made at this time or later, and above those made before.
            #[must_use]
            pub fn first_of(at: Timestamp) -> Self {
                let millis = u64::try_from(at.as_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// # Errors
            /// `InvalidId` unless `text` is a UUID of any version.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }
    )*};
}

ids! {
    /// A person with an account, whatever the role.
    UserId
    /// The partner profile of a user whose role is `partner`.
    PartnerId
    /// An order.
    OrderId
    /// An order that is offered to a partner.
    OfferId
    /// What somebody has written about an order.
    MessageId
    /// A notification in somebody's inbox.
    NotificationId
    /// What an admin has to say to everybody.
    AnnouncementId
    /// An event, for de-duplication on the client.
    EventId
    /// A log-in: all refresh tokens that descend from it, and the sessions opened with its access tokens.
    FamilyId
    /// One WebSocket session.
    SessionId
    /// One run of one server.
    InstanceId
    /// One account of the ledger.
    AccountId
    /// One movement in the ledger: all of its entries.
    TransactionId
    /// Money on its way from or to the payment provider.
    TransferId
    /// A browser's agreement to be sent pushes.
    SubscriptionId
    /// What is sent to one browser by a push service.
    PushId
}

/// The event that tells of the end of an offer bears the offer's id: there is one.
impl From<OfferId> for EventId {
    fn from(id: OfferId) -> Self {
        Self(id.0)
    }
}

/// The event that brings a notification bears the notification's id, so that who acks the one acks the other.
impl From<NotificationId> for EventId {
    fn from(id: NotificationId) -> Self {
        Self(id.0)
    }
}

/// The event that brings a message bears the message's id, so that who gets it in two ways has it once.
impl From<MessageId> for EventId {
    fn from(id: MessageId) -> Self {
        Self(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_later_sort_later() {
        let ids: Vec<OrderId> = (0..100).map(|_| OrderId::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn the_first_id_of_a_time_lies_between_those_before_and_those_after() {
        let id = OrderId::new();
        let (now, day) = (Timestamp::now(), std::time::Duration::from_secs(86_400));
        assert!(OrderId::first_of(now.before(day)) < id && id < OrderId::first_of(now.after(day)));
    }

    #[test]
    fn text_that_is_no_uuid_is_refused() {
        for text in ["", "1", "0190163d-8694-739b-aea5-966c26f8ad9", "order_1"] {
            assert_eq!(text.parse::<OrderId>(), Err(InvalidId), "{text}");
        }
    }
}
