//! Accounts: registering, logging in and out, and who a token stands for.
//!
//! **What an answer tells about an e-mail address.** A log-in with an unknown address does the same work and
//! gets the same answer, limits included, as one with a wrong password. Registering with an address that has an
//! account is answered with 409 `email_taken`: without a way to send mail there is no honest other answer, since
//! a 201 comes with tokens. How often one client may be told so is limited strictly.
//!
//! **Repeated calls.** The answers of registering, logging in and refreshing hold tokens. They are never stored,
//! so an `Idempotency-Key` is taken and has no effect: a repeated registration gets 409, a repeated log-in is
//! one more log-in, and a refresh token that is sent twice counts as stolen.
//!
//! **Passwords** are hashed off the threads that serve sockets, few at a time.

mod email;
mod guard;
mod passwords;
mod principals;
mod registering;
mod sessions;

#[cfg(test)]
mod tests;

pub use self::email::{Email, InvalidEmail};
pub use self::principals::{Authenticated, authenticate, authenticate_handshake, confirm};
pub use self::registering::{NewUser, Registration, add_user, register};
pub use self::sessions::{LogIn, LoggedIn, TokenPair, log_in, log_out, purge, realtime_token, refresh};

pub(super) use self::guard::Guard;
pub(super) use self::principals::PrincipalCache;

use crate::domain::locale::Locale;
use crate::domain::principal::Principal;
use crate::protocol::views::UserView;
use crate::store::users::{self, User};

use super::app::App;
use super::error::ServiceError;

/// The caller's own account.
///
/// # Errors
/// `NotFound` when it was deleted a moment ago; the database's.
pub async fn me(app: &App, caller: &Principal) -> Result<UserView, ServiceError> {
    let user_id = caller.user_id;
    let user = app.read(move |conn| Ok(users::find(conn, user_id)?)).await?;
    let user = user.filter(|user| user.deleted_at.is_none());
    user.as_ref().map(view).ok_or(ServiceError::NotFound { what: "user" })
}

/// Changes the caller's own account; what is `None` stays as it is. Answers the account as it is then.
///
/// # Errors
/// `NotFound` when it was deleted a moment ago; the database's.
pub async fn change(app: &App, caller: &Principal, locale: Option<Locale>) -> Result<UserView, ServiceError> {
    let user_id = caller.user_id;
    if let Some(locale) = locale {
        app.write(move |tx| Ok(users::set_locale(tx.conn(), user_id, locale)?)).await?;
    }
    me(app, caller).await
}

/// A user as that user, or an admin, sees it.
#[must_use]
pub fn view(user: &User) -> UserView {
    UserView {
        id: user.id,
        email: user.email.clone(),
        name: user.name.clone(),
        role: user.role,
        partner_id: user.partner_id,
        locale: user.locale.clone(),
        created_at: user.created_at,
    }
}
