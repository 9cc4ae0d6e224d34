//! Phone numbers in a text, told from the other numbers that stand in one.

use std::ops::Range;

use super::{slice, words};
use crate::domain::money::Currency;

/// Digits of a phone number: the fewest of a local one, and the most (ITU-T E.164), with an exit code before them.
const FEWEST: usize = 7;
const MOST: usize = 15;
/// With so many, a number need not go on.
const WHOLE: usize = 10;
const MOST_AFTER_EXIT_CODE: usize = MOST + 2;

/// Digits that follow each other without anything between them.
struct Group<'a> {
    span: Range<usize>,
    digits: &'a str,
    /// Whether it is part of something that is no phone number.
    is_taken: bool,
}

/// The digits of a text, and what lies between them.
struct Numbers<'a> {
    text: &'a str,
    groups: Vec<Group<'a>>,
}

/// Where they are, in bytes.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut numbers = Numbers::of(text);
    numbers.take_identifiers();
    numbers.take_dates_and_amounts();
    let mut found = Vec::new();
    let mut first = 0;
    while first < numbers.groups.len() {
        let end = numbers.end_of_run(first);
        if numbers.is_phone(first, end) {
            found.extend(numbers.span(first, end));
            first = end;
        } else {
            // A number does not begin within what is joined closely.
            first += 1;
            while is_tight(numbers.before(first)) && first < numbers.groups.len() {
                first += 1;
            }
        }
    }
    found
}

fn is_separator(char: char) -> bool {
    " \u{a0}\u{202f}-\u{2010}\u{2011}–./()".contains(char)
}

impl<'a> Numbers<'a> {
    fn of(text: &'a str) -> Self {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (at, _) in text.char_indices().filter(|(_, char)| char.is_ascii_digit()) {
            match groups.last_mut() {
                Some(last) if last.span.end == at => last.span.end += 1,
                Some(_) | None => groups.push(Group { span: at..at + 1, digits: "", is_taken: false }),
            }
        }
        for group in &mut groups {
            group.digits = slice(text, group.span.clone());
        }
        Self { text, groups }
    }

    /// The digits of a group; none past the end.
    fn digits(&self, index: usize) -> &'a str {
        self.groups.get(index).map_or("", |group| group.digits)
    }

    /// What follows a group, up to the next one or the end.
    fn after(&self, index: usize) -> &'a str {
        let start = self.groups.get(index).map_or(self.text.len(), |group| group.span.end);
        let end = self.groups.get(index + 1).map_or(self.text.len(), |group| group.span.start);
        slice(self.text, start..end)
    }

    /// What comes before a group, from the one before it or the beginning on.
    fn before(&self, index: usize) -> &'a str {
        match index.checked_sub(1) {
            Some(previous) => self.after(previous),
            None => slice(self.text, 0..self.groups.first().map_or(0, |group| group.span.start)),
        }
    }

    fn take(&mut self, span: Range<usize>) {
        self.groups.get_mut(span).unwrap_or_default().iter_mut().for_each(|group| group.is_taken = true);
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
                let groups =
                    self.groups.iter().enumerate().filter(|(_, group)| word.contains(&group.span.start));
                let indexes: Vec<usize> = groups.map(|(index, _)| index).collect();
                if let (Some(first), Some(last)) = (indexes.first(), indexes.last())
                    && !self.is_whole_number(*first, *last)
                {
                    self.take(*first..last + 1);
                }
            }
        }
    }

    /// Whether these groups of a word are a number that stands beside letters, rather than among them: a whole one with a
    /// `+` or `0` before it.
    fn is_whole_number(&self, first: usize, last: usize) -> bool {
        let digits: usize = (first..=last).map(|index| self.digits(index).len()).sum();
        let is_apart = (first..last).any(|index| !self.after(index).chars().all(is_separator));
        self.start(first) != Start::Bare
            && !self.digits(first).starts_with("000")
            && (WHOLE..=MOST_AFTER_EXIT_CODE).contains(&digits)
            && !is_apart
    }

    /// Dates, times, decimal fractions, and amounts with their thousands parted.
    fn take_dates_and_amounts(&mut self) {
        for index in 0..self.groups.len() {
            let (one, two, three) = (self.digits(index), self.digits(index + 1), self.digits(index + 2));
            let (between, next) = (self.after(index), self.after(index + 1));
            let (four, last) = (self.digits(index + 3), self.after(index + 2));
            let stands_alone = |end: usize| !is_tight(self.before(index)) && !self.is_followed_tightly(end);
            let is_date = ["-", ".", "/"].contains(&between)
                && next == between
                && (is_year_month_day(one, two, three)
                    || is_day_month_year(one, two, three) && stands_alone(index + 2));
            let is_hours = |hour: &str, minute: &str| is_at_most(hour, 23) && is_minute(minute);
            if is_date {
                self.take(index..index + 3);
            } else if between == ":" && two.len() == 2 || between == "," && two.len() <= 3 {
                self.take(index..index + 2);
            } else if between == "." && last == "." && matches!(next.trim(), "-" | "–") {
                if is_hours(one, two) && is_hours(three, four) {
                    self.take(index..index + 4);
                }
            } else if between == "." && stands_alone(index + 1) {
                let is_amount = two.len() == 2 && one.len() <= 4;
                let is_fraction = !one.starts_with('0') && one.len() <= 3 && two.len() >= 4;
                if is_amount || is_fraction {
                    self.take(index..index + 2);
                }
            } else if is_compact_date(one) {
                self.take(index..index + 1);
            }
        }
    }

    fn is_followed_tightly(&self, index: usize) -> bool {
        index + 1 < self.groups.len() && is_tight(self.after(index))
    }

    /// Where the groups end that may be one number together with this one.
    fn end_of_run(&self, first: usize) -> usize {
        let is_free = |index: usize| self.groups.get(index).is_some_and(|group| !group.is_taken);
        if !is_free(first) {
            return first;
        }
        let mut end = first + 1;
        let mut digits = self.digits(first).len();
        while is_free(end) {
            let (between, next) = (self.after(end - 1), self.digits(end));
            let is_joined = between.chars().count() <= 3 && between.chars().all(is_separator);
            let has_space = between.contains(char::is_whitespace);
            // Where one number has enough digits, another one may begin.
            let is_another = next.len() >= 2
                && next.starts_with('0')
                && (digits >= WHOLE || self.start(first) == Start::Bare);
            let is_full = digits >= FEWEST && digits + next.len() > MOST;
            if !is_joined || has_space && (is_another || is_full) {
                break;
            }
            digits += next.len();
            end += 1;
        }
        end
    }

    fn start(&self, first: usize) -> Start {
        let before = self.before(first).trim_end_matches('(');
        if before.ends_with('+') {
            Start::Plus
        } else if self.digits(first).starts_with('0') {
            Start::Zero
        } else {
            Start::Bare
        }
    }

    fn is_phone(&self, first: usize, end: usize) -> bool {
        let groups = self.groups.get(first..end).unwrap_or_default();
        let digits: usize = groups.iter().map(|group| group.digits.len()).sum();
        let most = if self.digits(first).starts_with("00") { MOST_AFTER_EXIT_CODE } else { MOST };
        if !(FEWEST..=most).contains(&digits) || self.is_postal_code(first, end) {
            return false;
        }
        match self.start(first) {
            Start::Plus | Start::Zero => true,
            Start::Bare => !self.is_money(first, end) && self.has_shape(first, groups, digits),
        }
    }

    /// Whether groups without a `+` or `0` before them look like a phone number.
    fn has_shape(&self, first: usize, groups: &[Group<'_>], digits: usize) -> bool {
        let lengths: Vec<usize> = groups.iter().map(|group| group.digits.len()).collect();
        let separators: Vec<&str> =
            (first..first + groups.len() - 1).map(|index| self.after(index)).collect();
        match (lengths.as_slice(), separators.as_slice()) {
            ([_], _) | ([3, 4], ["-"]) | ([2, 2, 2, 2], _) => true,
            ([_, _], ["."]) => false,
            ([_, _], [_]) => digits >= 10,
            ([1..=3, thousands @ ..], dots) if dots.iter().all(|dot| *dot == ".") => {
                digits >= 9 && thousands.iter().any(|length| *length != 3)
            }
            (lengths, _) => digits >= 9 && digits >= 2 * lengths.len(),
        }
    }

    /// ZIP+4, and the like of other countries.
    fn is_postal_code(&self, first: usize, end: usize) -> bool {
        let lengths = (self.digits(first).len(), self.digits(first + 1).len());
        let has_mark = self.before(first).trim_end().ends_with('〒');
        let is_shaped = self.after(first) == "-" && matches!(lengths, (5, 4 | 3) | (4, 3));
        end == first + 2 && (has_mark || is_shaped)
    }

    fn is_money(&self, first: usize, end: usize) -> bool {
        let (before, after) = (self.before(first).trim_end(), self.after(end - 1).trim_start());
        let is_letter = |char: char| char.is_alphabetic();
        let word_before = before.get(before.trim_end_matches(is_letter).len()..).unwrap_or_default();
        let word_after = after.split(|char: char| !char.is_alphabetic()).next().unwrap_or_default();
        before.ends_with(is_currency_sign)
            || after.starts_with(is_currency_sign)
            || [word_before, word_after].into_iter().any(is_currency)
    }

    /// From its first sign to its last digit.
    fn span(&self, first: usize, end: usize) -> Option<Range<usize>> {
        let plus = match self.start(first) {
            Start::Plus => self.before(first).rfind('+').map_or(0, |at| self.before(first).len() - at),
            Start::Zero | Start::Bare => 0,
        };
        let (first, last) = (self.groups.get(first)?, self.groups.get(end.checked_sub(1)?)?);
        Some(first.span.start - plus..last.span.end)
    }
}

/// How a number begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With `+`: an international one.
    Plus,
    /// With the digit that calls for an area or a country.
    Zero,
    /// With any other digit.
    Bare,
}

const fn is_currency_sign(char: char) -> bool {
    matches!(char, '$' | '¢' | '£' | '¥' | '฿' | '₠'..='\u{20cf}' | '＄' | '￡' | '￥' | '￦')
}

/// A code of ISO 4217, or how people write the most usual ones. In small letters many codes are words.
fn is_currency(word: &str) -> bool {
    const WORDS: [&str; 6] = ["eur", "usd", "gbp", "chf", "kč", "zł"];
    word.parse::<Currency>().is_ok() || WORDS.contains(&word.to_lowercase().as_str())
}

/// Whether two groups that have this between them belong together closely.
fn is_tight(between: &str) -> bool {
    let mut chars = between.chars().rev();
    chars.next().is_some_and(|char| is_separator(char) && !char.is_whitespace()) && chars.next().is_none()
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
