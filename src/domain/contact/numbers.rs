//! The numbers of a text: groups of digits, and what lies between them.

use std::ops::Range;

use super::slice;

/// Digits of a phone number: the fewest of a local one, and the most (ITU-T E.164), with an exit code before them.
pub(super) const FEWEST: usize = 7;
pub(super) const MOST: usize = 15;
/// With so many, a number need not go on.
pub(super) const WHOLE: usize = 10;
pub(super) const MOST_AFTER_EXIT_CODE: usize = MOST + 2;

/// Digits that follow each other without anything between them.
pub(super) struct Group<'a> {
    pub(super) span: Range<usize>,
    pub(super) digits: &'a str,
    /// Whether it is part of something that is no phone number.
    pub(super) is_taken: bool,
}

/// The digits of a text, and what lies between them.
pub(super) struct Numbers<'a> {
    pub(super) text: &'a str,
    pub(super) groups: Vec<Group<'a>>,
}

/// How a number begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With `+`: an international one.
    Plus,
    /// With the digit that calls for an area or a country.
    Zero,
    /// With any other digit.
    Bare,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(text: &'a str) -> Self {
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
    pub(super) fn digits(&self, index: usize) -> &'a str {
        self.groups.get(index).map_or("", |group| group.digits)
    }

    /// How many digits these groups have in all.
    pub(super) fn count(&self, first: usize, end: usize) -> usize {
        (first..end).map(|index| self.digits(index).len()).sum()
    }

    /// What follows a group, up to the next one or the end.
    pub(super) fn after(&self, index: usize) -> &'a str {
        let start = self.groups.get(index).map_or(self.text.len(), |group| group.span.end);
        let end = self.groups.get(index + 1).map_or(self.text.len(), |group| group.span.start);
        slice(self.text, start..end)
    }

    /// What comes before a group, from the one before it or the beginning on.
    pub(super) fn before(&self, index: usize) -> &'a str {
        match index.checked_sub(1) {
            Some(previous) => self.after(previous),
            None => slice(self.text, 0..self.groups.first().map_or(0, |group| group.span.start)),
        }
    }

    pub(super) fn start(&self, first: usize) -> Start {
        let before = self.before(first).trim_end_matches('(');
        if before.ends_with('+') {
            Start::Plus
        } else if self.digits(first).starts_with('0') {
            Start::Zero
        } else {
            Start::Bare
        }
    }

    pub(super) fn take(&mut self, span: Range<usize>) {
        self.groups.get_mut(span).unwrap_or_default().iter_mut().for_each(|group| group.is_taken = true);
    }

    pub(super) fn is_free(&self, index: usize) -> bool {
        self.groups.get(index).is_some_and(|group| !group.is_taken)
    }

    /// Whether a group follows this one that may belong to the same number.
    pub(super) fn is_joined(&self, index: usize) -> bool {
        let between = self.after(index);
        index + 1 < self.groups.len() && between.chars().count() <= 3 && between.chars().all(is_separator)
    }

    pub(super) fn follows_tightly(&self, index: usize) -> bool {
        index > 0 && is_tight(self.before(index))
    }

    pub(super) fn is_followed_tightly(&self, index: usize) -> bool {
        index + 1 < self.groups.len() && is_tight(self.after(index))
    }
}

/// What people write between the digits of a number.
pub(super) fn is_separator(char: char) -> bool {
    " \u{a0}\u{202f}-\u{2010}\u{2011}–—―./()".contains(char)
}

/// What people write there who do not want the number found, and others in lists.
pub(super) fn is_odd_separator(char: char) -> bool {
    "_*,:;|~·".contains(char) || char.is_whitespace() && !is_separator(char)
}

/// Whether two groups that have this between them belong together closely.
pub(super) fn is_tight(between: &str) -> bool {
    let mut chars = between.chars().rev();
    chars.next().is_some_and(|char| is_separator(char) && !char.is_whitespace()) && chars.next().is_none()
}

/// What stands between the ends of a range.
pub(super) fn is_dash(between: &str) -> bool {
    matches!(between.trim(), "-" | "\u{2010}" | "\u{2011}" | "–" | "—")
}
