//! The settings as people read them.

use std::fmt::Write;

use super::sources::{Source, Sources};
use super::table::{ROWS, Row, Show};

/// One setting, as `waybill config` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The variable.
    pub name: &'static str,
    /// Its value; hidden where it is a secret.
    pub value: String,
    /// Where that comes from.
    pub source: Source,
    /// What it is when it is not set.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// Every setting with its value.
#[must_use]
pub fn listing(sources: &Sources) -> Vec<Line> {
    ROWS.iter()
        .map(|row| {
            let (text, source) = sources.find(row.name).unwrap_or((row.default, Source::Default));
            Line {
                name: row.name,
                value: shown(row, text.trim()),
                source,
                default: row.default,
                help: row.help.trim(),
            }
        })
        .collect()
}

fn shown(row: &Row, text: &str) -> String {
    match row.show {
        Show::Plain => text.into(),
        Show::Hidden if text.is_empty() => String::new(),
        Show::Hidden => "(hidden)".into(),
        Show::Url if text.is_empty() => String::new(),
        Show::Url => super::parse::database_url(text)
            .map(|url| url.to_string())
            .or_else(|_| super::parse::redis_url(text).map(|url| url.to_string()))
            .unwrap_or_else(|_| "(hidden)".into()),
    }
}

/// Every setting with its default, as a table in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| variable | default | what it does |\n| --- | --- | --- |\n");
    for row in ROWS {
        let default = if row.default.is_empty() { String::new() } else { format!("`{}`", row.default) };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{}` | {default} | {} |", row.name, row.help.trim());
    }
    text
}
