//! Whom Django's users are at waybill: their accounts, and what is answered while they have none.

use awc::http::Method;
use serde_json::{Value, json};

use super::{Django, Fate, PASSWORD, gateway};
use crate::support::steps::text;
use crate::support::users::PASSWORD as WAYBILL_PASSWORD;
use crate::support::{Socket, TestApp};

/// Lets a socket be opened with a token.
async fn opens(app: &TestApp, path: &str, token: &str) {
    let bearer = format!("Bearer {token}");
    let opened = Socket::open(app.address(), path, &[("Authorization", &bearer)]).await;
    opened.unwrap_or_else(|refusal| panic!("{path} opens: {refusal:?}"));
}

async fn me(app: &TestApp, token: &str) -> Value {
    app.with_token(token).get("/me").await.expect(200)
}

#[actix_web::test]
async fn a_partner_of_djangos_has_a_profile_and_an_account_is_found_again_after_a_crash() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    django.add_user("pat");
    django.script("from tickets.models import *\nUser.objects.filter(username='pat').update(role='partner')");
    let token = django.token("pat").await;
    let first = me(&app, &token).await;
    assert_eq!((&first["role"], &first["name"]), (&json!("partner"), &json!("pat")));
    let queue = app.with_token(&token).get("/partner/queue").await.expect(200);
    assert_eq!(queue["orders"], json!([]));
    opens(&app, "/ws/partner/", &token).await;

    // The account was made, and what Django wrote of it was lost.
    django.script("from tickets.models import *\nUser.objects.update(waybill_id=None)");
    let again = me(&app, &django.token("pat").await).await;
    assert_eq!((&again["id"], &again["partner_id"]), (&first["id"], &first["partner_id"]));
}

#[actix_web::test]
async fn another_role_locks_nobody_out_and_comes_with_another_account() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    django.add_user("pat");
    let pair = django.log_in("pat").await.expect(200);
    let customer = me(&app, &text(&pair, "access")).await;
    let becomes = |role: &str| {
        let lines = format!("from tickets.models import *\nUser.objects.update(role='{role}')");
        django.script(&lines);
    };
    // A role that is changed in Django alone is not the one at waybill.
    becomes("partner");
    let still = me(&app, &django.token("pat").await).await;
    assert_eq!((&still["id"], &still["role"]), (&customer["id"], &json!("customer")));

    django.manage(&["waybill_account", "pat"]);
    let token = django.token("pat").await;
    let partner = me(&app, &token).await;
    assert_eq!(partner["role"], "partner");
    opens(&app, "/ws/partner/", &token).await;
    let refused = django
        .call(Method::POST, "/api/token/refresh/", None, json!({"refresh": pair["refresh"]}))
        .await
        .expect(401);
    let detail = text(&refused, "detail");
    assert!(detail.starts_with("No active account"), "a token of the account before: {detail}");

    // And back again.
    becomes("customer");
    django.manage(&["waybill_account", "pat"]);
    assert_eq!(me(&app, &django.token("pat").await).await["id"], customer["id"]);
}

#[actix_web::test]
async fn a_username_that_is_an_e_mail_address_is_no_name_for_others() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    let address = "ada@mail.example";
    django.manage(&["createsuperuser", "--noinput", "--username", address, "--email", address]);
    let ada = me(&app, &django.token(address).await).await;
    assert_eq!(ada["name"], "Customer 1");
    django.add_user("bob");
    django.script(
        "from tickets.models import *\n\
         User.objects.filter(username='bob').update(first_name='Bob', last_name='Builder\\n')",
    );
    assert_eq!(me(&app, &django.token("bob").await).await["name"], "Bob Builder");
}

#[actix_web::test]
async fn nobody_can_take_a_users_place_at_waybill_and_none_needs_an_address() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    django.add_user("ada");
    // Somebody was there first under her address, and under what others could guess.
    let mut taken = Vec::new();
    for email in ["ada@example.org", "user-1@helpdesk.invalid", "customer-1@helpdesk.invalid"] {
        let body = json!({"email": email, "password": WAYBILL_PASSWORD, "name": "Eve", "role": "customer"});
        taken.push(app.as_nobody().post("/auth/register", body).await.expect(201)["user"]["id"].clone());
    }
    let ada = me(&app, &django.token("ada").await).await;
    assert!(!taken.contains(&ada["id"]), "{ada}");
    assert_eq!(ada["name"], "ada");
    let email = text(&ada, "email");
    assert!(email.starts_with("customer-1-") && email.ends_with("@helpdesk.invalid"), "{email}");
    assert!(email.len() > "customer-1-@helpdesk.invalid".len() + 30, "nobody guesses {email}");

    django.script(&format!(
        "from tickets.models import *\nUser.objects.create_user('bob', password=\"{PASSWORD}\")"
    ));
    assert_eq!(me(&app, &django.token("bob").await).await["name"], "bob");
}

#[actix_web::test]
async fn an_account_that_waybill_has_is_given_to_one_user() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    django.add_user("ada");
    django.add_user("bob");
    let admin = app.admin().await;
    let id = admin.id.to_string();
    django.manage(&["waybill_account", "ada", &id]);
    let token = django.token("ada").await;
    assert_eq!(me(&app, &token).await["role"], "admin");
    opens(&app, "/ws/admin/", &token).await;
    for (arguments, said) in [
        (["waybill_account", "bob", id.as_str()], "this account is another user's"),
        (["waybill_account", "eve", id.as_str()], "there is no user eve"),
        (["waybill_account", "bob", "7"], "invalid UUID value"),
    ] {
        let output = django.try_manage(&arguments, &[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{arguments:?}: {stderr}");
    }
    assert_eq!(me(&app, &django.token("bob").await).await["role"], "customer");
}

#[actix_web::test]
async fn without_an_account_a_log_in_is_asked_to_come_back() {
    let app = TestApp::start().await;
    let fates = vec![
        Fate::Dropped,
        Fate::Refused("500 Internal Server Error"),
        Fate::Refused("503 Service Unavailable\r\nRetry-After: 7"),
        Fate::Refused("429 Too Many Requests\r\nRetry-After: 30"),
        Fate::Refused("422 Unprocessable Content"),
        Fate::Refused("201 Created"),
        // The address is taken, and the password another one's.
        Fate::Refused("409 Conflict"),
        Fate::Refused("401 Unauthorized"),
        Fate::Passed,
    ];
    let (url, came) = gateway(app.address(), fates);
    let django = Django::reaching(&app, &url).await;
    django.add_user("ada");
    for (code, wait) in [
        ("waybill_away", "5"),
        ("waybill_away", "5"),
        ("waybill_away", "7"),
        ("waybill_away", "30"),
        ("waybill_refused", "60"),
        ("waybill_refused", "60"),
        ("waybill_refused", "60"),
    ] {
        let answer = django.log_in("ada").await;
        assert_eq!(answer.header("Retry-After"), Some(wait), "{:?}", answer.body);
        assert_eq!(answer.expect(503)["code"], code);
    }
    let token = django.token("ada").await;
    assert_eq!(me(&app, &token).await["name"], "ada");
    assert_eq!(came.join().expect("all of them came").len(), 9);
    // Whoever has an account does not need waybill, which nothing leads to any more.
    assert_eq!(me(&app, &django.token("ada").await).await["name"], "ada");
}

#[actix_web::test]
async fn the_operator_is_told_what_to_do_for_a_user_whom_waybill_refuses() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    django.add_user("ada");
    let refused = vec![Fate::Refused("409 Conflict"), Fate::Refused("401 Unauthorized")];
    for (fates, said) in [
        (refused, "waybill gives user 1 no account: 401"),
        (vec![Fate::Dropped], "The realtime server cannot be asked now."),
    ] {
        let (url, came) = gateway(app.address(), fates);
        let output = django.try_manage(&["waybill_token", "ada"], &[("WAYBILL_URL", &url)]);
        came.join().expect("all of them came");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{stderr}");
        assert!(!stderr.contains("Traceback"), "{stderr}");
        assert_eq!(
            stderr.contains("manage.py waybill_account ada <id>"),
            said.starts_with("waybill gives"),
            "{stderr}"
        );
    }
}
