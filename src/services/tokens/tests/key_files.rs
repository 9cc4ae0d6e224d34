//! Files of public keys that are of no use, and what is said about them.

use rsa::pkcs8::EncodePrivateKey;

use super::foreign::fixture;
use super::*;

fn problem(text: &str) -> String {
    match knowing(&[text]) {
        Ok(_) => panic!("accepted: {text}"),
        Err(TokenConfigError::KeyFile { problem, .. }) => problem.to_string(),
        Err(other) => panic!("{other}"),
    }
}

fn jwks(keys: Value) -> String {
    json!({ "keys": keys }).to_string()
}

#[test]
fn the_file_is_named_in_the_error() {
    let missing = PathBuf::from("/nonexistent/issuer.pem");
    let error = Tokens::new(settings(vec![missing])).map(|_| ()).expect_err("no such file");
    let message = error.to_string();
    assert!(message.starts_with("public key file /nonexistent/issuer.pem: cannot be read: "), "{message}");
}

#[test]
fn the_format_is_told_by_the_content() {
    for text in ["", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me", "null", "[]"] {
        assert_eq!(problem(text), "is neither PEM nor a JWKS document");
    }
    assert_eq!(problem("{\n\"keys\": ["), "is not valid JSON at line 2, column 9");
    for text in ["{}", r#"{"keys": {}}"#, r#"{"keys": null}"#] {
        assert_eq!(problem(text), "is JSON, but not a JWKS: it has no array \"keys\"");
    }
    let windows = format!("\u{feff}A comment.\r\n{}", ed25519_pem().replace('\n', "\r\n"));
    assert!(knowing(&[&windows]).is_ok());
}

#[test]
fn private_keys_and_shared_secrets_are_refused() {
    let private = "holds a private key; only the public key belongs here";
    let pem = RSA.to_pkcs8_pem(LineEnding::LF).expect("PEM");
    assert_eq!(problem(&pem), private);
    assert_eq!(problem(&format!("{}{}", ed25519_pem(), pem.as_str())), private);
    let x = URL_SAFE_NO_PAD.encode(ED25519.verifying_key().as_bytes());
    assert_eq!(problem(&jwks(json!([{"kty": "OKP", "crv": "Ed25519", "x": x, "d": "AAAA"}]))), private);
    assert_eq!(
        problem(&jwks(json!([{"kty": "oct", "k": "AAAA"}]))),
        "holds a shared secret (kty \"oct\"); only public keys belong here"
    );
}

#[test]
fn other_pem_blocks_are_named() {
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(
        problem(certificate),
        "holds a PEM block \"CERTIFICATE\"; a \"PUBLIC KEY\" or \"RSA PUBLIC KEY\" is needed"
    );
    assert_eq!(problem("-----BEGIN PUBLIC KEY-----\nAAAA\n"), "holds a PEM block without an end");
}

#[test]
fn keys_of_other_kinds_and_sizes_are_refused() {
    let kind = "holds a key that is none of RSA, EC on curve P-256 and Ed25519";
    assert_eq!(problem(fixture!("ec-p384.pem")), kind);
    assert_eq!(problem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), kind);
    assert_eq!(
        problem(fixture!("rsa-1024.pem")),
        "holds a key that is an RSA key of 1024 bits; 2048 to 4096 are accepted"
    );
    // The library would slice past the end of such a key when a token arrives.
    for length in [0, 1, 31, 33] {
        assert_eq!(problem(&ed25519_pem_of(&vec![7; length])), kind, "{length}");
    }
}

#[test]
fn damaged_keys_of_a_jwks_are_passed_over_and_reported_when_none_is_left() {
    let n = URL_SAFE_NO_PAD.encode([0xff; 256]);
    let short = URL_SAFE_NO_PAD.encode([1; 31]);
    let whole = URL_SAFE_NO_PAD.encode([1; 32]);
    let damaged = "is damaged";
    let cases = [
        (json!({}), damaged),
        (json!("key"), damaged),
        (json!({"kty": "RSA", "n": n}), damaged),
        (json!({"kty": "RSA", "n": n, "e": "AQ"}), damaged),
        (json!({"kty": "RSA", "n": n, "e": "AQAA"}), damaged),
        (json!({"kty": "RSA", "n": n, "e": "AQAAAAAB"}), damaged),
        (json!({"kty": "RSA", "n": "!", "e": "AQAB"}), damaged),
        (json!({"kty": "RSA", "n": "", "e": "AQAB"}), "is an RSA key of 0 bits; 2048 to 4096 are accepted"),
        (json!({"kty": "EC", "crv": "P-256", "x": whole, "y": short}), damaged),
        (json!({"kty": "EC", "crv": "P-256", "x": whole, "y": whole}), damaged),
        (
            json!({"kty": "EC", "crv": "P-384", "x": whole, "y": whole}),
            "is none of RSA, EC on curve P-256 and Ed25519",
        ),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": short}), damaged),
        (json!({"kty": "OKP", "crv": "Ed25519"}), damaged),
        (json!({"kty": "RSA", "n": n, "e": "AQAB", "use": "enc"}), "is not meant for signatures"),
        (json!({"kty": "RSA", "n": n, "e": "AQAB", "key_ops": ["encrypt"]}), "is not meant for signatures"),
        (
            json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "PS256"}),
            "is meant for another algorithm than RS256, ES256 or EdDSA",
        ),
    ];
    for (key, reason) in &cases {
        assert_eq!(
            problem(&jwks(json!([key]))),
            format!("holds no usable key: the first one {reason}"),
            "{key}"
        );
    }
    assert_eq!(problem(&jwks(json!([]))), "holds no usable key: it is empty");

    let x = URL_SAFE_NO_PAD.encode(ED25519.verifying_key().as_bytes());
    let good =
        json!({"kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "key_ops": ["verify"], "alg": "EdDSA"});
    let mut keys: Vec<Value> = cases.into_iter().map(|(key, _)| key).collect();
    keys.push(good.clone());
    let token = compact(&json!({"alg": "EdDSA"}), &claims(), eddsa);
    for text in [jwks(json!(keys)), good.to_string()] {
        assert!(knowing(&[&text]).expect("one good key").verify(&token, ACCESS, NOW).is_ok());
    }
}
