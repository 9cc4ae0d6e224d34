//! Tokens that other software made: Django's SimpleJWT 5.5.1, PyJWT 2.15.1 with cryptography 50.0.2, and the
//! example of RFC 7515. They end in the year 2100. No private key is kept.

use super::*;
use crate::domain::principal::Role;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/tokens/", $name))
    };
}
pub(super) use fixture;

const RS256: &str = fixture!("rs256.jwt");
const ES256: &str = fixture!("es256.jwt");
const EDDSA: &str = fixture!("eddsa.jwt");

#[test]
fn simplejwt_access_tokens_are_accepted() {
    let token = fixture!("simplejwt-access.jwt").trim();
    let verified = by_secret().verify(token, ACCESS, NOW).expect("a good token");
    assert_eq!(verified.user_id.to_string(), USER);
    assert_eq!(verified.role, None);
    assert_eq!(verified.family_id, None);
    assert_eq!(verified.issued_at, Some(Timestamp::from_millis(1_767_225_600_000)));
    assert_eq!(verified.expires_at, Timestamp::from_millis(4_102_444_800_000));
}

#[test]
fn simplejwt_refresh_tokens_are_of_the_wrong_type() {
    let token = fixture!("simplejwt-refresh.jwt").trim();
    let either = &[TokenType::Access, TokenType::Ticket];
    assert_eq!(by_secret().verify(token, either, NOW), Err(TokenError::WrongType));
}

#[test]
fn pyjwt_tokens_are_accepted_by_pem_and_by_jwks() {
    let pem = [fixture!("rsa.spki.pem"), fixture!("ec-p256.pem"), fixture!("ed25519.pem")];
    let pkcs1 = [fixture!("rsa.pkcs1.pem"), fixture!("ec-p256.pem"), fixture!("ed25519.pem")];
    let in_one_file = pem.concat();
    for files in [&pem[..], &pkcs1, &[&in_one_file], &[fixture!("jwks.json")]] {
        let tokens = knowing(files).expect("good keys");
        for (token, role) in [(RS256, Role::Partner), (ES256, Role::Customer), (EDDSA, Role::Admin)] {
            let principal = tokens.verify(token.trim(), ACCESS, NOW).map(|verified| verified.principal());
            let principal = principal.expect("a good token").expect("a known role");
            assert_eq!(principal.role, role);
            let profile = (role == Role::Partner).then(|| PARTNER.parse().expect("an id"));
            assert_eq!(principal.partner_id, profile);
        }
    }
}

#[test]
fn pyjwt_tokens_are_refused_by_other_keys_of_their_kind() {
    let tokens = knowing(&[&rsa_pem(), &p256_pem(), &ed25519_pem()]).expect("good keys");
    for token in [RS256, ES256, EDDSA] {
        assert_eq!(tokens.verify(token.trim(), ACCESS, NOW), Err(TokenError::BadSignature));
    }
}

#[test]
fn an_rsa_key_is_used_with_one_algorithm_only() {
    let tokens = knowing(&[fixture!("rsa.spki.pem")]).expect("a good key");
    let token = fixture!("ps256.jwt").trim();
    assert_eq!(tokens.verify(token, ACCESS, NOW), Err(TokenError::UnsupportedAlgorithm));
}

/// RFC 7515, appendix A.1. Its signature is good; it just is no access token.
#[test]
fn the_example_of_the_rfc_has_a_good_signature() {
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
        .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
        .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let secret = URL_SAFE_NO_PAD.decode(secret).expect("base64url");
    let tokens = Tokens::new(TokenSettings { secret, ..settings(Vec::new()) }).expect("good settings");
    assert_eq!(tokens.verify(token, ACCESS, NOW), Err(TokenError::BadClaims { claim: "token_type" }));
    assert_eq!(by_secret().verify(token, ACCESS, NOW), Err(TokenError::BadSignature));
}
