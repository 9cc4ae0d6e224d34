//! What becomes of a message, by what its push service has answered.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use hyper::http::Response;

use crate::domain::time::Timestamp;

use super::connect::ConnectError;

/// The longest that a push service can ask to be left alone for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The push service has taken it.
    Sent,
    /// Nobody needs it any more.
    NotNeeded,
    /// A newer one went before it.
    Overtaken,
    /// It was no news any more before it could be sent.
    Expired,
    /// The browser is gone, or its log-in has ended.
    Gone,
    /// It is tried again. With the push service's own wish when; `is_host`: everything for it waits.
    Again { error: String, after: Option<Duration>, is_host: bool },
    /// It is refused for good.
    Refused(String),
}

impl Verdict {
    /// As metrics count it.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::NotNeeded => "not_needed",
            Self::Overtaken => "overtaken",
            Self::Expired => "expired",
            Self::Gone => "gone",
            Self::Again { .. } => "again",
            Self::Refused(_) => "dead",
        }
    }

    /// It is tried again, and so is all else for its push service.
    pub(super) fn again(error: impl ToString) -> Self {
        Self::Again { error: error.to_string(), after: None, is_host: true }
    }
}

/// What an answer means (RFC 8030, sections 5 and 8.4; RFC 8292, section 4.2).
pub(super) fn of_answer<B>(answer: &Response<B>) -> Verdict {
    let after = answer.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
    of_status(answer.status(), after)
}

fn of_status(status: StatusCode, after: Option<Duration>) -> Verdict {
    let error = format!("the push service answers {}", status.as_u16());
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Verdict::Gone,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Verdict::Again { error, after, is_host: true }
        }
        status if status.is_success() => Verdict::Sent,
        status if status.is_server_error() => Verdict::Again { error, after, is_host: true },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Verdict::Refused(format!(
            "{error}: it does not accept the key or the contact (WAYBILL_PUSH_CONTACT) of this server"
        )),
        StatusCode::PAYLOAD_TOO_LARGE => Verdict::Refused(format!("{error}: the message is too long for it")),
        status if status.is_redirection() => {
            Verdict::Refused(format!("{error}: it names another address, and such are not followed"))
        }
        _ => Verdict::Refused(error),
    }
}

/// What it means that there was none.
pub(super) fn of_failure(error: &hyper_util::client::legacy::Error) -> Verdict {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        match cause.downcast_ref::<ConnectError>() {
            Some(error @ (ConnectError::NoUrl | ConnectError::Private)) => {
                return Verdict::Refused(error.to_string());
            }
            Some(
                error @ (ConnectError::Unknown
                | ConnectError::Unreachable
                | ConnectError::Certificate
                | ConnectError::Tls),
            ) => return Verdict::again(error),
            None => source = cause.source(),
        }
    }
    Verdict::again("the connection to the push service broke")
}

/// `Retry-After`: seconds, or a time (RFC 9110, section 10.2.3).
fn retry_after(text: &str) -> Option<Duration> {
    let wish = match text.trim().parse::<u64>() {
        Ok(secs) => Duration::from_secs(secs),
        Err(_) => Timestamp::of_http_date(text)?.since(Timestamp::now()),
    };
    Some(wish.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_success_a_reason_to_wait_the_end_of_the_browser_or_a_refusal() {
        let of = |status: u16| of_status(StatusCode::from_u16(status).expect("a status"), None);
        for status in [200, 201, 202, 204] {
            assert_eq!(of(status), Verdict::Sent);
        }
        for status in [404, 410] {
            assert_eq!(of(status), Verdict::Gone);
        }
        for status in [408, 429, 500, 502, 503] {
            assert!(matches!(of(status), Verdict::Again { is_host: true, .. }), "{status}");
        }
        for status in [301, 302, 307, 308, 400, 401, 403, 413] {
            assert!(matches!(of(status), Verdict::Refused(_)), "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_time_and_at_most_a_day() {
        assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("99999999"), Some(LONGEST));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(retry_after("Fri, 21 Oct 2095 07:28:00 GMT"), Some(LONGEST));
        assert_eq!(retry_after("soon"), None);
    }
}
