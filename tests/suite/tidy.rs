//! The rooms keep to their order, and what ARCHITECTURE.md says does not exist does not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("protocol", &["domain"]),
    ("telemetry", &[]),
    ("store", &["domain", "protocol", "telemetry"]),
    ("realtime", &["domain", "protocol", "telemetry"]),
    ("services", &["domain", "protocol", "telemetry", "store", "realtime"]),
    ("http", &["domain", "protocol", "telemetry", "store", "realtime", "services"]),
    ("ws", &["domain", "protocol", "telemetry", "store", "realtime", "services", "http"]),
    ("jobs", &["domain", "protocol", "telemetry", "store", "realtime", "services"]),
    ("tools", &["domain", "protocol"]),
    (
        "server",
        &["domain", "protocol", "telemetry", "store", "realtime", "services", "http", "ws", "jobs", "tools"],
    ),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a text");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// The room that a file is in: the first part of its path below `src`.
fn room(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
    let first = below.components().next().expect("a part").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The code without comments and unit tests, line by line.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("mod tests {"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part == "tests" || part == "tests.rs" || part == "testing.rs" || part.ends_with("_tests.rs")
    })
}

/// Lines of code, unit tests aside, that hold one of these texts, in files for which `is_allowed` does not say yes.
fn lines_with(texts: &[&str], is_allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test_file(path)) {
        let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
        let below = below.to_string_lossy().into_owned();
        if is_allowed(&below) {
            continue;
        }
        let hits = code(&text).filter(|(_, line)| texts.iter().any(|text| line.contains(text)));
        found.extend(hits.map(|(number, line)| format!("src/{below}:{number}: {}", line.trim())));
    }
    found
}

#[test]
fn each_room_uses_only_the_rooms_before_it() {
    let rooms: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let own = room(&path);
        let Some(allowed) = rooms.get(own.as_str()) else { continue };
        for (line, text) in code(&text) {
            for (at, _) in text.match_indices("crate::") {
                let used: String = text[at + 7..]
                    .chars()
                    .take_while(|char| char.is_alphanumeric() || *char == '_')
                    .collect();
                let is_room = rooms.contains_key(used.as_str());
                if is_room && used != own && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}:{line} uses {used}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_in_the_order() {
    for (path, _) in sources() {
        let own = room(&path);
        let known = MAY_USE.iter().any(|(room, _)| *room == own);
        assert!(
            known || ["lib", "main", "commands"].contains(&own.as_str()),
            "{own} has no place in the order"
        );
    }
}

/// What only some rooms may know of.
#[test]
fn each_framework_stays_in_its_rooms() {
    let only: &[(&str, &[&str])] = &[
        ("diesel", &["store"]),
        ("actix", &["realtime", "ws"]),
        ("actix_web", &["realtime", "services", "http", "ws", "jobs", "server", "tools", "commands", "main"]),
        (
            "tokio",
            &["store", "realtime", "services", "http", "ws", "jobs", "server", "tools", "commands", "main"],
        ),
        ("chrono", &["domain", "store"]),
        ("jsonwebtoken", &["services"]),
    ];
    for (name, rooms) in only {
        let is_allowed = |path: &str| {
            let own = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
            rooms.contains(&own)
        };
        let wrong: Vec<String> = lines_with(&[&format!("{name}::")], is_allowed)
            .into_iter()
            // `name::` at the end of a longer name is another crate.
            .filter(|line| !line.contains(&format!("_{name}::")))
            .collect();
        assert!(wrong.is_empty(), "{name} outside {rooms:?}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn the_deprecated_crate_stays_in_one_file() {
    let wrong = lines_with(&["actix_web_actors"], |path| path == "ws/session.rs");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn addresses_of_actors_stay_in_realtime_and_the_session() {
    let wrong = lines_with(&["Addr<", "Recipient<", ".recipient()", ".do_send(", ".try_send("], |path| {
        // The last one sends to a channel of threads.
        path.starts_with("realtime/") || path == "ws/session.rs" || path == "store/threads.rs"
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_decided_without_a_clock_has_none() {
    let clocks = ["Utc::now", "Instant::now", "SystemTime::now", "Timestamp::now"];
    let wrong = lines_with(&clocks, |path| {
        let is_timeless =
            path.starts_with("domain/") || path.starts_with("protocol/") || path == "ws/handler.rs";
        !is_timeless || path == "domain/time.rs"
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // And the server has the time from the one place that has it to the millisecond.
    let wrong = lines_with(&["Utc::now", "SystemTime::now"], |path| {
        path == "domain/time.rs" || path.starts_with("tools/")
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_on_architecture_names_every_room() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let page = fs::read_to_string(page).expect("the page");
    for (room, _) in MAY_USE {
        let is_named = page.contains(&format!("`src/{room}/`")) || page.contains(&format!("`src/{room}.rs`"));
        assert!(is_named, "ARCHITECTURE.md does not say what src/{room} owns");
    }
}

#[test]
fn every_unbounded_send_says_its_bound() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (line, text) in code(&text) {
            let is_unbounded = text.contains("do_send(") || text.contains("lane.tell(");
            if is_unbounded && !text.contains("// bounded") {
                wrong.push(format!("{}:{line}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "do_send without its bound:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_says_what_it_is() {
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test_file(path)) {
        assert!(text.starts_with("//!"), "{} does not begin with //!", path.display());
    }
}

#[test]
fn files_can_be_held_in_the_head() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}
