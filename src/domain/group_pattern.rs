//! Which groups somebody may publish to.

use std::fmt;
use std::str::FromStr;

use super::group::{GroupKey, GroupKind};

/// Some groups: `*`, all of a kind such as `order_*`, or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupPattern {
    /// All.
    Any,
    /// All of this kind.
    Kind(GroupKind),
    /// This one.
    One(GroupKey),
}

/// Text that was meant as a pattern and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected *, user_*, partner_*, order_*, admin_dashboard or the name of a group")]
pub struct InvalidPattern;

impl GroupPattern {
    /// Whether a group is one of these.
    #[must_use]
    pub fn holds(self, group: GroupKey) -> bool {
        match self {
            Self::Any => true,
            Self::Kind(kind) => group.kind() == kind,
            Self::One(one) => group == one,
        }
    }
}

impl fmt::Display for GroupPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Kind(kind) => write!(f, "{}_*", kind.as_str()),
            Self::One(group) => group.fmt(f),
        }
    }
}

impl FromStr for GroupPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        // There is one group of admins, and it has a name.
        let kinds = [GroupKind::User, GroupKind::Partner, GroupKind::Order];
        match text.strip_suffix('*') {
            Some("") => Ok(Self::Any),
            Some(prefix) => {
                let kind =
                    prefix.strip_suffix('_').and_then(|name| kinds.iter().find(|kind| kind.as_str() == name));
                kind.map(|kind| Self::Kind(*kind)).ok_or(InvalidPattern)
            }
            None => text.parse().map(Self::One).map_err(|_| InvalidPattern),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{OrderId, UserId};

    #[test]
    fn a_pattern_holds_what_it_says_and_nothing_else() {
        let order = OrderId::new();
        let groups = [
            GroupKey::Order(order),
            GroupKey::Order(OrderId::new()),
            GroupKey::User(UserId::new()),
            GroupKey::Admin,
        ];
        for (text, held) in [
            ("*".to_owned(), [true; 4]),
            ("order_*".into(), [true, true, false, false]),
            ("user_*".into(), [false, false, true, false]),
            ("partner_*".into(), [false; 4]),
            (format!("order_{order}"), [true, false, false, false]),
            ("admin_dashboard".into(), [false, false, false, true]),
        ] {
            let pattern: GroupPattern = text.parse().expect("a pattern");
            assert_eq!(groups.map(|group| pattern.holds(group)), held, "{text}");
            assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in
            ["", "_*", "order*", "order_", "orders_*", "admin_*", "order_0190*", "**", "order_**", "ORDER_*"]
        {
            assert_eq!(text.parse::<GroupPattern>(), Err(InvalidPattern), "{text}");
        }
    }
}
