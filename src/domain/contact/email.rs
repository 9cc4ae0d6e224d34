//! E-mail addresses in a text, also as people write them who do not want them found.

use std::ops::Range;

use super::{is_last_label, slice, words};

/// Domains at which so many people have an address that `at` before them is a sign.
const USUAL: [&str; 24] = [
    "aol.com",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "hotmail.de",
    "hotmail.fr",
    "icloud.com",
    "live.com",
    "mail.ru",
    "me.com",
    "outlook.com",
    "outlook.de",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "t-online.de",
    "web.de",
    "yahoo.com",
    "yandex.ru",
];

/// Where they are, in bytes.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let words = words(text);
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| words.get(index));
        let after = words.get(index + 1..).unwrap_or_default();
        let signed = with_sign(text, word, before, after.first());
        if signed.is_empty() {
            found.extend(before.and_then(|before| spelled(text, word, before, after)));
        }
        found.extend(signed);
    }
    found
}

/// `ada@example.org`, also with spaces at the sign. A word may hold several, and signs that belong to none.
fn with_sign(
    text: &str,
    word: &Range<usize>,
    before: Option<&Range<usize>>,
    after: Option<&Range<usize>>,
) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let signs = slice(text, word.clone()).char_indices().filter(|(_, char)| matches!(char, '@' | '＠'));
    for (sign, char) in signs {
        let (sign, behind) = (word.start + sign, word.start + sign + char.len_utf8());
        let begin = found.last().map_or(word.start, |last| last.end);
        let user = if sign > word.start { Some(begin..sign) } else { before.cloned() };
        let domain = if behind < word.end { Some(behind..word.end) } else { after.cloned() };
        found.extend(user.zip(domain).and_then(|(user, domain)| address(text, user, domain)));
    }
    found
}

/// What of these two is an address, if anything: the end of the first, and the beginning of the second.
fn address(text: &str, user: Range<usize>, domain: Range<usize>) -> Option<Range<usize>> {
    let start = user.end - user_length(slice(text, user.clone()));
    let length = domain_length(slice(text, domain.clone()))?;
    (start < user.end).then_some(start..domain.start + length)
}

/// `ada (at) example.org`, `ada at example dot org`, `ada at gmail.com`.
fn spelled(
    text: &str,
    word: &Range<usize>,
    before: &Range<usize>,
    after: &[Range<usize>],
) -> Option<Range<usize>> {
    if !slice(text, word.clone()).eq_ignore_ascii_case("at") {
        return None;
    }
    let (domain, rest) = after.split_first()?;
    let start = before.end - user_length(slice(text, before.clone()));
    let is_bracketed = slice(text, 0..word.start).ends_with(['(', '[', '{', '<']);
    let length = domain_length(slice(text, domain.clone())).filter(|length| {
        let domain = slice(text, domain.start..domain.start + length);
        is_bracketed || USUAL.iter().any(|usual| domain.eq_ignore_ascii_case(usual))
    });
    if let Some(length) = length {
        return (start < before.end).then_some(start..domain.start + length);
    }
    let is_dot = |word: &Range<usize>| slice(text, word.clone()).eq_ignore_ascii_case("dot");
    let labels = rest.chunks_exact(2).map_while(|pair| match pair {
        [dot, label] if is_dot(dot) => Some(label),
        _ => None,
    });
    let last = labels.last()?;
    let length = slice(text, last.clone()).trim_end_matches('.').len();
    let is_label = is_last_label(slice(text, last.start..last.start + length));
    (is_label && start < before.end).then_some(start..last.start + length)
}

/// How many bytes at the end may be the part before the sign.
fn user_length(text: &str) -> usize {
    let is_part = |char: char| char.is_alphanumeric() || "._%+-'".contains(char);
    text.len() - text.trim_end_matches(is_part).len()
}

/// How many bytes at the beginning are a domain with at least two labels.
fn domain_length(text: &str) -> Option<usize> {
    let end = text.find(|char: char| !char.is_alphanumeric() && char != '.' && char != '-');
    let domain = slice(text, 0..end.unwrap_or(text.len())).trim_end_matches(['.', '-']);
    let (labels, last) = domain.rsplit_once('.')?;
    (!labels.is_empty() && is_last_label(last)).then_some(domain.len())
}
