//! From a refused use case to `application/problem+json` (RFC 9457), in one place.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::services::error::{FieldError, ServiceError};
use crate::store::StoreError;

/// An error as clients get it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem: `/docs/problems#{code}`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, for people.
    pub detail: String,
    /// What went wrong, for machines: stable, snake_case.
    pub code: String,
    /// For 422: the fields that are wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<FieldError>>,
    /// Further members that `code` brings along, such as `allowed`.
    #[serde(flatten)]
    #[schema(ignore)]
    pub extra: Map<String, Value>,
}

/// Why a request was refused.
#[derive(Debug)]
pub enum ApiError {
    /// By a use case.
    Service(ServiceError),
    /// By HTTP itself: no such route, a body that is too large.
    Http {
        /// The status.
        status: StatusCode,
        /// Stable, snake_case.
        code: &'static str,
        /// For people.
        detail: String,
    },
}

impl ApiError {
    /// 404: nothing is at that path.
    #[must_use]
    pub fn no_such_route() -> Self {
        Self::Http {
            status: StatusCode::NOT_FOUND,
            code: "route_not_found",
            detail: "There is nothing at this path.".into(),
        }
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Http { detail, .. } => f.write_str(detail),
        }
    }
}

fn status_of(error: &ServiceError) -> StatusCode {
    match error {
        ServiceError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ServiceError::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
        ServiceError::Forbidden { .. } => StatusCode::FORBIDDEN,
        ServiceError::NotFound { .. } => StatusCode::NOT_FOUND,
        ServiceError::Conflict { .. } => StatusCode::CONFLICT,
        ServiceError::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
        ServiceError::Draining
        | ServiceError::CutOff
        | ServiceError::Overloaded(_)
        | ServiceError::Store(StoreError::Busy | StoreError::Unavailable(_)) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ServiceError::Store(StoreError::Migration(_) | StoreError::Corrupt { .. } | StoreError::Query(_))
        | ServiceError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl ApiError {
    /// The stable code, as the problem carries it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Service(error) => error.code(),
            Self::Http { code, .. } => code,
        }
    }

    /// The body of the answer.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let status = self.status_code();
        let code = self.code();
        let detail = match self {
            Self::Service(error) => error.public_detail(),
            Self::Http { detail, .. } => detail.clone(),
        };
        let (errors, extra) = match self {
            Self::Service(ServiceError::Invalid(errors)) => (Some(errors.clone()), Map::new()),
            Self::Service(ServiceError::Conflict { extra, .. }) => (None, extra.clone()),
            Self::Service(_) | Self::Http { .. } => (None, Map::new()),
        };
        Problem {
            kind: format!("/docs/problems#{code}"),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail,
            code: code.into(),
            errors,
            extra,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Service(error) => status_of(error),
            Self::Http { status, .. } => *status,
        }
    }

    fn error_response(&self) -> HttpResponse {
        // The failure is logged where the answer goes out, in one line with the request's id.
        let mut answer = HttpResponse::build(self.status_code());
        match self {
            Self::Service(ServiceError::Unauthenticated { .. }) => {
                answer.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            Self::Service(ServiceError::Limited { retry_after }) => {
                answer.insert_header((header::RETRY_AFTER, retry_after.as_secs().max(1)));
            }
            Self::Service(
                ServiceError::Store(_)
                | ServiceError::Draining
                | ServiceError::CutOff
                | ServiceError::Overloaded(_),
            ) => {
                answer.insert_header((header::RETRY_AFTER, 1));
            }
            // RFC 9110, section 15.5.22, and RFC 6455, section 4.4: to what, and in which version.
            Self::Http { status: StatusCode::UPGRADE_REQUIRED, .. } => {
                answer.insert_header((header::UPGRADE, HeaderValue::from_static("websocket")));
                answer.insert_header((header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
            }
            Self::Service(_) | Self::Http { .. } => {}
        }
        answer
            .content_type("application/problem+json")
            .body(crate::protocol::server::to_json(&self.problem()))
    }
}
