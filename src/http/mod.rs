//! REST: thin handlers over the use cases, and one type of error.

pub mod access;
pub mod accounts;
pub mod chat;
pub mod docs;
pub mod error;
pub mod events;
pub mod extract;
pub mod notifications;
pub mod openapi;
pub mod ops;
pub mod orders;
pub mod page;
pub mod pages;
pub mod settings;

use actix_web::web;

/// All routes below `/api/v1`; each room of this one adds its own.
pub fn api_routes(config: &mut web::ServiceConfig) {
    accounts::routes(config);
    orders::routes(config);
    chat::routes(config);
    events::routes(config);
    notifications::routes(config);
}
