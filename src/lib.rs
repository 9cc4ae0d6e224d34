//! waybill: the realtime server of an on-demand marketplace.
//!
//! A customer places an order, a partner carries it out, and everyone who may watch sees it live.
//! A change is one database transaction that holds the change and the events it causes; the events
//! then go out to WebSocket sessions through one actor per group. `ARCHITECTURE.md` is the map.

pub mod domain;
pub mod http;
pub mod jobs;
pub mod protocol;
pub mod realtime;
pub mod server;
pub mod services;
pub mod store;
pub mod telemetry;
pub mod tools;
pub mod ws;
