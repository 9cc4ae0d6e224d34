use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use diesel::RunQueryDsl;

use super::*;
use crate::domain::ids::FamilyId;
use crate::domain::locale::Locale;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;
use crate::protocol::close::CloseReason;
use crate::protocol::dispatch::Dispatch;
use crate::services::app::ServiceSettings;
use crate::services::testing::TestApp;
use crate::services::tokens::TokenType;
use crate::store::{StoreError, outbox};

const PASSWORD: &str = "correct horse";

fn home() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1).into()
}

fn limiting(settings: &mut ServiceSettings) {
    settings.rate_limits = true;
}

fn registration(email: &str, role: Role) -> Registration {
    let (email, password, name) = (email.into(), PASSWORD.into(), "Ada Lovelace".into());
    Registration { user: NewUser { email, password, name, role, locale: Locale::De }, address: home() }
}

async fn registered(app: &App, email: &str) -> LoggedIn {
    register(app, registration(email, Role::Customer)).await.expect("registers")
}

fn attempt(email: &str, password: &str, address: IpAddr) -> LogIn {
    LogIn { email: email.into(), password: password.into(), address }
}

async fn code<T>(outcome: impl Future<Output = Result<T, ServiceError>>) -> String {
    match outcome.await {
        Ok(_) => "ok".into(),
        Err(error) => error.code().into(),
    }
}

/// Whether an access token is good, asked without what is remembered from a moment ago.
async fn access(app: &App, logged_in: &LoggedIn, token: &str) -> String {
    app.principals().forget(logged_in.user.id);
    code(authenticate(app, token, &[TokenType::Access])).await
}

/// The log-ins of which sessions are to be closed, oldest first.
async fn ended(app: &App) -> Vec<FamilyId> {
    let (rows, _) = app.read(|conn| Ok(outbox::waiting(conn, 0, 1000)?)).await.expect("reads");
    let ended = rows.into_iter().filter_map(|row| match row.dispatch {
        Dispatch::EndSessions { family_id, reason: CloseReason::Token, .. } => family_id,
        _ => None,
    });
    ended.collect()
}

async fn family_of(app: &App, tokens: &TokenPair) -> FamilyId {
    let verified = app.tokens().verify(&tokens.access, &[TokenType::Access], Timestamp::now());
    verified.expect("a good token").family_id.expect("a log-in")
}

/// Changes all users.
async fn change_users(app: &App, assignment: &'static str) {
    let changed = app.write(move |tx| {
        let update = diesel::sql_query(format!("UPDATE users SET {assignment}"));
        Ok(update.execute(tx.conn()).map_err(StoreError::from)?)
    });
    assert!(changed.await.expect("writes") > 0);
}

/// As clients do that send a token alone.
async fn refresh(app: &App, token: &str) -> Result<TokenPair, ServiceError> {
    super::refresh(app, token, None).await
}

#[actix_web::test]
async fn who_registers_is_logged_in_and_can_log_in_again() {
    for app in TestApp::each() {
        let partner = register(&app, registration(" Ada@Example.org ", Role::Partner)).await;
        let partner = partner.expect("registers");
        assert_eq!(partner.user.email, "ada@example.org");
        assert_eq!(partner.user.locale, "de");
        assert!(partner.user.partner_id.is_some());

        let again = log_in(&app, attempt("ADA@example.org", PASSWORD, home())).await.expect("logs in");
        assert_eq!(again.user.id, partner.user.id);
        let authenticated = authenticate(&app, &again.tokens.access, &[TokenType::Access]).await;
        let principal = authenticated.expect("a good token").principal;
        assert_eq!(principal.partner_id, partner.user.partner_id);
        assert_eq!(me(&app, &principal).await.expect("an account").name, "Ada Lovelace");
        assert_ne!(family_of(&app, &again.tokens).await, family_of(&app, &partner.tokens).await);
    }
}

#[actix_web::test]
async fn every_field_that_is_wrong_is_named() {
    for app in TestApp::each() {
        let mut wrong = registration("ada", Role::Customer);
        wrong.user.password = "short".into();
        wrong.user.name = " \u{a0} ".into();
        let Err(ServiceError::Invalid(errors)) = register(&app, wrong).await else { panic!("registered") };
        let fields: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.code.as_ref())).collect();
        assert_eq!(fields, [("email", "invalid"), ("name", "too_short"), ("password", "too_short")]);
        let admin = register(&app, registration("ada@example.org", Role::Admin));
        assert_eq!(code(admin).await, "role_not_allowed");
    }
}

#[actix_web::test]
async fn an_address_is_registered_once_whatever_its_case() {
    for app in TestApp::each() {
        let both = futures_util::future::join(
            register(&app, registration("ada@example.org", Role::Customer)),
            register(&app, registration("ADA@EXAMPLE.ORG", Role::Customer)),
        );
        let (one, other) = both.await;
        let taken = [one, other].into_iter().filter_map(Result::err).map(|error| error.code());
        assert_eq!(taken.collect::<Vec<_>>(), ["email_taken"]);
    }
}

#[actix_web::test]
async fn the_command_line_makes_admins() {
    for app in TestApp::each() {
        let admin = registration("root@example.org", Role::Admin).user;
        let added = add_user(app.store(), admin.clone()).await.expect("adds");
        assert_eq!(added.role, Role::Admin);
        assert_eq!(code(add_user(app.store(), admin)).await, "email_taken");
        let logged_in = log_in(&app, attempt("root@example.org", PASSWORD, home())).await;
        assert_eq!(logged_in.expect("logs in").user.id, added.id);
    }
}

#[actix_web::test]
async fn an_unknown_address_and_a_wrong_password_get_the_same_answer() {
    for app in TestApp::each() {
        registered(&app, "ada@example.org").await;
        let mut answers = Vec::new();
        for (email, password) in [
            ("ada@example.org", "wrong password"),
            ("ada@example.org", ""),
            ("nobody@example.org", PASSWORD),
            ("no address", PASSWORD),
            ("ada@example.org\0", PASSWORD),
        ] {
            let refused = log_in(&app, attempt(email, password, home())).await.expect_err("is refused");
            answers.push((refused.code(), refused.public_detail()));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].0, "invalid_credentials");
    }
}

#[actix_web::test]
async fn a_refresh_token_is_exchanged_for_the_next() {
    for app in TestApp::each() {
        let first = registered(&app, "ada@example.org").await;
        let second = refresh(&app, &first.tokens.refresh).await.expect("exchanges");
        let third = refresh(&app, &second.refresh).await.expect("exchanges");
        assert_eq!(family_of(&app, &third).await, family_of(&app, &first.tokens).await);
        assert_eq!(access(&app, &first, &third.access).await, "ok");
        assert!(ended(&app).await.is_empty());
    }
}

#[actix_web::test]
async fn a_refresh_token_that_comes_twice_ends_its_log_in_and_no_other() {
    for app in TestApp::each() {
        let stolen = registered(&app, "ada@example.org").await;
        let other = log_in(&app, attempt("ada@example.org", PASSWORD, home())).await.expect("logs in");
        let next = refresh(&app, &stolen.tokens.refresh).await.expect("exchanges");

        assert_eq!(code(refresh(&app, &stolen.tokens.refresh)).await, "token_reused");

        assert_eq!(code(refresh(&app, &next.refresh)).await, "token_revoked");
        assert_eq!(code(refresh(&app, &stolen.tokens.refresh)).await, "token_revoked");
        assert_eq!(access(&app, &stolen, &next.access).await, "token_revoked");
        assert_eq!(ended(&app).await, [family_of(&app, &stolen.tokens).await], "and only once");
        assert_eq!(access(&app, &other, &other.tokens.access).await, "ok");
        assert_eq!(code(refresh(&app, &other.tokens.refresh)).await, "ok");
    }
}

#[actix_web::test]
async fn of_two_exchanges_at_once_one_succeeds_and_the_log_in_ends() {
    for app in TestApp::each() {
        let logged_in = registered(&app, "ada@example.org").await;
        let token = &logged_in.tokens.refresh;
        let (one, other) = futures_util::future::join(refresh(&app, token), refresh(&app, token)).await;
        assert!(one.is_ok() != other.is_ok());
        let winner = one.or(other).expect("one succeeded");
        assert_eq!(code(refresh(&app, &winner.refresh)).await, "token_revoked");
    }
}

#[actix_web::test]
async fn logging_out_ends_tokens_and_sessions_and_can_be_repeated() {
    for app in TestApp::each() {
        let logged_in = registered(&app, "ada@example.org").await;
        let next = refresh(&app, &logged_in.tokens.refresh).await.expect("exchanges");
        let authenticated = authenticate(&app, &next.access, &[TokenType::Access]).await;
        let principal = authenticated.expect("a good token").principal;
        let ticket = realtime_token(&app, &principal).expect("signs");

        log_out(&app, &next.refresh).await.expect("logs out");
        // At once, although the user was looked up a moment ago.
        assert_eq!(code(authenticate(&app, &next.access, &[TokenType::Access])).await, "token_revoked");
        assert_eq!(code(confirm(&app, &principal)).await, "token_revoked");
        assert_eq!(code(authenticate_handshake(&app, &ticket.token)).await, "token_revoked");
        assert_eq!(code(refresh(&app, &next.refresh)).await, "token_revoked");
        log_out(&app, &next.refresh).await.expect("nothing is left to do");
        log_out(&app, "no token").await.expect("nothing is left to do");
        assert_eq!(ended(&app).await, [family_of(&app, &logged_in.tokens).await]);
    }
}

#[actix_web::test]
async fn who_was_deleted_is_out() {
    for app in TestApp::each() {
        let logged_in = registered(&app, "ada@example.org").await;
        change_users(&app, "deleted_at = created_at").await;
        assert_eq!(access(&app, &logged_in, &logged_in.tokens.access).await, "user_unknown");
        assert_eq!(code(refresh(&app, &logged_in.tokens.refresh)).await, "user_unknown");
        assert_eq!(ended(&app).await.len(), 1);
        let again = log_in(&app, attempt("ada@example.org", PASSWORD, home()));
        assert_eq!(code(again).await, "invalid_credentials");
    }
}

#[actix_web::test]
async fn refresh_tokens_expire_and_are_removed_but_not_before_the_access_tokens() {
    for app in TestApp::each_with(|settings| settings.refresh_lifetime = Duration::ZERO) {
        let logged_in = registered(&app, "ada@example.org").await;
        assert_eq!(code(refresh(&app, &logged_in.tokens.refresh)).await, "token_expired");
        assert_eq!(code(refresh(&app, "made up")).await, "token_invalid");
        log_out(&app, &logged_in.tokens.refresh).await.expect("an expired token can still log out");
        let lifetime = app.tokens().access_lifetime();
        let purged = app.write(move |tx| purge(tx, lifetime)).await;
        assert_eq!(purged.expect("purges"), 0);
        assert_eq!(access(&app, &logged_in, &logged_in.tokens.access).await, "token_revoked");
    }
}

#[actix_web::test]
async fn a_ticket_is_good_for_one_handshake() {
    for app in TestApp::each() {
        let logged_in = registered(&app, "ada@example.org").await;
        let authenticated = authenticate(&app, &logged_in.tokens.access, &[TokenType::Access]).await;
        let principal = authenticated.expect("a good token").principal;
        let ticket = realtime_token(&app, &principal).expect("signs").token;

        assert_eq!(code(authenticate(&app, &ticket, &[TokenType::Access])).await, "token_wrong_type");
        let both = futures_util::future::join(
            code(authenticate_handshake(&app, &ticket)),
            code(authenticate_handshake(&app, &ticket)),
        );
        let (one, other) = both.await;
        let mut codes = [one, other];
        codes.sort_unstable();
        assert_eq!(codes, ["ok", "token_used"]);

        // The session outlives the ticket.
        let ticket = realtime_token(&app, &principal).expect("signs");
        let shaken = authenticate_handshake(&app, &ticket.token).await.expect("a fresh ticket");
        assert!(shaken.expires_at > ticket.expires_at, "{shaken:?}");

        let access = &logged_in.tokens.access;
        for _ in 0..2 {
            let shaken = authenticate_handshake(&app, access).await.expect("access tokens last");
            assert_eq!(shaken.principal, principal);
        }
    }
}

#[actix_web::test]
async fn a_token_of_another_role_than_the_users_is_outdated() {
    for app in TestApp::each() {
        let logged_in = registered(&app, "ada@example.org").await;
        change_users(&app, "role = 'admin'").await;
        assert_eq!(access(&app, &logged_in, &logged_in.tokens.access).await, "token_outdated");
        let fresh = refresh(&app, &logged_in.tokens.refresh).await.expect("exchanges");
        let authenticated = authenticate(&app, &fresh.access, &[TokenType::Access]).await;
        assert_eq!(authenticated.expect("a good token").principal.role, Role::Admin);
    }
}

#[actix_web::test]
async fn a_token_of_a_log_in_that_is_not_ours_is_good() {
    for app in TestApp::each() {
        let user = app.user(Role::Customer).await;
        let foreign = Principal { family_id: Some(FamilyId::new()), ..user };
        let token = app.tokens().mint_access(&foreign, Timestamp::now()).expect("signs").token;
        assert_eq!(code(authenticate(&app, &token, &[TokenType::Access])).await, "ok");
    }
}

#[actix_web::test]
async fn guessing_is_slowed_down_alike_for_known_and_unknown_addresses() {
    for app in TestApp::each_with(limiting) {
        registered(&app, "ada@example.org").await;
        let attacker: IpAddr = Ipv4Addr::new(203, 0, 113, 9).into();
        let mut answers = Vec::new();
        for email in ["ada@example.org", "nobody@example.org"] {
            let mut codes = Vec::new();
            for _ in 0..12 {
                codes.push(code(log_in(&app, attempt(email, "wrong password", attacker))).await);
            }
            answers.push(codes);
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].iter().filter(|code| *code == "invalid_credentials").count(), 10);
        assert_eq!(answers[0][11], "rate_limited");

        let right = log_in(&app, attempt("ada@example.org", PASSWORD, attacker));
        assert_eq!(code(right).await, "rate_limited", "the limit is on trying, not on failing");
        assert_eq!(code(log_in(&app, attempt("ada@example.org", PASSWORD, home()))).await, "ok");
    }
}

#[actix_web::test]
async fn a_flood_of_guesses_at_once_gets_no_further_than_one_by_one() {
    for app in TestApp::each_with(limiting) {
        let attempts = (0..40).map(|_| code(log_in(&app, attempt("ada@example.org", "wrong", home()))));
        let codes = futures_util::future::join_all(attempts).await;
        let looked_at = codes.iter().filter(|code| *code == "invalid_credentials").count();
        // One more may be under way on the second thread.
        assert!((10..=11).contains(&looked_at), "{looked_at}");
    }
}

#[actix_web::test]
async fn logging_in_well_is_not_counted_as_guessing() {
    for app in TestApp::each_with(limiting) {
        registered(&app, "ada@example.org").await;
        for _ in 0..15 {
            assert_eq!(code(log_in(&app, attempt("ada@example.org", PASSWORD, home()))).await, "ok");
        }
    }
}

#[actix_web::test]
async fn an_account_without_a_password_cannot_be_logged_in_to() {
    for app in TestApp::each() {
        let user = app.user(Role::Customer).await;
        let email = format!("{}@example.com", user.user_id);
        assert_eq!(code(log_in(&app, attempt(&email, "none", home()))).await, "invalid_credentials");
    }
}
