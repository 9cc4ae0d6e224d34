//! Registering browsers for pushes.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::PublicKey;
use serde::{Deserialize, Serialize};
use url::{Host, Url};
use utoipa::ToSchema;

use crate::domain::ids::SubscriptionId;
use crate::domain::principal::Principal;
use crate::domain::push::is_public;
use crate::domain::time::Timestamp;
use crate::services::app::{App, Reply, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::store::push::subscriptions::{self as rows, Subscription};

use super::PushSettings;

/// The longest endpoint, bytes. Those of the known push services have a few hundred.
const MAX_ENDPOINT: usize = 2000;
/// The latest end, milliseconds since 1970: in 2286.
const MAX_TIME: f64 = 1e13;
/// Browsers of one user.
const MOST: i64 = 20;
/// For how long one lasts that goes with no log-in of this server.
const LASTS: Duration = Duration::from_secs(30 * 24 * 3600);
/// Bytes of the browser's secret (RFC 8291, section 3.2).
const AUTH: usize = 16;
/// Bytes of an uncompressed point of P-256.
const POINT: usize = 65;

/// What a browser's `PushSubscription` gives as JSON.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewSubscription {
    /// The address at the push service: `https`, at most 2,000 bytes.
    pub endpoint: String,
    /// When the push service ends it, milliseconds since 1970-01-01T00:00:00Z; `null` for never.
    #[serde(default)]
    pub expiration_time: Option<f64>,
    /// What pushes are encrypted with.
    pub keys: BrowserKeys,
}

/// What pushes to a browser are encrypted with (RFC 8291), in base64url.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BrowserKeys {
    /// An uncompressed point of P-256: 65 bytes.
    pub p256dh: String,
    /// A secret of 16 bytes.
    pub auth: String,
}

/// Without the secrets.
impl std::fmt::Debug for NewSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSubscription").finish_non_exhaustive()
    }
}

/// A browser that gets pushes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SubscriptionView {
    /// Its id.
    pub id: SubscriptionId,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// When it ends unless it is registered again; `null` when it goes with the log-in.
    pub expires_at: Option<Timestamp>,
}

/// Registers a browser of the caller's for pushes, for a call that may come with an `Idempotency-Key`. Registering it again
/// renews it; one that was another user's is the caller's from then on.
///
/// # Errors
/// `Invalid`; `Unauthenticated` when the log-in has ended; `Conflict` when the key came with another request; the database's.
pub async fn subscribe_once(
    app: &App,
    who: Principal,
    asked: NewSubscription,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    let keys = check(&asked, &app.settings().push)?;
    app.write_once(key, 201, move |tx| subscribe_in(tx, who, &asked, &keys)).await
}

fn subscribe_in(
    tx: &mut Tx<'_>,
    who: Principal,
    asked: &NewSubscription,
    keys: &BrowserKeys,
) -> Result<SubscriptionView, ServiceError> {
    let now = tx.now();
    let family_id = match who.family_id {
        Some(family_id) => match rows::hold_family(tx.conn(), family_id)? {
            Some(false) => Some(family_id),
            Some(true) => {
                let detail = "The log-in that this token belongs to has ended.".into();
                return Err(ServiceError::Unauthenticated { code: "token_revoked", detail });
            }
            // A log-in of another back end, which this server does not hear of when it ends.
            None => None,
        },
        None => None,
    };
    let by_push_service = asked.expiration_time.map(millis);
    let by_us = family_id.is_none().then(|| now.after(LASTS));
    let expires_at = [by_push_service, by_us].into_iter().flatten().min();
    let subscription = Subscription {
        id: SubscriptionId::new(),
        endpoint: asked.endpoint.clone(),
        user_id: who.user_id,
        family_id,
        p256dh: keys.p256dh.clone(),
        auth: keys.auth.clone(),
        registered_at: now,
        expires_at,
    };
    let registered = rows::register(tx.conn(), &subscription)?;
    rows::keep_latest(tx.conn(), who.user_id, MOST)?;
    Ok(SubscriptionView { id: registered.id, created_at: registered.created_at, expires_at })
}

#[expect(clippy::cast_possible_truncation, reason = "a conversion of floats saturates")]
const fn millis(time: f64) -> Timestamp {
    Timestamp::from_millis(time as i64)
}

/// Takes pushes from a browser of the caller's. One that is not there, or another's, needs nothing.
///
/// # Errors
/// The database's.
pub async fn unsubscribe(app: &App, who: Principal, endpoint: String) -> Result<(), ServiceError> {
    app.write(move |tx| Ok(rows::remove(tx.conn(), who.user_id, &endpoint)?)).await
}

/// Checks what was sent, and gives the keys as they are kept.
fn check(asked: &NewSubscription, settings: &PushSettings) -> Result<BrowserKeys, ServiceError> {
    let mut checks = Checks::default();
    if let Err((code, message)) = check_endpoint(&asked.endpoint, settings) {
        checks.fail("endpoint", code, message);
    }
    if let Some(time) = asked.expiration_time {
        checks.number("expirationTime", time, 0.0..=MAX_TIME);
    }
    let point = decode(&asked.keys.p256dh).filter(|point| point.len() == POINT);
    let point = point.filter(|point| PublicKey::from_sec1_bytes(point).is_ok());
    if point.is_none() {
        checks.fail("keys.p256dh", "invalid", "expected an uncompressed point of P-256 in base64url");
    }
    let auth = decode(&asked.keys.auth).filter(|auth| auth.len() == AUTH);
    if auth.is_none() {
        checks.fail("keys.auth", "invalid", "expected 16 bytes in base64url");
    }
    checks.done()?;
    let encode = |bytes: Option<Vec<u8>>| URL_SAFE_NO_PAD.encode(bytes.unwrap_or_default());
    Ok(BrowserKeys { p256dh: encode(point), auth: encode(auth) })
}

/// base64url, with padding or without.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

fn check_endpoint(text: &str, settings: &PushSettings) -> Result<(), (&'static str, &'static str)> {
    if text.len() > MAX_ENDPOINT {
        return Err(("too_long", "expected at most 2000 bytes"));
    }
    let url = Url::parse(text).map_err(|_| ("invalid", "expected a URL"))?;
    if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
        return Err(("invalid", "expected a URL with https and without a user"));
    }
    // Names are looked up when something is sent: what they mean can change until then.
    let address = match url.host() {
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        None => return Err(("invalid", "expected a URL with a host")),
    };
    if settings.to_private {
        return Ok(());
    }
    if url.port().is_some() {
        return Err(("not_accepted", "expected a push service on port 443"));
    }
    if address.is_some_and(|address| !is_public(address)) {
        return Err(("not_accepted", "expected a push service on the internet"));
    }
    Ok(())
}
