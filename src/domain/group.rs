//! The groups that events go to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::ids::{OrderId, PartnerId, UserId};

/// The kinds of groups; each has a registry of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupKind {
    /// One per user.
    User,
    /// One per partner profile.
    Partner,
    /// One per order.
    Order,
    /// One in all.
    Admin,
}

impl GroupKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::User, Self::Partner, Self::Order, Self::Admin];

    /// As it is named in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Partner => "partner",
            Self::Order => "order",
            Self::Admin => "admin",
        }
    }
}

/// A group. On the wire: `user_{id}`, `partner_{id}`, `order_{id}`, `admin_dashboard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupKey {
    /// What one user is to hear on every device.
    User(UserId),
    /// What one partner is to hear for work.
    Partner(PartnerId),
    /// What everybody who may watch an order hears.
    Order(OrderId),
    /// What every admin hears.
    Admin,
}

impl GroupKey {
    /// Which registry looks after it.
    #[must_use]
    pub const fn kind(&self) -> GroupKind {
        match self {
            Self::User(_) => GroupKind::User,
            Self::Partner(_) => GroupKind::Partner,
            Self::Order(_) => GroupKind::Order,
            Self::Admin => GroupKind::Admin,
        }
    }
}

const ADMIN: &str = "admin_dashboard";

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user_{id}"),
            Self::Partner(id) => write!(f, "partner_{id}"),
            Self::Order(id) => write!(f, "order_{id}"),
            Self::Admin => f.write_str(ADMIN),
        }
    }
}

/// Text that was meant as a group and names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected user_{{id}}, partner_{{id}}, order_{{id}} or admin_dashboard")]
pub struct InvalidGroup;

impl FromStr for GroupKey {
    type Err = InvalidGroup;

    fn from_str(text: &str) -> Result<Self, InvalidGroup> {
        if text == ADMIN {
            return Ok(Self::Admin);
        }
        let (kind, id) = text.split_once('_').ok_or(InvalidGroup)?;
        match kind {
            "user" => id.parse().map(Self::User).map_err(|_| InvalidGroup),
            "partner" => id.parse().map(Self::Partner).map_err(|_| InvalidGroup),
            "order" => id.parse().map(Self::Order).map_err(|_| InvalidGroup),
            // Any other text: this is a parser, not a match over variants.
            _ => Err(InvalidGroup),
        }
    }
}

impl Serialize for GroupKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for GroupKey {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A group: `user_{id}`, `partner_{id}`, `order_{id}` or `admin_dashboard`."))
            .pattern(Some("^((user|partner|order)_[0-9a-f-]{36}|admin_dashboard)$"))
            .examples(["order_0190163d-8694-739b-aea5-966c26f8ad90"])
            .into()
    }
}

impl ToSchema for GroupKey {}

impl<'de> Deserialize<'de> for GroupKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_the_group_that_they_name() {
        for key in [
            GroupKey::User(UserId::new()),
            GroupKey::Partner(PartnerId::new()),
            GroupKey::Order(OrderId::new()),
            GroupKey::Admin,
        ] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "admin", "order_", "order_1", "orders_0190163d-8694-739b-aea5-966c26f8ad90", "user"]
        {
            assert_eq!(name.parse::<GroupKey>(), Err(InvalidGroup), "{name}");
        }
    }
}
