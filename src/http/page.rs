//! Pages of lists: ids sort by time, so a cursor is the id where the page before ended.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::services::error::ServiceError;

/// How many items a page has when nobody says.
const DEFAULT_LIMIT: i64 = 50;
/// The most items of a page.
const MAX_LIMIT: i64 = 200;

/// Which page is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Page<Id> {
    /// At most so many items.
    pub limit: i64,
    /// Only those that come after this one; from the beginning without it.
    pub before: Option<Id>,
}

impl<Id: FromStr> Page<Id> {
    /// From `?limit=` and `?cursor=`.
    ///
    /// # Errors
    /// `Invalid` when the limit is out of range, or the cursor is none of ours.
    pub fn new(limit: Option<i64>, cursor: Option<&str>) -> Result<Self, ServiceError> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let message = format!("expected a number from 1 to {MAX_LIMIT}");
            return Err(ServiceError::invalid("limit", "out_of_range", message));
        }
        let before = cursor.map(read_cursor).transpose()?;
        Ok(Self { limit, before })
    }

    /// How many rows to ask the database for: one more than the page has, to know whether another follows.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        self.limit + 1
    }
}

fn read_cursor<Id: FromStr>(cursor: &str) -> Result<Id, ServiceError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| ServiceError::invalid("cursor", "invalid", "expected the next_cursor of an answer"))
}

/// Cuts the extra row off, and tells where the next page begins.
#[must_use]
pub fn cut<T, Id: Display>(
    mut items: Vec<T>,
    page: &Page<Id>,
    id: impl Fn(&T) -> Id,
) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    if items.len() <= limit {
        return (items, None);
    }
    items.truncate(limit);
    let next = items.last().map(|last| URL_SAFE_NO_PAD.encode(id(last).to_string()));
    (items, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_a_gap_or_a_repetition() {
        let all: Vec<i64> = (1..=7).rev().collect();
        let mut seen = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = Page::<i64>::new(Some(3), cursor.as_deref()).expect("a page");
            let rest = all.iter().copied().filter(|id| page.before.is_none_or(|before| *id < before));
            let fetched: Vec<i64> = rest.take(page.fetch() as usize).collect();
            let (items, next) = cut(fetched, &page, |id| *id);
            seen.extend(items);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for limit in [0, -1, 201, i64::MAX, i64::MIN] {
            assert!(Page::<i64>::new(Some(limit), None).is_err(), "{limit}");
        }
        for cursor in ["", "x", "MTI", "\u{1F600}"] {
            let page = Page::<crate::domain::ids::OrderId>::new(None, Some(cursor));
            assert!(page.is_err(), "{cursor}");
        }
    }
}
