//! Refresh tokens: opaque to everybody, worth something only to whoever stored their hash.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Random bytes in a refresh token.
const BYTES: usize = 32;

/// A refresh token: 32 random bytes as 43 characters of base64url (RFC 4648, section 5, no padding).
///
/// `Debug` shows none of it, and there is no `Display`, so that it cannot end up in a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

/// Text that was meant as a refresh token and cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token")]
pub struct InvalidRefreshToken;

impl RefreshToken {
    /// A new one, from the thread's cryptographically secure generator.
    #[must_use]
    pub fn generate() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; BYTES]>()))
    }

    /// The token that this one is exchanged for by a client's attempt of this name: the same each time, and known to nobody
    /// who has not got both (HMAC-SHA-256, RFC 2104).
    #[must_use]
    pub fn successor(&self, attempt: &str) -> Self {
        // A key of any length is taken: the error is of other algorithms.
        let made = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).map(|mut mac| {
            mac.update(attempt.as_bytes());
            Self(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
        });
        made.unwrap_or_else(|_| Self::generate())
    }

    /// Takes what a client sent, if it has the shape of a refresh token.
    ///
    /// # Errors
    /// `InvalidRefreshToken` unless `text` is the base64url of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidRefreshToken> {
        let mut bytes = [0; BYTES];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(BYTES) => Ok(Self(text.to_owned())),
            Ok(_) | Err(_) => Err(InvalidRefreshToken),
        }
    }

    /// The token itself, for the one answer that hands it out.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text, 64 lower-case hexadecimal digits: what the database keeps.
    ///
    /// A fast hash is enough here: unlike a password, 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> String {
        format!("{:x}", Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_way_to_the_client_and_back() {
        let token = RefreshToken::generate();
        let back = RefreshToken::parse(token.as_str()).expect("parses");
        assert_eq!(back.hash(), token.hash());
        assert_ne!(RefreshToken::generate(), token);
    }

    #[test]
    fn the_hash_is_sha_256_in_hexadecimal() {
        let token = RefreshToken::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("parses");
        // From `printf %s AAAA… | sha256sum`.
        assert_eq!(token.hash(), "0f007385b6f9d4b7eeb2748605afe1a984a0a3bfa3f014d09e2a784ce9e5cd1a");
    }

    #[test]
    fn the_successor_is_that_of_the_token_and_the_attempt() {
        let token = RefreshToken::generate();
        let next = token.successor("an attempt of mine");
        assert_eq!(next, token.successor("an attempt of mine"));
        assert_eq!(RefreshToken::parse(next.as_str()), Ok(next.clone()));
        assert_ne!(next, token.successor("an attempt of yours"));
        assert_ne!(next, RefreshToken::generate().successor("an attempt of mine"));
    }

    #[test]
    fn text_of_another_shape_is_refused() {
        let token = RefreshToken::generate();
        let (longer, padded) = (format!("{}A", token.as_str()), format!("{}=", token.as_str()));
        for text in ["", "abc", longer.as_str(), padded.as_str(), &"A".repeat(1 << 20), &"!".repeat(43)] {
            assert_eq!(RefreshToken::parse(text), Err(InvalidRefreshToken));
        }
    }

    #[test]
    fn debug_output_holds_nothing_of_it() {
        let token = RefreshToken::generate();
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }
}
