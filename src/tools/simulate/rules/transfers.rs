//! Money that comes from outside, or goes there: what was acknowledged stands in the account once.

use std::collections::BTreeMap;

use super::Break;
use super::ends::Entry;
use crate::domain::time::Timestamp;

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Minor units, above zero; none where it was all that there was, and there was no answer.
    pub amount: Option<i64>,
    /// When, by this machine's clock.
    pub at: Timestamp,
    /// The server's id for it, if there was an answer.
    pub id: Option<String>,
}

/// Of the transfers of a `kind` that were asked for, each that the server says to have `succeeded` moved money once, and none
/// moved any but those, or one without an answer. Movements `since` then are looked at.
#[must_use]
pub fn moved(kind: &str, asked: &[(Transfer, bool)], entries: &[Entry], since: Timestamp) -> Vec<Break> {
    let mut counts: BTreeMap<i64, (usize, usize, usize)> = BTreeMap::new();
    let mut of_any_amount = 0;
    for (transfer, succeeded) in asked {
        let Some(amount) = transfer.amount else {
            of_any_amount += 1;
            continue;
        };
        let (sure, unsure, _) = counts.entry(amount).or_default();
        *sure += usize::from(*succeeded);
        *unsure += usize::from(transfer.id.is_none());
    }
    for entry in entries.iter().filter(|entry| entry.kind == kind && entry.created_at >= since) {
        counts.entry(entry.amount.abs()).or_default().2 += 1;
    }
    let mut broken = Vec::new();
    for (amount, (sure, unsure, came)) in counts {
        let more = came.saturating_sub(sure + unsure);
        // What was asked for without an answer may have been any of them, each once.
        let is_explained = more <= of_any_amount;
        if is_explained {
            of_any_amount -= more;
        }
        if came < sure || !is_explained {
            let expected =
                format!("{sure} × {kind} of {amount}, and up to {unsure} of which nothing is known");
            broken.push(Break::new("the account", expected, came.to_string()));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    const BEGIN: Timestamp = Timestamp::from_millis(1_767_323_000_000);

    fn asked(amount: i64, is_answered: bool, succeeded: bool) -> (Transfer, bool) {
        let id = is_answered.then(|| "x".to_owned());
        (Transfer { amount: Some(amount), at: BEGIN, id }, succeeded)
    }

    fn entry(amount: i64) -> Entry {
        let entry = json!({
            "id": uuid::Uuid::nil(), "kind": "top_up", "amount": amount, "balance_after": 0, "order_id": null,
            "created_at": BEGIN,
        });
        from_value(entry).expect("an entry")
    }

    #[test]
    fn what_was_acknowledged_moves_money_once() {
        let count = |asked: &[(Transfer, bool)], came: &[i64]| {
            let entries: Vec<Entry> = came.iter().map(|amount| entry(*amount)).collect();
            moved("top_up", asked, &entries, BEGIN).len()
        };
        let done = asked(500, true, true);
        assert_eq!(count(std::slice::from_ref(&done), &[500]), 0);
        assert_eq!(count(std::slice::from_ref(&done), &[]), 1, "it is lost");
        assert_eq!(count(std::slice::from_ref(&done), &[500, 500]), 1, "it is there twice");
        assert_eq!(count(&[asked(502, true, false)], &[502]), 1, "it was declined");
        assert_eq!(count(&[asked(502, true, false)], &[]), 0);
        assert_eq!(count(&[asked(700, false, false)], &[700]), 0, "nobody knows");
        assert_eq!(count(&[asked(700, false, false)], &[]), 0);
        assert_eq!(count(&[asked(700, false, false)], &[700, 700]), 1);
        assert_eq!(count(&[], &[900]), 1, "nobody asked for that");
        let all = (Transfer { amount: None, at: BEGIN, id: None }, false);
        assert_eq!(count(std::slice::from_ref(&all), &[900]), 0, "all that there was");
        assert_eq!(count(std::slice::from_ref(&all), &[]), 0, "it never came to be");
        assert_eq!(count(&[all], &[900, 800]), 1, "it was asked for once");
        let late = BEGIN.after(std::time::Duration::from_secs(1));
        assert_eq!(moved("top_up", &[], &[entry(900)], late), [], "an earlier simulation may have");
    }
}
