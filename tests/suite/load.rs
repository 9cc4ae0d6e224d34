//! `waybill load`, the program, against the server, the program.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use actix_web::rt::task::spawn_blocking;
use serde_json::Value;
use tempfile::TempDir;

use crate::faults::stage::{Cast, SERVICE_KEY, Stage, kill};
use crate::support::process::{Process, run, waybill};
use crate::support::users::PASSWORD;

/// A load on a server, by an admin who watches and a customer who places the orders.
fn load(folder: &TempDir, server: &Process, cast: &Cast, arguments: &[&str]) -> Command {
    let customer = &cast.customers[0];
    let mut command = waybill(
        folder,
        &[
            ("WAYBILL_SERVICE_KEY", SERVICE_KEY),
            ("WAYBILL_LOAD_TOKEN", &cast.admin.token),
            ("WAYBILL_LOAD_CUSTOMER_PASSWORD", PASSWORD),
        ],
    );
    command.args([
        "load",
        "--url",
        &format!("http://{}", server.address),
        "--customer-email",
        &customer.email,
    ]);
    command.args(["--server-pid", &server.id().to_string()]).args(arguments);
    command
}

#[actix_web::test]
async fn a_thousand_sessions_miss_nothing_and_the_account_says_so() {
    let (stage, cast) = Stage::new(1, &[]).await;
    let server = stage.serve().await;
    for mode in ["ephemeral", "durable"] {
        let folder = TempDir::new().expect("a folder");
        let arguments = [
            "--mode",
            mode,
            "--sessions",
            "1000",
            "--groups",
            "200",
            "--subscriptions",
            "2",
            "--rate",
            "200",
            "--warmup",
            "0.5",
            "--duration",
            "1.5",
            "--drain",
            "60",
            "--quiet",
            "--json",
            "report.json",
        ];
        let command = load(&folder, &server, &cast, &arguments);
        let output = spawn_blocking(|| run(command, "")).await.expect("it ran");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("clean"), "{text}");
        let report = std::fs::read(folder.path().join("report.json")).expect("it is written");
        let report: Value = serde_json::from_slice(&report).expect("JSON");
        assert_eq!(report["sessions"]["opened"], 1000, "{report}");
        // 400 messages, each to the ten sessions of its group.
        assert_eq!(
            (&report["delivery"]["expected"], &report["delivery"]["delivered"]),
            (&4000.into(), &4000.into())
        );
        assert!(report["delivery"]["server_cpu_us"].as_f64().is_some_and(|cpu| cpu > 0.0), "{report}");
    }
}

#[actix_web::test]
async fn a_server_that_dies_under_load_is_exit_code_1_and_an_account_of_what_is_missing() {
    let (stage, cast) = Stage::new(1, &[]).await;
    let server = stage.serve().await;
    let folder = TempDir::new().expect("a folder");
    let arguments =
        ["--sessions", "20", "--groups", "5", "--rate", "50", "--duration", "4", "--drain", "0.5"];
    let mut command = load(&folder, &server, &cast, &arguments);
    let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut progress = BufReader::new(client.stderr.take().expect("it is piped")).lines();
    let arriving = move || {
        let line = progress.find(|line| {
            line.as_ref().is_ok_and(|line| line.contains("received ") && !line.contains("received 0/"))
        });
        line.expect("it makes progress").expect("it is read");
        progress
    };
    let progress = spawn_blocking(arriving).await.expect("messages arrive");
    kill(server).await;
    let account = move || {
        let mut text = String::new();
        client.stdout.take().expect("it is piped").read_to_string(&mut text).expect("it is read");
        drop(progress);
        (client.wait().expect("it ends").code(), text)
    };
    let (code, text) = spawn_blocking(account).await.expect("it ended");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT CLEAN") && text.contains("20 connections lost"), "{text}");
}
