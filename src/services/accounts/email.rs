//! E-mail addresses as accounts have them.

use std::fmt;

/// The longest address, bytes (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const MAX_BYTES: usize = 254;
/// The longest part before the `@`, bytes (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;
/// The longest label of a domain, bytes (RFC 1035, section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// An address that mail could be sent to, in lower case and without white space around it.
///
/// What counts as one is what browsers take in `<input type=email>` (WHATWG HTML, "valid e-mail address"): ASCII,
/// no quoted strings, no comments. A domain in another script is sent in its `xn--` form, as browsers do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// Text that is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an e-mail address")]
pub struct InvalidEmail;

impl Email {
    /// Takes what somebody typed.
    ///
    /// # Errors
    /// `InvalidEmail`.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(InvalidEmail);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        if is_local(local) && domain.split('.').all(is_label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidEmail)
        }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_local(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    (1..=MAX_LOCAL_BYTES).contains(&text.len()) && text.bytes().all(is_allowed)
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_lower_cased() {
        for (text, address) in [
            (" Ada.Lovelace+Waybill@Example.ORG\n", "ada.lovelace+waybill@example.org"),
            ("a@localhost", "a@localhost"),
            ("o'neill@xn--mnchen-3ya.example", "o'neill@xn--mnchen-3ya.example"),
        ] {
            assert_eq!(Email::parse(text).as_ref().map(Email::as_str), Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let (long_local, long) = ("a".repeat(65), "a.".repeat(130));
        for text in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.org",
            "ada@@example.org",
            "ada@example..org",
            "ada@.org",
            "ada@example.org.",
            "ada@-example.org",
            "ada lovelace@example.org",
            "ada@exam ple.org",
            "ada\0@example.org",
            "ada\r\nBcc: x@example.org",
            "\"ada\"@example.org",
            "ädа@example.org",
            "Ada <ada@example.org>",
            &format!("{long_local}@example.org"),
            &format!("a@{long}org"),
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text:?}");
        }
    }
}
