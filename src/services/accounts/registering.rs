//! Making accounts.

use std::net::IpAddr;
use std::time::Instant;

use crate::domain::ids::{PartnerId, UserId};
use crate::domain::locale::Locale;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::protocol::views::UserView;
use crate::services::app::App;
use crate::services::console;
use crate::services::error::{Checks, ServiceError};
use crate::services::passwords::{MAX_CHARS, MIN_CHARS};
use crate::store::Store;
use crate::store::users::{self, User};

use super::email::Email;
use super::guard::Attempt;
use super::sessions::{LoggedIn, open};
use super::{passwords, view};

/// The longest name, characters.
const MAX_NAME_CHARS: usize = 100;

/// An account to be made. What is wrong with it is found when it is.
#[derive(Clone)]
pub struct NewUser {
    /// For logging in. White space around it and the case of letters do not matter.
    pub email: String,
    /// 8 to 200 characters.
    pub password: String,
    /// As others see it, 1 to 100 characters.
    pub name: String,
    /// What the user may do. A partner gets a partner profile.
    pub role: Role,
    /// The language of notifications.
    pub locale: Locale,
}

/// What somebody who registers sends.
#[derive(Clone)]
pub struct Registration {
    /// The account.
    pub user: NewUser,
    /// Where the call comes from.
    pub address: IpAddr,
}

/// Makes an account for whoever asks, and logs it in.
///
/// # Errors
/// `Invalid` with the fields that are wrong; `Forbidden` for a role that nobody can give themselves; `Conflict`
/// with `email_taken`; `Limited`; the database's.
pub async fn register(app: &App, registration: Registration) -> Result<LoggedIn, ServiceError> {
    let Registration { user, address } = registration;
    match user.role {
        Role::Customer | Role::Partner => {}
        Role::Admin => {
            return Err(ServiceError::forbidden("role_not_allowed", "Nobody can register as an admin."));
        }
    }
    let checked = check(&user)?;
    app.guard().admit_registration(address, Instant::now())?;
    let attempt = Attempt::new(checked.email.as_str(), address);
    let password_hash = passwords::hash(app, user.password).await?;
    let row = checked.row(user.role, user.locale, password_hash);
    let logged_in = app.write({
        let app = app.clone();
        move |tx| {
            if !users::insert(tx.conn(), &row)? {
                return Ok(None);
            }
            let tokens = open(&app, tx, &row)?;
            console::note(tx, (row.id, row.role), "registered", None)?;
            Ok(Some(LoggedIn { user: view(&row), tokens }))
        }
    });
    match logged_in.await? {
        Some(logged_in) => {
            app.guard().succeeded(&attempt);
            Ok(logged_in)
        }
        None => {
            app.guard().admit_taken(address, Instant::now())?;
            Err(email_taken())
        }
    }
}

/// Makes an account of any role. For the command line and for admins: there are no limits.
///
/// # Errors
/// `Invalid` with the fields that are wrong; `Conflict` with `email_taken`; the database's.
pub async fn add_user(store: &Store, user: NewUser) -> Result<UserView, ServiceError> {
    let checked = check(&user)?;
    let password = user.password;
    let hashed = tokio::task::spawn_blocking(move || crate::services::passwords::hash(&password));
    let password_hash = hashed
        .await
        .map_err(|error| ServiceError::Internal(error.to_string()))?
        .map_err(|error| ServiceError::Internal(error.to_string()))?;
    let row = checked.row(user.role, user.locale, password_hash);
    let added = store.write(move |conn| {
        let is_added = users::insert(conn, &row).map_err(ServiceError::from)?;
        Ok::<_, ServiceError>(is_added.then(|| view(&row)))
    });
    added.await?.ok_or_else(email_taken)
}

/// The fields of a new account that were found to be good.
struct Checked {
    email: Email,
    name: String,
}

impl Checked {
    fn row(self, role: Role, locale: Locale, password_hash: String) -> User {
        User {
            id: UserId::new(),
            email: self.email.into_string(),
            name: self.name,
            role,
            locale: locale.as_str().into(),
            password_hash,
            created_at: Timestamp::now(),
            deleted_at: None,
            partner_id: match role {
                Role::Partner => Some(PartnerId::new()),
                Role::Customer | Role::Admin => None,
            },
        }
    }
}

fn check(user: &NewUser) -> Result<Checked, ServiceError> {
    let mut checks = Checks::default();
    let email = Email::parse(&user.email);
    if let Err(error) = &email {
        checks.fail("email", "invalid", error.to_string());
    }
    let name = user.name.trim();
    if name.contains(['\n', '\t']) {
        checks.fail("name", "invalid", "expected one line");
    } else {
        checks.text("name", name, 1..=MAX_NAME_CHARS);
    }
    let length = user.password.chars().count();
    if length < MIN_CHARS {
        checks.fail("password", "too_short", format!("expected at least {MIN_CHARS} characters"));
    } else if length > MAX_CHARS {
        checks.fail("password", "too_long", format!("expected at most {MAX_CHARS} characters"));
    }
    checks.done()?;
    let email = email.map_err(|error| ServiceError::invalid("email", "invalid", error.to_string()))?;
    Ok(Checked { email, name: name.into() })
}

fn email_taken() -> ServiceError {
    ServiceError::conflict("email_taken", "There is an account with this e-mail address; log in instead.")
}
