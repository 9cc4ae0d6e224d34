//! Tokens as another back end would make them: signed here, not by the library that the server checks them with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use waybill::domain::time::Timestamp;

use super::{JWT_SECRET, TestUser};

/// The claims of a good access token of this user, good for an hour. No role: the database knows.
pub fn claims(user: &TestUser) -> Value {
    let now = Timestamp::now().as_secs();
    json!({"token_type": "access", "exp": now + 3600, "iat": now, "jti": "0b5de6f0c7c24f5b", "user_id": user.id})
}

/// The claims with one of them changed; `null` takes it out.
pub fn claims_with(user: &TestUser, name: &str, value: Value) -> Value {
    let mut claims = claims(user);
    let members = claims.as_object_mut().expect("an object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.into(), value);
    }
    claims
}

/// Signed with the secret of the test's server.
pub fn hs256(claims: &Value) -> String {
    compact(&json!({"alg": "HS256", "typ": "JWT"}), claims, |text| hmac_sha256(JWT_SECRET.as_bytes(), text))
}

/// A token in compact form (RFC 7515, section 3.1).
pub fn compact(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// RFC 2104.
pub fn hmac_sha256(secret: &[u8], text: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut key = if secret.len() > BLOCK { Sha256::digest(secret).to_vec() } else { secret.to_vec() };
    key.resize(BLOCK, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
