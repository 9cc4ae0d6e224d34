//! Tokens: minting and verifying JSON Web Tokens, and making refresh tokens.
//!
//! The claims are those of Django's SimpleJWT, so that a Django back end that shares the secret, or whose
//! public key is configured, can mint tokens for this server.
//!
//! Invariant: no database, no HTTP and no clock here; the present time is an argument. Nothing that is
//! printed, by `Debug` or `Display`, holds a token or a secret.
//!
//! The library's own `decode` is not used: it reads the header twice, checks times against the machine's
//! clock and does not try several keys. Its signature check is.

mod claims;
mod keys;
mod mint;
mod refresh;
mod secret;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

pub use self::claims::Verified;
pub use self::keys::KeyFileError;
pub use self::mint::{MintError, Minted, TICKET_LIFETIME};
pub use self::refresh::{InvalidRefreshToken, RefreshToken};
pub use self::secret::secret_weakness;

use self::keys::{PublicAlgorithm, PublicKey};
use crate::domain::time::Timestamp;

/// How long an access token lasts unless the settings say otherwise.
pub const DEFAULT_ACCESS_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The most by which clocks may differ.
pub const MAX_LEEWAY: Duration = Duration::from_secs(5);
/// Longer tokens are refused unread. Ours have about 450 bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What a token may be used for: the claim `token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// `access`: REST calls and WebSocket handshakes.
    Access,
    /// `ws`: one WebSocket handshake.
    Ticket,
}

impl TokenType {
    /// As the claim has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Ticket => "ws",
        }
    }
}

impl FromStr for TokenType {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        match text {
            "access" => Ok(Self::Access),
            "ws" => Ok(Self::Ticket),
            // Any other text, SimpleJWT's "refresh" and "sliding" included: this is a parser.
            _ => Err(TokenError::WrongType),
        }
    }
}

/// Why a token is refused. Holds nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none, or it is empty.
    #[error("no token was given")]
    Missing,
    /// It is not a signed JWT in compact form, is over [`MAX_TOKEN_BYTES`], or asks for an extension (`crit`).
    #[error("the token is malformed")]
    Malformed,
    /// Its `alg` is not HS256, RS256, ES256 or EdDSA. `none` is among these.
    #[error("the token's algorithm is not supported")]
    UnsupportedAlgorithm,
    /// No public key of its `alg`, and of its `kid` if it has one, is configured.
    #[error("the token's key is not known")]
    UnknownKey,
    /// No key that it may be signed with made this signature.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// Its `exp` lies in the past.
    #[error("the token has expired")]
    Expired,
    /// It is good, but not for this use.
    #[error("the token is of the wrong type")]
    WrongType,
    /// A claim is missing, has the wrong form, contradicts another, or lies in the future (`nbf`, `iat`).
    #[error("the token's claim {claim} is missing or not acceptable")]
    BadClaims {
        /// The claim's name.
        claim: &'static str,
    },
}

/// A setting that tokens cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum TokenConfigError {
    /// The secret has no bytes.
    #[error("the secret is empty")]
    EmptySecret,
    /// More than [`MAX_LEEWAY`].
    #[error("the leeway is more than 5 s")]
    LeewayTooLong,
    /// Under a second: `exp` counts whole seconds.
    #[error("the lifetime of access tokens is under a second")]
    LifetimeTooShort,
    /// A file of public keys is of no use.
    #[error("public key file {}: {problem}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: KeyFileError,
    },
}

/// What [`Tokens`] needs to know.
#[derive(Clone)]
pub struct TokenSettings {
    /// Signs our own tokens and checks those of others who share it (HS256).
    pub secret: Vec<u8>,
    /// Files with public keys of other issuers: PEM (one or several of RSA, EC P-256, Ed25519) or a JWKS.
    pub public_keys: Vec<PathBuf>,
    /// How long our access tokens last, in whole seconds; the rest is cut off.
    pub access_lifetime: Duration,
    /// By how much clocks may differ, at most [`MAX_LEEWAY`].
    pub leeway: Duration,
}

impl fmt::Debug for TokenSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSettings")
            .field("public_keys", &self.public_keys)
            .field("access_lifetime", &self.access_lifetime)
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}

/// Mints and verifies tokens. Made once, shared by all threads.
pub struct Tokens {
    signing_key: EncodingKey,
    secret_key: DecodingKey,
    /// Derived from the secret, for what instances that share it have in common beside tokens.
    seed: [u8; 32],
    public_keys: Vec<PublicKey>,
    access_lifetime: Duration,
    leeway: Duration,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("public_keys", &self.public_keys.len())
            .field("access_lifetime", &self.access_lifetime)
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Reads the public keys and gets everything ready.
    ///
    /// Whether the secret is strong is the caller's to ask ([`secret_weakness`]): it depends on who can reach
    /// the server.
    ///
    /// # Errors
    /// `TokenConfigError`; it names the file and what is wrong with it.
    pub fn new(settings: TokenSettings) -> Result<Self, TokenConfigError> {
        if settings.secret.is_empty() {
            return Err(TokenConfigError::EmptySecret);
        }
        if settings.leeway > MAX_LEEWAY {
            return Err(TokenConfigError::LeewayTooLong);
        }
        if settings.access_lifetime.as_secs() == 0 {
            return Err(TokenConfigError::LifetimeTooShort);
        }
        let mut public_keys = Vec::new();
        for path in settings.public_keys {
            let keys = keys::load(&path).map_err(|problem| TokenConfigError::KeyFile { path, problem })?;
            public_keys.extend(keys);
        }
        Ok(Self {
            signing_key: EncodingKey::from_secret(&settings.secret),
            secret_key: DecodingKey::from_secret(&settings.secret),
            seed: Sha256::new_with_prefix(b"waybill seed").chain_update(&settings.secret).finalize().into(),
            public_keys,
            access_lifetime: settings.access_lifetime,
            leeway: settings.leeway,
        })
    }

    /// Bytes that all who share the secret have in common, and nobody else.
    #[must_use]
    pub(in crate::services) fn seed(&self) -> &[u8] {
        &self.seed
    }

    /// How long the access tokens that this mints last.
    #[must_use]
    pub fn access_lifetime(&self) -> Duration {
        self.access_lifetime
    }

    /// Whether `token` is good at `now` for one of the uses `accepted`, and what it says.
    ///
    /// The signature is checked before anything in the payload is looked at. A `kid` selects among the keys of
    /// JWKS files; keys from PEM files have none and are tried for any. `aud` and `iss` are not looked at.
    ///
    /// # Errors
    /// `TokenError`.
    pub fn verify(
        &self,
        token: &str,
        accepted: &[TokenType],
        now: Timestamp,
    ) -> Result<Verified, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        // More than two dots leave one in the payload, where base64 has none.
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let payload = base64url(payload)?;
        self.check_signature(&base64url(header)?, signed.as_bytes(), signature)?;
        claims::read(&payload, accepted, self.leeway, now)
    }

    /// The header only ever selects among the algorithms and keys that are configured: a key is used with the
    /// one algorithm that it was loaded for (RFC 8725, section 3.1).
    fn check_signature(&self, header: &[u8], signed: &[u8], signature: &str) -> Result<(), TokenError> {
        let header: JoseHeader<'_> = json_object(header)?;
        // RFC 7515, section 4.1.11: whoever does not understand an extension listed here must refuse.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let algorithm = match header.alg.as_ref() {
            "HS256" => return signed_by(&self.secret_key, Algorithm::HS256, signed, signature),
            "RS256" => PublicAlgorithm::Rs256,
            "ES256" => PublicAlgorithm::Es256,
            "EdDSA" => PublicAlgorithm::EdDsa,
            // Any other text, "none" included: this is a parser.
            _ => return Err(TokenError::UnsupportedAlgorithm),
        };
        let mut outcome = Err(TokenError::UnknownKey);
        for key in self.public_keys.iter().filter(|key| key.may_have_signed(algorithm, header.kid.as_deref()))
        {
            outcome = signed_by(&key.key, key.algorithm.into(), signed, signature);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// The part of a JOSE header that matters here (RFC 7515, section 4.1). Keys and links to keys that a header
/// may carry (`jwk`, `jku`, `x5u`) are never looked at.
#[derive(Deserialize)]
struct JoseHeader<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

fn signed_by(
    key: &DecodingKey,
    algorithm: Algorithm,
    signed: &[u8],
    signature: &str,
) -> Result<(), TokenError> {
    match jsonwebtoken::crypto::verify(signature, signed, key, algorithm) {
        Ok(true) => Ok(()),
        Ok(false) => Err(TokenError::BadSignature),
        Err(error) if matches!(error.kind(), ErrorKind::Base64(_)) => Err(TokenError::Malformed),
        Err(_) => Err(TokenError::BadSignature),
    }
}

fn base64url(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)
}

/// Reads a JSON object. The derived readers would take an array for one.
fn json_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, TokenError> {
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(TokenError::Malformed);
    }
    serde_json::from_slice(json).map_err(|_| TokenError::Malformed)
}
