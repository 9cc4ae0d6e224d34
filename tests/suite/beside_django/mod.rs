//! A real Django project beside the server: the example of the guide, as it is given to those who have one.

mod accounts;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use awc::http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use waybill::services::service_keys::{self, NewKey};

use crate::support::process::run;
use crate::support::steps::text;
use crate::support::{Answer, Client, JWT_SECRET, Socket, TestApp};

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/django");
const PASSWORD: &str = "a password of Django's";

/// The project on a database of its own, serving. Dropping it ends it.
struct Django {
    python: String,
    settings: Vec<(&'static str, String)>,
    server: Option<Child>,
    address: SocketAddr,
    // Dropped last.
    _folder: TempDir,
}

impl Django {
    /// Beside a server, with a key that is good for users' groups.
    async fn beside(app: &TestApp) -> Self {
        Self::reaching(app, &format!("http://{}", app.address())).await
    }

    /// The same, by way of another URL.
    async fn reaching(app: &TestApp, url: &str) -> Self {
        let python = std::env::var("WAYBILL_TEST_DJANGO").expect(
            "tests/services makes the environment of the Django example, and sets WAYBILL_TEST_DJANGO",
        );
        let groups = vec!["user_*".parse().expect("a pattern")];
        let new = NewKey { name: "django".into(), groups, lifetime: None };
        let key = service_keys::add(app.inner().store(), new).await.expect("it is made");
        let folder = TempDir::new().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let settings = vec![
            ("DJANGO_SECRET_KEY", "for this test".to_owned()),
            ("DJANGO_DATABASE", folder.path().join("db.sqlite3").display().to_string()),
            ("WAYBILL_URL", url.to_owned()),
            ("WAYBILL_SERVICE_KEY", key),
            ("WAYBILL_JWT_SECRET", JWT_SECRET.to_owned()),
        ];
        let mut django = Self { python, settings, server: None, address, _folder: folder };
        django.manage(&["migrate", "--verbosity", "0"]);
        django.start();
        django
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.current_dir(PROJECT).env_clear().env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.arg("manage.py").args(arguments);
        command
    }

    fn try_manage(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let mut command = self.command(arguments);
        command.envs(settings.iter().copied());
        run(command, "")
    }

    fn manage(&self, arguments: &[&str]) -> String {
        let output = self.try_manage(arguments, &[("DJANGO_SUPERUSER_PASSWORD", PASSWORD)]);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
    }

    fn start(&mut self) {
        let address = self.address.to_string();
        let mut command = self.command(&["runserver", "--noreload", &address]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        self.server = Some(command.spawn().expect("Django starts"));
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(30), "Django does not listen");
            // Between two looks; nothing depends on how long it is.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a few lines of Python in the project.
    fn script(&self, lines: &str) {
        self.manage(&["shell", "-c", lines]);
    }

    fn add_user(&self, name: &str) {
        let email = format!("{name}@example.org");
        self.manage(&["createsuperuser", "--noinput", "--username", name, "--email", &email]);
    }

    async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Value) -> Answer {
        let client = Client::new(self.address, token.map(str::to_owned));
        client.call(method, path, &[], Some(body)).await
    }

    async fn log_in(&self, name: &str) -> Answer {
        let body = json!({"username": name, "password": PASSWORD});
        self.call(Method::POST, "/api/token/", None, body).await
    }

    /// Logs in at Django; gives the access token.
    async fn token(&self, name: &str) -> String {
        text(&self.log_in(name).await.expect(200), "access")
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // It may have ended already.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

#[actix_web::test]
async fn a_token_of_djangos_opens_a_socket_and_what_django_saves_arrives_on_it() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    django.manage(&["makemigrations", "--check", "--dry-run"]);
    django.add_user("ada");
    django.add_user("bob");
    let (ada, bob) = (django.token("ada").await, django.token("bob").await);
    let me = app.with_token(&ada).get("/me").await.expect(200);
    assert_eq!((text(&me, "role"), text(&me, "name")), ("customer".into(), "ada".into()));
    let id = text(&me, "id");

    let open = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let opened = Socket::open(app.address(), "/ws/notifications/", &[("Authorization", &bearer)]).await;
        let mut socket = opened.expect("the socket opens");
        socket.expect("unread_count").await;
        socket
    };
    let (mut screen, mut other) = (open(&ada).await, open(&bob).await);
    let ticket = json!({"subject": "The soup was cold"});
    let ticket = django.call(Method::POST, "/api/tickets/", Some(&ada), ticket).await.expect(201);
    let told = screen.expect("ticket_changed").await;
    let data = |status: &str, version: i64| json!({"id": ticket["id"], "subject": "The soup was cold", "status": status, "version": version});
    assert_eq!((&told["data"], &told["group"]), (&data("open", 1), &json!(format!("user_{id}"))));
    assert!(told["seq"].is_u64(), "{told}");
    let path = format!("/api/tickets/{}/", ticket["id"]);
    let solved = django.call(Method::PATCH, &path, Some(&ada), json!({"status": "solved"})).await.expect(200);
    assert_eq!(solved["version"], 2);
    assert_eq!(screen.expect("ticket_changed").await["data"], data("solved", 2));
    django.call(Method::PATCH, &path, Some(&bob), json!({"status": "open"})).await.expect(404);

    // It is somebody else's, and Bob's own comes after it.
    let ticket = json!({"subject": "No cutlery"});
    django.call(Method::POST, "/api/tickets/", Some(&bob), ticket).await.expect(201);
    assert_eq!(other.expect("ticket_changed").await["data"]["subject"], "No cutlery");

    // Once more the same account, by a command this time; and a token for refreshing is none to connect with.
    let again = django.manage(&["waybill_token", "ada"]);
    assert_eq!(text(&app.with_token(&again).get("/me").await.expect(200), "id"), id);
    let pair = django.log_in("ada").await.expect(200);
    app.with_token(&text(&pair, "refresh")).get("/me").await.refused(401, "token_wrong_type");
    let body = json!({"refresh": pair["refresh"]});
    let fresh = django.call(Method::POST, "/api/token/refresh/", None, body).await.expect(200);
    assert_eq!(text(&app.with_token(&text(&fresh, "access")).get("/me").await.expect(200), "id"), id);
}

/// A user of Django's, and her bell.
async fn ada_listens(app: &TestApp, django: &Django) -> (String, Socket) {
    django.add_user("ada");
    let token = django.token("ada").await;
    let bearer = format!("Bearer {token}");
    let opened = Socket::open(app.address(), "/ws/notifications/", &[("Authorization", &bearer)]).await;
    (token, opened.expect("the socket opens"))
}

#[actix_web::test]
async fn what_django_takes_back_is_not_told_and_what_cannot_be_told_is_saved_all_the_same() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    let (token, mut screen) = ada_listens(&app, &django).await;
    let script = |subject: &str, rolls_back: &str| {
        format!(
            "from django.db import transaction\nfrom tickets.models import *\nwith transaction.atomic():\n    \
             Ticket.objects.create(owner=User.objects.get(username='ada'), subject='{subject}')\n    \
             transaction.set_rollback({rolls_back})"
        )
    };
    django.manage(&["shell", "-c", &script("taken back", "True")]);
    django.manage(&["shell", "-c", &script("kept", "False")]);
    assert_eq!(screen.expect("ticket_changed").await["data"]["subject"], "kept");
    // With a key that is good for nothing.
    let saved = ["shell", "-c", &script("not told", "False")];
    let output = django.try_manage(&saved, &[("WAYBILL_SERVICE_KEY", "none")]);
    assert!(output.status.success(), "{output:?}");
    let listed = django.call(Method::GET, "/api/tickets/", Some(&token), Value::Null).await.expect(200);
    let subjects: Vec<_> =
        listed.as_array().expect("a list").iter().map(|item| text(item, "subject")).collect();
    assert_eq!(subjects, ["not told", "kept"]);
    assert!(screen.so_far().await.iter().all(|frame| frame["type"] != "ticket_changed"));
}

/// What a gateway does with a request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The connection ends without an answer.
    Dropped,
    /// It does not arrive; this head is answered.
    Refused(&'static str),
    /// It arrives, and its answer does not: 504.
    Lost,
    /// It arrives, and so does its answer.
    Passed,
}

/// A request that came to a gateway: when, and all of it.
type Came = (Instant, String);

/// Stands before a server, and does with each request what is said. Gives the URL, and in the end what came.
fn gateway(server: SocketAddr, fates: Vec<Fate>) -> (String, JoinHandle<Vec<Came>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let serve = move || fates.into_iter().map(|fate| serve(&listener, server, fate)).collect();
    (url, thread::spawn(serve))
}

fn serve(listener: &TcpListener, server: SocketAddr, fate: Fate) -> Came {
    let (mut client, _) = listener.accept().expect("a request");
    let at = Instant::now();
    let request = read_request(&mut client);
    let pass = || {
        let mut stream = TcpStream::connect(server).expect("the server is there");
        stream
            .write_all(request.replace("Connection: keep-alive", "Connection: close").as_bytes())
            .expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        answer
    };
    let answer = match fate {
        Fate::Dropped => Vec::new(),
        Fate::Refused(head) => bare(head),
        Fate::Lost => {
            let taken = String::from_utf8(pass()).expect("UTF-8");
            assert!(taken.starts_with("HTTP/1.1 202"), "{taken}");
            bare("504 Gateway Timeout")
        }
        Fate::Passed => pass(),
    };
    client.write_all(&answer).expect("written");
    (at, request)
}

/// An answer of a head alone.
fn bare(head: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

fn read_request(client: &mut TcpStream) -> String {
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let read = client.read(&mut part).expect("a request");
        assert!(read > 0, "the request ends too early");
        request.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        if body.len() >= length.expect("a length").parse::<usize>().expect("a number") {
            return text.into_owned();
        }
    }
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).expect("the header is there")
}

fn body(request: &str) -> Value {
    let (_, body) = request.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

#[actix_web::test]
async fn publishing_tries_again_under_one_id_for_as_long_as_the_way_is_bad() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    let (_, mut screen) = ada_listens(&app, &django).await;
    let create = |subject: &str| {
        format!(
            "from tickets.models import *\n\
             Ticket.objects.create(owner=User.objects.get(username='ada'), subject='{subject}')"
        )
    };
    let published = |subject: &str, fates: Vec<Fate>| {
        let (url, came) = gateway(app.address(), fates);
        let script = create(subject);
        let output = django.try_manage(&["shell", "-c", &script], &[("WAYBILL_URL", &url)]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        came.join().expect("all of them came")
    };

    let came = published("one", vec![Fate::Refused("502 Bad Gateway"), Fate::Lost, Fate::Passed]);
    let told = screen.expect("ticket_changed").await;
    for (_, request) in &came {
        let sent = body(request);
        assert_eq!((&sent["id"], &sent["data"]["subject"]), (&told["id"], &json!("one")));
        assert_eq!(header(request, "Idempotency-Key"), text(&told, "id"));
    }
    assert_eq!(came.len(), 3);

    let came = published("two", vec![Fate::Refused("429 Too Many Requests\r\nRetry-After: 1"), Fate::Passed]);
    assert!(
        came[1].0.duration_since(came[0].0) >= Duration::from_secs(1),
        "it waits as long as it is asked to"
    );
    let next = screen.expect("ticket_changed").await;
    assert_eq!(next["data"]["subject"], "two", "the first one came once");
    assert_eq!(next["seq"].as_u64(), told["seq"].as_u64().map(|seq| seq + 1));

    // What would take too long is given up, and what is refused for good is not tried again.
    for head in ["503 Service Unavailable\r\nRetry-After: 3600", "403 Forbidden"] {
        assert_eq!(published("not told", vec![Fate::Refused(head)]).len(), 1);
    }
    published("three", vec![Fate::Passed]);
    assert_eq!(screen.expect("ticket_changed").await["data"]["subject"], "three");
}

#[actix_web::test]
async fn what_arrives_late_is_known_by_its_version_and_says_what_the_row_said() {
    let app = TestApp::start().await;
    let django = Django::beside(&app).await;
    let (token, mut screen) = ada_listens(&app, &django).await;

    // The first event is held up until a second one has overtaken it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let script = "from tickets.models import *\n\
                  Ticket.objects.create(owner=User.objects.get(username='ada'), subject='older')";
    let mut command = django.command(&["shell", "-c", script]);
    command.env("WAYBILL_URL", format!("http://{}", listener.local_addr().expect("an address")));
    let mut creating = command.stdout(Stdio::null()).spawn().expect("it starts");
    let (mut client, _) = listener.accept().expect("a request");
    assert_eq!(body(&read_request(&mut client))["data"]["version"], 1);
    let path = "/api/tickets/1/";
    django.call(Method::PATCH, path, Some(&token), json!({"subject": "newer"})).await.expect(200);
    // On a slow machine it may have stopped waiting and be trying again already.
    let _ = client.write_all(&bare("502 Bad Gateway"));
    drop(client);
    serve(&listener, app.address(), Fate::Passed);
    assert!(creating.wait().expect("it ends").success());
    for (version, subject) in [(2, "newer"), (1, "older")] {
        let told = screen.expect("ticket_changed").await;
        assert_eq!((&told["data"]["version"], &told["data"]["subject"]), (&json!(version), &json!(subject)));
    }

    // Both saves of a transaction are told as what came of it.
    django.script(
        "from django.db import transaction\nfrom tickets.models import *\nticket = Ticket.objects.get()\n\
         with transaction.atomic():\n    ticket.subject = 'between'\n    ticket.save()\n    \
         ticket.subject = 'newest'\n    ticket.save(update_fields=['subject'])",
    );
    for _ in 0..2 {
        let told = screen.expect("ticket_changed").await;
        assert_eq!((&told["data"]["version"], &told["data"]["subject"]), (&json!(4), &json!("newest")));
    }
}
