//! Why a run could not take place.

use crate::tools::client::http::CallError;

/// What kept the load client from measuring anything.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An argument, or a file that an argument names, is wrong.
    #[error("{0}")]
    Argument(String),
    /// The operating system does not let this process have so many sockets.
    #[error(
        "{need} open files are needed and {limit} is the most that this process may have: \
         raise the hard limit (`ulimit -Hn`) or ask for fewer sessions"
    )]
    OpenFiles {
        /// Descriptors needed.
        need: u64,
        /// The hard limit.
        limit: u64,
    },
    /// There is nobody at the address.
    #[error("cannot connect to {address}: {source}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A call to set things up was refused or not answered.
    #[error("{call}: {reason}")]
    Call {
        /// Method and path.
        call: String,
        /// Status and body, or what went wrong on the way.
        reason: String,
    },
    /// No session could be opened.
    #[error("none of {count} sessions could be opened; the first: {reason}")]
    NoSession {
        /// How many were tried.
        count: usize,
        /// Why the first failed.
        reason: String,
    },
    /// Something that this process needs of the operating system.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

impl From<CallError> for LoadError {
    fn from(error: CallError) -> Self {
        Self::Call { call: error.call, reason: error.failure.to_string() }
    }
}

impl LoadError {
    /// The exit code of the process: 2 for a wrong argument or setting, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Argument(_) | Self::OpenFiles { .. } => 2,
            Self::Unreachable { .. } | Self::Call { .. } | Self::NoSession { .. } | Self::System(_) => 1,
        }
    }
}
