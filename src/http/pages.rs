//! The page at `/`, what it is made of, and the JavaScript client, all of it inside the binary.
//!
//! The page loads nothing from elsewhere and runs no inline script or style, and its policy says so to browsers.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::domain::principal::Role;

use super::extract::json;

/// What the page may do (Content Security Policy Level 3). Its own WebSocket counts as `'self'`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Where the page finds the demo's log-ins, if there is a demo.
const LOGINS: &str = "/demo/logins";
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of the page and of the client, which others' pages may use, too: path, media type, text.
const FILES: [(&str, &str, &str); 15] = [
    ("/static/css/demo.css", "text/css; charset=utf-8", include_str!("../../static/css/demo.css")),
    ("/static/icon.svg", "image/svg+xml", include_str!("../../static/icon.svg")),
    ("/static/js/api.js", SCRIPT, include_str!("../../static/js/api.js")),
    ("/static/js/demo.js", SCRIPT, include_str!("../../static/js/demo.js")),
    ("/static/js/dom.js", SCRIPT, include_str!("../../static/js/dom.js")),
    ("/static/js/frames.js", SCRIPT, include_str!("../../static/js/frames.js")),
    ("/static/js/inbox.js", SCRIPT, include_str!("../../static/js/inbox.js")),
    ("/static/js/map.js", SCRIPT, include_str!("../../static/js/map.js")),
    ("/static/js/waybill.js", SCRIPT, include_str!("../../static/js/waybill.js")),
    ("/static/js/waybill-connection.js", SCRIPT, include_str!("../../static/js/waybill-connection.js")),
    ("/static/js/waybill-engine.js", SCRIPT, include_str!("../../static/js/waybill-engine.js")),
    ("/static/js/waybill-outbox.js", SCRIPT, include_str!("../../static/js/waybill-outbox.js")),
    ("/static/js/waybill-parts.js", SCRIPT, include_str!("../../static/js/waybill-parts.js")),
    ("/static/js/waybill-tabs.js", SCRIPT, include_str!("../../static/js/waybill-tabs.js")),
    (BELL, SCRIPT, include_str!("../../static/js/notification-websocket.js")),
];
/// A face of the client that is for others' pages: this page has one of its own.
const BELL: &str = "/static/js/notification-websocket.js";
const INDEX: &str = include_str!("../../static/index.html");

/// The people of a demo, who are everybody's to log in as.
#[derive(Debug, Clone, Serialize)]
pub struct DemoLogins {
    /// The password of them all.
    pub password: String,
    /// Who there is.
    pub users: Vec<DemoLogin>,
}

/// One of the demo's people.
#[derive(Debug, Clone, Serialize)]
pub struct DemoLogin {
    /// For logging in.
    pub email: String,
    /// As others see it.
    pub name: String,
    /// What the user may do.
    pub role: Role,
}

/// The routes of the page; `/demo/logins` only where there is a demo. For the root of the site.
pub fn routes(demo: Option<DemoLogins>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        let index = match demo {
            Some(_) => INDEX.replace("data-logins=\"\"", &format!("data-logins=\"{LOGINS}\"")),
            None => INDEX.to_owned(),
        };
        serve(config, "/", File::new(HTML, index));
        for (path, media_type, text) in FILES {
            serve(config, path, File::new(media_type, text.to_owned()));
        }
        if let Some(logins) = demo {
            let answer = move || {
                let mut answer = json(StatusCode::OK, &logins);
                answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                std::future::ready(answer)
            };
            config.route(LOGINS, web::get().to(answer));
        }
    }
}

fn serve(config: &mut web::ServiceConfig, path: &str, file: File) {
    let handler = move |request: HttpRequest| std::future::ready(file.answer(&request));
    config.service(web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler)));
}

/// A file as it is served.
#[derive(Debug, Clone)]
struct File {
    media_type: &'static str,
    bytes: web::Bytes,
    etag: String,
}

impl File {
    fn new(media_type: &'static str, text: String) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let tag: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Self { media_type, bytes: web::Bytes::from(text), etag: format!("\"{tag}\"") }
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let is_known = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == self.etag));
        let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let mut answer = HttpResponse::build(status);
        answer
            .insert_header((header::ETAG, self.etag.clone()))
            // Asked for each time, so that a new version's page never meets an old version's script.
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .insert_header(("Cross-Origin-Opener-Policy", "same-origin"));
        if is_known {
            return answer.finish();
        }
        answer.content_type(self.media_type).body(self.bytes.clone())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, body};

    use super::*;

    fn logins() -> DemoLogins {
        let ada =
            DemoLogin { email: "ada@demo.waybill.invalid".into(), name: "Ada".into(), role: Role::Customer };
        DemoLogins { password: "public".into(), users: vec![ada] }
    }

    #[actix_web::test]
    async fn the_page_is_complete_and_may_load_nothing_else() {
        let site = init_service(App::new().configure(routes(None))).await;
        let page = call_service(&site, TestRequest::get().uri("/").to_request()).await;
        assert_eq!(page.status(), StatusCode::OK);
        let policy = page.headers().get("Content-Security-Policy").expect("a policy").to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers().get("X-Content-Type-Options").expect("set"), "nosniff");
        assert_eq!(page.headers().get("Referrer-Policy").expect("set"), "no-referrer");
        let text = String::from_utf8(read_body(page).await.to_vec()).expect("UTF-8");
        assert!(!text.contains("style=") && !text.contains("onclick="), "inline");
        // Whatever the page and its scripts name is there.
        let scripts = FILES.map(|(_, _, text)| text).concat();
        for (path, media_type, _) in FILES {
            let name = path.rsplit('/').next().expect("a name");
            let is_used = text.contains(path) || scripts.contains(&format!("'./{name}'")) || path == BELL;
            assert!(is_used, "{path} is not used");
            let file = call_service(&site, TestRequest::get().uri(path).to_request()).await;
            assert_eq!(file.headers().get("Content-Type").expect("set"), media_type);
        }
        for named in scripts.split("from './").skip(1).filter_map(|rest| rest.split('\'').next()) {
            let path = format!("/static/js/{named}");
            assert!(FILES.iter().any(|file| file.0 == path), "{path} is missing");
        }
    }

    #[actix_web::test]
    async fn what_a_browser_has_is_not_sent_again() {
        let site = init_service(App::new().configure(routes(None))).await;
        let first = call_service(&site, TestRequest::get().uri("/static/js/demo.js").to_request()).await;
        let etag = first.headers().get("ETag").expect("a tag").clone();
        let again = TestRequest::get().uri("/static/js/demo.js").insert_header(("If-None-Match", etag));
        let again = call_service(&site, again.to_request()).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(read_body(again).await.len(), 0);
        let head = TestRequest::with_uri("/").method(Method::HEAD).to_request();
        let head = call_service(&site, head).await;
        assert_eq!(head.status(), StatusCode::OK);
        assert!(body::MessageBody::size(head.response().body()) != body::BodySize::None);
    }

    #[actix_web::test]
    async fn log_ins_are_told_by_a_demo_alone() {
        let plain = init_service(App::new().configure(routes(None))).await;
        let answer = call_service(&plain, TestRequest::get().uri(LOGINS).to_request()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        let page = read_body(call_service(&plain, TestRequest::get().uri("/").to_request()).await).await;
        assert!(!String::from_utf8_lossy(&page).contains(LOGINS));

        let demo = init_service(App::new().configure(routes(Some(logins())))).await;
        let answer = call_service(&demo, TestRequest::get().uri(LOGINS).to_request()).await;
        assert_eq!(answer.headers().get("Cache-Control").expect("set"), "no-store");
        let answer: serde_json::Value = serde_json::from_slice(&read_body(answer).await).expect("JSON");
        assert_eq!(answer["users"][0]["role"], "customer");
        let page = read_body(call_service(&demo, TestRequest::get().uri("/").to_request()).await).await;
        assert!(String::from_utf8_lossy(&page).contains(LOGINS));
    }
}
