//! Tokens that something else than the library under test has signed, and what becomes of them.

mod claims;
mod foreign;
mod key_files;
mod signatures;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer;
use rsa::pkcs1v15;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::signature::SignatureEncoding;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;

/// Shared with the back end that made the fixtures.
const SECRET: &[u8] = b"a shared secret of more than 32 bytes, for tests";
/// 2027-01-15T08:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const USER: &str = "0190163d-8694-739b-aea5-966c26f8ad90";
const PARTNER: &str = "0190163d-8694-739b-aea5-966c26f8ad91";
const ACCESS: &[TokenType] = &[TokenType::Access];

static RSA: LazyLock<rsa::RsaPrivateKey> =
    LazyLock::new(|| rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("an RSA key"));
static P256: LazyLock<p256::ecdsa::SigningKey> =
    LazyLock::new(|| p256::ecdsa::SigningKey::random(&mut rsa::rand_core::OsRng));
static ED25519: LazyLock<ed25519_dalek::SigningKey> =
    LazyLock::new(|| ed25519_dalek::SigningKey::from_bytes(&rand::random()));

fn settings(public_keys: Vec<PathBuf>) -> TokenSettings {
    TokenSettings {
        secret: SECRET.to_vec(),
        public_keys,
        access_lifetime: DEFAULT_ACCESS_LIFETIME,
        leeway: Duration::ZERO,
    }
}

fn by_secret() -> Tokens {
    Tokens::new(settings(Vec::new())).expect("good settings")
}

/// Tokens that knows the public keys in these texts, each from a file of its own.
fn knowing(key_files: &[&str]) -> Result<Tokens, TokenConfigError> {
    let directory = TempDir::new().expect("a directory");
    let mut paths = Vec::new();
    for (position, text) in key_files.iter().enumerate() {
        let path = directory.path().join(format!("key{position}"));
        std::fs::write(&path, text).expect("a file");
        paths.push(path);
    }
    Tokens::new(settings(paths))
}

/// What another back end would put into a good access token.
fn claims() -> Value {
    json!({
        "token_type": "access",
        "exp": NOW.as_secs() + 300,
        "iat": NOW.as_secs(),
        "jti": "0b5de6f0c7c24f5ba1d3d6e4a0a9c111",
        "user_id": USER,
    })
}

fn compact(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    compact_parts(&part(header), &part(claims), sign)
}

fn compact_parts(header: &str, payload: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hs256(claims: &Value) -> String {
    compact(&json!({"alg": "HS256", "typ": "JWT"}), claims, |text| hmac_sha256(SECRET, text))
}

/// RFC 2104, written out: the signer must not be the library that verifies.
fn hmac_sha256(secret: &[u8], text: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut key = if secret.len() > BLOCK { Sha256::digest(secret).to_vec() } else { secret.to_vec() };
    key.resize(BLOCK, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn rs256(text: &[u8]) -> Vec<u8> {
    pkcs1v15::SigningKey::<Sha256>::new(RSA.clone()).sign(text).to_vec()
}

fn es256(text: &[u8]) -> Vec<u8> {
    let signature: p256::ecdsa::Signature = P256.sign(text);
    signature.to_vec()
}

fn eddsa(text: &[u8]) -> Vec<u8> {
    ED25519.sign(text).to_bytes().to_vec()
}

fn rsa_pem() -> String {
    RSA.to_public_key().to_public_key_pem(LineEnding::LF).expect("PEM")
}

fn p256_pem() -> String {
    P256.verifying_key().to_public_key_pem(LineEnding::LF).expect("PEM")
}

fn ed25519_pem() -> String {
    ed25519_pem_of(ED25519.verifying_key().as_bytes())
}

/// A SubjectPublicKeyInfo around `key`, spelt out as in RFC 8410, section 4.
fn ed25519_pem_of(key: &[u8]) -> String {
    let length = |inside: usize| u8::try_from(inside).expect("a short key");
    let mut der = vec![0x30, length(key.len() + 10), 0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
    der.extend([3, length(key.len() + 1), 0]);
    der.extend(key);
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}
