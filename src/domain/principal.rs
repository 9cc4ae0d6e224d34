//! Who is asking.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{FamilyId, PartnerId, UserId};

/// What a user is allowed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Places orders.
    Customer,
    /// Carries them out.
    Partner,
    /// Watches over all of it.
    Admin,
}

impl Role {
    /// As the wire and the database have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Partner => "partner",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that was meant as a role and names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected customer, partner or admin")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        match text {
            "customer" => Ok(Self::Customer),
            "partner" => Ok(Self::Partner),
            "admin" => Ok(Self::Admin),
            // Any other text: this is a parser, not a match over variants.
            _ => Err(InvalidRole),
        }
    }
}

/// A user whose token was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// The partner profile; present exactly for partners.
    pub partner_id: Option<PartnerId>,
    /// The log-in that the token descends from; tokens minted elsewhere have none.
    pub family_id: Option<FamilyId>,
}

impl Principal {
    /// Whether this is an admin.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}
