//! Public keys of other issuers, from PEM and JWKS files.
//!
//! Every key is tried out while it is loaded: the library finds some faults only when a token arrives, and
//! one of them (an Ed25519 key that is too short) ends in a panic.

use std::path::Path;
use std::{fs, io};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Smallest RSA modulus, bits (RFC 7518, section 3.3).
const MIN_RSA_BITS: usize = 2048;
/// Largest RSA modulus that the library verifies with, bits.
const MAX_RSA_BITS: usize = 4096;
/// Longest RSA public exponent that the library takes, bytes; in practice it is 65537.
const MAX_RSA_EXPONENT_BYTES: usize = 4;
/// Length of a P-256 coordinate (RFC 7518, section 6.2.1.2) and of an Ed25519 key (RFC 8037, section 2), bytes.
const POINT_BYTES: usize = 32;

/// The algorithms of tokens that are signed with a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PublicAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl PublicAlgorithm {
    /// As `alg` has it, in headers and in JWKs.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl From<PublicAlgorithm> for Algorithm {
    fn from(algorithm: PublicAlgorithm) -> Self {
        match algorithm {
            PublicAlgorithm::Rs256 => Self::RS256,
            PublicAlgorithm::Es256 => Self::ES256,
            PublicAlgorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// A key that tokens may be signed with.
pub(super) struct PublicKey {
    /// The one algorithm that it is used with.
    pub(super) algorithm: PublicAlgorithm,
    /// Its name, if it comes from a JWKS and has one there.
    pub(super) kid: Option<String>,
    /// For the library.
    pub(super) key: DecodingKey,
}

impl PublicKey {
    /// Whether a token with this header may be this key's. A key without a name may be the one that the header
    /// names, and a header without a name may mean any key.
    pub(super) fn may_have_signed(&self, algorithm: PublicAlgorithm, kid: Option<&str>) -> bool {
        let named = match (self.kid.as_deref(), kid) {
            (Some(own), Some(wanted)) => own == wanted,
            (None, _) | (_, None) => true,
        };
        self.algorithm == algorithm && named
    }
}

/// What is wrong with a file of public keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is not there, or not readable.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is neither of the two formats.
    #[error("is neither PEM nor a JWKS document")]
    UnknownFormat,
    /// It begins like JSON and is none. The position only: the text might be a key.
    #[error("is not valid JSON at line {line}, column {column}")]
    InvalidJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// It is JSON without an array `keys`, and no single key (`kty`) either.
    #[error("is JSON, but not a JWKS: it has no array \"keys\"")]
    NotJwks,
    /// A PEM block of another kind.
    #[error("holds a PEM block \"{0}\"; a \"PUBLIC KEY\" or \"RSA PUBLIC KEY\" is needed")]
    WrongPemLabel(String),
    /// A PEM block without an end.
    #[error("holds a PEM block without an end")]
    UnfinishedPem,
    /// Only the public half of a key belongs here.
    #[error("holds a private key; only the public key belongs here")]
    PrivateKey,
    /// A shared secret among public keys.
    #[error("holds a shared secret (kty \"oct\"); only public keys belong here")]
    SharedSecret,
    /// The key cannot be used.
    #[error("holds a key that {0}")]
    UnusableKey(UnusableKey),
    /// A JWKS, none of whose keys can be used.
    #[error("holds no usable key: {}", match first { Some(reason) => format!("the first one {reason}"), None => "it is empty".to_owned() })]
    NoUsableKey {
        /// What is wrong with the first one, if there is one.
        first: Option<UnusableKey>,
    },
}

/// Why one key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// Its kind or curve is another.
    #[error("is none of RSA, EC on curve P-256 and Ed25519")]
    WrongKind,
    /// Its `alg` is another than the one that its kind is used with here.
    #[error("is meant for another algorithm than RS256, ES256 or EdDSA")]
    WrongAlgorithm,
    /// Its `use` or `key_ops` is another.
    #[error("is not meant for signatures")]
    WrongUse,
    /// Members are missing, of the wrong length, or no point of the curve.
    #[error("is damaged")]
    Damaged,
    /// An RSA modulus of a length that is not accepted.
    #[error("is an RSA key of {0} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")]
    RsaBits(usize),
}

/// Reads one file, telling PEM from JWKS by its content.
pub(super) fn load(path: &Path) -> Result<Vec<PublicKey>, KeyFileError> {
    let bytes = fs::read(path).map_err(KeyFileError::Unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::UnknownFormat)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('{') {
        from_jwks(text, path)
    } else if text.contains("-----BEGIN ") {
        from_pem(text)
    } else {
        Err(KeyFileError::UnknownFormat)
    }
}

/// Every block of a PEM file (RFC 7468); text between the blocks is ignored.
fn from_pem(text: &str) -> Result<Vec<PublicKey>, KeyFileError> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some((_, block)) = rest.split_once("-----BEGIN ") {
        let (label, block) = block.split_once("-----").ok_or(KeyFileError::UnfinishedPem)?;
        let (body, after) =
            block.split_once(&format!("-----END {label}-----")).ok_or(KeyFileError::UnfinishedPem)?;
        let block = format!("-----BEGIN {label}-----{body}-----END {label}-----\n");
        keys.push(from_pem_block(label, block.as_bytes())?);
        rest = after;
    }
    Ok(keys)
}

fn from_pem_block(label: &str, block: &[u8]) -> Result<PublicKey, KeyFileError> {
    let found = match label {
        "RSA PUBLIC KEY" => rsa_from_pem(block),
        // The label does not tell the kinds apart; each reader refuses those of the others.
        "PUBLIC KEY" => rsa_from_pem(block)
            .or_else(|error| ec_from_pem(block).ok_or(error))
            .or_else(|error| ed_from_pem(block).ok_or(error)),
        label if label.ends_with("PRIVATE KEY") => return Err(KeyFileError::PrivateKey),
        label => return Err(KeyFileError::WrongPemLabel(label.to_owned())),
    };
    let (algorithm, key) = found.map_err(KeyFileError::UnusableKey)?;
    Ok(PublicKey { algorithm, kid: None, key })
}

type Usable = (PublicAlgorithm, DecodingKey);

fn rsa_from_pem(block: &[u8]) -> Result<Usable, UnusableKey> {
    let key = DecodingKey::from_rsa_pem(block).map_err(|_| UnusableKey::WrongKind)?;
    let jwk = Jwk::from_decoding_key(&key, None).map_err(|_| UnusableKey::Damaged)?;
    match jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => rsa_key(&rsa.n, &rsa.e),
        // The library's enum is open.
        _ => Err(UnusableKey::WrongKind),
    }
}

fn ec_from_pem(block: &[u8]) -> Option<Usable> {
    let key = DecodingKey::from_ec_pem(block).ok()?;
    tried_out(PublicAlgorithm::Es256, key)
}

fn ed_from_pem(block: &[u8]) -> Option<Usable> {
    let key = DecodingKey::from_ed_pem(block).ok()?;
    if key.try_get_as_bytes().ok()?.len() != POINT_BYTES {
        return None;
    }
    tried_out(PublicAlgorithm::EdDsa, key)
}

/// The key, if the library can verify with it.
fn tried_out(algorithm: PublicAlgorithm, key: DecodingKey) -> Option<Usable> {
    // An empty signature is a wrong one, which is an answer; an error is about the key.
    jsonwebtoken::crypto::verify("", b"", &key, algorithm.into()).ok()?;
    Some((algorithm, key))
}

fn rsa_key(modulus: &str, exponent: &str) -> Result<Usable, UnusableKey> {
    let modulus = unsigned(modulus)?;
    let exponent = unsigned(exponent)?;
    let leading_zeros = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = modulus.len() * 8 - leading_zeros;
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(UnusableKey::RsaBits(bits));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if !odd(&modulus) || !odd(&exponent) || exponent == [1] || exponent.len() > MAX_RSA_EXPONENT_BYTES {
        return Err(UnusableKey::Damaged);
    }
    Ok((PublicAlgorithm::Rs256, DecodingKey::from_rsa_raw_components(&modulus, &exponent)))
}

/// A Base64urlUInt (RFC 7518, section 2) without leading zeros.
fn unsigned(text: &str) -> Result<Vec<u8>, UnusableKey> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| UnusableKey::Damaged)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

/// The members of a JWK (RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2) that matter here.
#[derive(Deserialize)]
struct JsonKey {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    public_key_use: Option<String>,
    key_ops: Option<Vec<String>>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private part, of whatever kind.
    d: Option<IgnoredAny>,
}

/// The usable keys of a JWK set, or a single JWK. As RFC 7517, section 5, asks, keys that this server has no
/// use for are passed over; each with a line in the log, for one may have been meant.
fn from_jwks(text: &str, path: &Path) -> Result<Vec<PublicKey>, KeyFileError> {
    let document: Value = serde_json::from_str(text)
        .map_err(|error| KeyFileError::InvalidJson { line: error.line(), column: error.column() })?;
    let entries = match document.get("keys") {
        Some(Value::Array(entries)) => entries.as_slice(),
        None if document.get("kty").is_some() => std::slice::from_ref(&document),
        Some(_) | None => return Err(KeyFileError::NotJwks),
    };
    let mut keys = Vec::new();
    let mut first = None;
    for (position, entry) in entries.iter().enumerate() {
        match from_jwk(entry)? {
            Ok(key) => keys.push(key),
            Err(reason) => {
                log::warn!("{}: passed over key {position}, which {reason}", path.display());
                first = first.or(Some(reason));
            }
        }
    }
    if keys.is_empty() { Err(KeyFileError::NoUsableKey { first }) } else { Ok(keys) }
}

/// The outer error is about the file, the inner one about this key only.
fn from_jwk(entry: &Value) -> Result<Result<PublicKey, UnusableKey>, KeyFileError> {
    let Ok(jwk) = JsonKey::deserialize(entry) else { return Ok(Err(UnusableKey::Damaged)) };
    if jwk.kty == "oct" {
        return Err(KeyFileError::SharedSecret);
    }
    if jwk.d.is_some() {
        return Err(KeyFileError::PrivateKey);
    }
    Ok(usable(&jwk).map(|(algorithm, key)| PublicKey { algorithm, kid: jwk.kid, key }))
}

fn usable(jwk: &JsonKey) -> Result<Usable, UnusableKey> {
    let for_signatures = jwk.public_key_use.as_deref().is_none_or(|purpose| purpose == "sig")
        && jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
    if !for_signatures {
        return Err(UnusableKey::WrongUse);
    }
    let (algorithm, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => rsa_key(member(&jwk.n)?, member(&jwk.e)?)?,
        ("EC", Some("P-256")) => {
            let (x, y) = (point(&jwk.x)?, point(&jwk.y)?);
            let key = DecodingKey::from_ec_components(x, y).map_err(|_| UnusableKey::Damaged)?;
            tried_out(PublicAlgorithm::Es256, key).ok_or(UnusableKey::Damaged)?
        }
        ("OKP", Some("Ed25519")) => {
            let key = DecodingKey::from_ed_components(point(&jwk.x)?).map_err(|_| UnusableKey::Damaged)?;
            tried_out(PublicAlgorithm::EdDsa, key).ok_or(UnusableKey::Damaged)?
        }
        // Any other text: this is a parser.
        _ => return Err(UnusableKey::WrongKind),
    };
    match jwk.alg.as_deref() {
        Some(alg) if alg != algorithm.as_str() => Err(UnusableKey::WrongAlgorithm),
        Some(_) | None => Ok((algorithm, key)),
    }
}

fn member(member: &Option<String>) -> Result<&str, UnusableKey> {
    member.as_deref().ok_or(UnusableKey::Damaged)
}

/// A member that is 32 bytes in base64url.
fn point(text: &Option<String>) -> Result<&str, UnusableKey> {
    let text = member(text)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| UnusableKey::Damaged)?;
    if bytes.len() == POINT_BYTES { Ok(text) } else { Err(UnusableKey::Damaged) }
}
