//! Accounts: who a token stands for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::ids::{PartnerId, UserId};
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;
use crate::store::users;

use super::app::App;
use super::error::ServiceError;
use super::tokens::{TokenError, TokenType, Verified};

/// How long a look-up of a user is trusted: what is deleted or changed counts within this.
const TRUSTED: Duration = Duration::from_millis(500);
/// How many look-ups are kept.
const KEPT: usize = 10_000;

/// Users that were looked up a moment ago, so that a burst of calls is not a burst of queries.
#[derive(Debug, Default)]
pub struct PrincipalCache {
    users: Mutex<HashMap<UserId, Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    role: Role,
    partner_id: Option<PartnerId>,
    at: Instant,
}

impl PrincipalCache {
    fn get(&self, user_id: UserId) -> Option<Known> {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.get(&user_id).copied().filter(|known| known.at.elapsed() < TRUSTED)
    }

    fn put(&self, user_id: UserId, known: Known) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= KEPT {
            users.retain(|_, known| known.at.elapsed() < TRUSTED);
        }
        if users.len() < KEPT {
            users.insert(user_id, known);
        }
    }

    /// Makes the next look-up ask the database.
    pub(super) fn forget(&self, user_id: UserId) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).remove(&user_id);
    }
}

/// A verified token of a user who exists.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Who.
    pub principal: Principal,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The token's own id.
    pub jti: String,
    /// What kind of token it is.
    pub token_type: TokenType,
}

/// Verifies a token and that its user exists. The role is the one in the database: a token that says
/// otherwise is out of date.
///
/// # Errors
/// `Unauthenticated` with the reason; the database's.
pub async fn authenticate(
    app: &App,
    token: &str,
    accepted: &[TokenType],
) -> Result<Authenticated, ServiceError> {
    let verified = app.tokens().verify(token, accepted, Timestamp::now()).map_err(refused)?;
    let known = match app.principals().get(verified.user_id) {
        Some(known) => known,
        None => look_up(app, verified.user_id).await?,
    };
    let outdated = verified.role.is_some_and(|role| role != known.role)
        || (verified.partner_id.is_some() && verified.partner_id != known.partner_id);
    if outdated {
        return Err(unauthenticated(
            "token_outdated",
            "The user's role has changed since this token was made.",
        ));
    }
    Ok(authenticated(verified, known))
}

fn authenticated(verified: Verified, known: Known) -> Authenticated {
    Authenticated {
        principal: Principal {
            user_id: verified.user_id,
            role: known.role,
            partner_id: known.partner_id,
            family_id: verified.family_id,
        },
        expires_at: verified.expires_at,
        jti: verified.jti,
        token_type: verified.token_type,
    }
}

async fn look_up(app: &App, user_id: UserId) -> Result<Known, ServiceError> {
    let user = app.read(move |conn| Ok(users::find(conn, user_id)?)).await?;
    let Some(user) = user.filter(|user| user.deleted_at.is_none()) else {
        return Err(unauthenticated("user_unknown", "The token's user does not exist."));
    };
    let known = Known { role: user.role, partner_id: user.partner_id, at: Instant::now() };
    app.principals().put(user_id, known);
    Ok(known)
}

fn unauthenticated(code: &'static str, detail: &'static str) -> ServiceError {
    ServiceError::Unauthenticated { code, detail: detail.into() }
}

fn refused(error: TokenError) -> ServiceError {
    let code = match error {
        TokenError::Missing => "token_missing",
        TokenError::Expired => "token_expired",
        TokenError::WrongType => "token_wrong_type",
        TokenError::Malformed
        | TokenError::UnsupportedAlgorithm
        | TokenError::UnknownKey
        | TokenError::BadSignature
        | TokenError::BadClaims { .. } => "token_invalid",
    };
    ServiceError::Unauthenticated { code, detail: format!("Not authenticated: {error}.").into() }
}
