//! The URLs that sessions are opened on.

use crate::domain::group::GroupKind;

/// A WebSocket endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The caller's notifications.
    Notifications,
    /// One order.
    Order,
    /// The partner's work.
    Partner,
    /// The whole operation.
    Admin,
    /// Whatever the client subscribes to.
    Any,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Notifications, Self::Order, Self::Partner, Self::Admin, Self::Any];

    /// The path, as clients are told it. The slash at its end may be left out.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Notifications => "/ws/notifications/",
            Self::Order => "/ws/orders/{order_id}/",
            Self::Partner => "/ws/partner/",
            Self::Admin => "/ws/admin/",
            Self::Any => "/ws/",
        }
    }

    /// As it is named in metrics and in the AsyncAPI document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notifications => "notifications",
            Self::Order => "orders",
            Self::Partner => "partner",
            Self::Admin => "admin",
            Self::Any => "any",
        }
    }

    /// The kind of the group that a session joins by being opened.
    #[must_use]
    pub const fn group(self) -> Option<GroupKind> {
        match self {
            Self::Notifications => Some(GroupKind::User),
            Self::Order => Some(GroupKind::Order),
            Self::Partner => Some(GroupKind::Partner),
            Self::Admin => Some(GroupKind::Admin),
            Self::Any => None,
        }
    }

    /// Who may open it, for people.
    #[must_use]
    pub const fn admits(self) -> &'static str {
        match self {
            Self::Notifications | Self::Any => "any user",
            Self::Order => "the order's customer, its assigned partner, admins",
            Self::Partner => "partners",
            Self::Admin => "admins",
        }
    }
}
