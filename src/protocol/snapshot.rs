//! What a group stands at, for those who join it.

use serde::Serialize;
use utoipa::ToSchema;

use super::admin::DashboardView;
use super::server::to_json;
use super::views::{OfferView, OrderView};

/// A group's snapshot, without its envelope.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SnapshotFrame<'a> {
    /// Of `user_{id}`: how many notifications are unread.
    UnreadCount {
        /// How many.
        count: i64,
    },
    /// Of `order_{id}`: the order as `GET /api/v1/orders/{id}` gives it.
    OrderStatus {
        /// The whole order.
        order: &'a OrderView,
    },
    /// Of `partner_{id}`: what there is to do.
    Queue {
        /// Open offers, oldest first.
        offers: &'a [OfferView],
        /// The partner's orders that are not delivered yet, newest first, at most 200.
        orders: &'a [OrderView],
    },
    /// Of `admin_dashboard`: the whole operation at a glance.
    Dashboard {
        /// The figures.
        dashboard: &'a DashboardView,
    },
}

impl SnapshotFrame<'_> {
    /// The frame as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_json(self)
    }
}
