//! What a well-signed token must say, and what is made of it.

use super::*;
use crate::domain::ids::{FamilyId, PartnerId, UserId};
use crate::domain::principal::{Principal, Role};

fn with(claim: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[claim] = value;
    claims
}

fn without(claim: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(claim);
    claims
}

fn verify(claims: &Value) -> Result<Verified, TokenError> {
    by_secret().verify(&hs256(claims), ACCESS, NOW)
}

fn refused(claim: &'static str) -> Result<Verified, TokenError> {
    Err(TokenError::BadClaims { claim })
}

fn partner() -> Principal {
    Principal {
        user_id: UserId::new(),
        role: Role::Partner,
        partner_id: Some(PartnerId::new()),
        family_id: Some(FamilyId::new()),
    }
}

#[test]
fn minted_access_tokens_say_who_the_caller_is() {
    let tokens = by_secret();
    let customer = Principal { role: Role::Customer, partner_id: None, family_id: None, ..partner() };
    for principal in [partner(), customer] {
        let minted = tokens.mint_access(&principal, NOW).expect("mints");
        let verified = tokens.verify(&minted.token, ACCESS, NOW).expect("a good token");
        assert_eq!(verified.principal(), Some(principal));
        assert_eq!(verified.jti, minted.jti);
        assert_eq!(verified.token_type, TokenType::Access);
        assert_eq!(verified.issued_at, Some(NOW));
        assert_eq!(verified.expires_at, NOW.after(DEFAULT_ACCESS_LIFETIME));
        assert_eq!(verified.expires_at, minted.expires_at);
    }
}

#[test]
fn minted_tokens_have_the_claims_of_simplejwt() {
    let principal = partner();
    let minted = by_secret().mint_access(&principal, NOW).expect("mints");
    let parts: Vec<&str> = minted.token.split('.').collect();
    let read = |part: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    assert_eq!(read(parts[0]), json!({"alg": "HS256", "typ": "JWT"}));
    assert_eq!(
        read(parts[1]),
        json!({
            "token_type": "access",
            "exp": 1_800_000_900,
            "iat": 1_800_000_000,
            "jti": minted.jti,
            "user_id": principal.user_id,
            "role": "partner",
            "partner_id": principal.partner_id,
            "sid": principal.family_id,
        })
    );
    assert_eq!(minted.jti.len(), 32);
    let signed = format!("{}.{}", parts[0], parts[1]);
    assert_eq!(URL_SAFE_NO_PAD.encode(hmac_sha256(SECRET, signed.as_bytes())), parts[2]);
}

#[test]
fn every_minted_token_has_an_id_of_its_own() {
    let (tokens, principal) = (by_secret(), partner());
    let one = tokens.mint_ticket(&principal, NOW).expect("mints");
    let other = tokens.mint_ticket(&principal, NOW).expect("mints");
    assert_ne!(one.jti, other.jti);
}

#[test]
fn a_ticket_lasts_a_minute_and_is_no_access_token() {
    let tokens = by_secret();
    let minted = tokens.mint_ticket(&partner(), NOW).expect("mints");
    let either = &[TokenType::Access, TokenType::Ticket];
    let end = NOW.after(Duration::from_secs(60));
    let before_end = end.before(Duration::from_millis(1));
    assert_eq!(minted.expires_at, end);
    assert_eq!(tokens.verify(&minted.token, either, before_end).map(|t| t.token_type), Ok(TokenType::Ticket));
    assert_eq!(tokens.verify(&minted.token, either, end), Err(TokenError::Expired));
    assert_eq!(tokens.verify(&minted.token, ACCESS, NOW), Err(TokenError::WrongType));
    assert_eq!(tokens.verify(&minted.token, &[], NOW), Err(TokenError::WrongType));
    let access = tokens.mint_access(&partner(), NOW).expect("mints");
    assert_eq!(tokens.verify(&access.token, &[TokenType::Ticket], NOW), Err(TokenError::WrongType));
}

#[test]
fn other_types_are_wrong_and_no_type_is_a_bad_claim() {
    for other in ["refresh", "sliding", "Access", "", "ws "] {
        assert_eq!(verify(&with("token_type", json!(other))), Err(TokenError::WrongType), "{other}");
    }
    assert_eq!(verify(&without("token_type")), refused("token_type"));
    assert_eq!(verify(&with("token_type", json!(1))), refused("token_type"));
}

#[test]
fn a_token_ends_at_its_exp_to_the_millisecond() {
    let verify_at = |now| by_secret().verify(&hs256(&claims()), ACCESS, now).map(|_| ());
    let end = NOW.after(Duration::from_secs(300));
    assert_eq!(verify_at(end.before(Duration::from_millis(1))), Ok(()));
    assert_eq!(verify_at(end), Err(TokenError::Expired));
    assert_eq!(verify(&with("exp", json!(-1))), Err(TokenError::Expired));
    assert_eq!(verify(&with("exp", json!(0))), Err(TokenError::Expired));
}

#[test]
fn nothing_is_valid_before_its_time() {
    let soon = NOW.as_secs() + 1;
    assert_eq!(verify(&with("nbf", json!(soon))), refused("nbf"));
    assert_eq!(verify(&with("iat", json!(soon))), refused("iat"));
    assert!(verify(&with("nbf", json!(NOW.as_secs()))).is_ok());
}

#[test]
fn leeway_counts_for_the_end_and_the_beginning() {
    let lenient =
        Tokens::new(TokenSettings { leeway: MAX_LEEWAY, ..settings(Vec::new()) }).expect("good settings");
    let verify_at = |claims: &Value, now| lenient.verify(&hs256(claims), ACCESS, now).map(|_| ());
    let end = NOW.after(Duration::from_secs(300));
    assert_eq!(verify_at(&claims(), end.after(Duration::from_millis(4_999))), Ok(()));
    assert_eq!(verify_at(&claims(), end.after(MAX_LEEWAY)), Err(TokenError::Expired));
    for claim in ["nbf", "iat"] {
        assert_eq!(verify_at(&with(claim, json!(NOW.as_secs() + 5)), NOW), Ok(()));
        assert_eq!(
            verify_at(&with(claim, json!(NOW.as_secs() + 6)), NOW),
            Err(TokenError::BadClaims { claim })
        );
    }
}

#[test]
fn times_may_have_fractions_and_must_be_numbers_in_range() {
    let verified = verify(&with("exp", json!(1_800_000_000.25))).expect("a good token");
    assert_eq!(verified.expires_at, NOW.after(Duration::from_millis(250)));
    for bad in [
        json!("1800000300"),
        json!(true),
        json!([]),
        json!(1e300),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(null),
    ] {
        assert_eq!(verify(&with("exp", bad.clone())), refused("exp"), "{bad}");
    }
    assert_eq!(verify(&without("exp")), refused("exp"));
    assert_eq!(verify(&with("iat", json!("now"))), refused("iat"));
    assert_eq!(verify(&with("nbf", json!({}))), refused("nbf"));
}

#[test]
fn the_user_is_a_uuid() {
    assert_eq!(verify(&without("user_id")), refused("user_id"));
    for bad in [json!(7), json!("7"), json!(""), json!(null), json!([USER]), json!(format!("{USER} "))] {
        assert_eq!(verify(&with("user_id", bad.clone())), refused("user_id"), "{bad}");
    }
}

#[test]
fn the_token_id_is_a_text_of_reasonable_length() {
    assert_eq!(verify(&without("jti")), refused("jti"));
    for bad in [json!(""), json!(1), json!("x".repeat(256))] {
        assert_eq!(verify(&with("jti", bad)), refused("jti"));
    }
    assert!(verify(&with("jti", json!("x".repeat(255)))).is_ok());
    assert_eq!(verify(&with("jti", json!("a\"b"))).map(|verified| verified.jti), Ok("a\"b".to_owned()));
}

#[test]
fn a_token_without_a_role_is_good_and_leaves_the_caller_to_be_looked_up() {
    let verified = verify(&claims()).expect("a good token");
    assert_eq!((verified.role, verified.partner_id, verified.family_id), (None, None, None));
    assert_eq!(verified.principal(), None);
    let profile_unknown = verify(&with("role", json!("partner"))).expect("a good token");
    assert_eq!(profile_unknown.role, Some(Role::Partner));
    assert_eq!(profile_unknown.principal(), None);
}

#[test]
fn roles_and_profiles_are_ours_or_refused() {
    for bad in [json!("root"), json!("Admin"), json!(0), json!(["admin"])] {
        assert_eq!(verify(&with("role", bad)), refused("role"));
    }
    assert_eq!(verify(&with("partner_id", json!("7"))), refused("partner_id"));
    let mut contradiction = with("role", json!("customer"));
    contradiction["partner_id"] = json!(PARTNER);
    assert_eq!(verify(&contradiction), refused("partner_id"));
}

#[test]
fn unknown_claims_and_the_session_ids_of_others_are_ignored() {
    for claim in ["aud", "iss", "email", "groups", "sub"] {
        assert!(verify(&with(claim, json!(["whatever", 1]))).is_ok(), "{claim}");
    }
    for sid in [json!("08a5019c-17e1-4977-8f42-65a12843ea02x"), json!(7), json!(null)] {
        assert_eq!(verify(&with("sid", sid)).map(|verified| verified.family_id), Ok(None));
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |settings| Tokens::new(settings).map(|_| ()).expect_err("a bad setting").to_string();
    let good = || settings(Vec::new());
    assert_eq!(refused(TokenSettings { secret: Vec::new(), ..good() }), "the secret is empty");
    let long = MAX_LEEWAY + Duration::from_millis(1);
    assert_eq!(refused(TokenSettings { leeway: long, ..good() }), "the leeway is more than 5 s");
    assert_eq!(
        refused(TokenSettings { access_lifetime: Duration::from_millis(999), ..good() }),
        "the lifetime of access tokens is under a second"
    );
}

#[test]
fn debug_output_holds_neither_tokens_nor_secrets() {
    let tokens = by_secret();
    let minted = tokens.mint_access(&partner(), NOW).expect("mints");
    let shown = format!("{tokens:?} {minted:?} {:?}", settings(Vec::new()));
    let secret = String::from_utf8_lossy(SECRET);
    let bytes = format!("{SECRET:?}");
    for hidden in [minted.token.as_str(), "eyJ", &secret, &bytes] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert!(shown.contains(&minted.jti));
}

#[test]
fn one_instance_serves_all_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&by_secret());
}
