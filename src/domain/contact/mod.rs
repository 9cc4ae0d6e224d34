//! Contact details in what people type, and masking them: customer and partner talk here, and need neither the other's
//! phone number nor the other's e-mail address.
//!
//! What somebody wants to hide from it can be hidden; what is meant as a number or an address is found. Where the two
//! look alike, a price, a date or a postal code is left as it is.

mod digits;
mod email;
mod phone;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each bracketed part is masked, and nothing else.
    #[track_caller]
    fn assert_masks(marked: &str) {
        let text = marked.replace(['⟦', '⟧'], "");
        let mut expected = String::new();
        for (index, part) in marked.split(['⟦', '⟧']).enumerate() {
            expected.push_str(if index % 2 == 0 { part } else { MASK });
        }
        let masked = mask(&text);
        assert_eq!(masked.text, expected, "{text}");
        assert_eq!(masked.is_masked, marked.contains('⟦'), "{text}");
        assert_eq!(mask(&masked.text).text, expected, "masking twice is masking once: {text}");
    }

    #[test]
    fn phone_numbers_are_masked() {
        for marked in [
            "⟦+491701234567⟧",
            "call ⟦+49 170 1234567⟧ please",
            "⟦+49 (0) 170 123-4567⟧",
            "(⟦+49 170 1234567⟧)",
            "⟦0049 170 1234567⟧.",
            "⟦01701234567⟧",
            "⟦0170/1234567⟧, thanks",
            "⟦0170-123 45 67⟧ or ⟦0171 7654321⟧",
            "⟦0170 1234567⟧ ⟦0171 7654321⟧",
            "⟦030 123456⟧",
            "⟦030.123456⟧",
            "(⟦030) 12 34 56⟧",
            "Tel.: ⟦030/12 34 56⟧",
            "tel:⟦+1-555-123-4567⟧",
            "(⟦555) 123-4567⟧",
            "⟦555-123-4567⟧",
            "⟦555.123.4567⟧",
            "⟦5551234567⟧",
            "⟦555-1234⟧",
            "⟦01.23.45.67.89⟧",
            "⟦01 23 45 67 89⟧",
            "⟦612 345 678⟧",
            "⟦12 34 56 78⟧",
            "⟦+44 20 7946 0958⟧",
            "⟦+86 138 0013 8000⟧",
            "⟦0 1 7 0 1 2 3 4 5 6 7⟧",
            "https://wa.me/⟦491701234567⟧",
            "number 12, ⟦0170 1234567⟧, at 18:30",
            "18:30 ⟦0170 1234567⟧",
            "4.50 ⟦0170 1234567⟧",
            "10117 ⟦0170 1234567⟧",
            "on 24.12.2026 ⟦0170 1234567⟧",
            "Tel-⟦0170-1234567⟧",
            "Tel⟦01701234567⟧",
            "⟦01701234567⟧pls",
            "⟦٠١٧٠ ١٢٣٤٥٦٧⟧",
            "ring ⟦０１７０１２３４５６７⟧, ٣ times",
            "⟦+𝟒𝟗 170 1234567⟧",
            "⟦0\u{2060}1\u{2060}7\u{2060}0\u{2060}1\u{2060}2\u{2060}3\u{2060}4\u{2060}5\u{2060}6\u{2060}7⟧",
            "⟦0️⃣1️⃣7️⃣0️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣⟧",
            "⟦5551234567⟧ try me",
        ] {
            assert_masks(marked);
        }
    }

    #[test]
    fn what_is_no_phone_number_is_left() {
        for text in [
            "The code is 4711.",
            "4711 or 4712",
            "codes 1234 5678",
            "12.50 €",
            "1.234.567,89 €",
            "1,234,567.89 USD",
            "€ 1234567",
            "12 345 678 €",
            "123456789 EUR",
            "123456789 eur",
            "123456789 JPY",
            "JPY 123456789",
            "₩ 123456789",
            "123456789₺",
            "1234567890 ₽",
            "1.234.567",
            "12,50 and 13,75 and 14,25",
            "18:30",
            "18:30:15",
            "08:30-09:45",
            "08.30-09.45",
            "08.30 - 09.45",
            "2026-11-24",
            "2026-11-24 18:30",
            "2026-11-24T18:30:00.000Z",
            "20261124",
            "20261124 1830",
            "24.11.2026",
            "24.11.26",
            "01.02.2026",
            "01/02/2026",
            "01-02-2026 08:15",
            "01.02.-05.02.2026",
            "2025-2026",
            "1200-1210",
            "Hauptstr. 12-14, 10117 Berlin",
            "Hauptstr. 123 10117 Berlin",
            "Gasse 123 1010 Wien",
            "12a, 3rd floor, door 17",
            "Washington, DC 20500-0003",
            "01310-100 São Paulo",
            "1000-205 Lisboa",
            "〒100-8111",
            "0190163d-8694-739b-aea5-966c26f8ad90",
            "0190163d-8694-7391-8345-966c26f8ad90",
            "ab345671-1234-1234-1234-966c26f8ad90",
            "12345678-1234-4234-8234-123456789012",
            "52.5163123",
            "52.5163 13.3777",
            "52.5163, 13.3777",
            "WB-2026-000471199",
            "WB-0000471199",
            "12345678901pls",
            "1 2 3 4 5 6 7 8 9",
            "2 x 3 + 4 = 10",
            "+5",
            "100000",
            "4111111111111111111",
        ] {
            assert_masks(text);
        }
    }

    #[test]
    fn email_addresses_are_masked() {
        for marked in [
            "⟦ada@example.org⟧",
            "Write to ⟦ada.lovelace+x@mail.example.co.uk⟧.",
            "mailto:⟦ada@example.org⟧",
            "<⟦ada@example.org⟧>",
            "(⟦ada@example.org⟧)",
            "⟦ada@example.org⟧, ⟦bob@example.org⟧",
            "⟦ada @ example.org⟧",
            "⟦ada@ example.org⟧",
            "⟦ada @example.org⟧",
            "⟦ADA@EXAMPLE.ORG⟧",
            "⟦jürgen@müller.example⟧",
            "⟦ada＠example.org⟧",
            "⟦ada (at) example.org⟧",
            "⟦ada[at]example[dot]org⟧",
            "⟦ada at example dot org⟧",
            "⟦ada at mail dot example dot org⟧ is mine",
            "⟦0170123456@web.example⟧",
            "⟦ada at gmail.com⟧",
            "write to ⟦ada.l at Outlook.com⟧.",
        ] {
            assert_masks(marked);
        }
    }

    #[test]
    fn what_is_no_email_address_is_left() {
        for text in [
            "@ada",
            "see you @ noon. Thanks",
            "2 soups @ 4.50",
            "I am at home. Dot.",
            "look at example.org",
            "ada@home",
            "a@b",
            "@",
            "at the corner",
            "wait at the red dot",
            "wait at the dot",
            "look at shop.example",
        ] {
            assert_masks(text);
        }
    }

    #[test]
    fn the_rest_of_a_text_stays_as_it_is() {
        assert_masks("Grüße 👋🏽\nfrom ⟦+49 170 1234567⟧\nand ⟦ada@example.org⟧ 🙂");
        assert_masks("");
        assert_masks("Ring at door ⟦0170 1234567⟧\n12 is the number");
    }

    #[test]
    fn masking_makes_no_text_longer() {
        for text in ["a@b.co", "+1234567", "555-1234", "a at b dot co"] {
            let masked = mask(text).text;
            assert!(masked.chars().count() <= text.chars().count(), "{text}: {masked}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(text in "[0-9a-z@+./() ,:€•ä-]{0,80}|\\PC{0,80}") {
            let masked = mask(&text);
            proptest::prop_assert_eq!(masked.text == text, !masked.is_masked);
        }
    }
}
