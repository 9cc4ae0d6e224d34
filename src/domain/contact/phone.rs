//! Phone numbers in a text, told from the other numbers that stand in one.
//!
//! libphonenumber, which has been ported, finds a number without a country's code only for a country that it is told. Nobody
//! here says which country a number is of, so the shape of a number decides.

use std::ops::Range;

use super::numbers::*;

/// Where they are, in bytes.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut numbers = Numbers::of(text);
    numbers.take_others();
    let mut found = Vec::new();
    let mut first = 0;
    while first < numbers.groups.len() {
        if let Some(end) = numbers.end_of_phone(first) {
            found.extend(numbers.span(first, end));
            first = end;
        } else if numbers.is_labelled(first, numbers.end_of_run(first)) {
            first = numbers.end_of_run(first).max(first + 1);
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

impl Numbers<'_> {
    /// Where the phone number ends that begins with this group.
    fn end_of_phone(&self, first: usize) -> Option<usize> {
        let (wide, end) = (self.end_of_odd_run(first), self.end_of_run(first));
        if wide > end && self.is_odd_phone(first, wide) {
            return Some(wide);
        }
        self.is_phone(first, end).then_some(end)
    }

    /// Where the groups end that may be one number together with this one.
    fn end_of_run(&self, first: usize) -> usize {
        if !self.is_free(first) {
            return first;
        }
        let mut end = first + 1;
        let mut digits = self.digits(first).len();
        while self.is_free(end) {
            let (between, next) = (self.after(end - 1), self.digits(end));
            let has_space = between.contains(char::is_whitespace);
            // Where one number has enough digits, another one may begin.
            let is_another = next.len() >= 2
                && next.starts_with('0')
                && (digits >= WHOLE || self.start(first) == Start::Bare);
            let is_full = digits >= FEWEST && digits + next.len() > MOST;
            if !self.is_joined(end - 1) || has_space && (is_another || is_full) {
                break;
            }
            digits += next.len();
            end += 1;
        }
        end
    }

    /// As [`Numbers::end_of_run`], where something is between the groups that is between the digits of few numbers.
    fn end_of_odd_run(&self, first: usize) -> usize {
        if !self.is_free(first) {
            return first;
        }
        let mut end = first + 1;
        let mut digits = self.digits(first).len();
        while self.is_free(end) && digits < WHOLE {
            let between = self.after(end - 1);
            let may_join = |char: char| is_separator(char) || is_odd_separator(char);
            // What would do as a number goes on only as it began: the next line may be about something else.
            let is_as_before = digits < FEWEST || (first..end - 1).any(|index| self.after(index) == between);
            let is_odd = between.contains(is_odd_separator);
            if between.chars().count() > 3 || !between.chars().all(may_join) || is_odd && !is_as_before {
                break;
            }
            digits += self.digits(end).len();
            end += 1;
        }
        end
    }

    /// Whether groups with such separators are a phone number: one that shows it by its beginning, or by being written like
    /// `555*123*4567`. A list is none.
    fn is_odd_phone(&self, first: usize, end: usize) -> bool {
        let digits = self.count(first, end);
        let lengths: Vec<usize> = (first..end).map(|index| self.digits(index).len()).collect();
        let is_even = lengths.windows(2).all(|pair| matches!(pair, [one, next] if one == next));
        let zeros = (first..end).filter(|index| self.digits(*index).starts_with('0')).count();
        let is_list = is_even && (zeros > 1 || self.is_rising(first, end));
        let between = self.after(first);
        let is_mark =
            between.chars().count() == 1 && !between.contains([',', ':']) && between.trim() == between;
        let is_like_usual =
            lengths == [3, 3, 4] && is_mark && (first..end - 1).all(|index| self.after(index) == between);
        let may_be = match self.start(first) {
            Start::Plus | Start::Zero => (WHOLE..=MOST_AFTER_EXIT_CODE).contains(&digits),
            Start::Bare => is_like_usual,
        };
        may_be && !is_list && !self.is_labelled(first, end)
    }

    fn is_phone(&self, first: usize, end: usize) -> bool {
        let groups = self.groups.get(first..end).unwrap_or_default();
        let digits = self.count(first, end);
        let most = if self.digits(first).starts_with("00") { MOST_AFTER_EXIT_CODE } else { MOST };
        if !(FEWEST..=most).contains(&digits)
            || self.is_postal_code(first, end)
            || self.is_labelled(first, end)
        {
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
