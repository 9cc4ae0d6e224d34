//! What admins alone are told.

use std::collections::BTreeMap;

use super::{at, customer_id, id, order, order_id, partner, partner_id};
use crate::domain::exception::ExceptionKind;
use crate::domain::group::GroupKey;
use crate::domain::order::OrderStatus;
use crate::domain::principal::Role;
use crate::protocol::admin::{
    ActivityView, ClaimView, DashboardView, DatabaseHealth, DatabaseKind, ExceptionView, HealthView,
    InstanceHealth, LastDayView, LatencyView, PartnerCounts, PartnerPositionView, RedisHealth, ViewingView,
};
use crate::protocol::ephemeral::EphemeralFrame;
use crate::protocol::event::Event;
use crate::protocol::views::CustomerView;

pub(super) fn events() -> [Event; 2] {
    let activity = ActivityView {
        id: id("e1"),
        user_id: Some(id("a1")),
        name: Some("Edsger".into()),
        role: Some(Role::Admin),
        action: "claimed".into(),
        order_id: Some(order_id()),
        at: at(),
    };
    let claimed = Event::ClaimChanged { order_id: order_id(), claim: Some(claim()), by: id("a1") };
    [Event::Activity { activity }, claimed]
}

fn claim() -> ClaimView {
    ClaimView { order_id: order_id(), user_id: id("a1"), name: "Edsger".into(), at: at(), until: at() }
}

fn health() -> HealthView {
    let instance = InstanceHealth {
        id: id("f2"),
        name: "web-1, 127.0.0.1:8000, process 7".into(),
        version: "0.1.0".into(),
        uptime: 86_400,
        connections: 3,
        users: 2,
        groups: 4,
        deliveries_per_second: 12.5,
        latency: Some(LatencyView { p50: 0.2, p99: 1.6 }),
        outbox_waiting: 0,
        database: DatabaseHealth {
            kind: DatabaseKind::Postgres,
            queue: 0,
            latency: Some(LatencyView { p50: 0.8, p99: 6.4 }),
            ok: true,
        },
        redis: RedisHealth::Up,
        cpu: Some(0.12),
        memory: Some(48_000_000),
        publishes: true,
    };
    HealthView::of(vec![instance], at())
}

fn exception() -> ExceptionView {
    ExceptionView {
        order_id: order_id(),
        kind: ExceptionKind::Silent,
        since: at(),
        seconds: 75,
        status: OrderStatus::EnRoute,
        customer: CustomerView { id: customer_id(), name: "Ada".into() },
        partner: Some(partner()),
        claim: Some(claim()),
    }
}

fn viewing() -> ViewingView {
    ViewingView { user_id: id("a1"), name: "Edsger".into(), order_id: Some(order_id()) }
}

pub(super) fn with_ephemeral(show: &mut impl FnMut(GroupKey, &EphemeralFrame<'_>)) {
    let positions = [PartnerPositionView {
        partner_id: partner_id(),
        latitude: 52.5163,
        longitude: 13.3777,
        accuracy: Some(8.0),
        timestamp: at(),
    }];
    show(GroupKey::Admin, &EphemeralFrame::Health { health: &health() });
    show(GroupKey::Admin, &EphemeralFrame::Positions { positions: &positions });
    show(GroupKey::Admin, &EphemeralFrame::Exceptions { exceptions: &[exception()] });
    show(GroupKey::Admin, &EphemeralFrame::Viewing { viewing: &viewing() });
}

pub(super) fn dashboard() -> DashboardView {
    DashboardView {
        orders: BTreeMap::from([(OrderStatus::EnRoute.as_str(), 1)]),
        last_day: LastDayView { placed: 12, completed: 9, cancelled: 1, failed: 1 },
        recent: vec![order(OrderStatus::EnRoute)],
        sessions: 3,
        users_online: 2,
        online: vec![customer_id(), id("c2")],
        partners: PartnerCounts { online: 2, idle: 1, busy: 1 },
        health: health(),
        exceptions: vec![exception()],
        claims: vec![claim()],
        viewing: vec![viewing()],
    }
}
