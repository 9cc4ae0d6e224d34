//! What is bad for a field, whatever the endpoint.

use serde_json::Value;

use super::world::{Kind, Optional, Presence};

/// How a bad value is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 422 that names the field.
    Named,
    /// 400, the text is no JSON; or named, where that shows before the text is read to its end.
    NotJson,
}

/// Values, as JSON texts, that are bad for a field.
pub fn bad_values(kind: Kind, presence: Presence) -> Vec<(String, Refusal)> {
    let mut bad: Vec<(String, Refusal)> = Vec::new();
    let mut named = |texts: &[&str]| bad.extend(texts.iter().map(|text| ((*text).into(), Refusal::Named)));
    let quoted = |text: &str| Value::from(text).to_string();
    match kind {
        Kind::AnyText => named(&["7", "true", "[]", "{}", "1.5"]),
        Kind::Text(least, most) => {
            named(&[
                "7",
                "true",
                "[]",
                "{}",
                "1.5",
                r#""""#,
                r#""     ""#,
                r#""a\u0000bc""#,
                r#""a\u001bbc""#,
            ]);
            named(&[&quoted(&"é".repeat(most + 1)), &quoted(&"x".repeat(least - 1))]);
        }
        Kind::Notes(most) => {
            named(&["7", "true", "[]", "{}", r#""a\u0000b""#, &quoted(&"é".repeat(most + 1))]);
        }
        Kind::Email => {
            named(&["7", "true", "[]", "{}", r#""""#, r#""a""#, r#""a@""#, r#""@b.org""#, r#""a b@c.org""#]);
            named(&[r#""a\u0000@b.org""#, &quoted(&format!("{}@b.org", "x".repeat(250)))]);
        }
        Kind::Link(most) => {
            named(&[
                "7",
                "true",
                "[]",
                "{}",
                r#""""#,
                r#""push""#,
                r#""http://push.example/""#,
                r#""https://""#,
            ]);
            named(&[
                r#""https://10.0.0.1/""#,
                &quoted(&format!("https://push.example/{}", "x".repeat(most))),
            ]);
        }
        Kind::Bytes => named(&["7", "true", "[]", "{}", r#""""#, r#""AAAA""#, r#""*""#, r#""é""#]),
        Kind::Word => named(&["7", "true", "[]", "{}", r#""""#, r#""no_such_word""#, r#""ADMIN""#, r#"" ""#]),
        Kind::Id => {
            named(&["7", "true", "[]", "{}", r#""""#, r#""7""#, r#""0190163d-8694-739b-aea5-966c26f8ad9""#])
        }
        Kind::Group => {
            named(&["7", "true", "[]", "{}", r#""""#, r#""admin""#, r#""order_7""#, r#""ORDER_""#]);
            named(&[r#""order_0190163d-8694-739b-aea5-966c26f8ad90 ""#]);
        }
        Kind::Flag => named(&["0", "1", "[]", "{}", r#""true""#, r#""""#]),
        Kind::Whole(least, most) => {
            named(&["1.5", "true", "[]", "{}", r#""1""#, r#""""#, "-1.0", "18446744073709551616", "1e300"]);
            named(&[&(i128::from(least) - 1).to_string(), &(i128::from(most) + 1).to_string()]);
        }
        Kind::Real(least, most) => {
            named(&["true", "[]", "{}", r#""1.5""#, r#""NaN""#, "1e300", "-1e300"]);
            named(&[&(least - 0.001).to_string(), &(most + 0.001).to_string()]);
        }
        Kind::Number => named(&["true", "[]", "{}", r#""1.5""#, r#""NaN""#]),
        Kind::Time => named(&["7", "true", "[]", "{}", r#""""#, r#""yesterday""#]),
        Kind::List(most) => {
            named(&["7", "true", r#""x""#, "{}", "[]", "[7]", "[null]", "[[]]"]);
            let entry = r#"{"name":"x","quantity":1,"unit_price":1}"#;
            named(&[&format!("[{}]", vec![entry; most + 1].join(","))]);
        }
        Kind::Object => named(&["7", "true", r#""x""#, "[7]", "1.5"]),
        Kind::Anything(most) => {
            named(&[&quoted(&"x".repeat(most)), &format!("{}{}", "[".repeat(200), "]".repeat(200))])
        }
    }
    if presence != Optional && !matches!(kind, Kind::Anything(_)) {
        bad.push(("null".into(), Refusal::Named));
    }
    let not_json =
        ["NaN", "Infinity", "1e999", "-1e999", "'x'", "undefined", "01", r#""\ud800""#, "\"\n\"", "[1,]", ""];
    // Of these the grammar allows some that no type of ours holds.
    let is_bad =
        |text: &&str| !matches!(kind, Kind::Anything(_)) || !(text.contains("e999") || text.contains("\\u"));
    bad.extend(not_json.into_iter().filter(is_bad).map(|text| (text.into(), Refusal::NotJson)));
    bad
}
