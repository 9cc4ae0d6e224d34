//! The key that tells push services who sends (VAPID, RFC 8292). It is a row: all instances have the same, and it outlives
//! them, since a browser's subscription is good for one key only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::EncodePrivateKey;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::time::Timestamp;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::push as rows;

/// The name of the key's row.
const NAME: &str = "vapid";
/// For how long a token is good: at most a day (RFC 8292, section 2).
const LASTS: Duration = Duration::from_secs(12 * 3600);
/// After how long another one is made: clocks differ.
const FRESH: Duration = Duration::from_secs(6 * 3600);
/// Push services whose tokens are kept. Anybody can name one.
const KEPT: usize = 1000;

/// The public key.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyView {
    /// The uncompressed point of P-256, 65 bytes, in base64url without padding: for `applicationServerKey`.
    pub key: String,
}

/// The pair, and what was signed with it lately.
pub(super) struct Keys {
    signing_key: EncodingKey,
    public: String,
    tokens: Mutex<HashMap<String, Token>>,
}

/// Without the secret half.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("public", &self.public).finish_non_exhaustive()
    }
}

struct Token {
    text: String,
    fresh_until: Timestamp,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

fn unusable(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::Internal(format!("the key of pushes cannot be used: {error}"))
}

/// The kept key, or a fresh one, kept.
pub(super) async fn load(app: &App) -> Result<Keys, ServiceError> {
    let fresh = SecretKey::random(&mut p256::elliptic_curve::rand_core::OsRng);
    let fresh = URL_SAFE_NO_PAD.encode(fresh.to_bytes());
    let kept = app.write(move |tx| {
        let now = tx.now();
        Ok(rows::key(tx.conn(), NAME, &fresh, now)?)
    });
    Keys::read(&kept.await?)
}

impl Keys {
    fn read(text: &str) -> Result<Self, ServiceError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(unusable)?;
        let secret = SecretKey::from_slice(&bytes).map_err(unusable)?;
        let public = secret.public_key().to_encoded_point(false);
        let document = secret.to_pkcs8_der().map_err(unusable)?;
        Ok(Self {
            signing_key: EncodingKey::from_ec_der(document.as_bytes()),
            public: URL_SAFE_NO_PAD.encode(public.as_bytes()),
            tokens: Mutex::default(),
        })
    }

    /// The value of `Authorization` for a push service, by its origin.
    pub(super) fn authorization(
        &self,
        origin: &str,
        contact: Option<&str>,
        now: Timestamp,
    ) -> Result<String, ServiceError> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get(origin).filter(|token| token.fresh_until > now) {
            return Ok(format!("vapid t={}, k={}", token.text, self.public));
        }
        let claims = Claims { aud: origin, exp: now.after(LASTS).as_secs(), sub: contact };
        let text = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.signing_key);
        let text = text.map_err(unusable)?;
        let authorization = format!("vapid t={text}, k={}", self.public);
        if tokens.len() >= KEPT {
            tokens.clear();
        }
        tokens.insert(origin.to_owned(), Token { text, fresh_until: now.after(FRESH) });
        Ok(authorization)
    }
}

/// The public key, for browsers that subscribe.
///
/// # Errors
/// The database's.
pub async fn public_key(app: &App) -> Result<KeyView, ServiceError> {
    Ok(KeyView { key: app.push_keys().await?.public.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_for_each_push_service_and_again_half_way_through_its_life() {
        let secret = SecretKey::random(&mut p256::elliptic_curve::rand_core::OsRng);
        let keys = Keys::read(&URL_SAFE_NO_PAD.encode(secret.to_bytes())).expect("a key");
        let at = |secs: i64| Timestamp::from_millis(secs * 1000);
        let token = |origin: &str, secs: i64| keys.authorization(origin, None, at(secs)).expect("a token");
        let first = token("https://one.example", 0);
        assert_eq!(token("https://one.example", 6 * 3600 - 1), first);
        assert_ne!(token("https://two.example", 0), first);
        assert_ne!(token("https://one.example", 6 * 3600), first);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "!", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(Keys::read(text).is_err(), "{text}");
        }
    }
}
