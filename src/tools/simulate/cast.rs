//! The demo's people. Their password is public, so they exist only where a demo was asked for.

use serde::Serialize;

use crate::domain::principal::Role;
use crate::tools::client::credentials::{LogIn, Secret};

/// The password of them all. It protects nothing and is not meant to.
pub const PASSWORD: &str = "waybill-demo-only";

/// How one of them logs in.
#[must_use]
pub fn log_in(user: &DemoUser) -> LogIn {
    LogIn { email: user.email.to_owned(), password: Secret(PASSWORD.to_owned()) }
}

/// One of the demo's people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DemoUser {
    /// In a domain that can never exist (RFC 2606).
    pub email: &'static str,
    /// As others see it.
    pub name: &'static str,
    /// What the user may do.
    pub role: Role,
}

/// All of them, each role's best example first.
pub const CAST: [DemoUser; 8] = [
    DemoUser { email: "ada@demo.waybill.invalid", name: "Ada Puig", role: Role::Customer },
    DemoUser { email: "bruno@demo.waybill.invalid", name: "Bruno Soler", role: Role::Customer },
    DemoUser { email: "carla@demo.waybill.invalid", name: "Carla Vidal", role: Role::Customer },
    DemoUser { email: "pol@demo.waybill.invalid", name: "Pol Ferrer", role: Role::Partner },
    DemoUser { email: "quim@demo.waybill.invalid", name: "Quim Serra", role: Role::Partner },
    DemoUser { email: "rita@demo.waybill.invalid", name: "Rita Camps", role: Role::Partner },
    DemoUser { email: "sol@demo.waybill.invalid", name: "Sol Marín", role: Role::Partner },
    DemoUser { email: "olga@demo.waybill.invalid", name: "Olga Roca", role: Role::Admin },
];
