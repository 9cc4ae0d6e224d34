//! The rules of the contract, as far as somebody can hold a server to them who only watches and calls. No clock and no
//! I/O: what was heard, and when, goes in; what broke a rule comes out.

pub mod answers;
pub mod badge;
pub mod ends;
pub mod hearing;
pub mod memory;
pub mod notes;
pub mod outcome;
pub mod recent;
pub mod served;
pub mod told;
pub mod transfers;
pub mod vigils;
pub mod words;

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::domain::order::{OrderStatus, STEPS};

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// The order, the group or the call.
    pub about: String,
    /// What the contract promises.
    pub expected: String,
    /// What came instead.
    pub came: String,
}

impl Break {
    /// A broken rule.
    pub fn new(about: impl fmt::Display, expected: impl Into<String>, came: impl Into<String>) -> Self {
        Self { about: about.to_string(), expected: expected.into(), came: came.into() }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, came {}", self.about, self.expected, self.came)
    }
}

/// What has to come takes no longer while nothing is wrong. Events wait for seconds where an instance has died or Redis has
/// gone away.
const PATIENCE: Duration = Duration::from_secs(40);
/// The same while things go wrong again and again.
const LONG_PATIENCE: Duration = Duration::from_secs(150);

/// Since when all has been well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steady {
    /// On the connection on which something has to come: the server has answered all the time.
    pub line: Instant,
    /// On those of all others, too.
    pub town: Instant,
}

impl Steady {
    /// Whether anything that was ever waited for on this connection would be overdue at `at`.
    #[must_use]
    pub fn is_in_force(self, at: Instant) -> bool {
        self.is_overdue(self.line, at)
    }

    /// Whether what has been waited for since `since` will not come any more, as far as can be told at `at`.
    #[must_use]
    pub fn is_overdue(self, since: Instant, at: Instant) -> bool {
        let since = since.max(self.line);
        at.duration_since(since) > LONG_PATIENCE || at.duration_since(since.max(self.town)) > PATIENCE
    }
}

/// Whether the machine has such a step, whoever takes it.
#[must_use]
pub fn is_legal(from: OrderStatus, to: OrderStatus) -> bool {
    STEPS.iter().any(|step| step.from == from && step.to == to)
}

/// Whether an order somewhere in it shows its hand-over code.
#[must_use]
pub fn shows_code(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            let is_order = members.contains_key("dropoff");
            is_order && members.contains_key("code") || members.values().any(shows_code)
        }
        Value::Array(items) => items.iter().any(shows_code),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_gets_more_time_while_things_go_wrong() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let steady = |line, town| Steady { line: after(line), town: after(town) };
        assert!(!steady(0, 0).is_overdue(after(5), after(45)));
        assert!(steady(0, 0).is_overdue(after(5), after(46)));
        assert!(!steady(0, 100).is_overdue(after(5), after(140)), "somebody else has lost the connection");
        assert!(steady(0, 150).is_overdue(after(5), after(156)), "for how long, though");
        assert!(!steady(150, 0).is_overdue(after(5), after(156)), "this connection was dead");
        assert!(!steady(5, 0).is_in_force(after(45)) && steady(5, 0).is_in_force(after(46)));
    }
}
