//! Calls that may come with an `Idempotency-Key`, and what was answered to those that did.

use std::collections::HashMap;

use serde_json::Value;

use super::*;
use crate::domain::ids::UserId;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    TopUp(NewTopUp),
    PayOut(NewPayout),
    Place(NewOrder),
    Refund(OrderId, NewRefund),
}

/// A call, settled to the last word, so that it can be made again.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub who: Principal,
    pub asked: Asked,
    pub key: Option<u8>,
}

impl Call {
    /// Whose key it is, and which.
    pub fn scope(&self) -> Option<(UserId, u8)> {
        self.key.map(|key| (self.who.user_id, key))
    }

    fn body(&self) -> String {
        format!("{:?}", self.asked)
    }

    pub async fn make(self, app: &App) -> Result<Reply, ServiceError> {
        let scope = self.who.user_id.to_string();
        let body = self.body();
        let key = self.key.map(|key| Idempotency::new(&scope, key.to_string(), "POST /", body.as_bytes()));
        match self.asked {
            Asked::TopUp(new) => top_up(app, self.who, new, key).await,
            Asked::PayOut(new) => pay_out(app, self.who, new, key).await,
            Asked::Place(new) => orders::place(app, self.who, new, key).await,
            Asked::Refund(order_id, new) => refund(app, self.who, order_id, new, key).await,
        }
    }
}

/// What came of a call.
pub(super) type Outcome = Result<Reply, ServiceError>;

/// A call that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub call: Call,
    pub outcome: Outcome,
    /// Whether the line broke the first time, and this is what came of it then or the second time.
    pub is_repeated: bool,
}

/// How often calls of each kind have changed something, as their answers say.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changes {
    pub transfers: i64,
    pub orders: i64,
    pub refunds: i64,
}

/// What was answered under each key, and what is known by that.
#[derive(Debug, Default)]
pub(super) struct Answers {
    kept: HashMap<(UserId, u8), (String, Value)>,
    pub changes: Changes,
    /// How many calls were answered like the first time, and how many were refused since their key stood for another one.
    pub repeated: u32,
    pub reused: u32,
    /// How many had changed something when the line broke.
    pub found: u32,
}

impl Answers {
    /// Holds what came of calls that were made at the same time against all that was answered before.
    pub fn take_in(&mut self, calls: &[Made]) {
        // Two of them may have come with the same key, in any order: whose answer is kept is one that is no repetition.
        let before = self.kept.keys().copied().collect::<Vec<_>>();
        for Made { call, outcome, .. } in calls {
            if let Ok(reply) = outcome
                && !reply.replayed
            {
                self.count(call, reply);
            }
        }
        // Or of one whose first answer nobody has heard.
        for Made { call, outcome, is_repeated } in calls {
            if let (Some(scope), Ok(reply), true) = (call.scope(), outcome, is_repeated)
                && reply.replayed
                && !self.kept.contains_key(&scope)
            {
                self.count(call, reply);
                self.found += 1;
            }
        }
        for Made { call, outcome, .. } in calls {
            let Some(scope) = call.scope() else { continue };
            let kept = self.kept.get(&scope);
            let is_same = kept.map(|(body, _)| *body == call.body());
            match outcome {
                Ok(reply) if reply.replayed => {
                    let (_, answer) = kept.expect("an answer that was kept");
                    assert_eq!(is_same, Some(true), "{call:?} is answered like another one");
                    assert_eq!(
                        told(call, reply),
                        *answer,
                        "{call:?} is answered otherwise than the first time"
                    );
                    self.repeated += 1;
                }
                Ok(_) => {}
                Err(error) if error.code() == "idempotency_key_reused" => {
                    assert_eq!(is_same, Some(false), "{call:?} is refused for its key");
                    self.reused += 1;
                }
                Err(error) => assert!(!before.contains(&scope), "{call:?}, which has an answer: {error}"),
            }
        }
    }

    /// Takes note of a change.
    fn count(&mut self, call: &Call, reply: &Reply) {
        match call.asked {
            Asked::TopUp(_) | Asked::PayOut(_) => self.changes.transfers += 1,
            Asked::Place(_) => self.changes.orders += 1,
            Asked::Refund(_, _) => self.changes.refunds += 1,
        }
        if let Some(scope) = call.scope() {
            let first = self.kept.insert(scope, (call.body(), told(call, reply)));
            assert_eq!(first, None, "{call:?} has changed something once more");
        }
    }
}

/// What is the same each time that a call is answered: of a transfer all but how it stands.
fn told(call: &Call, reply: &Reply) -> Value {
    let mut told: Value = serde_json::from_str(&reply.body).expect("JSON");
    match call.asked {
        Asked::TopUp(_) | Asked::PayOut(_) => {
            for member in ["status", "failure", "updated_at"] {
                told[member] = Value::Null;
            }
        }
        Asked::Place(_) | Asked::Refund(_, _) => {}
    }
    told
}
