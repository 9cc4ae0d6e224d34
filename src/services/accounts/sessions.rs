//! Logging in and out. A log-in is a family of refresh tokens, of which each is exchanged once for the next.
//!
//! A refresh token that is used a second time was copied, and there is no telling whether its thief or its
//! owner was first: the whole family ends, and with it its access tokens and WebSocket sessions (RFC 9700,
//! section 4.14.2). Only the same attempt of the same client is answered once more, as long as what it was answered before has
//! not been used: that answer was lost on the way.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::{FamilyId, UserId};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::close::CloseReason;
use crate::protocol::event::Event;
use crate::protocol::views::UserView;
use crate::services::app::{App, Tx};
use crate::services::console;
use crate::services::error::{Checks, ServiceError};
use crate::services::tokens::{MAX_LEEWAY, MintError, Minted, RefreshToken};
use crate::store::accounts as rows;
use crate::store::push::subscriptions;
use crate::store::users::{self, User};

use super::email::Email;
use super::guard::Attempt;
use super::principals::unauthenticated;
use super::{passwords, view};

/// For how long an exchange whose answer was lost is answered again. A device that is put away in the middle of it may need until
/// the next morning; who copies a request has no longer.
const ANSWERED_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// What somebody who logs in sends.
#[derive(Clone)]
pub struct LogIn {
    /// White space around it and the case of letters do not matter.
    pub email: String,
    /// As it was typed.
    pub password: String,
    /// Where the call comes from.
    pub address: IpAddr,
}

/// A fresh pair of tokens.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenPair {
    /// For `Authorization: Bearer`: a JWT, good for minutes.
    pub access: String,
    /// For `POST /auth/refresh`, once.
    pub refresh: String,
}

/// Without the tokens.
impl std::fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenPair").finish_non_exhaustive()
    }
}

/// A user who has just logged in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LoggedIn {
    /// Who.
    pub user: UserView,
    /// With what.
    #[serde(flatten)]
    pub tokens: TokenPair,
}

/// Logs a user in.
///
/// # Errors
/// `Unauthenticated` with `invalid_credentials`, the same for an unknown address and a wrong password;
/// `Limited`; the database's.
pub async fn log_in(app: &App, log_in: LogIn) -> Result<LoggedIn, ServiceError> {
    let LogIn { email, password, address } = log_in;
    app.guard().admit_log_in(address, Instant::now())?;
    let attempt = Attempt::new(&email.trim().to_ascii_lowercase(), address);
    let user = match Email::parse(&email) {
        Ok(email) => app.read(move |conn| Ok(users::find_by_email(conn, email.as_str())?)).await?,
        // Nobody has it; that is said as for any other address.
        Err(_) => None,
    };
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    let is_right = passwords::verify(app, attempt.clone(), password, stored).await?;
    let Some(user) = user.filter(|_| is_right) else {
        return Err(unauthenticated("invalid_credentials", "The e-mail address or the password is wrong."));
    };
    let logged_in = app.write({
        let app = app.clone();
        move |tx| {
            let tokens = open(&app, tx, &user)?;
            console::note(tx, (user.id, user.role), "logged_in", None)?;
            Ok(LoggedIn { user: view(&user), tokens })
        }
    });
    let logged_in = logged_in.await?;
    app.guard().succeeded(&attempt);
    Ok(logged_in)
}

/// Begins a log-in of `user`.
pub(super) fn open(app: &App, tx: &mut Tx<'_>, user: &User) -> Result<TokenPair, ServiceError> {
    let (family_id, now) = (FamilyId::new(), tx.now());
    rows::insert_family(tx.conn(), family_id, user.id, now)?;
    issue(app, tx, user, family_id, &RefreshToken::generate())
}

/// The next pair of tokens of a log-in.
fn issue(
    app: &App,
    tx: &mut Tx<'_>,
    user: &User,
    family_id: FamilyId,
    refresh: &RefreshToken,
) -> Result<TokenPair, ServiceError> {
    let now = tx.now();
    let expires_at = now.after(app.settings().refresh_lifetime);
    rows::insert_token(tx.conn(), &refresh.hash(), family_id, now, expires_at)?;
    pair(app, user, family_id, refresh, now)
}

/// A fresh access token beside a refresh token that is stored.
fn pair(
    app: &App,
    user: &User,
    family_id: FamilyId,
    refresh: &RefreshToken,
    now: Timestamp,
) -> Result<TokenPair, ServiceError> {
    let principal = Principal {
        user_id: user.id,
        role: user.role,
        partner_id: user.partner_id,
        family_id: Some(family_id),
    };
    let access = app.tokens().mint_access(&principal, now).map_err(unsigned)?;
    Ok(TokenPair { access: access.token, refresh: refresh.as_str().into() })
}

/// Why a refresh token is not exchanged.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Unknown,
    Expired,
    Ended,
    Reused(UserId),
    UserGone(UserId),
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => unauthenticated("token_invalid", "This is no refresh token of this server."),
            Refusal::Expired => unauthenticated("token_expired", "The refresh token has expired; log in."),
            Refusal::Ended => unauthenticated("token_revoked", "The log-in has ended; log in."),
            Refusal::Reused(_) => {
                unauthenticated("token_reused", "The refresh token was used before, so its log-in has ended.")
            }
            Refusal::UserGone(_) => unauthenticated("user_unknown", "The token's user does not exist."),
        }
    }
}

/// Exchanges a refresh token for a fresh pair. One that was exchanged before ends its log-in, unless it was by the same `attempt`
/// and its successor has not been used: then the successor is answered again.
///
/// # Errors
/// `Invalid` for an attempt that could be guessed or is too long; `Unauthenticated` with the reason; the database's.
pub async fn refresh(app: &App, refresh: &str, attempt: Option<&str>) -> Result<TokenPair, ServiceError> {
    let mut checks = Checks::default();
    if let Some(attempt) = attempt {
        checks.text("attempt", attempt, 16..=100);
    }
    checks.done()?;
    let token = RefreshToken::parse(refresh).map_err(|_| Refusal::Unknown)?;
    let hash = token.hash();
    // Looked at before anything is written, so that made-up tokens do not keep the writer busy.
    if find(app, &hash).await?.is_none() {
        return Err(Refusal::Unknown.into());
    }
    let exchanged = app.write({
        let (app, successor) = (app.clone(), attempt.map(|attempt| token.successor(attempt)));
        move |tx| exchange(&app, tx, &hash, successor)
    });
    let refusal = match exchanged.await? {
        Ok(tokens) => return Ok(tokens),
        Err(refusal) => refusal,
    };
    match refusal {
        Refusal::Reused(user_id) => {
            log::warn!("a refresh token of user {user_id} was used twice: the log-in has ended");
            app.principals().forget(user_id);
        }
        Refusal::UserGone(user_id) => app.principals().forget(user_id),
        Refusal::Unknown | Refusal::Expired | Refusal::Ended => {}
    }
    Err(refusal.into())
}

/// The outer error undoes what was written; a refusal is committed, and the end of the log-in with it.
fn exchange(
    app: &App,
    tx: &mut Tx<'_>,
    hash: &str,
    successor: Option<RefreshToken>,
) -> Result<Result<TokenPair, Refusal>, ServiceError> {
    let now = tx.now();
    let Some(token) = rows::find_token(tx.conn(), hash)? else { return Ok(Err(Refusal::Unknown)) };
    if token.revoked_at.is_some() {
        return Ok(Err(Refusal::Ended));
    }
    if token.used_at.is_none() && now >= token.expires_at {
        return Ok(Err(Refusal::Expired));
    }
    let is_first = rows::use_token(tx.conn(), hash, now)?;
    if !is_first && !waits(tx, &token, successor.as_ref())? {
        end(tx, token.user_id, token.family_id)?;
        return Ok(Err(Refusal::Reused(token.user_id)));
    }
    let user = users::find(tx.conn(), token.user_id)?;
    let Some(user) = user.filter(|user| user.deleted_at.is_none()) else {
        end(tx, token.user_id, token.family_id)?;
        return Ok(Err(Refusal::UserGone(token.user_id)));
    };
    let refresh = successor.unwrap_or_else(RefreshToken::generate);
    if is_first {
        issue(app, tx, &user, token.family_id, &refresh).map(Ok)
    } else {
        log::info!(
            "a log-in of user {} is renewed once more, by the same attempt: its answer was lost",
            user.id
        );
        pair(app, &user, token.family_id, &refresh, now).map(Ok)
    }
}

/// Whether a token was exchanged for this one by an earlier call of the same attempt, not too long ago, and nobody has used it since.
fn waits(
    tx: &mut Tx<'_>,
    token: &rows::StoredToken,
    successor: Option<&RefreshToken>,
) -> Result<bool, ServiceError> {
    let Some(successor) = successor else { return Ok(false) };
    let now = tx.now();
    // One that was not used yet when it was looked up was used since, by a call at the same time.
    if token.used_at.is_some_and(|used_at| now >= used_at.after(ANSWERED_AGAIN)) {
        return Ok(false);
    }
    let stored = rows::find_token(tx.conn(), &successor.hash())?;
    Ok(stored.is_some_and(|next| {
        next.family_id == token.family_id && next.used_at.is_none() && now < next.expires_at
    }))
}

/// Ends the log-in that a refresh token belongs to, used and expired ones included. Ending twice is ending
/// once, and a token that is not known has nothing to end.
///
/// # Errors
/// The database's.
pub async fn log_out(app: &App, refresh: &str) -> Result<(), ServiceError> {
    let Ok(token) = RefreshToken::parse(refresh) else { return Ok(()) };
    let Some(token) = find(app, &token.hash()).await? else { return Ok(()) };
    app.write(move |tx| end(tx, token.user_id, token.family_id)).await?;
    app.principals().forget(token.user_id);
    Ok(())
}

async fn find(app: &App, hash: &str) -> Result<Option<rows::StoredToken>, ServiceError> {
    let hash = hash.to_owned();
    app.read(move |conn| Ok(rows::find_token(conn, &hash)?)).await
}

/// Ends a log-in and closes its sessions.
fn end(tx: &mut Tx<'_>, user_id: UserId, family_id: FamilyId) -> Result<(), ServiceError> {
    let now = tx.now();
    if rows::revoke_family(tx.conn(), family_id, now)? {
        // Whoever sits at this browser next is not told what was this user's.
        subscriptions::remove_of_family(tx.conn(), family_id)?;
        tx.emit(&Event::SessionsEnded { user_id, family_id: Some(family_id), reason: CloseReason::Token });
    }
    Ok(())
}

/// A ticket for one WebSocket handshake of the caller's.
///
/// # Errors
/// `Internal` when it cannot be signed.
pub fn realtime_token(app: &App, caller: &Principal) -> Result<Minted, ServiceError> {
    app.tokens().mint_ticket(caller, Timestamp::now()).map_err(unsigned)
}

/// Removes log-ins, refresh tokens and used tickets that have expired. Answers how many rows went; call it again
/// while there are some.
///
/// # Errors
/// The database's.
pub fn purge(tx: &mut Tx<'_>, access_lifetime: Duration) -> Result<usize, ServiceError> {
    // Access tokens are refused by their log-in's row, so that has to outlive the last of them.
    let before = tx.now().before(access_lifetime + MAX_LEEWAY);
    Ok(rows::purge(tx.conn(), before)?)
}

fn unsigned(error: MintError) -> ServiceError {
    ServiceError::Internal(error.to_string())
}
