//! The rules of the marketplace: plain data and pure functions.
//!
//! Invariant: no framework, no SQL, no clock and no I/O here. Whatever needs the
//! present time takes it as an argument.

pub mod cadence;
pub mod chat;
pub mod clock;
pub mod contact;
pub mod deadline;
pub mod dispatch;
pub mod eta;
pub mod exception;
pub mod geo;
pub mod geofence;
pub mod group;
pub mod group_pattern;
pub mod ids;
pub mod ledger;
pub mod locale;
pub mod money;
pub mod notification;
pub mod order;
pub mod payment;
pub mod principal;
pub mod push;
pub mod tariff;
pub mod time;
pub mod track;
