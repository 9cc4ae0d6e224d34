//! Which tokens are good, for REST and for handshakes alike: ours, those of a back end that shares the secret, and
//! those of others whose public keys are configured.

use std::path::Path;

use awc::http::Method;
use diesel::RunQueryDsl;
use serde_json::{Value, json};
use waybill::domain::ids::UserId;
use waybill::domain::principal::Role;
use waybill::domain::time::Timestamp;
use waybill::services::error::ServiceError;
use waybill::store::users::{self, User};

use crate::support::sign::{claims, claims_with, compact, hmac_sha256, hs256};
use crate::support::socket::PATIENCE;
use crate::support::{JWT_SECRET, Socket, TestApp, TestUser};

/// Whose the tokens in `tests/fixtures/tokens` are.
const USER: &str = "0190163d-8694-739b-aea5-966c26f8ad90";
const PARTNER: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokens").join(name);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

fn fixture_path(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokens").join(name);
    path.to_str().expect("UTF-8").to_owned()
}

/// What REST and a handshake say to a token: `Ok` with who it is, or the code of the refusal.
async fn both(app: &TestApp, token: &str) -> Result<String, String> {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let rest = app.as_nobody().call(Method::GET, "/api/v1/me", &headers, None).await;
    let socket = Socket::open(app.address(), "/ws/", &headers).await;
    let by_rest = match rest.status {
        200 => Ok(rest.body["id"].as_str().expect("an id").to_owned()),
        _ => {
            let code = rest.body["code"].as_str().expect("a code").to_owned();
            rest.refused(401, &code);
            Err(code)
        }
    };
    let by_socket = match socket {
        Ok(mut socket) => Ok(socket.next().await["user_id"].as_str().expect("an id").to_owned()),
        Err(refusal) => {
            assert_eq!(refusal.status, 401, "{refusal:?}");
            Err(refusal.body["code"].as_str().expect("a code").to_owned())
        }
    };
    assert_eq!(by_rest, by_socket, "REST and the handshake do not agree");
    by_rest
}

#[actix_web::test]
async fn a_token_that_is_not_good_opens_nothing() {
    let app = TestApp::start().await;
    let (user, partner) = (app.customer().await, app.partner().await);
    let now = Timestamp::now().as_secs();
    let good = claims(&user);
    let with = |name: &str, value: Value| hs256(&claims_with(&user, name, value));
    let header = |alg: &str| json!({"alg": alg, "typ": "JWT"});
    let by = |alg: &str| compact(&header(alg), &good, |text| hmac_sha256(JWT_SECRET.as_bytes(), text));
    let swapped = {
        let (ours, theirs) = (hs256(&good), hs256(&claims(&partner)));
        let (ours, theirs): (Vec<_>, Vec<_>) = (ours.split('.').collect(), theirs.split('.').collect());
        [ours[0], theirs[1], ours[2]].join(".")
    };
    for (what, token, code) in [
        ("expired", with("exp", json!(now - 60)), "token_expired"),
        ("without an end", with("exp", Value::Null), "token_invalid"),
        ("with an end that is no number", with("exp", json!("never")), "token_invalid"),
        ("not yet good", with("nbf", json!(now + 3600)), "token_invalid"),
        ("from the future", with("iat", json!(now + 3600)), "token_invalid"),
        ("a refresh token", with("token_type", json!("refresh")), "token_wrong_type"),
        ("of a type that nobody knows", with("token_type", json!("sliding")), "token_wrong_type"),
        ("of no type", with("token_type", Value::Null), "token_invalid"),
        ("without an id", with("jti", Value::Null), "token_invalid"),
        ("of nobody", with("user_id", Value::Null), "token_invalid"),
        ("of somebody with a number", with("user_id", json!(7)), "token_invalid"),
        ("of a user who never was", with("user_id", json!(UserId::new())), "user_unknown"),
        ("of a role that nobody has", with("role", json!("root")), "token_invalid"),
        ("of another role", with("role", json!("admin")), "token_outdated"),
        ("of another partner", hs256(&claims_with(&partner, "partner_id", json!(PARTNER))), "token_outdated"),
        (
            "signed with another secret",
            compact(&header("HS256"), &good, |text| hmac_sha256(b"another secret", text)),
            "token_invalid",
        ),
        ("not signed", compact(&header("none"), &good, |_| Vec::new()), "token_invalid"),
        ("not signed, in capitals", compact(&header("NONE"), &good, |_| Vec::new()), "token_invalid"),
        ("signed, and saying that it is not", by("none"), "token_invalid"),
        ("by HS384", by("HS384"), "token_invalid"),
        ("by HS512", by("HS512"), "token_invalid"),
        ("by RS256, with no key", by("RS256"), "token_invalid"),
        ("with the claims of another", swapped, "token_invalid"),
        ("cut short", hs256(&good)[..60].to_owned(), "token_invalid"),
        (
            "without its signature",
            hs256(&good).rsplit_once('.').map(|(rest, _)| format!("{rest}.")).expect("a dot"),
            "token_invalid",
        ),
        ("a word", "token".into(), "token_invalid"),
        ("dots", "..".into(), "token_invalid"),
        ("too long", format!("{}.x.y", "x".repeat(9000)), "token_invalid"),
    ] {
        assert_eq!(both(&app, &token).await, Err(code.into()), "{what}");
    }
    assert_eq!(both(&app, &hs256(&good)).await, Ok(user.id.to_string()));
    assert_eq!(both(&app, &with("role", json!("customer"))).await, Ok(user.id.to_string()));
    assert_eq!(both(&app, &with("aud", json!("everybody"))).await, Ok(user.id.to_string()));
}

#[actix_web::test]
async fn a_public_key_is_no_secret() {
    let app = TestApp::start_with(&[("WAYBILL_JWT_PUBLIC_KEYS", &fixture_path("rsa.spki.pem"))]).await;
    let user = app.customer().await;
    // The well-known confusion: HMAC with the text of the public key.
    let pem = fixture("rsa.spki.pem");
    for secret in [pem.clone(), format!("{pem}\n")] {
        let token =
            compact(&json!({"alg": "HS256"}), &claims(&user), |text| hmac_sha256(secret.as_bytes(), text));
        assert_eq!(both(&app, &token).await, Err("token_invalid".into()));
    }
    // Neither is a key that comes with the token itself.
    let jwk = json!({"kty": "oct", "k": "c2VjcmV0"});
    let token =
        compact(&json!({"alg": "HS256", "jwk": jwk}), &claims(&user), |text| hmac_sha256(b"secret", text));
    assert_eq!(both(&app, &token).await, Err("token_invalid".into()));
}

/// Runs a statement that no request can: those who run the server do so by hand.
async fn by_hand(app: &TestApp, statement: String) {
    let store = app.inner().store();
    let changed = store.write(move |conn| {
        let rows = diesel::sql_query(statement).execute(conn);
        rows.map_err(|error| ServiceError::Internal(error.to_string()))
    });
    assert_eq!(changed.await.expect("it runs"), 1);
}

/// Asks until the answer is this one: who somebody is is looked up again within half a second.
async fn until(app: &TestApp, token: &str, expected: &str) {
    let begin = std::time::Instant::now();
    loop {
        let answer = app.as_user(&TestUser { token: token.into(), ..nobody() }).get("/me").await;
        if answer.body["code"] == expected {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{expected} did not come: {}", answer.body);
    }
    assert_eq!(both(app, token).await, Err(expected.into()));
}

fn nobody() -> TestUser {
    TestUser { email: String::new(), id: UserId::new(), partner_id: None, token: String::new() }
}

#[actix_web::test]
async fn a_user_who_is_gone_or_has_another_role_cannot_come_in_with_an_old_token() {
    let app = TestApp::start().await;
    let (gone, changed) = (app.customer().await, app.admin().await);
    for user in [&gone, &changed] {
        assert_eq!(both(&app, &user.token).await, Ok(user.id.to_string()));
    }
    by_hand(&app, format!("UPDATE users SET deleted_at = 1 WHERE id = '{}'", gone.id)).await;
    by_hand(&app, format!("UPDATE users SET role = 'customer' WHERE id = '{}'", changed.id)).await;
    until(&app, &gone.token, "user_unknown").await;
    until(&app, &changed.token, "token_outdated").await;
}

/// Adds the user that the fixtures are about.
async fn add_fixture_user(app: &TestApp, role: Role) {
    let user = User {
        id: USER.parse().expect("an id"),
        email: "fixture@example.org".into(),
        name: "Fixture".into(),
        role,
        locale: "en".into(),
        password_hash: "none".into(),
        created_at: Timestamp::now(),
        deleted_at: None,
        partner_id: (role == Role::Partner).then(|| PARTNER.parse().expect("an id")),
    };
    let added = app.inner().store().write(move |conn| users::insert(conn, &user).map_err(ServiceError::from));
    assert!(added.await.expect("added"));
}

#[actix_web::test]
async fn tokens_that_others_signed_are_good_when_their_public_keys_are_configured() {
    let pem = ["rsa.spki.pem", "ec-p256.pem", "ed25519.pem"].map(fixture_path).join(",");
    for keys in [pem, fixture_path("jwks.json")] {
        for (name, role) in
            [("rs256.jwt", Role::Partner), ("es256.jwt", Role::Customer), ("eddsa.jwt", Role::Admin)]
        {
            let app = TestApp::start_with(&[("WAYBILL_JWT_PUBLIC_KEYS", &keys)]).await;
            let token = fixture(name);
            assert_eq!(both(&app, &token).await, Err("user_unknown".into()), "{name}");
            add_fixture_user(&app, role).await;
            assert_eq!(both(&app, &token).await, Ok(USER.into()), "{name} by {keys}");
            // What it says was signed, so nothing of it can be changed.
            let (rest, signature) = token.rsplit_once('.').expect("a dot");
            let (header, _) = rest.split_once('.').expect("a dot");
            let (_, other) = fixture("simplejwt-access.jwt")
                .split_once('.')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .expect("a dot");
            let payload = other.split('.').next().expect("a payload");
            let forged = format!("{header}.{payload}.{signature}");
            assert_eq!(both(&app, &forged).await, Err("token_invalid".into()), "{name}");
        }
    }
}

#[actix_web::test]
async fn tokens_that_others_signed_are_refused_without_their_public_keys() {
    let app = TestApp::start_with(&[("WAYBILL_JWT_PUBLIC_KEYS", &fixture_path("ed25519.pem"))]).await;
    add_fixture_user(&app, Role::Admin).await;
    assert_eq!(both(&app, &fixture("eddsa.jwt")).await, Ok(USER.into()));
    for name in ["rs256.jwt", "es256.jwt", "ps256.jwt", "simplejwt-access.jwt"] {
        assert_eq!(both(&app, &fixture(name)).await, Err("token_invalid".into()), "{name}");
    }
}

#[actix_web::test]
async fn a_django_back_end_that_shares_the_secret_can_make_tokens() {
    let secret = "a shared secret of more than 32 bytes, for tests";
    let app = TestApp::start_with(&[("WAYBILL_JWT_SECRET", secret)]).await;
    for role in [Role::Customer, Role::Partner, Role::Admin] {
        let app = TestApp::start_with(&[("WAYBILL_JWT_SECRET", secret)]).await;
        add_fixture_user(&app, role).await;
        assert_eq!(both(&app, &fixture("simplejwt-access.jwt")).await, Ok(USER.into()));
        assert_eq!(both(&app, &fixture("simplejwt-refresh.jwt")).await, Err("token_wrong_type".into()));
    }
    assert_eq!(both(&app, &fixture("simplejwt-access.jwt")).await, Err("user_unknown".into()));
}
