//! kill -9 between asking the provider and taking in its answer; and `waybill ledger verify`.

use std::time::Duration;

use diesel::RunQueryDsl;
use serde_json::json;
use waybill::domain::time::Timestamp;
use waybill::store::transfers;

use super::{SECRET, SETTINGS, signature};
use crate::faults::stage::{Stage, direct, kill};
use crate::support::process::{run, waybill};

const AMOUNT: i64 = 1005;

#[actix_web::test]
async fn a_server_that_is_killed_between_asking_and_hearing_loses_no_money_and_makes_none() {
    let (stage, cast) = Stage::new(1, &SETTINGS).await;
    let customer = &cast.customers[0];
    let client = awc::Client::builder().timeout(Duration::from_secs(30)).finish();
    for (round, by_event) in [true, false].into_iter().enumerate() {
        let key = format!("round {round}");
        let body = json!({"amount": AMOUNT, "currency": "USD"});
        let top_up = |address| {
            let request = client.post(format!("http://{address}/api/v1/wallet/topups"));
            let request =
                request.bearer_auth(&customer.token).insert_header(("Idempotency-Key", key.as_str()));
            request.send_json(&body)
        };
        let process = stage.serve().await;
        // The provider takes five seconds to answer; the server does not live as long.
        let call = actix_web::rt::spawn(top_up(process.address));
        let mut conn = direct(stage.database());
        let id = loop {
            let by = Timestamp::now().after(Duration::from_secs(60));
            let open = transfers::due(&mut conn, by, 1).expect("rows");
            if let Some(id) = open.first() {
                break *id;
            }
            // Between two looks; nothing depends on how long it is.
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        kill(process).await;
        assert!(call.await.expect("it ran").is_err(), "nobody has answered");

        let process = stage.serve().await;
        if by_event {
            let event = json!({
                "id": "evt_1", "type": "transfer.succeeded", "transfer_id": id, "amount": AMOUNT, "currency": "USD",
            });
            let signature = signature(SECRET, Timestamp::now().as_secs(), event.to_string());
            let told = client.post(format!("http://{}/api/v1/payments/webhooks/test", process.address));
            let told = told.insert_header(("Webhook-Signature", signature)).send_json(&event).await;
            assert_eq!(told.expect("an answer").status(), 200);
        }
        let mut answer = top_up(process.address).await.expect("an answer");
        let answer: serde_json::Value = answer.json().await.expect("JSON");
        assert_eq!((&answer["status"], &answer["id"]), (&json!("succeeded"), &json!(id)));
        let wallet = client.get(format!("http://{}/api/v1/wallet", process.address));
        let mut wallet = wallet.bearer_auth(&customer.token).send().await.expect("an answer");
        let wallet: serde_json::Value = wallet.json().await.expect("JSON");
        assert_eq!(wallet["balance"], AMOUNT * (i64::try_from(round).expect("a small number") + 1));
        kill(process).await;
    }

    let folder = tempfile::TempDir::new().expect("a folder");
    let url = stage.database().url();
    let verify = || {
        let mut command = waybill(&folder, &[("DATABASE_URL", url.as_str())]);
        command.args(["ledger", "verify"]);
        let output = run(command, "");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, stdout, stderr) = verify();
    let whole = "2 accounts, 2 movements, 4 entries: all fits together\n";
    assert_eq!((code, stdout.as_str()), (Some(0), whole), "{stderr}");
    let change = "UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'wallet'";
    diesel::sql_query(change).execute(&mut direct(stage.database())).expect("it is changed");
    let (code, stdout, stderr) = verify();
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(
        stderr.contains("keeps 2011 after 2 entries") && stderr.contains("all balances in USD sum to 1"),
        "{stderr}"
    );
}
