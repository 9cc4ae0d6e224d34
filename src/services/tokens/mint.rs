//! Minting: the tokens that this server signs itself.

use std::fmt;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use uuid::Uuid;

use super::{TokenType, Tokens};
use crate::domain::ids::{FamilyId, PartnerId, UserId};
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;

/// How long a ticket for a WebSocket handshake lasts.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(60);

/// A token could not be signed. With a secret that [`Tokens::new`] took this does not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token could not be signed")]
pub struct MintError;

/// A token fresh from the mint.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The JWT.
    pub token: String,
    /// The same as its `exp`.
    pub expires_at: Timestamp,
    /// The same as its `jti`.
    pub jti: String,
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted")
            .field("expires_at", &self.expires_at)
            .field("jti", &self.jti)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// A new access token for `principal`.
    ///
    /// # Errors
    /// `MintError` when signing fails.
    pub fn mint_access(&self, principal: &Principal, now: Timestamp) -> Result<Minted, MintError> {
        self.mint(TokenType::Access, self.access_lifetime, principal, now)
    }

    /// A new ticket for `principal`: for one WebSocket handshake within [`TICKET_LIFETIME`]. That it is used
    /// once only is the caller's to see to, by its `jti`.
    ///
    /// # Errors
    /// `MintError` when signing fails.
    pub fn mint_ticket(&self, principal: &Principal, now: Timestamp) -> Result<Minted, MintError> {
        self.mint(TokenType::Ticket, TICKET_LIFETIME, principal, now)
    }

    fn mint(
        &self,
        token_type: TokenType,
        lifetime: Duration,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Minted, MintError> {
        let iat = now.as_secs();
        let exp = iat.saturating_add_unsigned(lifetime.as_secs());
        let jti = Uuid::new_v4().simple().to_string();
        let claims = MintedClaims {
            token_type: token_type.as_str(),
            exp,
            iat,
            jti: &jti,
            user_id: principal.user_id,
            role: principal.role,
            partner_id: principal.partner_id,
            sid: principal.family_id,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing_key)
            .map_err(|_| MintError)?;
        Ok(Minted { token, expires_at: Timestamp::from_millis(exp.saturating_mul(1000)), jti })
    }
}

/// The claims of the tokens that this server mints.
#[derive(Serialize)]
struct MintedClaims<'a> {
    token_type: &'static str,
    exp: i64,
    iat: i64,
    jti: &'a str,
    user_id: UserId,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    partner_id: Option<PartnerId>,
    /// The log-in family.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<FamilyId>,
}
