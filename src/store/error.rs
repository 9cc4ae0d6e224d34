//! Why a job on the database failed.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why a job on the database failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Every connection was in use for too long, or somebody held a row for too long.
    #[error("the database is busy")]
    Busy,
    /// The database cannot be reached, cannot be written, or is full. The text is for the log.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The tables could not be brought up to date; they are as they were before.
    #[error("the database could not be brought up to date: {0}")]
    Migration(String),
    /// A row holds what the program never writes.
    #[error("a stored {what} cannot be read: {value}")]
    Corrupt {
        /// Which field.
        what: &'static str,
        /// What it holds.
        value: String,
    },
    /// Anything else: a fault in the program.
    #[error("a query failed: {0}")]
    Query(DieselError),
}

impl StoreError {
    /// As it is named in metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unavailable(_) => "unavailable",
            Self::Migration(_) => "migration",
            Self::Corrupt { .. } => "corrupt",
            Self::Query(_) => "query",
        }
    }
}

/// An error that a job on the database may fail with.
pub trait JobError: From<StoreError> + Send + 'static {
    /// The database's, if it is one of those: what was asked for was refused otherwise.
    fn of_database(&self) -> Option<&StoreError>;
}

impl JobError for StoreError {
    fn of_database(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// Parts of the messages with which SQLite and libpq say that the fault is not the query's. Neither gives
/// Diesel a code for them.
const UNAVAILABLE: [&str; 17] = [
    "database or disk is full",
    "attempt to write a readonly database",
    "disk I/O error",
    "database is locked",
    "unable to open database file",
    "file is not a database",
    "server closed the connection",
    "terminating connection",
    "connection to server",
    "could not connect",
    "no connection to the server",
    "the database system is",
    "could not receive data from server",
    "could not send data to server",
    "No space left on device",
    "SSL connection has been closed",
    "deadlock detected",
];

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let text = error.to_string();
        if text.contains("due to lock timeout") {
            return Self::Busy;
        }
        let is_unavailable = match &error {
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | DieselError::BrokenTransactionManager => true,
            _ => UNAVAILABLE.iter().any(|part| text.contains(part)),
        };
        if is_unavailable { Self::Unavailable(text) } else { Self::Query(error) }
    }
}
