//! What the log must never hold, even at its most talkative.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::caller::{Call, Caller};
use super::stage::{SERVICE_KEY, Stage, ended};
use crate::support::{JWT_SECRET, Socket};

#[actix_web::test]
async fn no_token_password_ticket_or_key_is_in_the_log() {
    let (stage, cast) = Stage::new(1, &[("RUST_LOG", "trace")]).await;
    let process = stage.serve().await;
    let (address, caller) = (process.address, Caller::new());
    let mut secrets = vec![SERVICE_KEY.to_owned(), JWT_SECRET.to_owned()];
    let mut keep = |secret: &str| {
        secrets.push(secret.to_owned());
        secret.to_owned()
    };

    // Accounts: passwords that are right and wrong, tokens that are fresh, used and made up.
    let (email, password) = ("somebody@example.org", keep("the-password-of-somebody-1"));
    let new = json!({"email": email, "password": password, "name": "Somebody", "role": "customer"});
    let (status, session) = post(&caller, &process, "", "/auth/register", new).await;
    assert_eq!(status, 201, "{session}");
    let access = keep(text(&session["access"]));
    let refresh = keep(text(&session["refresh"]));
    let wrong = keep("a-wrong-password-of-somebody-2");
    let log_in = |password: &str| json!({"email": email, "password": password});
    assert_eq!(post(&caller, &process, "", "/auth/login", log_in(&wrong)).await.0, 401);
    let (status, session) = post(&caller, &process, "", "/auth/login", log_in(&password)).await;
    assert_eq!(status, 200, "{session}");
    let logged_in = keep(text(&session["refresh"]));
    keep(text(&session["access"]));
    let (status, pair) = post(&caller, &process, "", "/auth/refresh", json!({"refresh": refresh})).await;
    assert_eq!(status, 200, "{pair}");
    keep(text(&pair["refresh"]));
    keep(text(&pair["access"]));
    assert_eq!(post(&caller, &process, "", "/auth/refresh", json!({"refresh": refresh})).await.0, 401);
    let made_up = keep("made-up-refresh-token-3");
    assert_eq!(post(&caller, &process, "", "/auth/refresh", json!({"refresh": made_up})).await.0, 401);
    // A body that is not understood must not be shown either.
    let bad = json!({"email": email, "password": [password], "name": 7, "role": "customer"});
    assert_eq!(post(&caller, &process, "", "/auth/register", bad).await.0, 422);
    assert_eq!(post(&caller, &process, "", "/auth/logout", json!({"refresh": logged_in})).await.0, 204);
    let bad_access = keep("eyJhbGciOiJIUzI1NiJ9.eyJtYWRlIjoidXAifQ.c2lnbmF0dXJlLW9mLW5vYm9keQ");
    assert_eq!(caller.once(address, &Call::get(&bad_access, "/me")).await.expect("an answer").0, 401);
    let wrong_key = keep("a-service-key-that-is-wrong-4");
    let event = json!({"group": format!("user_{}", cast.customers[0].id), "type": "hello", "data": {}});
    assert_eq!(post(&caller, &process, &wrong_key, "/events", event.clone()).await.0, 401);
    assert_eq!(post(&caller, &process, SERVICE_KEY, "/events", event).await.0, 202);

    // Handshakes: every place that a token can be in, good and bad.
    let good = keep(&cast.customers[0].token);
    let (_, ticket) = caller.once(address, &Call::get(&good, "/realtime/token")).await.expect("an answer");
    let ticket = keep(text(&ticket["token"]));
    for token in [&good, &ticket, &ticket, &bad_access, &access] {
        for path in ["/ws/", "/ws/notifications/", "/ws/admin/", "/ws/nowhere/"] {
            let _ = Socket::open(address, &format!("{path}?token={token}"), &[]).await;
        }
        let protocols = format!("bearer, {token}");
        let _ = Socket::open(address, "/ws/", &[("Sec-WebSocket-Protocol", &protocols)]).await;
        let bearer = format!("Bearer {token}");
        let _ = Socket::open(address, "/ws/", &[("Authorization", &bearer)]).await;
        let _ = caller.page(address, &format!("/nowhere?token={token}")).await;
    }
    let mut socket = Socket::open(address, &format!("/ws/?token={good}"), &[]).await.expect("it opens");
    socket.send(json!({"type": "auth", "token": bad_access})).await;
    socket.expect("error").await;
    socket.send(json!({"type": "auth", "token": good})).await;
    socket.expect("authenticated").await;
    socket.send(json!({"type": "auth", "token": good, "typo": true})).await;
    socket.expect("error").await;

    process.signal(Signal::TERM);
    let end = ended(process).await;
    assert!(end.log.lines().count() > 100, "it was not talkative: {}", end.log);
    let printed = format!("{}{}", end.stdout, end.log);
    let mut leaks = Vec::new();
    for secret in &secrets {
        // A part gives away as much: the signature of a token, say.
        let part = secret.rsplit('.').next().expect("there is always one");
        leaks.extend(printed.lines().filter(|line| line.contains(part)));
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

async fn post(
    caller: &Caller,
    process: &crate::support::process::Process,
    token: &str,
    path: &str,
    body: Value,
) -> (u16, Value) {
    caller.once(process.address, &Call::post(token, path, body)).await.expect("an answer")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
