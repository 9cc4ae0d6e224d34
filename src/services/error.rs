//! Why a use case was refused. One type for REST, frames and jobs; `http` and `ws` each map it once.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::realtime::Overloaded;
use crate::store::{JobError, StoreError};

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where: `items[2].quantity`; empty for the whole body.
    pub field: String,
    /// Stable, snake_case: `missing`, `unknown`, `invalid`, `too_long`, …
    pub code: Cow<'static, str>,
    /// For people.
    pub message: String,
}

impl FieldError {
    /// A field that is wrong in the way that `code` names.
    #[must_use]
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: Cow::Borrowed(code), message: message.into() }
    }
}

/// Why a use case was refused or failed. Every `code` is stable, snake_case and for machines; every `detail`
/// is for people.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// What was sent cannot be meant: 422.
    #[error("{} fields are wrong", .0.len())]
    Invalid(Vec<FieldError>),
    /// No token, or not a good one: 401.
    #[error("{detail}")]
    Unauthenticated {
        /// `token_missing`, `token_expired`, `invalid_credentials`, …
        code: &'static str,
        /// For people.
        detail: Cow<'static, str>,
    },
    /// A good token of somebody who may not: 403.
    #[error("{detail}")]
    Forbidden {
        /// `role_not_allowed`, `not_your_order`, …
        code: &'static str,
        /// For people.
        detail: Cow<'static, str>,
    },
    /// It is not there, or the caller may not know that it is: 404.
    #[error("there is no such {what}")]
    NotFound {
        /// `order`, `notification`, …
        what: &'static str,
    },
    /// It cannot be done as things stand: 409.
    #[error("{detail}")]
    Conflict {
        /// `illegal_transition`, `version_conflict`, …
        code: &'static str,
        /// For people.
        detail: Cow<'static, str>,
        /// Further members of the answer, such as the steps that are allowed.
        extra: Map<String, Value>,
    },
    /// Too often: 429.
    #[error("too many requests")]
    Limited {
        /// When to come back.
        retry_after: Duration,
    },
    /// The server is going away: 503.
    #[error("the server is draining")]
    Draining,
    /// This instance cannot reach Redis, while others can: 503.
    #[error("this instance is cut off from the others")]
    CutOff,
    /// Too much is going on: 503. Nothing was done.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The database failed: 503 when it is busy or away, 500 otherwise.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault in the program: 500. The text is for the log.
    #[error("internal fault: {0}")]
    Internal(String),
}

impl ServiceError {
    /// One wrong field.
    #[must_use]
    pub fn invalid(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, code, message)])
    }

    /// A conflict without further members.
    #[must_use]
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict { code, detail: detail.into(), extra: Map::new() }
    }

    /// A conflict that brings along what the caller did not know.
    #[must_use]
    pub fn conflict_with<const N: usize>(
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
        facts: [(&str, Value); N],
    ) -> Self {
        let extra = facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect();
        Self::Conflict { code, detail: detail.into(), extra }
    }

    /// A caller who may not.
    #[must_use]
    pub fn forbidden(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Forbidden { code, detail: detail.into() }
    }

    /// The stable code, as REST problems and `error` frames carry it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_fields",
            Self::Unauthenticated { code, .. }
            | Self::Forbidden { code, .. }
            | Self::Conflict { code, .. } => code,
            Self::NotFound { .. } => "not_found",
            Self::Limited { .. } => "rate_limited",
            Self::Draining => "draining",
            Self::CutOff => "cut_off",
            Self::Overloaded(_) => "overloaded",
            Self::Store(StoreError::Busy | StoreError::Unavailable(_)) => "unavailable",
            Self::Store(StoreError::Migration(_) | StoreError::Corrupt { .. } | StoreError::Query(_))
            | Self::Internal(_) => "internal",
        }
    }

    /// Whether it says nothing about what was asked for: the same may well be answered in a moment.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Store(_) | Self::Overloaded(_) | Self::Internal(_) => true,
            Self::Invalid(_)
            | Self::Unauthenticated { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::Limited { .. }
            | Self::Draining
            | Self::CutOff => false,
        }
    }

    /// What machines may read beside the code: the fields that are wrong as `errors`, or what a conflict brings along.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        match self {
            Self::Invalid(errors) => [("errors".to_owned(), json!(errors))].into_iter().collect(),
            Self::Conflict { extra, .. } => extra.clone(),
            Self::Unauthenticated { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Limited { .. }
            | Self::Draining
            | Self::CutOff
            | Self::Overloaded(_)
            | Self::Store(_)
            | Self::Internal(_) => Map::new(),
        }
    }

    /// What a client may read: never the text of a database or of a fault.
    #[must_use]
    pub fn public_detail(&self) -> String {
        match self {
            Self::Invalid(errors) => match errors.as_slice() {
                [only] if only.field.is_empty() => only.message.clone(),
                [only] => format!("{}: {}", only.field, only.message),
                _ => format!("{} fields are wrong; errors names them.", errors.len()),
            },
            Self::Unauthenticated { detail, .. }
            | Self::Forbidden { detail, .. }
            | Self::Conflict { detail, .. } => detail.clone().into_owned(),
            Self::NotFound { what } => format!("There is no such {what}."),
            Self::Limited { retry_after } => {
                format!("Too many requests; come back in {} s.", retry_after.as_secs().max(1))
            }
            Self::Draining => "This server is going away; connect again to reach another.".into(),
            Self::CutOff => "This server is cut off from the others; connect again to reach another.".into(),
            Self::Overloaded(_) => "The server has too much to do at the moment; nothing was done.".into(),
            Self::Store(StoreError::Busy | StoreError::Unavailable(_)) => {
                "The database is not available at the moment; nothing was changed.".into()
            }
            Self::Store(StoreError::Migration(_) | StoreError::Corrupt { .. } | StoreError::Query(_))
            | Self::Internal(_) => "Something went wrong on the server; the log has the request's id.".into(),
        }
    }
}

impl JobError for ServiceError {
    fn of_database(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Invalid(_)
            | Self::Unauthenticated { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::Limited { .. }
            | Self::Draining
            | Self::CutOff
            | Self::Overloaded(_)
            | Self::Internal(_) => None,
        }
    }
}

/// Collects the fields that are wrong, so that one answer names them all.
#[derive(Debug, Default)]
pub struct Checks {
    errors: Vec<FieldError>,
}

impl Checks {
    /// A text of `range` characters that is not blank, without control characters but line breaks.
    pub fn text(&mut self, field: &str, text: &str, range: std::ops::RangeInclusive<usize>) {
        let length = text.chars().count();
        if length < *range.start() || (*range.start() > 0 && text.trim().is_empty()) {
            self.fail(field, "too_short", format!("expected at least {} characters", range.start()));
        } else if length > *range.end() {
            self.fail(field, "too_long", format!("expected at most {} characters", range.end()));
        } else if text.chars().any(|char| char.is_control() && char != '\n' && char != '\t') {
            self.fail(field, "invalid", "expected no control characters");
        }
    }

    /// A number within `range`.
    pub fn number<N>(&mut self, field: &str, number: N, range: std::ops::RangeInclusive<N>)
    where
        N: PartialOrd + std::fmt::Display,
    {
        // Not `<` and `>`: those let NaN pass.
        if !range.contains(&number) {
            let message = format!("expected a number from {} to {}", range.start(), range.end());
            self.fail(field, "out_of_range", message);
        }
    }

    /// A coordinate pair.
    pub fn position(&mut self, field: &str, latitude: f64, longitude: f64) {
        let prefix = if field.is_empty() { String::new() } else { format!("{field}.") };
        self.number(&format!("{prefix}latitude"), latitude, -90.0..=90.0);
        self.number(&format!("{prefix}longitude"), longitude, -180.0..=180.0);
    }

    /// A field that is wrong.
    pub fn fail(&mut self, field: &str, code: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, code, message));
    }

    /// # Errors
    /// `Invalid` with all that was found wrong.
    pub fn done(self) -> Result<(), ServiceError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ServiceError::Invalid(self.errors)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_a_number_is_out_of_every_range() {
        let mut checks = Checks::default();
        checks.position("pickup", f64::NAN, f64::INFINITY);
        let Err(ServiceError::Invalid(errors)) = checks.done() else { panic!("passed") };
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["pickup.latitude", "pickup.longitude"]);
    }

    #[test]
    fn blank_text_is_too_short() {
        let mut checks = Checks::default();
        checks.text("name", "   ", 1..=10);
        assert!(checks.done().is_err());
    }
}
