//! REST: thin handlers over the use cases, and one type of error.

pub mod access;
pub mod accounts;
pub mod admin;
pub mod chat;
pub mod dispatch;
pub mod docs;
pub mod earnings;
pub mod error;
pub mod events;
pub mod extract;
pub mod notifications;
pub mod openapi;
pub mod ops;
pub mod orders;
pub mod page;
pub mod pages;
pub mod partner;
pub mod payments;
pub mod push;
pub mod settings;
pub mod wallet;

use actix_web::web;

/// All routes below `/api/v1`; each room of this one adds its own.
pub fn api_routes(config: &mut web::ServiceConfig) {
    accounts::routes(config);
    orders::routes(config);
    dispatch::routes(config);
    chat::routes(config);
    events::routes(config);
    notifications::routes(config);
    wallet::routes(config);
    earnings::routes(config);
    payments::routes(config);
    partner::routes(config);
    admin::routes(config);
    push::routes(config);
}
