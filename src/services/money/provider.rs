//! What moves money in the world outside, and the one that only plays at it.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::ids::TransferId;
use crate::domain::money::Money;
use crate::domain::payment::TransferKind;

/// What a provider is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Instruction {
    /// The key under which it is done once, however often it is asked for.
    pub id: TransferId,
    /// Which way.
    pub kind: TransferKind,
    /// How much.
    pub amount: Money,
}

/// What a provider answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Succeeded {
        /// The provider's own name for it.
        reference: String,
    },
    /// It is taken; an event will tell how it ends.
    Pending {
        /// The provider's own name for it.
        reference: String,
    },
    /// It is not done, and will not be.
    Failed {
        /// The provider's own name for it.
        reference: String,
        /// Why: a word or two, shown to who asked.
        reason: String,
    },
}

/// A provider that did not answer: what it was asked for may have been done or not. Ask again with the same id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payment provider does not answer: {0}")]
pub struct Unanswered(pub String);

/// Moves money in the world outside. Never called inside a database transaction.
pub trait Provider: fmt::Debug + Send + Sync {
    /// As it is named in the path of its events.
    fn name(&self) -> &'static str;

    /// Moves money, once for each id.
    fn transfer(&self, instruction: Instruction) -> BoxFuture<'_, Result<Answer, Unanswered>>;
}

/// How long the test provider takes for an amount that ends in 05.
const SLOWLY: Duration = Duration::from_secs(5);

/// Moves no money. What it answers depends on the last two digits of the amount:
///
/// | ends in | answer |
/// | --- | --- |
/// | 02 | failed: declined |
/// | 03 | pending, until an event tells more |
/// | 04 | none the first time; succeeded when it is asked again |
/// | 05 | succeeded, after 5 s |
/// | else | succeeded |
#[derive(Debug, Default)]
pub struct TestProvider {
    asked: Mutex<HashSet<TransferId>>,
}

impl Provider for TestProvider {
    fn name(&self) -> &'static str {
        "test"
    }

    fn transfer(&self, instruction: Instruction) -> BoxFuture<'_, Result<Answer, Unanswered>> {
        let reference = format!("test_{}", instruction.id);
        let is_first =
            move || self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(instruction.id);
        async move {
            match instruction.amount.amount % 100 {
                2 => Ok(Answer::Failed { reference, reason: "declined".into() }),
                3 => Ok(Answer::Pending { reference }),
                4 if is_first() => Err(Unanswered("the answer was lost".into())),
                5 => {
                    tokio::time::sleep(SLOWLY).await;
                    Ok(Answer::Succeeded { reference })
                }
                // Any other amount.
                _ => Ok(Answer::Succeeded { reference }),
            }
        }
        .boxed()
    }
}
