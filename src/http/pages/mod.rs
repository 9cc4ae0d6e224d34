//! The pages: one that leads to the faces, the faces for customers, partners and admins, and the JavaScript client.
//!
//! They load nothing from elsewhere but map tiles where those are set, and run no inline script or style; their policy says so
//! to browsers.

mod files;

use std::path::PathBuf;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use url::Url;

use crate::domain::geo::Place;
use crate::domain::money::Currency;
use crate::domain::principal::Role;

use self::files::{File, Files, Keep};
use super::error::ApiError;
use super::extract::json;

/// Where pages find what differs from server to server.
const CONFIG: &str = "/app/config";
/// Where pages are: path, and the file below `static/` that is shown at it and, of a face, at all paths below it.
const PAGES: [(&str, &str); 4] = [
    ("/", "index.html"),
    ("/customer", "customer/index.html"),
    ("/partner", "partner/index.html"),
    ("/admin", "admin/index.html"),
];

/// The service worker, which gets pushes.
const WORKER: &str = "sw.js";

/// What pages can be told.
#[derive(Debug, Clone, Default)]
pub struct PageSettings {
    /// A folder to read them from each time, instead of those in the binary.
    pub folder: Option<PathBuf>,
    /// Where maps come from; without, the demo city is drawn.
    pub tiles: Option<Tiles>,
    /// The people of the demo, if there is one.
    pub demo: Option<DemoLogins>,
    /// What orders may be paid in, the usual one first.
    pub currencies: Vec<Currency>,
}

/// A server of map tiles.
#[derive(Debug, Clone, Serialize)]
pub struct Tiles {
    /// Its URL, with `{z}`, `{x}` and `{y}` for zoom, column and row, and `{r}` for `@2x` on fine screens.
    pub url: String,
    /// Whom to name as the source.
    pub attribution: String,
}

/// The people of a demo, who are everybody's to log in as.
#[derive(Debug, Clone, Serialize)]
pub struct DemoLogins {
    /// The password of them all.
    pub password: String,
    /// Who there is.
    pub users: Vec<DemoLogin>,
    /// Where things can be had.
    pub shops: Vec<DemoShop>,
}

/// One of the demo's shops.
#[derive(Debug, Clone, Serialize)]
pub struct DemoShop {
    /// As the sign says.
    pub name: &'static str,
    /// Where it is: its address, with its name, and the point.
    pub place: Place,
    /// What it sells.
    pub menu: Vec<DemoItem>,
}

/// Something that a shop sells.
#[derive(Debug, Clone, Serialize)]
pub struct DemoItem {
    /// What.
    pub name: &'static str,
    /// For how much, minor units of the server's currency.
    pub price: i64,
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

/// What pages ask for first.
#[derive(Debug, Serialize)]
struct Config<'a> {
    /// Null without a demo.
    demo: Option<&'a DemoLogins>,
    /// Null without a server of tiles.
    tiles: Option<&'a Tiles>,
    /// What orders may be paid in, the usual one first. Browsers differ in how many digits some have, so that is told.
    currencies: &'a [CurrencyView],
}

/// How a currency is counted.
#[derive(Debug, Clone, Serialize)]
struct CurrencyView {
    /// ISO 4217.
    code: Currency,
    /// Digits after the decimal point.
    digits: u32,
}

/// The routes of pages and their files. For the root of the site.
pub fn routes(settings: PageSettings) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        let files = Files::new(settings.folder.clone());
        let site = Site { policy: policy(settings.tiles.as_ref()), version: files.version(), files };
        for (path, name) in PAGES {
            let site = site.clone();
            let kept = site.kept_page(name);
            let page =
                move |request: HttpRequest| std::future::ready(site.page(&request, name, kept.as_ref()));
            let below = format!("{}/{{rest:.*}}", path.trim_end_matches('/'));
            let places = if path == "/" { vec![path.to_owned()] } else { vec![path.to_owned(), below] };
            config.service(
                web::resource(places).route(web::get().to(page.clone())).route(web::head().to(page)),
            );
        }
        // At the root of the site, since it may serve no path above its own; asked for each time, so that a browser has the
        // present one.
        let worker = {
            let site = site.clone();
            move |request: HttpRequest| std::future::ready(site.file(&request, WORKER))
        };
        config.service(
            web::resource(format!("/{WORKER}"))
                .route(web::get().to(worker.clone()))
                .route(web::head().to(worker)),
        );
        let answer = move |request: HttpRequest, path: web::Path<String>| {
            std::future::ready(site.file(&request, &path.into_inner()))
        };
        config.service(
            web::resource("/static/{path:.*}")
                .route(web::get().to(answer.clone()))
                .route(web::head().to(answer)),
        );
        let counted = settings.currencies.iter();
        let currencies: Vec<CurrencyView> =
            counted.map(|code| CurrencyView { code: *code, digits: code.minor_digits() }).collect();
        let answer = move || {
            let told = Config {
                demo: settings.demo.as_ref(),
                tiles: settings.tiles.as_ref(),
                currencies: &currencies,
            };
            let mut answer = json(StatusCode::OK, &told);
            answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            std::future::ready(answer)
        };
        config.route(CONFIG, web::get().to(answer));
    }
}

/// What the pages may do (Content Security Policy Level 3). Their own WebSocket counts as `'self'`; the page at `/` shows the faces
/// side by side, in frames.
fn policy(tiles: Option<&Tiles>) -> HeaderValue {
    let url = tiles.and_then(|tiles| Url::parse(&tiles.url).ok());
    let tiles = url.map_or_else(String::new, |url| format!(" {}", url.origin().ascii_serialization()));
    let text = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:{tiles}; connect-src 'self'; \
         manifest-src 'self'; worker-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    );
    // An origin is ASCII.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

#[derive(Debug, Clone)]
struct Site {
    files: Files,
    /// With it in their paths, files may be kept for good.
    version: Option<String>,
    policy: HeaderValue,
}

impl Site {
    /// A page whose files have their version in their paths, so that browsers may keep them for good.
    fn kept_page(&self, name: &str) -> Option<File> {
        let version = self.version.as_ref()?;
        Some(
            self.files
                .find(name)?
                .with(|text| text.replace("\"/static/", &format!("\"/static/v-{version}/"))),
        )
    }

    fn page(&self, request: &HttpRequest, name: &str, kept: Option<&File>) -> Result<HttpResponse, ApiError> {
        let page = kept.cloned().or_else(|| self.files.find(name)).ok_or_else(ApiError::no_such_route)?;
        Ok(self.secured(page.answer(request, Keep::AskEachTime)))
    }

    fn file(&self, request: &HttpRequest, path: &str) -> Result<HttpResponse, ApiError> {
        let prefix = self.version.as_ref().map(|version| format!("v-{version}/"));
        let (path, keep) = match prefix.as_deref().and_then(|prefix| path.strip_prefix(prefix)) {
            Some(rest) => (rest, Keep::ForGood),
            // Of a version before this one, too: a page that is open meanwhile goes on with what there is.
            None => {
                let rest = path.strip_prefix("v-").and_then(|rest| rest.split_once('/'));
                (rest.map_or(path, |(_, rest)| rest), Keep::AskEachTime)
            }
        };
        let file = self.files.find(path).ok_or_else(ApiError::no_such_route)?;
        Ok(self.secured(file.answer(request, keep)))
    }

    fn secured(&self, mut answer: HttpResponse) -> HttpResponse {
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        let own = HeaderValue::from_static("same-origin");
        headers.insert(header::HeaderName::from_static("cross-origin-opener-policy"), own);
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use actix_web::http::Method;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, body};

    use super::*;

    fn logins() -> DemoLogins {
        let ada =
            DemoLogin { email: "ada@demo.waybill.invalid".into(), name: "Ada".into(), role: Role::Customer };
        DemoLogins { password: "public".into(), users: vec![ada], shops: Vec::new() }
    }

    #[actix_web::test]
    async fn every_page_is_complete_and_may_load_nothing_else() {
        let site = init_service(App::new().configure(routes(PageSettings::default()))).await;
        let below =
            PAGES.iter().filter(|(path, _)| *path != "/").map(|(path, _)| format!("{path}/some/where"));
        for path in PAGES.iter().map(|(path, _)| (*path).to_owned()).chain(below) {
            let page = call_service(&site, TestRequest::get().uri(&path).to_request()).await;
            assert_eq!(page.status(), StatusCode::OK, "{path}");
            let header =
                |name: &str| page.headers().get(name).expect("set").to_str().expect("text").to_owned();
            let policy = header("Content-Security-Policy");
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(
                (header("X-Content-Type-Options"), header("Referrer-Policy")),
                ("nosniff".into(), "no-referrer".into())
            );
            let text = String::from_utf8(read_body(page).await.to_vec()).expect("UTF-8");
            assert!(
                !text.contains("style=") && !text.contains("onclick=") && !text.contains("<script>"),
                "inline"
            );
            // Whatever the page names is there.
            for named in text.split("\"/static/").skip(1).filter_map(|rest| rest.split('"').next()) {
                let uri = format!("/static/{named}");
                let file = call_service(&site, TestRequest::get().uri(&uri).to_request()).await;
                assert_eq!(file.status(), StatusCode::OK, "{uri}, of {path}");
            }
        }
    }

    /// What scripts import is by relative paths, since the version stands in theirs; and it is there.
    #[actix_web::test]
    async fn what_scripts_import_is_there() {
        let files = Files::new(None);
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let is_vendored = path.strip_prefix(&root).expect("below").starts_with("vendor");
                if is_vendored || path.extension().is_none_or(|extension| extension != "js") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("text");
                let imports =
                    text.lines().filter(|line| line.starts_with("import ") || line.starts_with("} from "));
                for named in imports.filter_map(|line| line.split('\'').nth(1)) {
                    assert!(
                        named.starts_with("./") || named.starts_with("../"),
                        "{named} in {}",
                        path.display()
                    );
                    let target = path.parent().expect("a folder").join(named).canonicalize();
                    let target =
                        target.unwrap_or_else(|_| panic!("{named} in {} is missing", path.display()));
                    let name =
                        target.strip_prefix(root.canonicalize().expect("there")).expect("below").to_owned();
                    assert!(files.find(name.to_str().expect("text")).is_some(), "{named}");
                }
            }
        }
    }

    #[actix_web::test]
    async fn what_a_browser_has_is_not_sent_again() {
        let site = init_service(App::new().configure(routes(PageSettings::default()))).await;
        let uri = "/static/js/waybill.js";
        let first = call_service(&site, TestRequest::get().uri(uri).to_request()).await;
        assert_eq!(first.headers().get("Content-Type").expect("set"), "text/javascript; charset=utf-8");
        let etag = first.headers().get("ETag").expect("a tag").clone();
        let again = TestRequest::get().uri(uri).insert_header(("If-None-Match", etag));
        let again = call_service(&site, again.to_request()).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(read_body(again).await.len(), 0);
        let head = TestRequest::with_uri("/").method(Method::HEAD).to_request();
        let head = call_service(&site, head).await;
        assert_eq!(head.status(), StatusCode::OK);
        assert!(body::MessageBody::size(head.response().body()) != body::BodySize::None);
    }

    #[actix_web::test]
    async fn the_service_worker_is_at_the_root_and_never_kept() {
        let site = init_service(App::new().configure(routes(PageSettings::default()))).await;
        let worker = call_service(&site, TestRequest::get().uri("/sw.js").to_request()).await;
        let header = |name: &str| worker.headers().get(name).expect("set").to_str().expect("text").to_owned();
        assert_eq!(header("Content-Type"), "text/javascript; charset=utf-8");
        assert_eq!(header("Cache-Control"), "no-cache");
    }

    #[actix_web::test]
    async fn files_are_compressed_for_who_takes_that() {
        let site = init_service(App::new().configure(routes(PageSettings::default()))).await;
        let uri = "/static/js/waybill.js";
        let plain = call_service(&site, TestRequest::get().uri(uri).to_request()).await;
        let plain = read_body(plain).await;
        for (accepted, is_taken) in [("br, gzip;q=0.5", true), ("gzip;q=0", false), ("br", false)] {
            let asked = TestRequest::get().uri(uri).insert_header(("Accept-Encoding", accepted));
            let answer = call_service(&site, asked.to_request()).await;
            assert_eq!(answer.headers().contains_key("Content-Encoding"), is_taken, "{accepted}");
            let bytes = read_body(answer).await;
            if is_taken {
                let mut text = Vec::new();
                flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).expect("gzip");
                assert!(bytes.len() * 2 < plain.len() && text == plain);
            } else {
                assert_eq!(bytes, plain);
            }
        }
    }

    #[actix_web::test]
    async fn nothing_beside_the_folder_is_served() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("secret.js"), "no").expect("written");
        let below = folder.path().join("static");
        std::fs::create_dir(&below).expect("made");
        std::fs::write(below.join("index.html"), "<p>mine").expect("written");
        std::fs::write(below.join("notes.txt"), "no").expect("written");
        let settings = PageSettings { folder: Some(below), ..PageSettings::default() };
        let site = init_service(App::new().configure(routes(settings))).await;
        let status =
            async |uri: &str| call_service(&site, TestRequest::get().uri(uri).to_request()).await.status();
        assert_eq!(status("/").await, StatusCode::OK);
        for uri in [
            "/static/../secret.js",
            "/static/%2e%2e/secret.js",
            "/static//secret.js",
            "/static/notes.txt",
            "/static/",
        ] {
            assert_eq!(status(uri).await, StatusCode::NOT_FOUND, "{uri}");
        }
    }

    #[actix_web::test]
    async fn log_ins_are_told_by_a_demo_alone_and_tiles_may_be_loaded_where_they_are_set() {
        let config = async |settings: PageSettings| {
            let site = init_service(App::new().configure(routes(settings))).await;
            let answer = call_service(&site, TestRequest::get().uri(CONFIG).to_request()).await;
            assert_eq!(answer.headers().get("Cache-Control").expect("set"), "no-store");
            let told: serde_json::Value = serde_json::from_slice(&read_body(answer).await).expect("JSON");
            let page = call_service(&site, TestRequest::get().uri("/").to_request()).await;
            let policy = page.headers().get("Content-Security-Policy").expect("set").to_str().expect("text");
            (told, policy.to_owned())
        };
        let (told, policy) = config(PageSettings::default()).await;
        assert_eq!(told, serde_json::json!({"demo": null, "tiles": null, "currencies": []}));
        assert!(policy.contains("img-src 'self' data:;"), "{policy}");
        let tiles =
            Tiles { url: "https://tiles.example/{z}/{x}/{y}{r}.png".into(), attribution: "them".into() };
        let currencies = vec!["HUF".parse().expect("one"), "JPY".parse().expect("one")];
        let settings = PageSettings { demo: Some(logins()), tiles: Some(tiles), folder: None, currencies };
        let (told, policy) = config(settings).await;
        assert_eq!(told["demo"]["users"][0]["role"], "customer");
        assert_eq!(told["tiles"]["attribution"], "them");
        let counted = serde_json::json!([{"code": "HUF", "digits": 2}, {"code": "JPY", "digits": 0}]);
        assert_eq!(told["currencies"], counted);
        assert!(policy.contains("img-src 'self' data: https://tiles.example;"), "{policy}");
    }

    #[test]
    fn versions_differ_when_a_file_does() {
        let kept = |text: &str| {
            let file = File::new("text/css", text.as_bytes().to_vec());
            Files::Kept(std::sync::Arc::new([("a.css".to_owned(), file)].into()))
        };
        assert!(kept("a").version().is_some());
        assert_eq!(kept("a").version(), kept("a").version());
        assert_ne!(kept("a").version(), kept("b").version());
    }

    #[actix_web::test]
    async fn with_a_version_in_their_paths_files_are_kept_for_good() {
        let file = |text: &str| File::new("text/html; charset=utf-8", text.as_bytes().to_vec());
        let kept = [("index.html", "<link href=\"/static/a.css\">"), ("a.css", "p {}")];
        let files =
            Files::Kept(std::sync::Arc::new(kept.map(|(name, text)| (name.to_owned(), file(text))).into()));
        let version = files.version().expect("one");
        let site = Site { files, version: Some(version.clone()), policy: policy(None) };
        let request = TestRequest::default().to_http_request();
        let page = site.page(&request, "index.html", site.kept_page("index.html").as_ref()).expect("there");
        let text = body::to_bytes(page.into_body()).await.expect("read");
        assert_eq!(text, format!("<link href=\"/static/v-{version}/a.css\">"));
        let cache = |path: &str| {
            let answer = site.file(&request, path).expect("there");
            answer.headers().get("Cache-Control").expect("set").to_str().expect("text").to_owned()
        };
        assert!(cache(&format!("v-{version}/a.css")).contains("immutable"));
        assert_eq!(cache("a.css"), "no-cache");
        assert_eq!(cache("v-0123/a.css"), "no-cache", "an older page goes on");
    }
}
