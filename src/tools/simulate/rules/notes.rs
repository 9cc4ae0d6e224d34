//! Notifications as they are stored in the end: each step of an order has left those that the machine says, once, and so has
//! the money that moved.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use super::Break;
use super::ends::{Entry, Row, is_cancelled_late};
use crate::domain::ids::OrderId;
use crate::domain::notification::NotificationKind;
use crate::domain::order::{OrderStatus, Party, STEPS, Step};
use crate::domain::principal::Role;

/// A notification in somebody's inbox.
#[derive(Debug, Clone, Deserialize)]
pub struct Note {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

impl Note {
    fn is_about(&self, id: OrderId) -> bool {
        let about = self.data.get("order_id").and_then(Value::as_str);
        about.and_then(|about| about.parse().ok()) == Some(id)
    }
}

/// What a step notifies of.
fn of_step(row: &Row) -> Vec<NotificationKind> {
    let is_step = |step: &&Step| Some(step.from) == row.from && step.to == row.to;
    STEPS.iter().find(is_step).map(|step| step.notifications(row.by).collect()).unwrap_or_default()
}

/// What steps tell whoever carries the order out.
fn is_to_partner(kind: NotificationKind) -> bool {
    kind.role() == Some(Role::Partner)
}

/// The customer of an order has each notification as often as that.
#[must_use]
pub fn of_customer(id: OrderId, from_wallet: bool, rows: &[Row], notes: &[Note]) -> Vec<Break> {
    let by_steps = STEPS.iter().flat_map(|step| step.notifies);
    let mut due: BTreeMap<&str, usize> =
        by_steps.filter(|kind| !is_to_partner(**kind)).map(|kind| (kind.as_str(), 0)).collect();
    for kind in rows.iter().flat_map(of_step).filter(|kind| !is_to_partner(*kind)) {
        *due.entry(kind.as_str()).or_default() += 1;
    }
    let is_completed = rows.last().is_some_and(|row| row.to == OrderStatus::Completed);
    due.insert(NotificationKind::OrderPlaced.as_str(), 1);
    due.insert(NotificationKind::PaymentAuthorised.as_str(), usize::from(from_wallet));
    due.insert(NotificationKind::PaymentCaptured.as_str(), usize::from(from_wallet && is_completed));
    differs(id, "customer", &due, notes)
}

/// The partner who had an order to its end, and when it ended, likewise.
#[must_use]
pub fn of_partner(id: OrderId, rows: &[Row], notes: &[Note]) -> Vec<Break> {
    let Some(last) = rows.last() else { return Vec::new() };
    let mut due = BTreeMap::new();
    let assigned: Vec<&Row> = rows.iter().filter(|row| row.to == OrderStatus::Assigned).collect();
    // Nobody accepts an order twice; but whom an admin gave it to may have had it before.
    let had_it_once = assigned.len() == 1 || assigned.iter().all(|row| row.by == Party::Partner);
    if let Some(begin) = assigned.last().filter(|_| had_it_once) {
        let told = rows.iter().filter(|row| row.version >= begin.version).flat_map(of_step);
        let told: Vec<NotificationKind> = told.collect();
        for kind in [NotificationKind::AssignmentGiven, NotificationKind::AssignmentWithdrawn] {
            due.insert(kind.as_str(), told.iter().filter(|told| **told == kind).count());
        }
    }
    // Whether a late fee leaves something for the partner depends on what it is.
    if !is_cancelled_late(rows) {
        let earned = usize::from(last.to == OrderStatus::Completed);
        due.insert(NotificationKind::EarningsCredited.as_str(), earned);
    }
    differs(id, "partner", &due, notes)
}

fn differs(id: OrderId, whose: &str, due: &BTreeMap<&str, usize>, notes: &[Note]) -> Vec<Break> {
    let about: Vec<&Note> = notes.iter().filter(|note| note.is_about(id)).collect();
    let broken = |(kind, due): (&&str, &usize)| {
        let came = about.iter().filter(|note| note.kind == **kind).count();
        (came != *due).then(|| {
            let expected = format!("{due} × {kind} among the {whose}'s notifications");
            Break::new(id, expected, format!("{came}"))
        })
    };
    due.iter().filter_map(broken).collect()
}

fn movements(entries: &[Entry], kind: &str) -> usize {
    entries.iter().filter(|entry| entry.kind == kind).count()
}

/// How many notifications of this kind there are, where that is not one of these numbers.
fn strays(kind: NotificationKind, due: RangeInclusive<usize>, of: &str, notes: &[Note]) -> Option<Break> {
    let came = notes.iter().filter(|note| note.kind == kind.as_str()).count();
    let expected = || format!("{} to {} × {}, {of}", due.start(), due.end(), kind.as_str());
    (!due.contains(&came)).then(|| Break::new("money", expected(), came.to_string()))
}

/// Each top-up that came to a wallet is notified of, and each fee that was taken from one for an order in cash.
#[must_use]
pub fn of_wallet(entries: &[Entry], notes: &[Note]) -> Vec<Break> {
    // Where the price was set aside, what is left of it comes back with the fee.
    let is_fee = |entry: &&Entry| entry.kind == "cancellation_fee" && entry.amount < 0;
    let (credits, debits) = (movements(entries, "top_up"), entries.iter().filter(is_fee).count());
    let credits = strays(NotificationKind::WalletCredited, credits..=credits, "one for each top-up", notes);
    let debits = strays(NotificationKind::WalletDebited, debits..=debits, "one for each fee in cash", notes);
    credits.into_iter().chain(debits).collect()
}

/// Each pay-out that came back is notified of, and each that was `sent`; of others that were asked for that is not known.
#[must_use]
pub fn of_pay_outs(entries: &[Entry], sent: usize, notes: &[Note]) -> Vec<Break> {
    let back = movements(entries, "pay_out_return");
    let most = movements(entries, "pay_out").saturating_sub(back).max(sent);
    let failed = strays(NotificationKind::PayoutFailed, back..=back, "one for each that came back", notes);
    let sent = strays(NotificationKind::PayoutSent, sent..=most, "one for each that was sent", notes);
    failed.into_iter().chain(sent).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn rows(of: &[(Option<&str>, &str, &str)]) -> Vec<Row> {
        let row = |(version, (from, to, by)): (usize, &(Option<&str>, &str, &str))| {
            let at = "2026-01-02T03:04:05.000Z";
            from_value(json!({"version": version + 1, "from": from, "to": to, "by": by, "at": at}))
                .expect("a row")
        };
        of.iter().enumerate().map(row).collect()
    }

    fn notes(id: OrderId, kinds: &[&str]) -> Vec<Note> {
        let note = |kind: &&str| from_value(json!({"type": kind, "data": {"order_id": id}})).expect("a note");
        kinds.iter().map(note).collect()
    }

    #[test]
    fn each_step_is_notified_of_once() {
        let id = OrderId::new();
        let rows = rows(&[
            (None, "pending", "customer"),
            (Some("pending"), "confirmed", "system"),
            (Some("confirmed"), "assigned", "partner"),
            (Some("assigned"), "cancelled", "customer"),
        ]);
        let all = ["order_placed", "order_confirmed", "order_assigned", "order_cancelled"];
        let count = |kinds: &[&str]| of_customer(id, false, &rows, &notes(id, kinds)).len();
        assert_eq!(count(&all), 0);
        assert_eq!(count(&[&all[..], &["order_arriving"]].concat()), 0, "no step says when");
        assert_eq!(count(&all[1..]), 1, "one is missing");
        assert_eq!(count(&[&all[..], &["order_assigned"]].concat()), 1, "one is there twice");
        assert_eq!(count(&[&all[..], &["payment_captured"]].concat()), 1, "nobody paid");
        assert_eq!(of_customer(id, true, &rows, &notes(id, &all)).len(), 1, "money was set aside");
        let others = notes(OrderId::new(), &["order_assigned"]);
        assert_eq!(of_customer(id, false, &rows, &[notes(id, &all), others].concat()).len(), 0);
        assert_eq!(of_partner(id, &rows, &notes(id, &["assignment_withdrawn"])), []);
        assert_eq!(of_partner(id, &rows, &notes(id, &["earnings_credited"])).len(), 2);
    }

    #[test]
    fn who_is_given_an_order_is_told() {
        let id = OrderId::new();
        let given = |by: &str| {
            rows(&[
                (None, "pending", "customer"),
                (Some("pending"), "confirmed", "system"),
                (Some("confirmed"), "assigned", by),
            ])
        };
        let told = notes(id, &["assignment_given"]);
        assert_eq!(of_partner(id, &given("admin"), &told), []);
        assert_eq!(of_partner(id, &given("admin"), &[]).len(), 1, "nobody said so");
        assert_eq!(of_partner(id, &given("partner"), &told).len(), 1, "this one knew");
    }

    fn entries(of: &[(&str, i64)]) -> Vec<Entry> {
        let entry = |(kind, amount): &(&str, i64)| {
            let entry = json!({
                "id": uuid::Uuid::nil(), "kind": kind, "amount": amount, "balance_after": 1, "order_id": null,
                "created_at": "2026-01-02T03:04:05.000Z",
            });
            from_value(entry).expect("an entry")
        };
        of.iter().map(entry).collect()
    }

    #[test]
    fn each_top_up_and_each_fee_from_the_wallet_is_notified_of() {
        let entries = entries(&[("top_up", 1), ("cancellation_fee", -1), ("cancellation_fee", 1)]);
        let count = |kinds: &[&str]| of_wallet(&entries, &notes(OrderId::new(), kinds)).len();
        assert_eq!(count(&["wallet_credited", "wallet_debited"]), 0);
        assert_eq!(count(&["wallet_credited"]), 1, "one is missing");
        assert_eq!(count(&["wallet_credited", "wallet_debited", "wallet_debited"]), 1, "one is there twice");
        assert_eq!(of_wallet(&[], &notes(OrderId::new(), &["wallet_credited"])).len(), 1, "of nothing");
    }

    #[test]
    fn each_pay_out_is_notified_of_once_it_is_known_what_became_of_it() {
        let entries = entries(&[("pay_out", -1), ("pay_out", -1), ("pay_out", -1), ("pay_out_return", 1)]);
        let count = |kinds: &[&str]| of_pay_outs(&entries, 1, &notes(OrderId::new(), kinds)).len();
        assert_eq!(count(&["payout_failed", "payout_sent"]), 0, "one is under way still");
        assert_eq!(count(&["payout_failed", "payout_sent", "payout_sent"]), 0);
        assert_eq!(count(&["payout_failed"]), 1, "one was sent");
        assert_eq!(count(&["payout_sent"]), 1, "one came back");
        assert_eq!(count(&["payout_failed", "payout_sent", "payout_sent", "payout_sent"]), 1, "it came back");
    }
}
