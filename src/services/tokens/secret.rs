//! Whether a shared secret is worth anything.

/// As many bytes as the output of SHA-256: RFC 7518, section 3.2.
const MIN_BYTES: usize = 32;
/// A random secret of 32 bytes, raw or written in hexadecimal or base64, has more different bytes than this
/// in all but one of many millions of cases.
const MIN_DIFFERENT_BYTES: usize = 8;
/// What example settings are full of. In lower case; found anywhere in the secret.
const PLACEHOLDERS: [&str; 10] = [
    "changeme",
    "change-me",
    "change_me",
    "replaceme",
    "replace-me",
    "replace_me",
    "your-256-bit-secret",
    "your-secret",
    "your_secret",
    // How Django's `startproject` begins the keys that it makes.
    "django-insecure-",
];

/// What is weak about a secret for HS256, or `None`: it is shorter than 32 bytes, repeats a few bytes, or is a
/// placeholder that somebody forgot to replace. The answer never holds any of the secret.
#[must_use]
pub fn secret_weakness(secret: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(secret).to_lowercase();
    if PLACEHOLDERS.iter().any(|placeholder| text.contains(placeholder)) {
        return Some("it is a well-known placeholder");
    }
    if secret.len() < MIN_BYTES {
        return Some("it is shorter than 32 bytes");
    }
    let mut seen = [false; 256];
    for byte in secret {
        if let Some(slot) = seen.get_mut(usize::from(*byte)) {
            *slot = true;
        }
    }
    let different = seen.iter().filter(|slot| **slot).count();
    (different < MIN_DIFFERENT_BYTES).then_some("it repeats only a few different bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_secrets_are_good_raw_and_in_hexadecimal() {
        for _ in 0..1000 {
            let raw = rand::random::<[u8; 32]>();
            assert_eq!(secret_weakness(&raw), None);
            let hexadecimal: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(secret_weakness(hexadecimal.as_bytes()), None);
        }
    }

    #[test]
    fn short_repeated_and_well_known_secrets_are_weak() {
        let short = "it is shorter than 32 bytes";
        let repeated = "it repeats only a few different bytes";
        let known = "it is a well-known placeholder";
        let cases: [(&[u8], &str); 9] = [
            (b"", short),
            (b"secret", short),
            (b"0123456789abcdefghijklmnopqrstu", short),
            (&[0; 32], repeated),
            (&[b'a'; 64], repeated),
            (b"secretsecretsecretsecretsecretsecret", repeated),
            (b"changeme", known),
            (b"please-CHANGE-ME-before-you-go-to-production", known),
            (b"django-insecure-9x2!kd0_q8w7e6r5t4y3u2i1o0p", known),
        ];
        for (secret, weakness) in cases {
            assert_eq!(secret_weakness(secret), Some(weakness), "{}", String::from_utf8_lossy(secret));
        }
    }
}
