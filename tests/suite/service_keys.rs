//! Keys of other back ends in the database: where each may publish, and what becomes of it.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use waybill::services::error::ServiceError;
use waybill::services::service_keys::{self, NewKey};

use crate::support::process::{Process, run, waybill};
use crate::support::{Answer, TestApp, TestDatabase};

const HOUR: Duration = Duration::from_secs(3600);

async fn add(app: &TestApp, name: &str, groups: &[&str]) -> String {
    let groups = groups.iter().map(|pattern| pattern.parse().expect("a pattern")).collect();
    let new = NewKey { name: name.into(), groups, lifetime: None };
    service_keys::add(app.inner().store(), new).await.expect("it is made")
}

async fn publish(app: &TestApp, key: &str, group: &str) -> Answer {
    publish_as(app, key, group, false).await
}

async fn publish_as(app: &TestApp, key: &str, group: &str, ephemeral: bool) -> Answer {
    let event = json!({"group": group, "type": "weather", "data": 1, "ephemeral": ephemeral});
    app.with_token(key).post("/events", event).await
}

#[actix_web::test]
async fn a_key_is_good_for_its_groups_and_no_others() {
    let app = TestApp::start_with(&[("WAYBILL_SERVICE_KEYS", "shop:own-key-of-the-shop")]).await;
    let (customer, partner) = (app.customer().await, app.partner().await);
    let order = app.order(&customer).await;
    let groups = [
        format!("user_{}", customer.id),
        format!("partner_{}", partner.partner_id.expect("a partner")),
        format!("order_{order}"),
        "admin_dashboard".to_owned(),
    ];
    for (patterns, good) in [
        (vec!["*"], [true; 4]),
        (vec!["order_*", "user_*"], [true, false, true, false]),
        (vec!["partner_*", "admin_dashboard"], [false, true, false, true]),
        (vec![groups[0].as_str()], [true, false, false, false]),
    ] {
        let key = add(&app, &patterns.join("+"), &patterns).await;
        for (group, is_good) in groups.iter().zip(good) {
            for ephemeral in [false, true] {
                let answer = publish_as(&app, &key, group, ephemeral).await;
                if is_good {
                    answer.expect(202)
                } else {
                    answer.refused(403, "group_not_allowed")
                };
            }
        }
        app.with_token(&key).get("/me").await.refused(401, "token_invalid");
    }
    for group in &groups {
        publish(&app, "own-key-of-the-shop", group).await.expect(202);
    }
}

#[actix_web::test]
async fn what_is_no_key_or_none_any_more_lets_nobody_in() {
    let app = TestApp::start().await;
    let (admin, store) = (app.admin().await, app.inner().store());
    let groups = vec!["*".parse().expect("a pattern")];
    let new = NewKey { name: "late".into(), groups, lifetime: Some(Duration::ZERO) };
    let expired = service_keys::add(store, new).await.expect("it is made");
    let revoked = add(&app, "gone", &["*"]).await;
    publish(&app, &revoked, "admin_dashboard").await.expect(202);
    service_keys::revoke(store, "gone".into()).await.expect("it is there");
    for key in [&expired, &revoked, &format!("{revoked}x"), "waybill_", "", &admin.token] {
        publish(&app, key, "admin_dashboard").await.refused(401, "service_key_invalid");
    }
    let gone = service_keys::revoke(store, "gone".into()).await;
    assert!(matches!(gone, Err(ServiceError::NotFound { .. })), "{gone:?}");
}

#[actix_web::test]
async fn a_key_that_is_rotated_while_it_is_revoked_is_good_for_nothing_either() {
    let app = TestApp::start().await;
    let store = app.inner().store();
    for _ in 0..10 {
        let old = add(&app, "gone", &["*"]).await;
        let rotated = service_keys::rotate(store, "gone".into(), HOUR);
        let revoked = service_keys::revoke(store, "gone".into());
        let (rotated, revoked) = futures_util::future::join(rotated, revoked).await;
        revoked.expect("it was there");
        for key in [Some(old), rotated.ok()].iter().flatten() {
            publish(&app, key, "admin_dashboard").await.refused(401, "service_key_invalid");
        }
    }
}

#[actix_web::test]
async fn a_rotated_key_is_good_for_as_long_as_it_is_given() {
    let app = TestApp::start().await;
    let store = app.inner().store();
    let first = add(&app, "django", &["admin_dashboard"]).await;
    let second = service_keys::rotate(store, "django".into(), HOUR).await.expect("it is there");
    for key in [&first, &second] {
        publish(&app, key, "admin_dashboard").await.expect(202);
        let group = format!("user_{}", app.customer().await.id);
        publish(&app, key, &group).await.refused(403, "group_not_allowed");
    }
    let third = service_keys::rotate(store, "django".into(), Duration::ZERO).await.expect("it is there");
    publish(&app, &second, "admin_dashboard").await.refused(401, "service_key_invalid");
    for key in [&first, &third] {
        publish(&app, key, "admin_dashboard").await.expect(202);
    }
    let listed = service_keys::list(store).await.expect("a list");
    assert!(listed.iter().all(|key| key.name == "django" && key.groups == "admin_dashboard"), "{listed:?}");
    let groups = vec!["*".parse().expect("a pattern")];
    let again = NewKey { name: "django".into(), groups, lifetime: None };
    let refused = service_keys::add(store, again).await;
    assert!(matches!(refused, Err(ServiceError::Invalid(_))), "{refused:?}");
    service_keys::revoke(store, "django".into()).await.expect("they are there");
    for key in [&first, &third] {
        publish(&app, key, "admin_dashboard").await.refused(401, "service_key_invalid");
    }
    let unknown = service_keys::rotate(store, "django".into(), HOUR).await;
    assert!(matches!(unknown, Err(ServiceError::NotFound { .. })), "{unknown:?}");
}

#[actix_web::test]
async fn a_key_with_an_end_is_followed_by_one_that_lasts_as_long_and_none_outlives_its_own() {
    let app = TestApp::start().await;
    let store = app.inner().store();
    let groups = vec!["*".parse().expect("a pattern")];
    let new = NewKey { name: "django".into(), groups: groups.clone(), lifetime: Some(2 * HOUR) };
    service_keys::add(store, new).await.expect("it is made");
    let ends = async || {
        let mut listed = service_keys::list(store).await.expect("a list");
        listed.sort_by_key(|key| key.created_at);
        listed.into_iter().map(|key| (key.created_at, key.expires_at.expect("an end"))).collect::<Vec<_>>()
    };
    let first = ends().await[0];
    assert_eq!(first.1.since(first.0), 2 * HOUR);

    // A grace that would last longer than the key itself.
    service_keys::rotate(store, "django".into(), 24 * HOUR).await.expect("it is there");
    let both = ends().await;
    assert_eq!((both.len(), both[0]), (2, first));
    let second = both[1];
    assert_eq!(second.1.since(second.0), 2 * HOUR);

    service_keys::rotate(store, "django".into(), HOUR).await.expect("it is there");
    let all = ends().await;
    assert_eq!((all.len(), all[0]), (3, first));
    assert_eq!((all[1].0, all[1].1), (second.0, all[2].0.after(HOUR)));
    assert_eq!(all[2].1.since(all[2].0), 2 * HOUR);

    // What has ended is good for nothing, whatever grace it is given.
    let new = NewKey { name: "late".into(), groups, lifetime: Some(Duration::ZERO) };
    let late = service_keys::add(store, new).await.expect("it is made");
    let after = service_keys::rotate(store, "late".into(), HOUR).await;
    for key in [Some(late), after.ok()].iter().flatten() {
        publish(&app, key, "admin_dashboard").await.refused(401, "service_key_invalid");
    }
}

#[actix_web::test]
async fn the_last_use_is_noted_once_a_minute() {
    let app = TestApp::start().await;
    let key = add(&app, "django", &["*"]).await;
    let last_used = || async {
        let listed = service_keys::list(app.inner().store()).await.expect("a list");
        listed.first().expect("the key").last_used_at
    };
    assert_eq!(last_used().await, None);
    publish(&app, &key, "admin_dashboard").await.expect(202);
    let first = last_used().await.expect("it was used");
    publish(&app, &key, "admin_dashboard").await.expect(202);
    assert_eq!(last_used().await, Some(first));
    // A minute later.
    let back = first.before(Duration::from_secs(61));
    let set_back = app.inner().write(move |tx| {
        let listed = waybill::store::service_keys::list(tx.conn())?;
        let hash = &listed.first().expect("the key").hash;
        Ok::<_, ServiceError>(waybill::store::service_keys::note_use(tx.conn(), hash, back, first)?)
    });
    set_back.await.expect("it is changed");
    assert_eq!(last_used().await, Some(back));
    publish(&app, &key, "admin_dashboard").await.expect(202);
    assert!(last_used().await >= Some(first));
}

#[actix_web::test]
async fn a_key_of_the_setting_is_good_for_the_groups_that_are_set_with_it() {
    let keys = "shop=user_*+order_*:own-key-of-the-shop,till=admin_dashboard:own-key-of-the-till";
    let app = TestApp::start_with(&[("WAYBILL_SERVICE_KEYS", keys)]).await;
    let groups = [
        format!("user_{}", app.customer().await.id),
        "admin_dashboard".to_owned(),
        format!("partner_{}", app.partner().await.partner_id.expect("a partner")),
    ];
    for (key, good) in
        [("own-key-of-the-shop", [true, false, false]), ("own-key-of-the-till", [false, true, false])]
    {
        for (group, is_good) in groups.iter().zip(good) {
            for ephemeral in [false, true] {
                let answer = publish_as(&app, key, group, ephemeral).await;
                if is_good {
                    answer.expect(202)
                } else {
                    answer.refused(403, "group_not_allowed")
                };
            }
        }
    }
}

#[actix_web::test]
async fn two_back_ends_of_one_name_have_idempotency_keys_of_their_own_and_two_keys_of_one_share_them() {
    let keys = "shop:own-key-of-the-shop,shop:new-key-of-the-shop";
    let app = TestApp::start_with(&[("WAYBILL_SERVICE_KEYS", keys)]).await;
    let other = add(&app, "shop", &["*"]).await;
    let rotated = service_keys::rotate(app.inner().store(), "shop".into(), HOUR).await.expect("it is there");
    let send = async |key: &str, data: i64| {
        let event = json!({"group": "admin_dashboard", "type": "weather", "data": data});
        app.with_token(key).post_with("/events", &[("Idempotency-Key", "e1")], event).await
    };
    for (old, new, data) in [("own-key-of-the-shop", "new-key-of-the-shop", 1), (&other, &rotated, 2)] {
        let first = send(old, data).await;
        assert_eq!(first.header("Idempotency-Replayed"), None, "{:?}", first.body);
        let again = send(new, data).await;
        assert_eq!(again.header("Idempotency-Replayed"), Some("true"), "{:?}", again.body);
        assert_eq!(first.expect(202), again.expect(202));
    }
}

#[test]
fn the_log_tells_once_an_hour_that_a_key_of_the_setting_is_in_use() {
    let (folder, database) = (TempDir::new().expect("a folder"), TestDatabase::new());
    let (url, keys) =
        (database.url(), "shop:own-key-of-the-shop,shop:new-key-of-the-shop,till:own-key-of-the-till");
    let process = Process::serve(&folder, &[("DATABASE_URL", &url), ("WAYBILL_SERVICE_KEYS", keys)]);
    for _ in 0..2 {
        for key in ["new-key-of-the-shop", "own-key-of-the-till"] {
            assert_eq!(status_of(&process, key), 202);
        }
    }
    let log = process.stop().log;
    for (line, count) in [
        ("key 1 of WAYBILL_SERVICE_KEYS (shop) is in use", 0),
        ("key 2 of WAYBILL_SERVICE_KEYS (shop) is in use", 1),
        ("key 3 of WAYBILL_SERVICE_KEYS (till) is in use", 1),
    ] {
        assert_eq!(log.matches(line).count(), count, "{line}: {log}");
    }
    assert!(!log.contains("-key-of-the-"), "{log}");
}

/// What a server answers to an event that comes with a key.
fn status_of(process: &Process, key: &str) -> u16 {
    let event = json!({"group": format!("user_{}", uuid::Uuid::new_v4()), "type": "t", "data": 1});
    actix_web::rt::System::new().block_on(async {
        let request = awc::Client::default().post(format!("http://{}/api/v1/events", process.address));
        request.bearer_auth(key).send_json(&event).await.expect("an answer").status().as_u16()
    })
}

/// Runs a command on keys; gives its exit code and what it printed.
fn command(folder: &TempDir, database: &TestDatabase, arguments: &[&str]) -> (i32, String, String) {
    let url = database.url();
    let mut command = waybill(folder, &[("DATABASE_URL", &url)]);
    command.arg("service-key").args(arguments);
    let output = run(command, "");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("no signal"), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_line_makes_lists_rotates_and_revokes_keys() {
    let (folder, database) = (TempDir::new().expect("a folder"), TestDatabase::new());
    let ok = |arguments: &[&str]| {
        let (code, stdout, stderr) = command(&folder, &database, arguments);
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        stdout.trim_end().to_owned()
    };
    let add = ["add", "--name", "django", "--groups", "order_*,user_*", "--expires-in", "30"];
    let first = ok(&add);
    assert!(
        first.starts_with("waybill_") && first.len() > 50 && !first.contains(char::is_whitespace),
        "{first}"
    );

    // A server that runs meanwhile knows of each change at once.
    let url = database.url();
    let process = Process::serve(&folder, &[("DATABASE_URL", &url)]);
    let status = |key: &str| status_of(&process, key);
    assert_eq!(status(&first), 202);
    let second = ok(&["rotate", "--name", "django", "--grace", "600"]);
    assert_eq!((status(&first), status(&second)), (202, 202));
    let third = ok(&["rotate", "--name", "django", "--grace", "0"]);
    assert_eq!((status(&first), status(&second), status(&third)), (202, 401, 202));

    let listed = ok(&["list"]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["name", "groups", "created", "last used", "expires"]);
    let shown = |row: &Vec<&str>| row.len() == 5 && row[0] == "django" && row[1] == "order_*,user_*";
    assert!(rows.len() == 3 && rows[1..].iter().all(shown), "{listed}");
    assert!(rows[1..].iter().all(|row| !row[3..].contains(&"never")), "{listed}");
    for key in [&first, &second, &third] {
        assert!(!listed.contains(key.as_str()), "{listed}");
    }
    assert_eq!(ok(&["revoke", "--name", "django"]), "");
    assert_eq!((status(&first), status(&third)), (401, 401));
    let ended = process.stop();
    assert!(!ended.log.contains(&first), "{}", ended.log);

    for (arguments, code) in [
        (&["rotate", "--name", "django"][..], 1),
        (&["revoke", "--name", "django"], 1),
        (&["add", "--name", "django", "--groups", "orders"], 2),
        (&["add", "--name", "two words", "--groups", "*"], 2),
        (&["add", "--name", "django", "--groups", "*", "--expires-in", "0"], 2),
        (&["add", "--name", "django"], 2),
    ] {
        let (ended, stdout, stderr) = command(&folder, &database, arguments);
        assert_eq!((ended, stdout.as_str()), (code, ""), "{arguments:?}: {stderr}");
    }
}
