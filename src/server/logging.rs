//! Log lines: for people, or one JSON object each.

use std::io::Write;

use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use serde_json::{Map, json};

use crate::domain::time::Timestamp;

use super::settings::{LogFormat, Settings};

/// Sends the log to standard error as the settings say, panics included.
pub fn start(settings: &Settings) {
    let format = settings.log_format;
    let started = env_logger::Builder::new()
        .parse_filters(&settings.log_filter)
        .format(move |out, record| writeln!(out, "{}", line(format, Timestamp::now(), record)))
        .try_init();
    // In a test another has started it: the first one counts.
    if started.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            log::error!(place; "a fault in the program: {}", text.unwrap_or("without a message"));
        }));
    }
}

fn line(format: LogFormat, at: Timestamp, record: &Record<'_>) -> String {
    match format {
        LogFormat::Text => {
            let mut text = format!("{at} {:<5} {}: {}", record.level(), record.target(), record.args());
            let mut pairs = TextPairs(&mut text);
            // The visitor has no errors of its own.
            let _ = record.key_values().visit(&mut pairs);
            without_line_breaks(&text)
        }
        LogFormat::Json => {
            let mut object = Map::new();
            object.insert("at".into(), json!(at));
            object.insert("level".into(), json!(record.level().as_str().to_lowercase()));
            object.insert("target".into(), json!(record.target()));
            object.insert("message".into(), json!(record.args().to_string()));
            let mut pairs = JsonPairs(&mut object);
            // The visitor has no errors of its own.
            let _ = record.key_values().visit(&mut pairs);
            serde_json::Value::Object(object).to_string()
        }
    }
}

/// A line is a line: what came from outside cannot pose as another one.
fn without_line_breaks(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

struct TextPairs<'line>(&'line mut String);

impl<'kvs> VisitSource<'kvs> for TextPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let text = value.to_string();
        let is_word = !text.is_empty() && !text.contains(|char: char| char.is_whitespace() || char == '"');
        let text = if is_word { text } else { format!("{text:?}") };
        self.0.push_str(&format!(" {key}={text}"));
        Ok(())
    }
}

struct JsonPairs<'line>(&'line mut Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for JsonPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let json = if let Some(number) = value.to_u64() {
            json!(number)
        } else if let Some(number) = value.to_i64() {
            json!(number)
        } else if let Some(number) = value.to_f64() {
            json!(number)
        } else if let Some(yes) = value.to_bool() {
            json!(yes)
        } else {
            json!(value.to_string())
        };
        self.0.insert(key.as_str().into(), json);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_record(test: impl FnOnce(&Record<'_>)) {
        let pairs = [
            ("route", Value::from("/api/v1/orders/{id}")),
            ("status", Value::from(500_u16)),
            ("error", Value::from("a \"bad\"\nday")),
        ];
        let pairs = pairs.as_slice();
        test(
            &Record::builder()
                .level(log::Level::Warn)
                .target("waybill::http")
                .key_values(&pairs)
                .args(format_args!("request\nfailed"))
                .build(),
        );
    }

    #[test]
    fn a_line_of_text_is_one_line() {
        with_record(|record| {
            assert_eq!(
                line(LogFormat::Text, Timestamp::from_millis(0), record),
                "1970-01-01T00:00:00.000Z WARN  waybill::http: request\\nfailed \
                 route=/api/v1/orders/{id} status=500 error=\"a \\\"bad\\\"\\nday\""
            );
        });
    }

    #[test]
    fn a_line_of_json_is_one_object() {
        with_record(|record| {
            let line = line(LogFormat::Json, Timestamp::from_millis(0), record);
            assert!(!line.contains('\n'), "{line}");
            let object: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(
                object,
                json!({"at": "1970-01-01T00:00:00.000Z", "level": "warn", "target": "waybill::http",
                    "message": "request\nfailed", "route": "/api/v1/orders/{id}", "status": 500,
                    "error": "a \"bad\"\nday"})
            );
        });
    }
}
