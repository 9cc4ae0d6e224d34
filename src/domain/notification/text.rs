//! Text that people typed, made fit to stand in a notification: one line, of bounded length.

use std::fmt;

use serde::{Serialize, Serializer};

/// At most `MAX` characters (Unicode scalar values) on one line.
///
/// Longer text ends in `…`. Runs of white space and control characters become one space; marks that turn
/// the direction of writing or show nothing are dropped, so that a name cannot rearrange the text around it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Clipped<const MAX: usize>(String);

/// What somebody is called.
pub type Name = Clipped<40>;
/// A title, a reason in a few words, or what a device calls itself.
pub type Line = Clipped<60>;
/// The beginning of something longer that is read elsewhere.
pub type Excerpt = Clipped<120>;
/// A message of its own.
pub type Paragraph = Clipped<240>;

impl<const MAX: usize> Clipped<MAX> {
    /// `text`, tidied and clipped.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let visible: String = text.chars().filter(|c| !is_invisible_mark(*c)).collect();
        let words: Vec<&str> = visible
            .split(|c: char| c.is_whitespace() || c.is_control())
            .filter(|word| !word.is_empty())
            .collect();
        let line = words.join(" ");
        if line.chars().count() <= MAX {
            return Self(line);
        }
        let kept: String = line.chars().take(MAX.saturating_sub(1)).collect();
        Self(format!("{}…", kept.trim_end()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, or `fallback` when nothing of it was left.
    #[must_use]
    pub fn or<'a>(&'a self, fallback: &'a str) -> &'a str {
        if self.0.is_empty() { fallback } else { &self.0 }
    }
}

/// Direction marks, embeddings, overrides and isolates (Unicode UAX #9), and characters without width.
/// The joiners U+200C and U+200D stay: Persian and emoji need them.
fn is_invisible_mark(c: char) -> bool {
    matches!(
        c,
        '\u{061C}'
            | '\u{200B}'
            | '\u{200E}'
            | '\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'
            | '\u{2066}'..='\u{2069}'
            | '\u{FEFF}'
    )
}

impl<const MAX: usize> From<&str> for Clipped<MAX> {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<const MAX: usize> fmt::Display for Clipped<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> Serialize for Clipped<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_text_stays_as_it_is() {
        assert_eq!(Name::new("Zoë 👩‍🚀 Müller").as_str(), "Zoë 👩‍🚀 Müller");
    }

    #[test]
    fn long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(Clipped::<5>::new("äöüßé").as_str(), "äöüßé");
        assert_eq!(Clipped::<5>::new("äöüßéè").as_str(), "äöüß…");
        assert_eq!(Clipped::<5>::new("abc def").as_str(), "abc…");
    }

    #[test]
    fn lines_and_marks_cannot_break_out() {
        assert_eq!(Name::new("  Eve\r\n\tSmith\0 ").as_str(), "Eve Smith");
        assert_eq!(Name::new("Eve\u{202E}Smith\u{2066}\u{FEFF}").as_str(), "EveSmith");
    }

    #[test]
    fn text_of_nothing_but_blanks_falls_back() {
        assert_eq!(Name::new(" \n\u{200B}").or("Somebody"), "Somebody");
        assert_eq!(Name::new("Eve").or("Somebody"), "Eve");
    }

    proptest! {
        #[test]
        fn never_longer_than_allowed_and_always_one_line(text in any::<String>(), more in "[a-z ]{0,99}") {
            let clipped = Name::new(&(text + &more));
            prop_assert!(clipped.as_str().chars().count() <= 40);
            prop_assert!(!clipped.as_str().chars().any(char::is_control));
        }
    }
}
