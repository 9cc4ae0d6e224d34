//! A simulated city on a real server: nothing that its people see breaks the contract; and where something does, it is
//! noticed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::task::spawn_blocking;
use actix_web::rt::time::sleep;
use serde_json::json;
use tempfile::TempDir;
use waybill::tools::client::target::Target;
use waybill::tools::simulate::Simulation;

use crate::money::assert_whole;
use crate::support::process::{Process, waybill};
use crate::support::{TestApp, TestDatabase};

const SERVICE_KEY: &str = "own-key-of-the-shop";
const SETTINGS: [(&str, &str); 5] = [
    ("WAYBILL_PAYMENT_PROVIDER", "test"),
    ("WAYBILL_OFFER_SECS", "3"),
    ("WAYBILL_ORDERS_IN_HAND", "1"),
    ("WAYBILL_DISPATCH_AGAIN_MS", "500"),
    ("WAYBILL_SERVICE_KEYS", "shop:own-key-of-the-shop"),
];

#[actix_web::test]
async fn a_busy_city_finds_nothing_that_breaks_the_contract() {
    let app = TestApp::start_with(&SETTINGS).await;
    let every = Duration::from_millis(350);
    let simulation = Simulation::crowd(Target::of(app.address()), 7, 20, 12, every);
    // What is being tested has a clock of its own: this is how long its people order, once they are there.
    let admin = app.as_user(&app.admin().await);
    let report = Simulation { pace: 6.0, ..simulation }
        .run_until(async {
            sleep(Duration::from_secs(6)).await;
            for (status, many) in [("completed", 10), ("cancelled", 1)] {
                app.until(&format!("{many} orders are {status}"), || async {
                    let ended = admin.get(&format!("/orders?status={status}&limit={many}")).await.expect(200);
                    ended["items"].as_array().is_some_and(|items| items.len() == many)
                })
                .await;
            }
        })
        .await;
    assert!(report.is_clean(), "{report}");
    let count = |name: &str| report.offers.get(name).copied().unwrap_or_default();
    assert!(count("accepted") > 5 && count("made") >= count("accepted"), "{report}");
    assert!(count("declined") > 0, "now and then somebody does not feel like it: {report}");
    assert!(report.orders.get("completed").is_some_and(|completed| *completed > 5), "{report}");
    assert!(
        report.orders.keys().all(|status| ["completed", "cancelled"].contains(&status.as_str())),
        "{report}"
    );
    assert!(report.from_wallet > 0 && report.deeds.contains_key("top-up succeeded"), "{report}");
    // Whoever writes about an order that was given back meanwhile is refused.
    let too_late = [(&report.frames.1, "chat_closed"), (&report.calls.1, "409 chat_closed")];
    let too_late: u64 = too_late.iter().filter_map(|(counts, name)| counts.get(*name)).sum();
    let (written, sure) = report.messages;
    assert!(sure > 0 && written - sure <= usize::try_from(too_late).expect("a few"), "{report}");
    assert!(report.frames.0 > 100 && report.calls.0 > 100, "{report}");
    for deed in ["accept by frame", "accept by call"] {
        assert!(report.deeds.contains_key(deed), "{deed}: {report}");
    }
    assert!(report.badges.get("right").is_some_and(|right| *right > 0), "{report}");
    assert!(report.failed.is_empty() && report.duplicates == 0, "{report}");
    for lapse in ["offer", "step", "position to dot", "message", "any event", "ping"] {
        assert!(report.to_string().contains(&format!("\n{lapse} ")), "{lapse}: {report}");
    }
    let held: Vec<&str> =
        report.held.iter().filter(|(_, held)| held.due > 0).map(|(what, _)| *what).collect();
    assert_eq!(held, ["messages", "movements", "steps"], "{report}");
    // A snapshot that somebody gets on coming back tells the same.
    assert!(report.held.iter().all(|(_, held)| held.excused * 10 <= held.due), "little went past: {report}");
    assert_whole(&app).await;
}

#[actix_web::test]
async fn a_crowd_that_comes_again_logs_in() {
    let app = TestApp::start_with(&SETTINGS).await;
    let crowd = || Simulation::crowd(Target::of(app.address()), 5, 2, 2, Duration::from_secs(60));
    let first = crowd().run_until(async {}).await;
    assert!(first.is_clean(), "{first}");
    assert_eq!(first.calls.1.get("401 invalid_credentials"), Some(&1), "the first one finds out: {first}");
    let second = crowd().run_until(async {}).await;
    assert!(second.is_clean() && second.calls.1.is_empty(), "{second}");
}

#[actix_web::test]
async fn a_city_whose_server_is_killed_goes_on_and_finds_nothing_that_breaks_the_contract() {
    let (database, folder) = (TestDatabase::new(), Arc::new(TempDir::new().expect("a folder")));
    let (url, folder) = (database.url(), &folder);
    let serve = async |listen: String| {
        let (url, folder) = (url.clone(), Arc::clone(folder));
        let served = spawn_blocking(move || {
            let mut settings = SETTINGS.to_vec();
            settings.extend([("WAYBILL_RATE_LIMITS", "off"), ("DATABASE_URL", &url)]);
            settings.push(("WAYBILL_LISTEN", &listen));
            Process::serve(&folder, &settings)
        });
        served.await.expect("it is up")
    };
    let mut server = serve("127.0.0.1:0".to_owned()).await;
    let address = server.address;
    let simulation = Simulation::crowd(Target::of(address), 11, 12, 8, Duration::from_millis(400));
    let kept = Cell::new(None);
    let end = async {
        for _ in 0..3 {
            // People live by a clock of their own: this is how long they order between two crashes.
            sleep(Duration::from_secs(2)).await;
            spawn_blocking(|| server.kill()).await.expect("it was killed");
            server = serve(address.to_string()).await;
        }
        sleep(Duration::from_secs(2)).await;
        // It serves to the end of the test.
        kept.set(Some(server));
    };
    let report = Simulation { pace: 6.0, ..simulation }.run_until(end).await;
    assert!(report.is_clean(), "{report}");
    let made = report.offers.get("made").copied().unwrap_or_default();
    let ended: u64 = report.offers.iter().filter(|(name, _)| *name != "made").map(|(_, count)| count).sum();
    assert!(made > 0 && ended <= made, "each offer counts once: {report}");
    let count = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    assert!(count(&report.reconnects) >= 20 && count(&report.resumed) >= 20, "{report}");
    assert!(report.to_string().contains("\nconnected again "), "{report}");
}

#[actix_web::test]
async fn a_hand_over_code_that_a_partner_gets_to_see_is_exit_code_1() {
    let app = TestApp::start_with(&SETTINGS).await;
    let folder = TempDir::new().expect("a folder");
    let mut command = waybill(&folder, &[("WAYBILL_SERVICE_KEY", SERVICE_KEY)]);
    command.args(["simulate", "--url", &format!("http://{}", app.address()), "--partners", "6"]);
    command.args(["--orders-per-minute", "60", "--seconds", "4", "--pace", "6"]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let admin = app.as_user(&app.admin().await);
    let mut partner = None;
    while partner.is_none() {
        let orders = admin.get("/orders?limit=200").await.expect(200);
        let carried = orders["items"].as_array().expect("a list").iter();
        partner = carried.filter_map(|order| order["partner"]["id"].as_str()).next().map(str::to_owned);
        // Between two looks; nothing depends on how long it is.
        sleep(Duration::from_millis(20)).await;
    }
    // Another back end tells what it should keep to itself.
    let leak = json!({
        "group": format!("partner_{}", partner.expect("one")), "type": "stock_changed",
        "data": {"dropoff": {}, "code": "1234"},
    });
    app.with_token(SERVICE_KEY).post("/events", leak).await.expect(202);
    let output = spawn_blocking(|| client.wait_with_output()).await.expect("it ran").expect("it ended");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("NOT CLEAN: 1 times a rule was broken"), "{text}");
    assert!(text.contains("no hand-over code for anybody but the customer"), "{text}");
}

#[actix_web::test]
async fn what_nobody_is_told_of_or_refused_for_no_reason_is_exit_code_1() {
    let app = TestApp::start_with(&SETTINGS).await;
    // The marks of a message and of a wallet's movement: such events are lost between the change and whoever should hear of
    // it, without a hole in any group's numbers.
    let lost =
        ["client_id", "wallet_update"].map(|mark| format!("NEW.dispatch LIKE '%\"{mark}\"%'")).join(" OR ");
    // Ratings that nobody gave, so that those who do are refused; and a notification that becomes another one.
    let rating = "INSERT INTO ratings (order_id, stars, created_at) VALUES (NEW.id, 1, 0)";
    let other =
        "UPDATE notifications SET kind = 'order_assigned' WHERE id = NEW.id AND kind = 'order_picked_up'";
    let statements = if app.database().is_shared() {
        let later = [
            ("rated", rating, "UPDATE ON orders", "NEW.status = 'completed' AND OLD.status <> NEW.status"),
            ("other", other, "INSERT ON notifications", "true"),
        ];
        let later = later.map(|(name, does, on, when)| {
            let does = format!(
                "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN IF {when} THEN {does}; END IF; RETURN NULL; END $$"
            );
            [does, format!("CREATE TRIGGER {name} AFTER {on} FOR EACH ROW EXECUTE FUNCTION {name}()")]
        });
        let function = format!(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN IF {lost} THEN DELETE FROM outbox WHERE id = NEW.id; END IF; RETURN NULL; END $$"
        );
        let trigger = "CREATE TRIGGER lose AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION lose()";
        later.into_iter().flatten().chain([function, trigger.to_owned()]).collect()
    } else {
        let begin = "CREATE TRIGGER lose AFTER INSERT ON outbox";
        let when = "WHEN NEW.status = 'completed' AND OLD.status <> NEW.status";
        vec![
            format!("{begin} WHEN {lost} BEGIN DELETE FROM outbox WHERE id = NEW.id; END"),
            format!("CREATE TRIGGER rated AFTER UPDATE ON orders {when} BEGIN {rating}; END"),
            format!("CREATE TRIGGER other AFTER INSERT ON notifications BEGIN {other}; END"),
        ]
    };
    for statement in statements {
        app.change(statement).await;
    }
    let folder = TempDir::new().expect("a folder");
    let mut command = waybill(&folder, &[]);
    command.args(["simulate", "--url", &format!("http://{}", app.address()), "--partners", "16"]);
    command.args(["--orders-per-minute", "200", "--seconds", "8", "--pace", "6"]);
    let output = spawn_blocking(move || command.output()).await.expect("no panic").expect("it ran");
    // The report lists the first broken rules, the log all of them.
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let lies = ["to be told of top_up", "to be told of message", "already_rated", "1 × order_picked_up"];
    for lie in lies {
        assert!(text.contains(lie), "{lie}: {text}");
    }
}

#[actix_web::test]
async fn a_server_on_which_no_order_is_ever_completed_is_exit_code_1() {
    let app = TestApp::start_with(&[&SETTINGS[..], &[("WAYBILL_AUTO_CONFIRM", "off")]].concat()).await;
    let folder = TempDir::new().expect("a folder");
    let mut command = waybill(&folder, &[]);
    command.args(["simulate", "--url", &format!("http://{}", app.address()), "--partners", "2"]);
    command.args(["--orders-per-minute", "60", "--seconds", "2", "--pace", "6"]);
    let output = spawn_blocking(move || command.output()).await.expect("no panic").expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("WAYBILL_AUTO_CONFIRM"), "{text}");
}

#[test]
fn a_crowd_without_orders_is_exit_code_2() {
    let folder = TempDir::new().expect("a folder");
    for wrong in [&["--partners", "2"][..], &["--partners", "0", "--orders-per-minute", "1"]] {
        let output = waybill(&folder, &[]).arg("simulate").args(wrong).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
