//! Who a token stands for.
//!
//! A token that this server signed says who and as what, but not whether that still holds: the user may be
//! deleted, have another role, or have logged out. So each is looked up, at most half a second ago.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::ids::{FamilyId, PartnerId, UserId};
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::tokens::{TokenError, TokenType, Verified};
use crate::store::{Conn, accounts as rows, users};

/// How long a look-up is trusted: what is deleted, changed or ended counts within this.
const TRUSTED: Duration = Duration::from_millis(500);
/// How many look-ups are kept.
const KEPT: usize = 10_000;

/// A user, and the log-in that the token descends from.
type Holder = (UserId, Option<FamilyId>);

/// Look-ups of a moment ago, so that a burst of calls is not a burst of queries.
#[derive(Debug, Default)]
pub(in crate::services) struct PrincipalCache {
    holders: Mutex<HashMap<Holder, Known>>,
    /// How often users were forgotten: a look-up that began before may say what was so before.
    forgotten: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    role: Role,
    partner_id: Option<PartnerId>,
    at: Instant,
}

impl PrincipalCache {
    fn get(&self, holder: Holder) -> Option<Known> {
        let holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders.get(&holder).copied().filter(|known| known.at.elapsed() < TRUSTED)
    }

    /// Keeps what a look-up found that began when users had been `forgotten` so often.
    fn put(&self, holder: Holder, known: Known, forgotten: u64) {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if self.forgotten.load(Ordering::Acquire) != forgotten {
            return;
        }
        if holders.len() >= KEPT {
            holders.retain(|_, known| known.at.elapsed() < TRUSTED);
        }
        if holders.len() < KEPT {
            holders.insert(holder, known);
        }
    }

    /// Makes the next look-up of a user ask the database.
    pub(in crate::services) fn forget(&self, user_id: UserId) {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        holders.retain(|(known, _), _| *known != user_id);
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

/// Verifies a token, that its user exists and that its log-in has not ended. The role is the one in the
/// database: a token that says otherwise is out of date.
///
/// A ticket is not used up by this: see [`authenticate_handshake`].
///
/// # Errors
/// `Unauthenticated` with the reason; the database's.
pub async fn authenticate(
    app: &App,
    token: &str,
    accepted: &[TokenType],
) -> Result<Authenticated, ServiceError> {
    let verified = app.tokens().verify(token, accepted, Timestamp::now()).map_err(refused)?;
    of_verified(app, verified).await
}

async fn of_verified(app: &App, verified: Verified) -> Result<Authenticated, ServiceError> {
    let holder = (verified.user_id, verified.family_id);
    let known = match app.principals().get(holder) {
        Some(known) => known,
        None => look_up(app, holder).await?,
    };
    let is_outdated = verified.role.is_some_and(|role| role != known.role)
        || (verified.partner_id.is_some() && verified.partner_id != known.partner_id);
    if is_outdated {
        return Err(outdated());
    }
    Ok(authenticated(verified, known))
}

/// Like [`authenticate`] for a WebSocket handshake: takes an access token, or a ticket that was not used before
/// and that is used up by this, on every instance. A ticket's end is that of the handshake; the session that
/// it opens lasts as long as an access token that is made at the same time.
///
/// # Errors
/// `Unauthenticated` with the reason, `token_used` among them; `Limited` when the user opens too many sockets one
/// after the other, or everybody together does; the database's.
pub async fn authenticate_handshake(app: &App, token: &str) -> Result<Authenticated, ServiceError> {
    let accepted = [TokenType::Access, TokenType::Ticket];
    let verified = app.tokens().verify(token, &accepted, Timestamp::now()).map_err(refused)?;
    // After the token, so that strangers cannot use it up, and before anything that asks the database.
    app.guard().admit_any_handshake(Instant::now())?;
    let mut authenticated = of_verified(app, verified).await?;
    // Before a ticket is used up: it is good for the next try.
    app.guard().admit_handshake(authenticated.principal.user_id, Instant::now())?;
    match authenticated.token_type {
        TokenType::Access => {}
        TokenType::Ticket => {
            let (jti, expires_at) = (authenticated.jti.clone(), authenticated.expires_at);
            if !app.write(move |tx| Ok(rows::use_ticket(tx.conn(), &jti, expires_at)?)).await? {
                return Err(unauthenticated("token_used", "This ticket was used; each is good for one use."));
            }
            authenticated.expires_at = Timestamp::now().after(app.tokens().access_lifetime());
        }
    }
    Ok(authenticated)
}

/// Whether a principal is still what it was when its token was looked at, as the database has it now. A session
/// that asks this once it is registered cannot slip past a log-out that ran at the same time.
///
/// # Errors
/// `Unauthenticated` when the user or the log-in is gone or has another role; the database's.
pub async fn confirm(app: &App, principal: &Principal) -> Result<(), ServiceError> {
    let known = look_up(app, (principal.user_id, principal.family_id)).await?;
    if known.role == principal.role && known.partner_id == principal.partner_id {
        Ok(())
    } else {
        Err(outdated())
    }
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

async fn look_up(app: &App, holder: Holder) -> Result<Known, ServiceError> {
    let forgotten = app.principals().forgotten.load(Ordering::Acquire);
    let known = app.read(move |conn| find(conn, holder)).await?;
    app.principals().put(holder, known, forgotten);
    Ok(known)
}

fn find(conn: &mut Conn, (user_id, family_id): Holder) -> Result<Known, ServiceError> {
    let user = users::find(conn, user_id)?;
    let Some(user) = user.filter(|user| user.deleted_at.is_none()) else {
        return Err(unauthenticated("user_unknown", "The token's user does not exist."));
    };
    if let Some(family_id) = family_id
        && rows::is_revoked(conn, family_id)?
    {
        return Err(unauthenticated("token_revoked", "The log-in that this token belongs to has ended."));
    }
    Ok(Known { role: user.role, partner_id: user.partner_id, at: Instant::now() })
}

fn outdated() -> ServiceError {
    unauthenticated("token_outdated", "The user's role has changed since this token was made.")
}

pub(super) fn unauthenticated(code: &'static str, detail: &'static str) -> ServiceError {
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
