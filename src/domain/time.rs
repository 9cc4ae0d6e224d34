//! Points in time as the wire and the database keep them: UTC with milliseconds.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// A point in time, UTC, to the millisecond. As text: RFC 3339, `2026-01-02T03:04:05.678Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2026-01-02T03:04:05.678Z"))]
pub struct Timestamp(i64);

impl Timestamp {
    /// The present time of this machine.
    #[must_use]
    pub fn now() -> Self {
        Self(Utc::now().timestamp_millis())
    }

    /// From milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This time plus `span`.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This time less `span`.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// From a date of HTTP, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
    #[must_use]
    pub fn of_http_date(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc2822(text.trim()).ok().map(|time| Self(time.timestamp_millis()))
    }

    /// The midnight, UTC, that this day began with.
    #[must_use]
    pub fn start_of_day(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(DAY)))
    }

    /// The midnight, UTC, that this week's Monday began with.
    #[must_use]
    pub fn start_of_week(self) -> Self {
        // The first of January 1970 was a Thursday.
        let days_since_monday = (self.0.div_euclid(DAY) + 3).rem_euclid(7);
        Self(self.start_of_day().0.saturating_sub(days_since_monday * DAY))
    }

    /// How long ago `earlier` was at this time; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::<Utc>::UNIX_EPOCH
            .checked_add_signed(TimeDelta::milliseconds(self.0))
            .unwrap_or(DateTime::<Utc>::MAX_UTC);
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        DateTime::parse_from_rfc3339(&text)
            .map(|time| Self(time.timestamp_millis()))
            .map_err(|_| de::Error::custom("expected an RFC 3339 time, such as 2026-01-02T03:04:05.678Z"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_767_323_045_678).to_string(), "2026-01-02T03:04:05.678Z");
        let offset: Timestamp = serde_json::from_str("\"2026-01-02T04:04:05.678+01:00\"").expect("parses");
        assert_eq!(offset, Timestamp::from_millis(1_767_323_045_678));
    }

    #[test]
    fn days_begin_at_midnight_and_weeks_on_monday_in_utc() {
        let at = |text: &str| -> Timestamp { serde_json::from_str(&format!("\"{text}\"")).expect("a time") };
        // A Friday.
        let now = at("2026-01-02T03:04:05.678Z");
        assert_eq!(now.start_of_day(), at("2026-01-02T00:00:00Z"));
        assert_eq!(now.start_of_week(), at("2025-12-29T00:00:00Z"));
        let monday = at("2025-12-29T00:00:00Z");
        assert_eq!((monday.start_of_day(), monday.start_of_week()), (monday, monday));
        assert_eq!(at("2025-12-28T23:59:59.999Z").start_of_week(), at("2025-12-22T00:00:00Z"));
        assert_eq!(Timestamp::from_millis(-1).start_of_week(), at("1969-12-29T00:00:00Z"));
    }

    #[test]
    fn time_since_something_ahead_is_zero() {
        let now = Timestamp::from_millis(1000);
        assert_eq!(now.since(now.after(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(now.after(Duration::from_secs(1)).since(now), Duration::from_secs(1));
    }
}
