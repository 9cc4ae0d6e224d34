//! Contact details in what people type, and masking them: customer and partner talk here, and need neither the other's
//! phone number nor the other's e-mail address.
//!
//! What somebody wants to hide from it can be hidden; what is meant as a number or an address is found. Where the two
//! look alike, a price, a date or a postal code is left as it is.

mod digits;
mod email;
mod numbers;
mod others;
mod phone;
#[cfg(test)]
mod tests;

use std::ops::Range;

/// What stands where something was masked. Shorter than anything that it stands for.
pub const MASK: &str = "•••";

/// A text without contact details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// The text, with [`MASK`] in the place of each.
    pub text: String,
    /// Whether there was any.
    pub is_masked: bool,
}

/// Masks the phone numbers and e-mail addresses in a text.
#[must_use]
pub fn mask(text: &str) -> Masked {
    let plain = digits::Plain::of(text);
    let mut spans = email::find(&plain.text);
    spans.extend(phone::find(&plain.text));
    for span in &mut spans {
        *span = plain.origin(span.start)..plain.origin(span.end);
    }
    spans.sort_by_key(|span| span.start);
    let mut masked = String::with_capacity(text.len());
    let mut end = 0;
    for span in &spans {
        // A number may be part of an address.
        if span.start >= end {
            masked.push_str(slice(text, end..span.start));
            masked.push_str(MASK);
        }
        end = end.max(span.end);
    }
    masked.push_str(slice(text, end..text.len()));
    Masked { text: masked, is_masked: !spans.is_empty() }
}

/// A text as somebody may see it who is to have no contact details: [`mask`], where nobody asks whether there were any.
#[must_use]
pub fn masked(text: &str) -> String {
    mask(text).text
}

fn slice(text: &str, span: Range<usize>) -> &str {
    text.get(span).unwrap_or_default()
}

/// The words of a text: what white space, brackets and the like part from each other.
fn words(text: &str) -> Vec<Range<usize>> {
    let is_between = |char: char| char.is_whitespace() || "()[]{}<>,;:!?=|\"“”„»«".contains(char);
    let mut words = Vec::new();
    let mut start = None;
    for (at, char) in text.char_indices().chain([(text.len(), ' ')]) {
        if !is_between(char) {
            start.get_or_insert(at);
        } else if let Some(start) = start.take() {
            words.push(start..at);
        }
    }
    words
}

/// The longest last label of a domain that is told from a word.
const LAST_LABEL: std::ops::RangeInclusive<usize> = 2..=24;

fn is_last_label(label: &str) -> bool {
    LAST_LABEL.contains(&label.chars().count()) && label.chars().all(char::is_alphabetic)
}
