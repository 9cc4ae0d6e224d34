//! What is masked, and what is left.

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
        // With what people put between the digits who do not want them found.
        "⟦0170\n123\n4567⟧",
        "⟦0170\r\n123\r\n4567⟧",
        "⟦0170\t123\t4567⟧",
        "⟦0170_123_4567⟧",
        "⟦0170*123*4567⟧",
        "⟦0170,123,45,67⟧",
        "⟦0170, 123, 4567⟧",
        "⟦0170:12:34:567⟧",
        "⟦0170;123;4567⟧",
        "⟦0170|123|4567⟧",
        "⟦0170~123~4567⟧",
        "⟦0170·123·4567⟧",
        "⟦0170—123—4567⟧",
        "⟦0170 — 123 — 4567⟧",
        "⟦0170\u{2009}123\u{2009}4567⟧",
        "⟦+49,170,1234567⟧",
        "⟦+49:170:1234567⟧",
        "⟦+49\n170\n1234567⟧",
        "⟦555*123*4567⟧",
        "⟦555_123_4567⟧",
        "⟦555—123—4567⟧",
        "⟦0170\u{ad}123\u{ad}4567⟧",
        "⟦0170\u{200e}123\u{200f}4567⟧",
        "⟦0170\u{2061}123\u{2062}45\u{2063}6\u{2064}7⟧",
        "⟦030 123456⟧\n12 Main Street",
        // Said to be something else, and yet a number.
        "my order ⟦0170 1234567⟧",
        "order number is ⟦0170 1234567⟧",
        "code ⟦+49 170 1234567⟧",
        "order ⟦555 123 4567⟧",
        "#⟦0170 1234567⟧",
        "example.com/⟦01701234567⟧",
        "api.whatsapp.com/⟦491701234567⟧",
        "code 4711 ⟦0170 1234567⟧",
        // Halves that look like something else.
        "⟦0151-2345 678⟧",
        "⟦0151 2345-1234⟧",
        "⟦98765-43210⟧",
        "⟦170 123-456 789⟧",
        "⟦0170.12-34.56⟧",
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
        "51.507351, -0.127758",
        "51.507351,-0.127758",
        "51.507351,0.127758",
        "-0.507351 0.127758",
        "https://maps.google.com/?q=51.507351,-0.127758",
        "maps.google.com/?q=51.507351,-0.127758",
        "maps.google.com/?q=0.507351,-0.127758",
        "example.com/t/123456789012",
        "https://example.com/t/123456789012?x=1234567",
        "0830-0945",
        "open 0900 - 1700",
        "(0900-1700)",
        "(12.50-13.75)",
        "open 0900–1700, 1800-2200",
        "0900-1200 1300-1700",
        "at door 12 0830-0945",
        "12.50-13.75",
        "99.90-99.95",
        "0.99-1.49",
        "12.50/14.50",
        "12.50 - 14.50",
        "10.000 - 15.000",
        "10 000 - 15 000",
        "10'000-15'000",
        "10,000 - 15,000",
        "Rp 150.000 - 200.000",
        "Rp 1500000",
        "12000-15000",
        "12000 / 15000",
        "100000-150000",
        "Order #12345678",
        "order 1234567",
        "Order: 1234567",
        "order no. 1234567",
        "order number 12345678901",
        "Bestellnummer 1234567",
        "Bestellung Nr. 1234567",
        "Rechnung 2026/000123",
        "invoice 2026/000123",
        "ticket 2026-000123",
        "gate 0012345",
        "door code 0451 223",
        "door code: 0451 223",
        "Türcode 0451 223",
        "The code is 0451223.",
        "sizes 36 38 40 42",
        "sizes 36 38 40 42 44 46",
        "Größen 36 38 40 42",
        "room 12 13 14 15",
        "Zimmer 12 13 14 15",
        "#05-123 018956",
        "01, 02, 03, 04, 05",
        "0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "codes 0451, 0223, 0912",
        "0451\n0223\n0912",
        "rooms 101, 102, 103, 104",
        "4711,4712,4713",
        "300*400*500",
        "08:30, 09:45, 10:15",
        "0,99, 1,50, 12,25",
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
        // More signs than addresses, and more addresses than words.
        "write me @⟦ada@gmail.com⟧",
        "@@⟦ada@gmail.com⟧",
        "x@⟦ada@gmail.com⟧@",
        "⟦ada@example.org⟧@example.org",
        "⟦ada@example.org⟧/⟦bob@example.org⟧",
        "⟦ada@example.org⟧&⟦bob@example.org⟧*⟦cas@example.org⟧~⟦dan@example.org⟧",
        "⟦ada@example.org⟧⟦'bob@example.org⟧",
        "⟦ada＠example.org⟧/⟦bob＠example.org⟧",
        "⟦ada@example.org @gmail.com⟧",
        "⟦ada@ example.org@gmail.com⟧",
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

    #[test]
    fn masking_addresses_twice_is_masking_them_once(text in "[abc@＠.' /&•-]{0,40}") {
        let masked = mask(&text).text;
        proptest::prop_assert_eq!(&mask(&masked).text, &masked);
    }
}
