//! The frames of clients as they are on the wire: their names, their fields, and reading these.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::{RefOr, Schema as OpenApiSchema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, MessageId, NotificationId, OfferId, OrderId};
use crate::domain::time::Timestamp;

use super::{ClientFrame, LocationSample, MAX_ACKS, MAX_POINTS, Since};

type Schema = RefOr<OpenApiSchema>;

/// Declares the frames of clients as they are on the wire: a name, and the fields beside `type` and `ref`. What
/// is read and what is documented are the same structs.
macro_rules! frames {
    ($(
        $(#[$doc:meta])*
        $name:literal $kind:ident {$(
            $(#[$field_doc:meta])*
            $field:ident: $type:ty,
        )*}
    )*) => {
        /// The kinds of frames that clients send.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ClientKind {$(
            $(#[$doc])*
            $kind,
        )*}

        impl ClientKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The frame's `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {$(
                    Self::$kind => $name,
                )*}
            }

            /// The schema of its fields, without `type`.
            #[must_use]
            pub fn schema(self) -> Schema {
                match self {$(
                    Self::$kind => wire::$kind::schema(),
                )*}
            }

            /// The schemas that those of its fields refer to, by name.
            pub fn referenced(self, schemas: &mut Vec<(String, Schema)>) {
                match self {$(
                    Self::$kind => wire::$kind::schemas(schemas),
                )*}
            }
        }

        mod wire {
            use super::*;

            $(
                $(#[$doc])*
                #[derive(Deserialize, ToSchema)]
                #[serde(deny_unknown_fields)]
                pub(super) struct $kind {
                    #[serde(rename = "type")]
                    #[schema(ignore)]
                    _kind: serde::de::IgnoredAny,
                    /// Repeated by the answer. At most 128 bytes.
                    #[serde(rename = "ref", default)]
                    #[schema(value_type = Option<String>, max_length = 128)]
                    _reference: Option<serde::de::IgnoredAny>,
                    $(
                        $(#[$field_doc])*
                        pub(super) $field: $type,
                    )*
                }
            )*
        }
    };
}

frames! {
    /// Mark a notification as read. `unread_count` goes to every session of the user.
    "mark_read" MarkRead {
        /// Which notification.
        id: NotificationId,
    }
    /// Mark every notification as read. `unread_count` goes to every session of the user.
    "mark_all_read" MarkAllRead {}
    /// The device has shown or stored these events; that is recorded for each notification among them.
    "ack" Ack {
        /// Event ids.
        #[schema(max_items = 100)]
        ids: Vec<EventId>,
    }
    /// Listen to a group. `subscribed` answers; what was missed, or else the group's snapshot, follows. Subscribing
    /// to a group again leaves it first.
    "subscribe" Subscribe {
        /// Which group.
        group: GroupKey,
        /// Where the client left off: the `epoch` and `seq` of the last event, or the `position` of the snapshot.
        since: Option<Since>,
    }
    /// Stop listening to a group. `unsubscribed` answers.
    "unsubscribe" Unsubscribe {
        /// Which group.
        group: GroupKey,
    }
    /// Where the partner is, or was; for partners only. Either one sample, for which `latitude`, `longitude` and
    /// `timestamp` are needed, or several as `points`. Not answered when all is well.
    "location" Location {
        /// WGS 84 degrees.
        #[schema(minimum = -90, maximum = 90)]
        latitude: Option<f64>,
        /// WGS 84 degrees.
        #[schema(minimum = -180, maximum = 180)]
        longitude: Option<f64>,
        /// When the device measured it.
        timestamp: Option<Timestamp>,
        /// Degrees clockwise from north. Below zero: not known.
        #[schema(maximum = 360)]
        heading: Option<f64>,
        /// Metres per second. Below zero: not known.
        #[schema(maximum = 500)]
        speed: Option<f64>,
        /// Radius of the 68 % confidence circle, metres.
        #[schema(minimum = 0, maximum = 100_000)]
        accuracy: Option<f64>,
        /// Charge of the device's battery. Below zero: not known.
        #[schema(maximum = 1)]
        battery: Option<f64>,
        /// The order that it belongs to; without one, every order that the partner is under way with.
        order_id: Option<OrderId>,
        /// Several samples, in any order.
        #[schema(max_items = 100)]
        points: Option<Vec<LocationSample>>,
        /// The time by the device's clock when it sends this: lets the server put right the times of a clock that is
        /// wrong.
        sent_at: Option<Timestamp>,
    }
    /// Take an order that is offered; for partners. `assignment_closed` with the reason `accepted` answers.
    "accept" Accept {
        /// Which offer.
        offer_id: OfferId,
    }
    /// Leave an order that is offered to others; for partners. `assignment_closed` with the reason `declined` answers.
    "decline" Decline {
        /// Which offer.
        offer_id: OfferId,
        /// Why.
        #[schema(min_length = 1, max_length = 500)]
        reason: Option<String>,
    }
    /// Write about an order; 20 messages a minute. `chat_message` answers. Sent again with the same `client_id`, it is the
    /// same message.
    "chat" Chat {
        /// About which order.
        order_id: OrderId,
        /// What. Phone numbers and e-mail addresses in it are masked.
        #[schema(min_length = 1, max_length = 2000)]
        text: String,
        /// The client's own mark: the message bears it, and is known by it when it comes again.
        #[schema(min_length = 1, max_length = 128)]
        client_id: Option<String>,
    }
    /// The user is writing about an order. Passed on at most every 2 s; not answered when all is well.
    "typing" Typing {
        /// About which order.
        order_id: OrderId,
    }
    /// The user has read what was written about an order. `chat_read` goes to all who listen to the order if that is
    /// new, and the user no admin.
    "chat_read" ChatRead {
        /// About which order.
        order_id: OrderId,
        /// Up to which message; without it, all.
        up_to: Option<MessageId>,
    }
    /// Which order the screen of an admin shows: told to all admins as `viewing`. Say it again every 20 s while that is so; it is
    /// forgotten after 45 s. Not answered when all is well.
    "view" View {
        /// Which; `null` or left out for none any more.
        order_id: Option<OrderId>,
    }
    /// A fresh access token, to stay connected past the old one's end. `authenticated` answers.
    "auth" Auth {
        /// An access token of the same user and role.
        token: String,
    }
    /// `pong` answers.
    "ping" Ping {}
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Reads the body of a frame of this kind.
pub(super) fn read_body(kind: ClientKind, text: &str) -> Result<ClientFrame, String> {
    Ok(match kind {
        ClientKind::MarkRead => {
            let wire::MarkRead { id, .. } = read(text)?;
            ClientFrame::MarkRead { id }
        }
        ClientKind::MarkAllRead => {
            let wire::MarkAllRead { .. } = read(text)?;
            ClientFrame::MarkAllRead
        }
        ClientKind::Ack => {
            let wire::Ack { ids, .. } = read(text)?;
            if ids.len() > MAX_ACKS {
                return Err(format!("ids: at most {MAX_ACKS} in one frame"));
            }
            ClientFrame::Ack { ids }
        }
        ClientKind::Subscribe => {
            let wire::Subscribe { group, since, .. } = read(text)?;
            ClientFrame::Subscribe { group, since }
        }
        ClientKind::Unsubscribe => {
            let wire::Unsubscribe { group, .. } = read(text)?;
            ClientFrame::Unsubscribe { group }
        }
        ClientKind::Location => read_location(read(text)?)?,
        ClientKind::Accept => {
            let wire::Accept { offer_id, .. } = read(text)?;
            ClientFrame::Accept { offer_id }
        }
        ClientKind::Decline => {
            let wire::Decline { offer_id, reason, .. } = read(text)?;
            ClientFrame::Decline { offer_id, reason }
        }
        ClientKind::Chat => {
            let wire::Chat { order_id, text, client_id, .. } = read(text)?;
            ClientFrame::Chat { order_id, text, client_id }
        }
        ClientKind::Typing => {
            let wire::Typing { order_id, .. } = read(text)?;
            ClientFrame::Typing { order_id }
        }
        ClientKind::ChatRead => {
            let wire::ChatRead { order_id, up_to, .. } = read(text)?;
            ClientFrame::ChatRead { order_id, up_to }
        }
        ClientKind::View => {
            let wire::View { order_id, .. } = read(text)?;
            ClientFrame::View { order_id }
        }
        ClientKind::Auth => {
            let wire::Auth { token, .. } = read(text)?;
            ClientFrame::Auth { token }
        }
        ClientKind::Ping => {
            let wire::Ping { .. } = read(text)?;
            ClientFrame::Ping
        }
    })
}

fn read_location(frame: wire::Location) -> Result<ClientFrame, String> {
    let wire::Location { latitude, longitude, timestamp, sent_at, .. } = frame;
    let wire::Location { heading, speed, accuracy, battery, order_id, .. } = frame;
    if let Some(samples) = frame.points {
        let is_one = latitude.is_some() || longitude.is_some() || timestamp.is_some();
        let has_more = [heading, speed, accuracy, battery].iter().any(Option::is_some) || order_id.is_some();
        if is_one || has_more {
            return Err("points: come without fields of a single sample".into());
        }
        if samples.is_empty() || samples.len() > MAX_POINTS {
            return Err(format!("points: expected 1 to {MAX_POINTS} samples"));
        }
        return Ok(ClientFrame::Location { samples, is_batch: true, sent_at });
    }
    let missing = |field: &str| format!("missing field `{field}`");
    let sample = LocationSample {
        latitude: latitude.ok_or_else(|| missing("latitude"))?,
        longitude: longitude.ok_or_else(|| missing("longitude"))?,
        timestamp: timestamp.ok_or_else(|| missing("timestamp"))?,
        heading,
        speed,
        accuracy,
        battery,
        order_id,
    };
    Ok(ClientFrame::Location { samples: vec![sample], is_batch: false, sent_at })
}
