//! The pages of the documentation as HTML. Text in, text out.

use std::fmt::Write;

use serde_json::Value;

use crate::protocol::problems::{FIELD_PROBLEMS, PROBLEMS, ProblemKind};

/// Text as HTML shows it, also within attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Escaped text, with what stands in backquotes as code.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        let part = escape(part);
        html.push_str(&if index % 2 == 1 { format!("<code>{part}</code>") } else { part });
    }
    html
}

const NAVIGATION_STYLE: &str =
    "nav{padding:.8rem 1.5rem;font:16px/1.5 system-ui,sans-serif}nav a{margin-right:1rem}";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding-bottom:4rem}main{padding:0 1.5rem}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;\
    padding:.3rem .6rem;border-bottom:1px solid #8884}pre{background:#8881;padding:.8rem;overflow:auto}\
    section{margin-top:2.5rem}tr:target{background:#fd06}@media(prefers-color-scheme:dark){:root{color-scheme:dark}}";

fn navigation(base: &str) -> String {
    let base = escape(base);
    format!(
        "<nav><a href=\"{base}/docs/\">REST</a><a href=\"{base}/docs/frames\">Frames</a>\
         <a href=\"{base}/docs/problems\">Problems</a><a href=\"{base}/api/openapi.json\">OpenAPI</a>\
         <a href=\"{base}/api/asyncapi.json\">AsyncAPI</a></nav>"
    )
}

fn page(base: &str, title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} – waybill</title><style>{NAVIGATION_STYLE}{STYLE}</style></head><body>{}<main><h1>{title}</h1>{body}\
         </main></body></html>\n",
        navigation(base)
    )
}

/// The page of Swagger UI. `base` is the path that the server is reached under, without a slash at its end.
pub(super) fn swagger(base: &str) -> String {
    let file = format!("{}/docs", escape(base));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>REST – waybill</title>\
         <link rel=\"stylesheet\" href=\"{file}/swagger-ui.css\">\
         <style>{NAVIGATION_STYLE}</style><link rel=\"icon\" type=\"image/png\" href=\"{file}/favicon-32x32.png\" sizes=\"32x32\"></head>\
         <body>{}<div id=\"swagger-ui\"></div><script src=\"{file}/swagger-ui-bundle.js\"></script>\
         <script src=\"{file}/swagger-ui-standalone-preset.js\"></script>\
         <script src=\"{file}/swagger-initializer.js\"></script></body></html>\n",
        navigation(base)
    )
}

/// What every code means.
pub(super) fn problems(base: &str) -> String {
    let mut body = String::from(
        "<p>Every refusal carries a <code>code</code>. Codes are stable: build on them, not on the texts beside \
         them.</p><table><thead><tr><th>code<th>status<th>meaning</thead><tbody>",
    );
    for ProblemKind { code, status, meaning } in PROBLEMS {
        let status = status.map_or_else(|| "frames only".into(), |status| status.to_string());
        // Writing to a String cannot fail.
        let _ =
            write!(body, "<tr id=\"{code}\"><td><code>{code}</code><td>{status}<td>{}</tr>", prose(meaning));
    }
    body.push_str(
        "</tbody></table><section><h2>Fields</h2><p>The <code>code</code> of each entry of <code>errors</code>.\
         </p><table><thead><tr><th>code<th>meaning</thead><tbody>",
    );
    for (code, meaning) in FIELD_PROBLEMS {
        let _ = write!(body, "<tr><td><code>{code}</code><td>{}</tr>", prose(meaning));
    }
    body.push_str("</tbody></table></section>");
    page(base, "Problems", &body)
}

/// The AsyncAPI document for people: endpoints, frames with an example each, close codes.
pub(super) fn frames(base: &str, document: &Value) -> String {
    let mut body = String::from("<table><thead><tr><th>endpoint<th>what it is for</thead><tbody>");
    for channel in members(&document["channels"]) {
        let (address, text) = (text(&channel["address"]), text(&channel["description"]));
        let _ = write!(body, "<tr><td><code>{}</code><td>{}</tr>", escape(address), prose(text));
    }
    body.push_str("</tbody></table>");
    for (title, prefix) in [("From the server", "server."), ("From the client", "client.")] {
        let _ = write!(body, "<section><h2>{title}</h2>");
        let messages = document.pointer("/components/messages").and_then(Value::as_object);
        for (key, message) in messages.into_iter().flatten().filter(|(key, _)| key.starts_with(prefix)) {
            body.push_str(&frame(message, &endpoints_of(document, key)));
        }
        body.push_str("</section>");
    }
    body.push_str(
        "<section><h2>Close codes</h2><table><thead><tr><th>code<th>why<th>what to do</thead><tbody>",
    );
    for close in members(&document["x-close-codes"]) {
        let (why, advice) = (text(&close["reason"]), text(&close["advice"]));
        let _ = write!(
            body,
            "<tr><td>{}<td><code>{}</code><td>{}</tr>",
            close["code"],
            escape(why),
            prose(advice)
        );
    }
    body.push_str("</tbody></table></section>");
    page(base, "Frames", &body)
}

/// The endpoints on which a message goes to and fro, unless that is all of them.
fn endpoints_of(document: &Value, key: &str) -> String {
    let channels: Vec<&Value> = members(&document["channels"]).collect();
    let with_it: Vec<&str> = channels
        .iter()
        .filter(|channel| channel["messages"].get(key).is_some())
        .map(|channel| text(&channel["address"]))
        .collect();
    if with_it.len() == channels.len() { String::new() } else { format!(" On `{}`.", with_it.join("`, `")) }
}

fn frame(message: &Value, endpoints: &str) -> String {
    let mut html = format!("<h3><code>{}</code></h3>", escape(text(&message["name"])));
    let _ = write!(html, "<p>{}{}</p>", prose(text(&message["summary"])), prose(endpoints));
    for example in members(&message["examples"]) {
        let example = serde_json::to_string_pretty(&example["payload"]).unwrap_or_default();
        let _ = write!(html, "<pre>{}</pre>", escape(&example));
    }
    html
}

/// The members of an array or of an object.
fn members(value: &Value) -> impl Iterator<Item = &Value> {
    let array = value.as_array().into_iter().flatten();
    array.chain(value.as_object().into_iter().flat_map(|object| object.values()))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(prose("a<b `\"c\"&`"), "a&lt;b <code>&quot;c&quot;&amp;</code>");
        let page = swagger("/x\"><script>");
        assert!(!page.contains("\"><script>/"), "{page}");
    }

    #[test]
    fn every_code_has_its_place_on_the_page() {
        let page = problems("");
        for problem in PROBLEMS {
            assert!(page.contains(&format!("id=\"{}\"", problem.code)), "{}", problem.code);
        }
    }
}
