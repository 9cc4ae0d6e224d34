//! The rules of the contract, as far as somebody can hold a server to them who only watches and calls. No clock and no
//! I/O: what was heard, and when, goes in; what broke a rule comes out.

pub mod ends;
pub mod hearing;

use std::fmt;

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
