//! The words of every notification, one file a language.
//!
//! Each language matches over all contents with no arm left open, so a new kind does not compile until it
//! can be said in every language. The texts name no time of day: the reader's time zone is not known here,
//! and the times are in the data for the client to show.

mod de;
mod en;

use super::content::NotificationContent;
use crate::domain::locale::Locale;

/// The longest title, characters: what lock screens and subject lines show whole.
pub const MAX_TITLE_CHARS: usize = 60;
/// The longest message, characters.
pub const MAX_MESSAGE_CHARS: usize = 240;

/// A notification in words. Plain text, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// At most [`MAX_TITLE_CHARS`].
    pub title: String,
    /// At most [`MAX_MESSAGE_CHARS`].
    pub message: String,
}

impl Rendered {
    fn new(title: impl Into<String>, message: impl Into<String>) -> Self {
        Self { title: title.into(), message: message.into() }
    }
}

/// `content` in the words of `locale`.
pub(super) fn render(content: &NotificationContent, locale: Locale) -> Rendered {
    match locale {
        Locale::En => en::render(content),
        Locale::De => de::render(content),
    }
}

/// Whole minutes, rounded up: never less than one, never less than it will be.
fn minutes(span: std::time::Duration) -> u64 {
    span.as_secs().div_ceil(60).max(1)
}

/// `850 m` or `1.3 km`, to the nearest 50 m below one kilometre and the nearest 100 m above.
fn distance(metres: u32) -> String {
    let metres = u64::from(metres);
    let near = (metres + 25) / 50 * 50;
    if near < 1000 {
        return format!("{} m", near.max(50));
    }
    let tenths = (metres + 50) / 100;
    format!("{}.{} km", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::kind::NotificationKind;
    use super::super::samples;
    use super::*;
    use crate::domain::ids::OrderId;
    use crate::domain::money::Money;

    fn check_bounds(typed: &str) {
        for content in samples::with_text(typed) {
            for locale in Locale::ALL {
                let Rendered { title, message } = content.render(locale);
                assert!((1..=MAX_TITLE_CHARS).contains(&title.chars().count()), "{locale}: {title}");
                assert!((1..=MAX_MESSAGE_CHARS).contains(&message.chars().count()), "{locale}: {message}");
                for text in [title, message] {
                    assert_eq!(text, text.trim(), "{locale}");
                    assert!(!text.contains("  "), "{locale}: {text}");
                    assert!(text.chars().all(|c| !c.is_control()), "{locale}: {text}");
                }
            }
        }
    }

    #[test]
    fn every_kind_has_samples() {
        let kinds: Vec<_> = samples::all().iter().map(NotificationContent::kind).collect();
        for kind in NotificationKind::ALL {
            assert!(kinds.contains(&kind), "{kind}");
        }
    }

    #[test]
    fn texts_keep_their_bounds_whatever_was_typed() {
        check_bounds("Zoë Müller");
        check_bounds(&"W".repeat(5_000));
    }

    #[test]
    fn texts_are_never_empty_even_when_nothing_was_typed() {
        check_bounds("");
        check_bounds(" \r\n\u{202E}\t");
    }

    #[test]
    fn languages_differ_but_for_what_people_wrote_themselves() {
        for content in samples::all() {
            let (en, de) = (content.render(Locale::En), content.render(Locale::De));
            let kind = content.kind();
            assert_eq!(en.title == de.title, kind == NotificationKind::Announcement, "{kind}: {}", en.title);
            let written = [NotificationKind::Announcement, NotificationKind::ChatMessage].contains(&kind);
            assert_eq!(en.message == de.message, written, "{kind}: {}", en.message);
        }
    }

    #[test]
    fn amounts_follow_the_language() {
        let price = Money { amount: 1250, currency: "EUR".parse().expect("a code") };
        let content = NotificationContent::OrderCompleted { order_id: OrderId::new(), price };
        assert!(content.render(Locale::En).message.contains("12.50 EUR"));
        assert!(content.render(Locale::De).message.contains("12,50 EUR"));
    }

    #[test]
    fn one_is_singular() {
        let rating =
            |stars| NotificationContent::RatingReceived { order_id: OrderId::new(), stars, comment: None };
        assert_eq!(rating(1).render(Locale::En).title, "You received 1 star");
        assert_eq!(rating(4).render(Locale::En).title, "You received 4 stars");
        assert_eq!(rating(1).render(Locale::De).title, "Neue Bewertung: 1 Stern");
        assert_eq!(rating(4).render(Locale::De).title, "Neue Bewertung: 4 Sterne");
    }

    #[test]
    fn delays_are_rounded_up_to_minutes() {
        let minutes = |secs| minutes(Duration::from_secs(secs));
        assert_eq!([minutes(0), minutes(60), minutes(61), minutes(300)], [1, 1, 2, 5]);
    }

    #[test]
    fn distances_are_as_exact_as_people_say_them() {
        let shown = [0, 24, 130, 974, 975, 1_249, 1_250, 12_000].map(distance);
        assert_eq!(shown, ["50 m", "50 m", "150 m", "950 m", "1.0 km", "1.2 km", "1.3 km", "12.0 km"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn texts_keep_their_bounds_for_any_text(typed in any::<String>()) {
            check_bounds(&typed);
        }
    }
}
