//! From columns to the domain's types.

use std::str::FromStr;

use super::error::StoreError;

/// A column that holds a name or an id.
pub(super) fn parsed<T: FromStr>(what: &'static str, value: &str) -> Result<T, StoreError> {
    value.parse().map_err(|_| StoreError::Corrupt { what, value: value.into() })
}

/// A column that holds an id.
pub(super) fn id<T: FromStr>(what: &'static str, value: &str) -> Result<T, StoreError> {
    parsed(what, value)
}

/// A column that may hold an id.
pub(super) fn optional_id<T: FromStr>(
    what: &'static str,
    value: Option<&str>,
) -> Result<Option<T>, StoreError> {
    value.map(|value| parsed(what, value)).transpose()
}
