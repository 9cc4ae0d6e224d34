//! The table of codes, against the codes that the source holds; and the guides, against the tables that they show.

use std::path::{Path, PathBuf};

use waybill::domain::order::{Demand, STEPS};
use waybill::protocol::close::CloseReason;
use waybill::protocol::problems::{FIELD_PROBLEMS, PROBLEMS, markdown};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The rooms whose errors reach clients.
const ROOMS: [&str; 4] = ["protocol", "services", "http", "ws"];

/// The source of these rooms without its tests: path and text.
fn sources() -> Vec<(PathBuf, String)> {
    fn gather(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                gather(&path, found);
            } else if path.file_stem().is_some_and(|stem| stem != "tests") {
                let text = std::fs::read_to_string(&path).expect("text");
                let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    for room in ROOMS {
        gather(&Path::new(ROOT).join("src").join(room), &mut found);
    }
    let is_ours = |path: &Path| {
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        !is_test && !path.ends_with("protocol/problems.rs") && !path.ends_with("asyncapi/samples.rs")
    };
    found.retain(|(path, _)| is_ours(path));
    found
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// What follows each occurrence of `marker`.
fn after<'a>(text: &'a str, marker: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(marker).map(move |(at, _)| &text[at + marker.len()..])
}

/// A string literal at the very beginning of `text`, where it looks like a code.
fn literal(text: &str) -> Option<&str> {
    let (literal, _) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    is_code(literal).then_some(literal)
}

/// The second argument of a call whose arguments begin here, where it is a literal.
fn second_argument(arguments: &str) -> Option<&str> {
    let (mut depth, mut in_text) = (0, false);
    for (at, char) in arguments.char_indices() {
        match char {
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return None,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => return literal(&arguments[at + 1..]),
            _ => {}
        }
    }
    None
}

#[test]
fn every_code_in_the_source_is_in_the_table() {
    let markers =
        ["code: ", "conflict(", "forbidden(", "unauthenticated(", "refuse(", "bad(", "name_of_code("];
    let mut found = 0;
    for (path, text) in sources() {
        let first = markers.iter().flat_map(|marker| after(&text, marker)).filter_map(literal);
        // `=> "token_missing"` and the like: what a match gives for a code.
        let arms = text
            .split("let code = match")
            .skip(1)
            .flat_map(|block| after(block.split("};").next().unwrap_or_default(), "=> "))
            .filter_map(literal);
        for code in first.chain(arms) {
            found += 1;
            assert!(
                PROBLEMS.iter().any(|problem| problem.code == code),
                "{code} of {} is not in protocol/problems.rs",
                path.display()
            );
        }
        for marker in [".fail(", "ServiceError::invalid(", "FieldError::new("] {
            for code in after(&text, marker).filter_map(second_argument) {
                found += 1;
                assert!(
                    FIELD_PROBLEMS.iter().any(|(known, _)| *known == code),
                    "{code} of a field, of {}, is not in protocol/problems.rs",
                    path.display()
                );
            }
        }
    }
    assert!(found > 60, "{found}");
}

#[test]
fn every_code_in_the_table_is_in_the_source() {
    let sources = sources();
    let codes = PROBLEMS.iter().map(|problem| problem.code).chain(FIELD_PROBLEMS.iter().map(|field| field.0));
    for code in codes {
        let quoted = format!("\"{code}\"");
        assert!(sources.iter().any(|(_, text)| text.contains(&quoted)), "{code} is no code any more");
    }
}

/// A guide, which has to hold this.
#[track_caller]
fn assert_holds(guide: &str, text: &str) {
    let path = Path::new(ROOT).join("docs").join(guide);
    let held = std::fs::read_to_string(path).expect("the guide");
    assert!(held.contains(text), "docs/{guide} should hold this:\n\n{text}");
}

#[test]
fn the_guide_holds_the_table_of_codes() {
    assert_holds("rest.md", &markdown());
}

#[test]
fn the_guide_holds_the_steps_of_an_order() {
    let rows = STEPS.iter().map(|step| {
        let by: Vec<&str> = step.by.iter().map(|party| party.as_str()).collect();
        let demand = match step.demand {
            Demand::Nothing => "",
            Demand::Reason => "`reason`",
            Demand::Proof => "`code` or `note`",
            Demand::Assignee => "by assigning",
        };
        format!("| `{}` | `{}` | {} | {demand} |\n", step.from, step.to, by.join(", "))
    });
    assert_holds("rest.md", &rows.collect::<String>());
}

#[test]
fn the_guide_holds_the_close_codes() {
    let rows = CloseReason::ALL.iter().map(|reason| {
        let text = reason.text();
        let text = if text.is_empty() { String::new() } else { format!("`{text}`") };
        format!("| {} | {text} | {} |\n", reason.code(), reason.advice())
    });
    assert_holds("websocket.md", &rows.collect::<String>());
}

#[test]
fn operators_are_told_of_every_alarm_and_of_no_figure_that_is_not_there() {
    let read = |path: &str| std::fs::read_to_string(Path::new(ROOT).join(path)).expect("text");
    let (guide, rules) = (read("docs/operations.md"), read("deploy/prometheus/waybill.rules.yaml"));
    let figures = read("src/telemetry.rs");
    for (path, text) in [("the guide", &guide), ("the rules", &rules)] {
        for rest in after(text, "waybill_") {
            let name = rest.split(|char: char| !char.is_ascii_lowercase() && char != '_').next();
            // What Prometheus makes of a histogram.
            let name = name.unwrap_or_default().trim_end_matches("_bucket").trim_end_matches("_count");
            assert!(figures.contains(&format!("\"{name}\"")), "{path}: there is no waybill_{name}");
        }
    }
    let alarms: Vec<&str> =
        after(&rules, "alert: ").filter_map(|rest| rest.split_whitespace().next()).collect();
    assert!(alarms.len() > 10, "{alarms:?}");
    for alarm in alarms {
        assert!(guide.contains(&format!("| `{alarm}` |")), "the guide says nothing of {alarm}");
    }
}
