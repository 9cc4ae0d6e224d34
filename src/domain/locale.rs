//! The languages that people are addressed in, and how to tell which one somebody wants.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language that every text for people exists in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Locale {
    /// English, for everybody who asked for nothing that we have.
    #[default]
    En,
    /// German.
    De,
}

impl Locale {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// The primary language subtag (ISO 639-1), as the wire and the database have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The locale of a language tag (RFC 5646) such as `de-AT`: its primary subtag decides, in any case of
    /// letters.
    ///
    /// `None` for a language that we do not have and for text that is no tag.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let mut subtags = tag.split('-');
        let primary = subtags.next()?;
        if !subtags.all(is_subtag) {
            return None;
        }
        Self::ALL.into_iter().find(|locale| locale.as_str().eq_ignore_ascii_case(primary))
    }

    /// The best match for an `Accept-Language` header (RFC 9110, section 12.5.4).
    ///
    /// The range with the highest weight wins; among equals the one named first, and a language that was
    /// named before one that only `*` covers. Members that do not parse are skipped. `None` when the
    /// header names nothing that we have.
    #[must_use]
    pub fn from_accept_language(header: &str) -> Option<Self> {
        let mut best = None;
        for (locale, wish) in Self::ALL.into_iter().filter_map(|locale| Some((locale, wish(header, locale)?)))
        {
            if wish.weight > 0 && best.is_none_or(|(_, other)| wish.beats(other)) {
                best = Some((locale, wish));
            }
        }
        best.map(|(locale, _)| locale)
    }
}

/// How much a header wants a locale.
#[derive(Clone, Copy)]
struct Wish {
    /// Thousandths, 0 (not acceptable) to 1000.
    weight: u16,
    /// Which member of the header said so; `usize::MAX` for the wildcard.
    position: usize,
}

impl Wish {
    fn beats(self, other: Self) -> bool {
        self.weight > other.weight || (self.weight == other.weight && self.position < other.position)
    }
}

/// What `header` says of `locale`: by its own name, or else by `*`.
fn wish(header: &str, locale: Locale) -> Option<Wish> {
    let mut named: Option<Wish> = None;
    let mut wildcard: Option<Wish> = None;
    for (position, (range, weight)) in header.split(',').filter_map(member).enumerate() {
        let (slot, wish) = if range == "*" {
            (&mut wildcard, Wish { weight, position: usize::MAX })
        } else if Locale::from_tag(range) == Some(locale) {
            (&mut named, Wish { weight, position })
        } else {
            continue;
        };
        if slot.is_none_or(|known| wish.beats(known)) {
            *slot = Some(wish);
        }
    }
    named.or(wildcard)
}

/// One member of the header: a language range and its weight in thousandths.
fn member(text: &str) -> Option<(&str, u16)> {
    let (range, weight) = match text.split_once(';') {
        Some((range, parameter)) => (range, weight(parameter.trim_matches(OWS))?),
        None => (text, 1000),
    };
    let range = range.trim_matches(OWS);
    (!range.is_empty()).then_some((range, weight))
}

/// Optional white space as RFC 9110 has it.
const OWS: [char; 2] = [' ', '\t'];

/// `q=0.8` as 800. At most three decimals and at most 1 (RFC 9110, section 12.4.2).
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse::<u16>().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        // Any other text: this is a parser, not a match over variants.
        _ => None,
    }
}

/// Whether `text` may follow the primary subtag: one to eight ASCII letters or digits.
fn is_subtag(text: &str) -> bool {
    (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that was meant as a locale and names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected en or de")]
pub struct InvalidLocale;

impl FromStr for Locale {
    type Err = InvalidLocale;

    /// # Errors
    /// `InvalidLocale` unless `text` is exactly what `as_str` gives.
    fn from_str(text: &str) -> Result<Self, InvalidLocale> {
        Self::ALL.into_iter().find(|locale| locale.as_str() == text).ok_or(InvalidLocale)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_read_back() {
        for locale in Locale::ALL {
            assert_eq!(locale.as_str().parse(), Ok(locale));
            assert_eq!(serde_json::to_value(locale).expect("a string"), locale.as_str());
        }
        assert_eq!("DE".parse::<Locale>(), Err(InvalidLocale));
    }

    #[test]
    fn the_primary_subtag_of_a_tag_decides() {
        for (tag, locale) in [
            ("de", Some(Locale::De)),
            ("de-AT", Some(Locale::De)),
            ("DE-ch-1996", Some(Locale::De)),
            ("en-US", Some(Locale::En)),
            ("fr", None),
            ("den", None),
            ("de-", None),
            ("de-ÄT", None),
            ("-de", None),
            ("", None),
        ] {
            assert_eq!(Locale::from_tag(tag), locale, "{tag}");
        }
    }

    #[test]
    fn the_heaviest_range_wins() {
        for (header, locale) in [
            ("de", Some(Locale::De)),
            ("de-AT, en;q=0.9", Some(Locale::De)),
            ("en;q=0.3, de;q=0.301", Some(Locale::De)),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", Some(Locale::En)),
            ("de;q=0.2,en-GB ;\tQ=0.9", Some(Locale::En)),
            ("de-AT;q=0, de;q=0.4", Some(Locale::De)),
        ] {
            assert_eq!(Locale::from_accept_language(header), locale, "{header}");
        }
    }

    #[test]
    fn among_equals_the_one_named_first_wins() {
        assert_eq!(Locale::from_accept_language("de, en"), Some(Locale::De));
        assert_eq!(Locale::from_accept_language("en, de"), Some(Locale::En));
        assert_eq!(Locale::from_accept_language("*, de"), Some(Locale::De));
    }

    #[test]
    fn weight_zero_means_not_acceptable() {
        assert_eq!(Locale::from_accept_language("de;q=0"), None);
        assert_eq!(Locale::from_accept_language("en;q=0, *"), Some(Locale::De));
        assert_eq!(Locale::from_accept_language("*;q=0.000"), None);
        assert_eq!(Locale::from_accept_language("*"), Some(Locale::En));
    }

    #[test]
    fn members_that_do_not_parse_are_skipped() {
        for header in [
            "de;q=2",
            "de;q=1.001",
            "de;q=0.1234",
            "de;q=",
            "de;q=.5",
            "de;q=-1",
            "de;q=0.+1",
            "de;level=1",
            "d e",
            "",
            ",,;",
            "q=1",
        ] {
            assert_eq!(Locale::from_accept_language(header), None, "{header}");
            let followed = format!("{header}, de;q=0.1");
            assert_eq!(Locale::from_accept_language(&followed), Some(Locale::De), "{followed}");
        }
    }

    proptest! {
        #[test]
        fn text_that_names_no_language_of_ours_matches_none(text in any::<String>()) {
            let text: String = text.chars().filter(|c| !"dDeE*".contains(*c)).collect();
            prop_assert_eq!(Locale::from_accept_language(&text), None);
            prop_assert_eq!(Locale::from_tag(&text), None);
        }

        #[test]
        fn the_case_of_letters_does_not_matter(header in "[-deEnN*;=qQ01., \t]{0,40}") {
            let upper = header.to_ascii_uppercase();
            prop_assert_eq!(Locale::from_accept_language(&header), Locale::from_accept_language(&upper));
        }

        #[test]
        fn of_two_weights_the_greater_wins(en in 0_u16..1000, de in 0_u16..1000) {
            prop_assume!(en != de);
            let expected = if en > de { Locale::En } else { Locale::De };
            let header = format!("en;q=0.{en:03}, de;q=0.{de:03}");
            prop_assert_eq!(Locale::from_accept_language(&header), Some(expected));
        }
    }
}
