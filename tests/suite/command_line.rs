//! The program: what it prints, what it exits with, and what signals do to it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::{Process, run, waybill};
use crate::support::users::PASSWORD;
use crate::support::{JWT_SECRET, Socket, TestDatabase};

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

/// Runs a command and gives its exit code, standard output and standard error.
fn outcome(
    folder: &TempDir,
    settings: &[(&str, &str)],
    arguments: &[&str],
    input: &str,
) -> (i32, String, String) {
    let mut command = waybill(folder, settings);
    command.args(arguments);
    let output = run(command, input);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("no signal"), text(&output.stdout), text(&output.stderr))
}

fn add_user(folder: &TempDir, database: &TestDatabase, email: &str, role: &str) -> (i32, String, String) {
    let arguments = ["user", "add", "--email", email, "--name", "Ada", "--role", role, "--password-stdin"];
    outcome(folder, &[("DATABASE_URL", &database.url())], &arguments, &format!("{PASSWORD}\n"))
}

#[test]
fn it_says_one_line_serves_and_stops_when_told_to() {
    let folder = folder();
    let process = Process::serve(&folder, &[]);
    assert_eq!(get(&process, "/readyz"), "HTTP/1.1 200 OK\r\n");
    let ended = process.stop();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.log);
    assert!(folder.path().join("data/waybill.db").is_file(), "it made its database");
}

#[test]
fn it_stops_at_an_interrupt_as_well() {
    let process = Process::serve(&folder(), &[]);
    process.signal(Signal::INT);
    let ended = process.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let process = Process::serve(&folder(), &[("WAYBILL_DRAIN_SECS", "600")]);
    // A request that is never finished holds up the stop.
    let mut unfinished = TcpStream::connect(process.address).expect("it accepts");
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\nExpect: 100-continue\r\n\r\n";
    unfinished.write_all(head.as_bytes()).expect("sent");
    let mut line = String::new();
    let mut reader = BufReader::new(unfinished.try_clone().expect("a second handle"));
    reader.read_line(&mut line).expect("an answer");
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n", "the handler waits for the body");

    process.signal(Signal::TERM);
    while TcpStream::connect(process.address).is_ok() {
        std::thread::yield_now();
    }
    process.signal(Signal::TERM);
    let ended = process.wait();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
}

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    let folder = folder();
    let first = Process::serve(&folder, &[]);
    let (code, stdout, stderr) = outcome(&folder, &[("WAYBILL_LISTEN", "127.0.0.1:0")], &["serve"], "");
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.contains(&format!("process {}", first.id())), "{stderr}");
    first.kill();
    // A kill leaves no claim behind.
    let again = Process::serve(&folder, &[]);
    assert_eq!(again.stop().code, Some(0));
}

#[test]
fn a_wrong_setting_is_one_line_and_exit_code_2() {
    let folder = folder();
    let cases: [(&[(&str, &str)], &str); 5] = [
        (
            &[("WAYBILL_PNG_SECS", "25")],
            "waybill: WAYBILL_PNG_SECS: there is no such setting; did you mean WAYBILL_PING_SECS?\n",
        ),
        (
            &[("WAYBILL_LISTEN", "localhost")],
            "waybill: WAYBILL_LISTEN: expected an IP address and a port, such as 127.0.0.1:8000 or [::]:8000, not \"localhost\"\n",
        ),
        (
            &[("WAYBILL_JWT_SECRET", ""), ("DATABASE_URL", "postgres://h/n")],
            "waybill: WAYBILL_JWT_SECRET: needed with PostgreSQL, since every instance must use the same one (openssl rand -hex 32 makes one)\n",
        ),
        (
            &[("WAYBILL_JWT_SECRET", "secret"), ("WAYBILL_LISTEN", "0.0.0.0:0")],
            "waybill: WAYBILL_JWT_SECRET: it is shorter than 32 bytes: too weak for 0.0.0.0:0, which others can reach\n",
        ),
        (
            &[("WAYBILL_JWT_PUBLIC_KEYS", "missing.pem")],
            "waybill: WAYBILL_JWT_PUBLIC_KEYS: public key file missing.pem: cannot be read: No such file or directory (os error 2)\n",
        ),
    ];
    for (settings, expected) in cases {
        let (code, stdout, stderr) = outcome(&folder, settings, &["serve"], "");
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (2, "", expected), "{settings:?}");
    }
}

#[test]
fn wrong_arguments_are_exit_code_2() {
    let folder = folder();
    for arguments in [&["serv"][..], &["serve", "--fast"], &["token"], &[]] {
        let (code, stdout, _) = outcome(&folder, &[], arguments, "");
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
    }
}

#[test]
fn config_tells_where_values_come_from_and_hides_secrets() {
    let folder = folder();
    let file =
        "WAYBILL_PING_SECS=11\nWAYBILL_IDLE_SECS=50\nWAYBILL_SERVICE_KEYS=django:s3cret-s3cret-s3cret\n";
    std::fs::write(folder.path().join(".env"), file).expect("written");
    let settings = [("WAYBILL_PING_SECS", "12"), ("DATABASE_URL", "postgres://ada:s3cret@db/waybill")];
    let (code, stdout, stderr) = outcome(&folder, &settings, &["config"], "");
    assert_eq!(code, 0, "{stderr}");
    for expected in [
        "WAYBILL_PING_SECS=12\n    from: environment; default: 25\n",
        "WAYBILL_IDLE_SECS=50\n    from: .env; default: 60\n",
        "WAYBILL_DRAIN_SECS=30\n    from: default; default: 30\n",
        "WAYBILL_SERVICE_KEYS=(hidden)\n    from: .env; default: not set\n",
        "WAYBILL_JWT_SECRET=(hidden)\n    from: environment; default: not set\n",
        "DATABASE_URL=postgres://ada:***@db/waybill\n    from: environment;",
    ] {
        assert!(stdout.contains(expected), "{expected} is not in {stdout}");
    }
    for secret in ["s3cret", JWT_SECRET] {
        assert!(!stdout.contains(secret) && !stderr.contains(secret));
    }
}

#[test]
fn migrating_twice_is_migrating_once() {
    let (folder, database) = (folder(), TestDatabase::empty());
    for _ in 0..2 {
        let (code, stdout, stderr) = outcome(&folder, &[("DATABASE_URL", &database.url())], &["migrate"], "");
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.ends_with(" is up to date\n"), "{stdout}");
    }
}

#[test]
fn a_ledger_that_is_not_there_is_not_taken_for_one_that_fits_together() {
    let folder = folder();
    let settings = [("DATABASE_URL", "sqlite://nowhere/waybill.db")];
    let (code, out, err) = outcome(&folder, &settings, &["ledger", "verify"], "");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("there is no database at nowhere/waybill.db"), "{err}");
    assert!(!folder.path().join("nowhere").exists());
}

#[test]
fn a_user_is_added_once_and_gets_a_token() {
    let (folder, database) = (folder(), TestDatabase::new());
    let (code, id, stderr) = add_user(&folder, &database, "Ada@Example.org", "admin");
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = add_user(&folder, &database, "ada@example.org", "customer");
    assert_eq!(code, 1, "{stderr}");
    let (code, _, stderr) = add_user(&folder, &database, "nobody", "customer");
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.starts_with("waybill: email: "), "{stderr}");

    let url = database.url();
    let settings = [("DATABASE_URL", url.as_str())];
    let (code, token, stderr) = outcome(&folder, &settings, &["token", "--email", "ada@example.org"], "");
    assert_eq!(code, 0, "{stderr}");
    let process = Process::serve(&folder, &settings);
    let me = actix_web::rt::System::new().block_on(async {
        let request = awc::Client::default().get(format!("http://{}/api/v1/me", process.address));
        let mut answer = request.bearer_auth(token.trim()).send().await.expect("an answer");
        answer.json::<Value>().await.expect("JSON")
    });
    assert_eq!((&me["id"], &me["role"]), (&json!(id.trim()), &json!("admin")));
    let (code, stdout, _) = outcome(&folder, &settings, &["token", "--email", "bob@example.org"], "");
    assert_eq!((code, stdout.as_str()), (1, ""));
}

#[test]
fn no_token_and_no_password_is_in_the_log_whatever_is_logged() {
    let (folder, database) = (folder(), TestDatabase::new());
    add_user(&folder, &database, "ada@example.org", "customer");
    let url = database.url();
    let settings = [("DATABASE_URL", url.as_str()), ("RUST_LOG", "trace"), ("WAYBILL_LOG_FORMAT", "json")];
    let process = Process::serve(&folder, &settings);
    let secrets = actix_web::rt::System::new().block_on(async {
        let client = awc::Client::default();
        let call = |path: &str| format!("http://{}/api/v1{path}", process.address);
        let key = json!({"email": "ada@example.org", "password": PASSWORD});
        let mut answer = client.post(call("/auth/login")).send_json(&key).await.expect("an answer");
        let tokens: Value = answer.json().await.expect("JSON");
        let access = tokens["access"].as_str().expect("a token").to_owned();
        let refresh = tokens["refresh"].as_str().expect("a token").to_owned();
        let wrong = json!({"email": "ada@example.org", "password": "a wrong password"});
        client.post(call("/auth/login")).send_json(&wrong).await.expect("an answer");
        client.post(call("/auth/refresh")).send_json(&json!({"refresh": refresh})).await.expect("an answer");
        let path = format!("/ws/notifications/?token={access}");
        let mut socket = Socket::open(process.address, &path, &[]).await.expect("let in");
        socket.send(json!({"type": "auth", "token": access})).await;
        socket.send(json!({"type": "auth", "token": format!("{access}x")})).await;
        socket.expect("error").await;
        let garbled = format!("/ws/notifications/?token={access}x");
        Socket::open(process.address, &garbled, &[]).await.err().expect("refused");
        socket.close().await;
        [access, refresh, PASSWORD.to_owned(), "a wrong password".to_owned(), JWT_SECRET.to_owned()]
    });
    let ended = process.stop();
    for secret in secrets {
        assert!(!ended.log.contains(&secret), "{secret} is in {}", ended.log);
    }
    let mut routes = Vec::new();
    for line in ended.log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        routes.extend(line["route"].as_str().map(str::to_owned));
    }
    assert!(routes.contains(&"/api/v1/auth/login".to_owned()), "{routes:?}");
}

/// The first line of the answer.
fn get(process: &Process, path: &str) -> String {
    let mut stream = TcpStream::connect(process.address).expect("it accepts");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    line
}
