//! The demo as a newcomer meets it: started, it moves.

#![expect(clippy::expect_used, clippy::panic, reason = "the helpers of a test may fail it")]

use std::future::Future;
use std::time::Duration;

use actix_web::rt::time::timeout;
use futures_util::StreamExt;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use waybill::server::demo::DemoOptions;
use waybill::server::settings::{Settings, Sources};
use waybill::server::{Running, start_with};
use waybill::tools::client::credentials::Secret;
use waybill::tools::client::http::Http;
use waybill::tools::client::socket::{self, Socket};
use waybill::tools::client::target::Target;
use waybill::tools::simulate::cast::{CAST, log_in};

/// What a newcomer waits for at most.
const PATIENCE: Duration = Duration::from_secs(10);

async fn start(folder: &tempfile::TempDir, seed: Option<u64>) -> Running {
    let database = format!("sqlite://{}/demo.db", folder.path().display());
    let set = [("DATABASE_URL", database.as_str()), ("WAYBILL_LISTEN", "127.0.0.1:0")];
    let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::read(&Sources::new(set, [])).expect("good settings");
    start_with(settings, Some(DemoOptions { seed, for_everyone: false })).await.expect("started")
}

async fn admin(server: &Running) -> Secret {
    let olga = CAST.iter().find(|user| user.email.starts_with("olga@")).expect("in the cast");
    let http = Http::new(&server.url(), server.address(), 1, PATIENCE);
    http.log_in(&log_in(olga)).await.expect("logged in").access
}

async fn listen(server: &Running, path: &str, token: &Secret) -> Socket {
    let url = Target::of(server.address()).socket_url(path);
    socket::open(server.address(), &url, token).await.expect("open")
}

/// The first frame that is wanted.
async fn frame(socket: &mut Socket, is_wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let message = socket.next().await.expect("open").expect("readable");
        if let Message::Text(text) = message {
            let frame = serde_json::from_str(&text).expect("JSON");
            if is_wanted(&frame) {
                return frame;
            }
        }
    }
}

async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

#[actix_web::test]
async fn within_ten_seconds_a_partner_moves() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder, Some(1)).await;
    let token = admin(&server).await;
    let mut dashboard = listen(&server, "/ws/admin/", &token).await;
    let update = soon("a partner sets off", async {
        frame(&mut dashboard, |frame| frame["update"]["status"] == "en_route").await
    });
    let order = update.await["update"]["order_id"].as_str().expect("an id").to_owned();
    let mut watched = listen(&server, &format!("/ws/orders/{order}/"), &token).await;
    let mut location = async || {
        let location = soon("a position", frame(&mut watched, |frame| frame["type"] == "location")).await;
        (location["latitude"].as_f64().expect("a number"), location["longitude"].as_f64().expect("a number"))
    };
    assert_ne!(location().await, location().await, "the partner moves");
    // Nobody is left who would have to take their leave.
    drop((dashboard, watched));
    server.stop().await.expect("stopped in time");
}

#[actix_web::test]
async fn an_idle_demo_has_people_and_keeps_still() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder, None).await;
    let mut socket = listen(&server, "/ws/admin/", &admin(&server).await).await;
    let first = soon("the dashboard", frame(&mut socket, |frame| frame["type"] == "dashboard")).await;
    assert_eq!(first["dashboard"]["recent"], serde_json::json!([]));
    drop(socket);
    server.stop().await.expect("stopped in time");
}
