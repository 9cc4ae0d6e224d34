//! The numbers of a text that are no phone numbers: ids, links, dates, times, amounts, ranges, postal codes, and what is said
//! to be something else.

use super::numbers::*;
use super::{is_last_label, slice, words};
use crate::domain::money::Currency;

/// What is numbered, in the languages that people are addressed in. After one of them stands its number.
const NUMBERED: &[&str] = &[
    "apartment",
    "apt",
    "aufgang",
    "auftrag",
    "auftragsnr",
    "auftragsnummer",
    "bestellnr",
    "bestellnummer",
    "bestellung",
    "booking",
    "box",
    "buchung",
    "buchungsnummer",
    "buzzer",
    "code",
    "codes",
    "flat",
    "fach",
    "gate",
    "größe",
    "größen",
    "gutschein",
    "intercom",
    "invoice",
    "kundennummer",
    "locker",
    "order",
    "orders",
    "packstation",
    "paket",
    "parcel",
    "pin",
    "raum",
    "receipt",
    "rechnung",
    "rechnungsnr",
    "rechnungsnummer",
    "ref",
    "reference",
    "room",
    "rooms",
    "schließfach",
    "sendung",
    "sendungsnummer",
    "size",
    "sizes",
    "ticket",
    "tickets",
    "tor",
    "tracking",
    "unit",
    "voucher",
    "wohnung",
    "zimmer",
    "zugangscode",
];

/// Words that may stand between such a word and the number.
const BETWEEN: [&str; 7] = ["no", "nr", "number", "nummer", "id", "is", "ist"];

/// Hosts whose paths are phone numbers.
const OF_PHONES: [&str; 6] =
    ["wa.me", "api.whatsapp.com", "whatsapp.com", "t.me", "signal.me", "viber.click"];

impl Numbers<'_> {
    /// Takes all of them but those that only a whole run of groups tells.
    pub(super) fn take_others(&mut self) {
        self.take_identifiers();
        self.take_links();
        self.take_ranges();
        self.take_dates_and_amounts();
    }

    /// Ids and the like: words in which letters and digits are joined, by hyphens or directly.
    fn take_identifiers(&mut self) {
        for word in words(self.text) {
            let text = slice(self.text, word.clone());
            let is_joint = |char: char| char == '-' || char == '_';
            let chars: Vec<char> = text.chars().collect();
            let is_identifier = chars.windows(2).any(|pair| match pair {
                [one, next] => {
                    let (has_letter, has_digit) = (
                        one.is_alphabetic() || next.is_alphabetic(),
                        one.is_ascii_digit() || next.is_ascii_digit(),
                    );
                    has_letter && (has_digit || is_joint(*one) || is_joint(*next))
                }
                _ => false,
            });
            if is_identifier {
                self.take_within(word);
            }
        }
    }

    /// What stands in the path of an address on the web, but for those that lead to a phone.
    fn take_links(&mut self) {
        let is_between = |char: char| char.is_whitespace() || "<>()\"“”„»«".contains(char);
        let mut start = 0;
        for word in self.text.split(is_between) {
            // Where this word stands: all of them are parts of the text.
            let offset = slice(self.text, start..self.text.len()).find(word).map_or(start, |at| start + at);
            start = offset + word.len();
            if let Some(path) = path_of(word) {
                self.take_within(offset + path..offset + word.len());
            }
        }
    }

    /// Takes the groups within a part of the text, unless they are a whole number that stands beside the rest of it.
    fn take_within(&mut self, part: std::ops::Range<usize>) {
        let within = self.groups.iter().enumerate().filter(|(_, group)| part.contains(&group.span.start));
        let indexes: Vec<usize> = within.map(|(index, _)| index).collect();
        if let (Some(first), Some(last)) = (indexes.first(), indexes.last())
            && !self.is_whole_number(*first, *last)
        {
            self.take(*first..last + 1);
        }
    }

    /// Whether these groups of a word are a number that stands beside letters, rather than among them: a whole one with a
    /// `+` or `0` before it.
    fn is_whole_number(&self, first: usize, last: usize) -> bool {
        let is_apart = (first..last).any(|index| !self.after(index).chars().all(is_separator));
        self.start(first) != Start::Bare
            && !self.digits(first).starts_with("000")
            && (WHOLE..=MOST_AFTER_EXIT_CODE).contains(&self.count(first, last + 1))
            && !is_apart
    }

    /// Ranges of times and of amounts.
    fn take_ranges(&mut self) {
        for index in 0..self.groups.len() {
            if self.follows_tightly(index) {
                continue;
            }
            if self.are_hours(index) && !self.goes_on(index) {
                self.take(index..index + 2);
            }
            if let Some((low, middle)) = self.amount(index)
                && is_dash_or_slash(self.after(middle - 1))
                && let Some((high, end)) = self.amount(middle)
                && (middle - index, self.joint(index, middle)) == (end - middle, self.joint(middle, end))
                && self.start(index) == Start::Bare
                && low <= high
                && !self.is_followed_tightly(end - 1)
            {
                self.take(index..end);
            }
        }
    }

    /// Whether two groups are `0830-0945`.
    fn are_hours(&self, index: usize) -> bool {
        let is_time = |digits: &str| match digits.split_at_checked(2) {
            Some((hour, minute)) => is_hours(hour, minute),
            None => false,
        };
        is_time(self.digits(index)) && is_time(self.digits(index + 1)) && is_dash(self.after(index))
    }

    /// Whether a range of two groups is part of something longer.
    fn goes_on(&self, index: usize) -> bool {
        let before = index.checked_sub(1).filter(|before| self.is_free(*before) && self.is_joined(*before));
        let is_before =
            before.is_some_and(|before| self.start(before) != Start::Bare || self.digits(before).len() > 2);
        is_before || self.is_joined(index + 1) && !self.are_hours(index + 2)
    }

    /// A round amount, its thousands parted or not, and where it ends. One that is not round may be half of a phone number.
    fn amount(&self, first: usize) -> Option<(u64, usize)> {
        const PARTING: [&str; 6] = [".", " ", "\u{a0}", "\u{202f}", "'", "’"];
        let begin = self.digits(first);
        let joint = self.after(first);
        let mut end = first + 1;
        if (1..=3).contains(&begin.len()) && PARTING.contains(&joint) {
            while self.digits(end).len() == 3 && self.after(end - 1) == joint {
                end += 1;
            }
        }
        let digits: String = (first..end).map(|index| self.digits(index)).collect();
        let is_amount = digits.len() >= 4 && digits.ends_with("00") && !digits.starts_with('0');
        let amount = digits.parse().ok().filter(|_| is_amount)?;
        Some((amount, end))
    }

    /// What parts the thousands of an amount.
    fn joint(&self, first: usize, end: usize) -> Option<&str> {
        (end > first + 1).then(|| self.after(first))
    }

    /// Dates, times, decimal fractions, and amounts with their thousands parted.
    fn take_dates_and_amounts(&mut self) {
        for index in 0..self.groups.len() {
            let (one, two, three) = (self.digits(index), self.digits(index + 1), self.digits(index + 2));
            let (between, next) = (self.after(index), self.after(index + 1));
            let (four, last) = (self.digits(index + 3), self.after(index + 2));
            let stands_alone = |end: usize| !self.follows_tightly(index) && !self.is_followed_tightly(end);
            let is_date = ["-", ".", "/"].contains(&between)
                && next == between
                && (is_year_month_day(one, two, three)
                    || is_day_month_year(one, two, three) && stands_alone(index + 2));
            let is_range = between == "." && last == "." && is_dash_or_slash(next);
            let are_hours = is_range && is_hours(one, two) && is_hours(three, four) && is_dash(next);
            let are_prices = is_range && is_price(one, two) && is_price(three, four);
            let is_listed = matches!(between, ":" | ",") && self.begins_like_a_number(index, between);
            if is_date {
                self.take(index..index + 3);
            } else if !is_listed && (between == ":" && two.len() == 2 || between == "," && two.len() <= 3) {
                self.take(index..index + 2);
            } else if are_hours || are_prices && stands_alone(index + 3) {
                self.take(index..index + 4);
            } else if between == "." && stands_alone(index + 1) {
                let is_amount = two.len() == 2 && one.len() <= 4;
                let is_fraction = (!one.starts_with('0') || one == "0") && one.len() <= 3 && two.len() >= 4;
                if is_amount || is_fraction {
                    self.take(index..index + 2);
                }
            } else if is_compact_date(one) {
                self.take(index..index + 1);
            }
        }
    }

    /// Whether the groups with this between them, of which this is one, begin like a phone number: `0170,123,45,67`.
    fn begins_like_a_number(&self, index: usize, between: &str) -> bool {
        // No number has more groups than digits.
        let before = (0..index).rev().take(MOST).take_while(|before| self.after(*before) == between);
        let first = before.last();
        let first = first.unwrap_or(index);
        match self.start(first) {
            Start::Plus => true,
            Start::Zero => self.digits(first).len() > 2,
            Start::Bare => false,
        }
    }

    /// ZIP+4, and the like of other countries.
    pub(super) fn is_postal_code(&self, first: usize, end: usize) -> bool {
        let lengths = (self.digits(first).len(), self.digits(first + 1).len());
        let has_mark = self.before(first).trim_end().ends_with('〒');
        let is_shaped = self.after(first) == "-" && matches!(lengths, (5, 4 | 3) | (4, 3));
        end == first + 2 && (has_mark || is_shaped)
    }

    pub(super) fn is_money(&self, first: usize, end: usize) -> bool {
        let (before, after) = (self.before(first).trim_end(), self.after(end - 1).trim_start());
        let is_letter = |char: char| char.is_alphabetic();
        let word_before = before.get(before.trim_end_matches(is_letter).len()..).unwrap_or_default();
        let word_after = after.split(|char: char| !char.is_alphabetic()).next().unwrap_or_default();
        before.ends_with(is_currency_sign)
            || after.starts_with(is_currency_sign)
            || [word_before, word_after].into_iter().any(is_currency)
    }

    /// Whether a run is said to be something else, as in `order 1234567`, `Order #12345678` or `door code 0451 223`, and is
    /// not a phone number all the same: `my order 0170 1234567`.
    pub(super) fn is_labelled(&self, first: usize, end: usize) -> bool {
        let before = self.before(first).trim_end();
        let has_sign = before.ends_with(['#', '№']);
        if self.start(first) == Start::Plus || !has_sign && !ends_with_label(before) {
            return false;
        }
        let is_short = self.count(first, end) < WHOLE || self.digits(first).starts_with("000");
        let is_one = end == first + 1 && self.start(first) == Start::Bare;
        let is_of_year =
            is_year(self.digits(first)) && (first + 1..end).all(|index| is_tight(self.before(index)));
        let is_some = (first..end).all(|index| self.digits(index).len() <= 3) && self.is_rising(first, end);
        // A floor and a door, and a postal code after them.
        let tight = (first + 1..end).take_while(|index| is_tight(self.before(*index))).count() + 1;
        let is_door = has_sign && tight > 1 && self.count(first, first + tight) < FEWEST;
        let is_door = is_door && self.count(first + tight, end) < FEWEST;
        is_short || is_one || is_of_year || is_some || is_door
    }

    /// Whether each group is more than the one before it, as in a list.
    pub(super) fn is_rising(&self, first: usize, end: usize) -> bool {
        let number = |index: usize| self.digits(index).parse::<u64>().unwrap_or_default();
        (first + 1..end).all(|index| number(index - 1) < number(index))
    }
}

/// Where the path of an address on the web begins.
fn path_of(word: &str) -> Option<usize> {
    let scheme = word.find("://").map(|at| at + 3);
    let host_at = scheme.unwrap_or_default();
    let (host, _) = word.get(host_at..)?.split_once('/')?;
    let (labels, last) = host.rsplit_once('.')?;
    // `Tel.Nr/…` is none.
    let is_host = !labels.is_empty() && is_last_label(last) && last.chars().all(char::is_lowercase);
    let host = host.trim_start_matches("www.").to_lowercase();
    (is_host && !OF_PHONES.contains(&host.as_str())).then_some(host_at + labels.len())
}

/// Whether the text before a number ends with what is numbered.
fn ends_with_label(before: &str) -> bool {
    let words = before.rsplit(|char: char| char.is_whitespace() || ":=(".contains(char));
    let mut words = words
        .filter(|word| !word.is_empty())
        .map(|word| word.trim_start_matches(|char: char| !char.is_alphanumeric()).to_lowercase());
    let is_between = |word: &String| BETWEEN.contains(&word.trim_end_matches('.'));
    let label = words.by_ref().take(3).find(|word| !is_between(word));
    label.is_some_and(|word| NUMBERED.contains(&word.as_str()) || word.ends_with("code"))
}

const fn is_currency_sign(char: char) -> bool {
    matches!(char, '$' | '¢' | '£' | '¥' | '฿' | '₠'..='\u{20cf}' | '＄' | '￡' | '￥' | '￦')
}

/// A code of ISO 4217, or how people write the most usual ones. In small letters many codes are words.
fn is_currency(word: &str) -> bool {
    const WORDS: [&str; 9] = ["eur", "usd", "gbp", "chf", "kč", "zł", "rp", "kr", "ft"];
    word.parse::<Currency>().is_ok() || WORDS.contains(&word.to_lowercase().as_str())
}

fn is_dash_or_slash(between: &str) -> bool {
    is_dash(between) || between.trim() == "/"
}

fn is_hours(hour: &str, minute: &str) -> bool {
    is_at_most(hour, 23) && is_minute(minute)
}

/// With two decimals.
fn is_price(whole: &str, decimals: &str) -> bool {
    (1..=4).contains(&whole.len()) && (!whole.starts_with('0') || whole == "0") && decimals.len() == 2
}

fn is_at_most(digits: &str, most: u32) -> bool {
    digits.len() <= 2 && digits.parse().is_ok_and(|number: u32| number <= most)
}

fn is_minute(digits: &str) -> bool {
    digits.len() == 2 && is_at_most(digits, 59)
}

fn is_month_and_day(month: &str, day: &str) -> bool {
    let is_some = |digits: &str| digits.parse().is_ok_and(|number: u32| number > 0);
    is_at_most(month, 12) && is_at_most(day, 31) && is_some(month) && is_some(day)
}

fn is_year(digits: &str) -> bool {
    digits.len() == 4 && (digits.starts_with("19") || digits.starts_with("20"))
}

fn is_year_month_day(year: &str, month: &str, day: &str) -> bool {
    is_year(year) && is_month_and_day(month, day)
}

/// Also with the month first.
fn is_day_month_year(day: &str, month: &str, year: &str) -> bool {
    let is_day = is_month_and_day(month, day) || is_month_and_day(day, month);
    is_day && (is_year(year) || year.len() == 2)
}

fn is_compact_date(digits: &str) -> bool {
    match (digits.get(0..4), digits.get(4..6), digits.get(6..8)) {
        (Some(year), Some(month), Some(day)) => digits.len() == 8 && is_year_month_day(year, month, day),
        _ => false,
    }
}
