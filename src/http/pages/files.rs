//! The files of `static/`: in the binary, or in a folder that is read each time.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::Embed;
use sha2::{Digest, Sha256};

/// What was there when this was compiled; a debug build reads it from there each time.
#[derive(Embed)]
#[folder = "$CARGO_MANIFEST_DIR/static/"]
struct Embedded;

/// What is served, and as what. Anything else that lies there is nobody's business.
const MEDIA_TYPES: [(&str, &str); 9] = [
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("ts", "text/plain; charset=utf-8"),
    ("webmanifest", "application/manifest+json"),
];
/// Smaller ones gain nothing by being compressed.
const COMPRESS_FROM: usize = 512;
/// How many hexadecimal digits of a digest are enough to tell two versions apart.
const DIGITS: usize = 24;

/// Where files come from.
#[derive(Debug, Clone)]
pub(super) enum Files {
    /// All of them, as they were when the server started.
    Kept(Arc<HashMap<String, File>>),
    /// Below this folder, or where a debug build was compiled from, at the moment when they are asked for.
    Read(Option<PathBuf>),
}

/// A file as it is served.
#[derive(Debug, Clone)]
pub(super) struct File {
    media_type: &'static str,
    bytes: Bytes,
    gzip: Option<Bytes>,
    digest: String,
}

/// For how long a browser may keep what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Until it is asked for the next time: then it asks whether that is still so.
    AskEachTime,
    /// For good, since under the same URL it never changes.
    ForGood,
}

impl Files {
    /// Those of `folder`, or of the binary.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        if folder.is_some() || cfg!(debug_assertions) {
            return Self::Read(folder);
        }
        // For all threads that serve: there are many, and to compress takes a moment.
        static KEPT: OnceLock<Arc<HashMap<String, File>>> = OnceLock::new();
        let kept = KEPT.get_or_init(|| {
            let names = Embedded::iter();
            let kept = names.filter_map(|name| Some((name.to_string(), embedded(&name)?.compressed())));
            Arc::new(kept.collect())
        });
        Self::Kept(Arc::clone(kept))
    }

    /// The file at this path below `static/`.
    pub(super) fn find(&self, path: &str) -> Option<File> {
        match self {
            Self::Kept(files) => files.get(path).cloned(),
            Self::Read(None) => embedded(path),
            Self::Read(Some(folder)) => {
                let is_below = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
                let media_type = media_type(path).filter(|_| is_below)?;
                Some(File::new(media_type, std::fs::read(folder.join(path)).ok()?))
            }
        }
    }

    /// What all of them are together, in short, where that does not change while the server runs.
    pub(super) fn version(&self) -> Option<String> {
        match self {
            Self::Kept(files) => {
                let mut names: Vec<_> = files.iter().collect();
                names.sort_by_key(|(name, _)| *name);
                let mut digest = Sha256::new();
                for (name, file) in names {
                    digest.update(name.as_bytes());
                    digest.update(file.digest.as_bytes());
                }
                Some(in_short(&digest.finalize()))
            }
            Self::Read(_) => None,
        }
    }
}

fn embedded(path: &str) -> Option<File> {
    let media_type = media_type(path)?;
    Some(File::new(media_type, Embedded::get(path)?.data.into_owned()))
}

fn media_type(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    MEDIA_TYPES.iter().find(|(name, _)| *name == extension).map(|(_, media_type)| *media_type)
}

fn in_short(digest: &[u8]) -> String {
    digest.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

impl File {
    /// A file with these contents, which is compressed when somebody wants it so.
    pub(super) fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let digest = in_short(&Sha256::digest(&bytes));
        Self { media_type, bytes: bytes.into(), gzip: None, digest }
    }

    /// The same, compressed once for all who want it so.
    pub(super) fn compressed(self) -> Self {
        let gzip = self.gzip();
        Self { gzip, ..self }
    }

    /// The same with another text in it.
    pub(super) fn with(&self, change: impl FnOnce(&str) -> String) -> Self {
        let text = String::from_utf8_lossy(&self.bytes);
        Self::new(self.media_type, change(&text).into_bytes()).compressed()
    }

    fn gains_by_gzip(&self) -> bool {
        self.media_type != "image/png" && self.bytes.len() >= COMPRESS_FROM
    }

    fn gzip(&self) -> Option<Bytes> {
        self.gzip.clone().or_else(|| self.gains_by_gzip().then(|| gzip(&self.bytes)).flatten())
    }

    /// The answer to a request for it; 304 where the browser has it (RFC 9110, section 13.1.2).
    pub(super) fn answer(&self, request: &HttpRequest, keep: Keep) -> HttpResponse {
        let is_gzip = self.gains_by_gzip() && takes_gzip(request.headers());
        // What is compressed is another representation, and so has another tag.
        let etag = format!("\"{}{}\"", self.digest, if is_gzip { "-gzip" } else { "" });
        let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let is_known = known.is_some_and(|tags| {
            tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*")
        });
        let mut answer =
            HttpResponse::build(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
        let cache = match keep {
            // So that a new version's page never meets an old version's script.
            Keep::AskEachTime => "no-cache",
            Keep::ForGood => "public, max-age=31536000, immutable",
        };
        answer
            .insert_header((header::ETAG, etag))
            .insert_header((header::VARY, "Accept-Encoding"))
            .insert_header((header::CACHE_CONTROL, cache));
        if is_known {
            return answer.finish();
        }
        answer.content_type(self.media_type);
        match is_gzip.then(|| self.gzip()).flatten() {
            Some(gzip) => answer.insert_header((header::CONTENT_ENCODING, "gzip")).body(gzip),
            None => answer.body(self.bytes.clone()),
        }
    }
}

/// RFC 9110, section 12.5.3, as far as browsers and proxies use it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let named = headers.get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().trim_start_matches("q=");
        name.trim().eq_ignore_ascii_case("gzip") && (weight.is_empty() || weight.parse() != Ok(0.0_f32))
    })
}

/// None where it would be no smaller.
fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < bytes.len()).then(|| compressed.into())
}
