//! What a token says, once its signature is known to be good.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{TokenError, TokenType};
use crate::domain::ids::{FamilyId, PartnerId, UserId};
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;

/// Longest `jti`, bytes. SimpleJWT's have 32.
const MAX_JTI_BYTES: usize = 255;

/// A token that may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub user_id: UserId,
    /// The role, or `None` when whoever minted the token did not say: then the database knows.
    pub role: Option<Role>,
    /// The partner profile. Tokens minted elsewhere may leave it out for a partner, too.
    pub partner_id: Option<PartnerId>,
    /// The log-in that it descends from; `None` for tokens minted elsewhere.
    pub family_id: Option<FamilyId>,
    /// The token's own id, 1 to 255 bytes.
    pub jti: String,
    /// What it may be used for.
    pub token_type: TokenType,
    /// When it was minted, if it says so.
    pub issued_at: Option<Timestamp>,
    /// When it ends, leeway not included.
    pub expires_at: Timestamp,
}

impl Verified {
    /// The caller, if the token alone tells enough; `None` when the role, or a partner's profile, has to be
    /// looked up.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        let role = self.role?;
        let partner_id = match role {
            Role::Partner => Some(self.partner_id?),
            Role::Customer | Role::Admin => None,
        };
        Some(Principal { user_id: self.user_id, role, partner_id, family_id: self.family_id })
    }
}

/// The claims as they arrive. Each is kept as raw JSON, so that a claim of the wrong type can be named.
/// A claim that is `null` counts as absent; claims that are not listed are ignored (RFC 7519, section 4).
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    token_type: Option<&'a RawValue>,
    #[serde(borrow)]
    exp: Option<&'a RawValue>,
    #[serde(borrow)]
    nbf: Option<&'a RawValue>,
    #[serde(borrow)]
    iat: Option<&'a RawValue>,
    #[serde(borrow)]
    jti: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    partner_id: Option<&'a RawValue>,
    #[serde(borrow)]
    sid: Option<&'a RawValue>,
}

/// Reads the decoded payload of a token whose signature is good.
pub(super) fn read(
    payload: &[u8],
    accepted: &[TokenType],
    leeway: Duration,
    now: Timestamp,
) -> Result<Verified, TokenError> {
    let claims: Claims<'_> = super::json_object(payload)?;

    let token_type = text("token_type", claims.token_type)?.parse().map_err(|_| TokenError::WrongType)?;
    if !accepted.contains(&token_type) {
        return Err(TokenError::WrongType);
    }

    let expires_at = required("exp", date("exp", claims.exp)?)?;
    // RFC 7519, section 4.1.4: not "on or after" the expiration time.
    if now >= expires_at.after(leeway) {
        return Err(TokenError::Expired);
    }
    let soonest = now.after(leeway);
    refuse_future("nbf", date("nbf", claims.nbf)?, soonest)?;
    let issued_at = date("iat", claims.iat)?;
    refuse_future("iat", issued_at, soonest)?;

    let jti = text("jti", claims.jti)?;
    if jti.is_empty() || jti.len() > MAX_JTI_BYTES {
        return Err(TokenError::BadClaims { claim: "jti" });
    }
    let role = optional("role", claims.role)?;
    let partner_id = optional("partner_id", claims.partner_id)?;
    if partner_id.is_some() && matches!(role, Some(Role::Customer | Role::Admin)) {
        return Err(TokenError::BadClaims { claim: "partner_id" });
    }
    Ok(Verified {
        user_id: required("user_id", optional("user_id", claims.user_id)?)?,
        role,
        partner_id,
        // OpenID Connect gives `sid` to other people's sessions, too, in any form: only a UUID can be ours.
        family_id: optional("sid", claims.sid).unwrap_or(None),
        jti: jti.into_owned(),
        token_type,
        issued_at,
        expires_at,
    })
}

fn required<T>(claim: &'static str, value: Option<T>) -> Result<T, TokenError> {
    value.ok_or(TokenError::BadClaims { claim })
}

fn text<'a>(claim: &'static str, value: Option<&'a RawValue>) -> Result<Cow<'a, str>, TokenError> {
    value.and_then(string).ok_or(TokenError::BadClaims { claim })
}

/// A claim that may be absent, but is not allowed to be anything else than the text of a `T`.
fn optional<T: FromStr>(claim: &'static str, value: Option<&RawValue>) -> Result<Option<T>, TokenError> {
    let Some(value) = value else { return Ok(None) };
    match string(value).map(|text| text.parse()) {
        Some(Ok(parsed)) => Ok(Some(parsed)),
        Some(Err(_)) | None => Err(TokenError::BadClaims { claim }),
    }
}

/// A JSON string; borrowed from the payload unless it has escapes.
fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(value.get()).ok().map(|text| text.0)
}

fn date(claim: &'static str, value: Option<&RawValue>) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = value else { return Ok(None) };
    numeric_date(value).map(Some).ok_or(TokenError::BadClaims { claim })
}

/// A NumericDate: seconds since 1970, whole or not (RFC 7519, section 2).
fn numeric_date(value: &RawValue) -> Option<Timestamp> {
    /// The greatest milliseconds that a float holds exactly, 285,000 years.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: serde_json::Number = serde_json::from_str(value.get()).ok()?;
    if let Some(seconds) = number.as_i64() {
        return seconds.checked_mul(1000).map(Timestamp::from_millis);
    }
    let millis = number.as_f64()? * 1000.0;
    (millis.abs() < EXACT).then(|| Timestamp::from_millis(millis.floor() as i64))
}

fn refuse_future(claim: &'static str, time: Option<Timestamp>, soonest: Timestamp) -> Result<(), TokenError> {
    match time {
        Some(time) if time > soonest => Err(TokenError::BadClaims { claim }),
        Some(_) | None => Ok(()),
    }
}
