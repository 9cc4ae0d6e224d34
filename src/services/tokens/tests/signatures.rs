//! Who may have signed.

use super::*;

fn header(alg: &str) -> Value {
    json!({"alg": alg, "typ": "JWT"})
}

fn named(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "typ": "JWT", "kid": kid})
}

fn all_three() -> Tokens {
    knowing(&[&rsa_pem(), &p256_pem(), &ed25519_pem()]).expect("good keys")
}

#[test]
fn each_algorithm_is_accepted_from_an_independent_signer() {
    let tokens = all_three();
    for token in [
        hs256(&claims()),
        compact(&header("RS256"), &claims(), rs256),
        compact(&header("ES256"), &claims(), es256),
        compact(&header("EdDSA"), &claims(), eddsa),
    ] {
        let verified = tokens.verify(&token, ACCESS, NOW).expect("a good token");
        assert_eq!(verified.user_id.to_string(), USER);
        assert_eq!(verified.jti, "0b5de6f0c7c24f5ba1d3d6e4a0a9c111");
    }
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let foreign = |text: &[u8]| hmac_sha256(b"another secret of more than 32 bytes, for tests", text);
    let stranger = ed25519_dalek::SigningKey::from_bytes(&rand::random());
    let tokens = all_three();
    for token in [
        compact(&header("HS256"), &claims(), foreign),
        compact(&header("EdDSA"), &claims(), |text| stranger.sign(text).to_bytes().to_vec()),
        // Good signatures of the other kinds under the wrong name.
        compact(&header("ES256"), &claims(), eddsa),
        compact(&header("RS256"), &claims(), es256),
        compact(&header("EdDSA"), &claims(), rs256),
    ] {
        assert_eq!(tokens.verify(&token, ACCESS, NOW), Err(TokenError::BadSignature));
    }
}

#[test]
fn no_part_can_be_changed_after_signing() {
    let tokens = all_three();
    let token = compact(&header("ES256"), &claims(), es256);
    let parts: Vec<&str> = token.split('.').collect();
    let mut other = claims();
    other["role"] = json!("admin");
    let payload = URL_SAFE_NO_PAD.encode(other.to_string());
    let widened = URL_SAFE_NO_PAD.encode(json!({"alg": "ES256"}).to_string());
    for forged in
        [format!("{}.{payload}.{}", parts[0], parts[2]), format!("{widened}.{}.{}", parts[1], parts[2])]
    {
        assert_eq!(tokens.verify(&forged, ACCESS, NOW), Err(TokenError::BadSignature));
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let tokens = all_three();
    let der = RSA.to_public_key().to_public_key_der().expect("DER").into_vec();
    for public in [rsa_pem().into_bytes(), rsa_pem().trim_end().as_bytes().to_vec(), der] {
        let forged = compact(&header("HS256"), &claims(), |text| hmac_sha256(&public, text));
        assert_eq!(tokens.verify(&forged, ACCESS, NOW), Err(TokenError::BadSignature));
    }
}

#[test]
fn unsigned_tokens_are_refused_however_they_are_spelt() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for sign in [|_: &[u8]| Vec::new(), |text: &[u8]| hmac_sha256(SECRET, text)] {
            let token = compact(&header(alg), &claims(), sign);
            assert_eq!(
                by_secret().verify(&token, ACCESS, NOW),
                Err(TokenError::UnsupportedAlgorithm),
                "{alg}"
            );
        }
    }
    let unsigned = compact(&header("HS256"), &claims(), |_| Vec::new());
    assert_eq!(by_secret().verify(&unsigned, ACCESS, NOW), Err(TokenError::BadSignature));
}

#[test]
fn a_shortened_signature_is_refused() {
    let cut = compact(&header("HS256"), &claims(), |text| hmac_sha256(SECRET, text)[..16].to_vec());
    assert_eq!(by_secret().verify(&cut, ACCESS, NOW), Err(TokenError::BadSignature));
    let cut = compact(&header("EdDSA"), &claims(), |text| eddsa(text)[..63].to_vec());
    assert_eq!(all_three().verify(&cut, ACCESS, NOW), Err(TokenError::BadSignature));
}

#[test]
fn algorithms_beyond_the_four_are_refused() {
    for alg in ["HS384", "HS512", "RS512", "PS256", "ES384", "hs256", "HS256 "] {
        let token = compact(&header(alg), &claims(), |text| hmac_sha256(SECRET, text));
        assert_eq!(by_secret().verify(&token, ACCESS, NOW), Err(TokenError::UnsupportedAlgorithm), "{alg}");
    }
}

#[test]
fn without_a_key_of_the_algorithm_the_key_is_unknown() {
    let tokens = knowing(&[&ed25519_pem()]).expect("a good key");
    let token = compact(&header("RS256"), &claims(), rs256);
    assert_eq!(tokens.verify(&token, ACCESS, NOW), Err(TokenError::UnknownKey));
}

#[test]
fn every_key_of_the_algorithm_is_tried_when_the_token_names_none() {
    let stranger = ed25519_dalek::SigningKey::from_bytes(&rand::random());
    let first = ed25519_pem_of(stranger.verifying_key().as_bytes());
    let tokens = knowing(&[&format!("{first}{}", ed25519_pem())]).expect("good keys");
    let token = compact(&header("EdDSA"), &claims(), eddsa);
    assert!(tokens.verify(&token, ACCESS, NOW).is_ok());
}

#[test]
fn a_kid_selects_the_key_in_a_jwks() {
    let jwk = |kid: &str, key: &ed25519_dalek::SigningKey| {
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
    };
    let second = ed25519_dalek::SigningKey::from_bytes(&rand::random());
    let jwks = json!({"keys": [jwk("one", &ED25519), jwk("two", &second)]}).to_string();
    let tokens = knowing(&[&jwks]).expect("good keys");

    let verify = |header: &Value| tokens.verify(&compact(header, &claims(), eddsa), ACCESS, NOW).map(|_| ());
    assert_eq!(verify(&named("EdDSA", "one")), Ok(()));
    assert_eq!(verify(&named("EdDSA", "two")), Err(TokenError::BadSignature));
    assert_eq!(verify(&named("EdDSA", "three")), Err(TokenError::UnknownKey));
    assert_eq!(verify(&named("ES256", "one")), Err(TokenError::UnknownKey));
    assert_eq!(verify(&header("EdDSA")), Ok(()));

    // A key from a PEM file has no name of its own, so that it may be meant by any.
    let nameless = knowing(&[&jwks, &ed25519_pem()]).expect("good keys");
    let token = compact(&named("EdDSA", "three"), &claims(), eddsa);
    assert!(nameless.verify(&token, ACCESS, NOW).is_ok());
}

#[test]
fn keys_that_the_header_brings_along_are_not_used() {
    let stranger = ed25519_dalek::SigningKey::from_bytes(&rand::random());
    let x = URL_SAFE_NO_PAD.encode(stranger.verifying_key().as_bytes());
    let header = json!({"alg": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": x}});
    let token = compact(&header, &claims(), |text| stranger.sign(text).to_bytes().to_vec());
    assert_eq!(all_three().verify(&token, ACCESS, NOW), Err(TokenError::BadSignature));
}

#[test]
fn critical_extensions_are_refused() {
    let header = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    let token = compact(&header, &claims(), |text| hmac_sha256(SECRET, text));
    assert_eq!(by_secret().verify(&token, ACCESS, NOW), Err(TokenError::Malformed));
}

#[test]
fn what_is_no_token_is_malformed() {
    let good = hs256(&claims());
    let mut texts: Vec<String> =
        [".", "..", "...", "a.b", "a.b.c", "Bearer", "ü.ü.ü", "\0", " "].map(str::to_owned).to_vec();
    for junk in [" ", "\n", "=", ".", ".e30", "&x=1", "\0", "é"] {
        texts.push(format!("{good}{junk}"));
        texts.push(format!("{junk}{good}"));
    }
    for text in texts {
        assert_eq!(by_secret().verify(&text, ACCESS, NOW), Err(TokenError::Malformed), "{text:?}");
    }
    assert_eq!(by_secret().verify("", ACCESS, NOW), Err(TokenError::Missing));
}

#[test]
fn a_signature_has_one_spelling_only() {
    let good = hs256(&claims());
    let (rest, last) = good.split_at(good.len() - 1);
    // The last of 43 characters holds four bits; the next letter differs in one of the two that are spare.
    let next = char::from(last.as_bytes()[0] + 1);
    assert_eq!(by_secret().verify(&format!("{rest}{next}"), ACCESS, NOW), Err(TokenError::Malformed));
}

#[test]
fn header_and_payload_are_json_objects() {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let sign = |text: &[u8]| hmac_sha256(SECRET, text);
    let header = part(r#"{"alg":"HS256"}"#);
    for bad in [
        "",
        "[]",
        "null",
        "\"HS256\"",
        r#"["HS256"]"#,
        "{",
        "{}x",
        r#"{"alg":1}"#,
        "{\"alg\":\"HS256\",\"alg\":\"none\"}",
    ] {
        let token = compact_parts(&part(bad), &part(&claims().to_string()), sign);
        assert_eq!(by_secret().verify(&token, ACCESS, NOW), Err(TokenError::Malformed), "{bad}");
    }
    for bad in ["", "[]", "null", "7", "{", "{}x", r#"{"exp":1,"exp":2}"#] {
        let token = compact_parts(&header, &part(bad), sign);
        assert_eq!(by_secret().verify(&token, ACCESS, NOW), Err(TokenError::Malformed), "{bad}");
    }
}

#[test]
fn deep_nesting_harms_nobody() {
    let deep = format!("{}{}", "[".repeat(2500), "]".repeat(2500));
    for claim in ["user_id", "address"] {
        let payload =
            claims().to_string().replace("user_id", "x").replacen('{', &format!("{{\"{claim}\":{deep},"), 1);
        let token = compact_parts(
            &URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#),
            &URL_SAFE_NO_PAD.encode(payload),
            |text| hmac_sha256(SECRET, text),
        );
        assert!(token.len() <= MAX_TOKEN_BYTES);
        assert_eq!(by_secret().verify(&token, ACCESS, NOW), Err(TokenError::BadClaims { claim: "user_id" }));
    }
}

#[test]
fn overlong_tokens_are_refused_even_with_a_good_signature() {
    let padded = |length: usize| {
        let mut claims = claims();
        claims["padding"] = json!("x".repeat(length));
        hs256(&claims)
    };
    let fitting = padded(5500);
    assert!(fitting.len() <= MAX_TOKEN_BYTES);
    assert!(by_secret().verify(&fitting, ACCESS, NOW).is_ok());
    let huge = padded(6500);
    assert!(huge.len() > MAX_TOKEN_BYTES);
    assert_eq!(by_secret().verify(&huge, ACCESS, NOW), Err(TokenError::Malformed));
}
