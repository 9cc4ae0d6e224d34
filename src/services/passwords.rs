//! Passwords: the rule for new ones, and their hashes.
//!
//! Invariant: no database, no HTTP. Hashing is meant to be slow (tens of milliseconds and 19 MiB);
//! call it from a thread that may block.

use std::hint::black_box;

use argon2::password_hash::{self, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

/// Fewest characters of a new password (NIST SP 800-63B, section 5.1.1.2).
pub const MIN_CHARS: usize = 8;
/// Most characters of a password. Bounds the work that a stranger can ask for.
pub const MAX_CHARS: usize = 200;

// Argon2id as the OWASP Password Storage Cheat Sheet recommends it.
// https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
/// Memory, KiB.
const MEMORY_KIB: u32 = 19_456;
/// Passes over that memory.
const PASSES: u32 = 2;
/// Lanes computed side by side.
const LANES: u32 = 1;
/// Length of the hash, bytes (RFC 9106, section 4, asks for 256 bits).
const HASH_BYTES: usize = 32;
/// Length of the salt, bytes (RFC 9106, section 3.1, recommends 16).
const SALT_BYTES: usize = 16;

/// A password that cannot be taken or checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`MIN_CHARS`] characters.
    #[error("a password has at least {MIN_CHARS} characters")]
    TooShort,
    /// More than [`MAX_CHARS`] characters.
    #[error("a password has at most {MAX_CHARS} characters")]
    TooLong,
    /// What is stored as a hash is none that this server can read: a fault of the data, not of the caller.
    #[error("the stored password hash is not readable: {0}")]
    UnreadableHash(password_hash::Error),
    /// The hash function itself failed.
    #[error("the password could not be hashed: {0}")]
    Hashing(password_hash::Error),
}

/// Checks the rule for new passwords: 8 to 200 characters (Unicode scalar values), nothing else asked.
///
/// # Errors
/// `TooShort` or `TooLong`.
pub fn check_length(password: &str) -> Result<(), PasswordError> {
    if is_too_long(password) {
        Err(PasswordError::TooLong)
    } else if password.chars().count() < MIN_CHARS {
        Err(PasswordError::TooShort)
    } else {
        Ok(())
    }
}

/// Hashes a new password with a fresh salt. The answer is a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`).
///
/// # Errors
/// `TooShort` or `TooLong` when the password breaks the rule; `Hashing` when argon2 fails.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    check_length(password)?;
    let salt = SaltString::encode_b64(&rand::random::<[u8; SALT_BYTES]>()).map_err(PasswordError::Hashing)?;
    let phc = hasher()?.hash_password(password.as_bytes(), &salt).map_err(PasswordError::Hashing)?;
    Ok(phc.to_string())
}

/// Whether `password` is the one that `phc` was made from, with the parameters that `phc` names.
///
/// A password past the greatest length is simply wrong, and cheap to refuse.
///
/// # Errors
/// `UnreadableHash` when `phc` is not an argon2 hash.
pub fn verify(password: &str, phc: &str) -> Result<bool, PasswordError> {
    if is_too_long(password) {
        return Ok(false);
    }
    let stored = PasswordHash::new(phc).map_err(PasswordError::UnreadableHash)?;
    // The library calls a string that ends after the salt a wrong password.
    if stored.hash.is_none() {
        return Err(PasswordError::UnreadableHash(password_hash::Error::PhcStringField));
    }
    match hasher()?.verify_password(password.as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::Password) => Ok(false),
        Err(error) => Err(PasswordError::UnreadableHash(error)),
    }
}

/// Does the work of [`verify`] and answers `Ok(false)`. For a log-in with an unknown e-mail address, so that the
/// time taken does not tell which addresses have an account.
///
/// # Errors
/// `Hashing` when argon2 fails.
pub fn dummy_verify(password: &str) -> Result<bool, PasswordError> {
    if is_too_long(password) {
        return Ok(false);
    }
    let mut out = [0; HASH_BYTES];
    hasher()?
        .hash_password_into(password.as_bytes(), &[0; SALT_BYTES], &mut out)
        .map_err(|error| PasswordError::Hashing(error.into()))?;
    // Keeps the optimizer from dropping a result that nobody reads.
    black_box(out);
    Ok(false)
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))
        .map_err(|error| PasswordError::Hashing(error.into()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Looks at no more of the text than it must.
fn is_too_long(password: &str) -> bool {
    password.chars().nth(MAX_CHARS).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let phc = hash("correct horse").expect("hashes");
        assert_eq!(verify("correct horse", &phc), Ok(true));
        assert_eq!(verify("correct horse ", &phc), Ok(false));
        assert_eq!(verify("", &phc), Ok(false));
    }

    #[test]
    fn hashes_name_the_recommended_parameters_and_differ_by_salt() {
        let (one, other) = (hash("the same word").expect("hashes"), hash("the same word").expect("hashes"));
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn a_hash_by_the_reference_implementation_with_other_parameters_verifies() {
        // `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -e`, from the reference's own test suite.
        let phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(verify("password", phc), Ok(true));
        assert_eq!(verify("Password", phc), Ok(false));
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(check_length("1234567"), Err(PasswordError::TooShort));
        assert_eq!(check_length("12345678"), Ok(()));
        assert_eq!(check_length(&"ß".repeat(MAX_CHARS)), Ok(()));
        assert_eq!(check_length(&"a".repeat(MAX_CHARS + 1)), Err(PasswordError::TooLong));
        assert_eq!(check_length("äöüäöü"), Err(PasswordError::TooShort));
        assert_eq!(hash("short"), Err(PasswordError::TooShort));
    }

    #[test]
    fn an_overlong_password_is_wrong_rather_than_an_error() {
        let phc = hash("correct horse").expect("hashes");
        let endless = "a".repeat(1 << 20);
        assert_eq!(verify(&endless, &phc), Ok(false));
        assert_eq!(dummy_verify(&endless), Ok(false));
    }

    #[test]
    fn what_is_no_argon2_hash_is_told_from_a_wrong_password() {
        for phc in
            ["", "plain", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ"]
        {
            assert!(
                matches!(verify("correct horse", phc), Err(PasswordError::UnreadableHash(_))),
                "{phc:?}: {:?}",
                verify("correct horse", phc)
            );
        }
    }

    #[test]
    fn nobody_is_never_let_in() {
        assert_eq!(dummy_verify("correct horse"), Ok(false));
    }
}
