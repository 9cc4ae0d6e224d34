//! How things have to fit together once all orders are over: timelines, messages, money.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::words::Words;
use super::{Break, is_legal};
use crate::domain::ids::{OrderId, PartnerId};
use crate::domain::order::{OrderStatus, Party, STEPS};
use crate::domain::time::Timestamp;

/// The clocks of two instances differ by less, and a step is committed a little after its time.
const LEEWAY: Duration = Duration::from_secs(2);

/// A row of an order's timeline.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// The order's version after it.
    pub version: i64,
    /// Before; none where it was placed.
    pub from: Option<OrderStatus>,
    /// After.
    pub to: OrderStatus,
    /// Who took it.
    pub by: Party,
    /// When.
    pub at: Timestamp,
}

/// A movement of money, as an account saw it.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// The movement's id.
    pub id: Uuid,
    /// Why money moved.
    pub kind: String,
    /// Minor units.
    pub amount: i64,
    /// What the account held after it, minor units.
    pub balance_after: i64,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// When.
    pub created_at: Timestamp,
}

/// A message about an order, as its readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The sender's mark.
    pub client_id: Option<String>,
    /// What it says.
    pub text: String,
    /// Whether something in it was masked.
    pub masked: bool,
    /// Whose order it was then.
    pub partner_id: PartnerId,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A timeline is a chain of legal steps with the versions 1 to n, and ends where the order stands.
#[must_use]
pub fn timeline(id: OrderId, status: OrderStatus, version: i64, rows: &[Row]) -> Vec<Break> {
    let mut broken = Vec::new();
    let mut before = None;
    for (expected, row) in (1_i64..).zip(rows) {
        let is_chain = row.version == expected && row.from == before;
        let is_step = match row.from {
            None => row.to == OrderStatus::Pending,
            Some(from) => {
                let may = |step: &&crate::domain::order::Step| step.from == from && step.to == row.to;
                is_legal(from, row.to) && STEPS.iter().find(may).is_some_and(|step| step.by.contains(&row.by))
            }
        };
        if !is_chain || !is_step {
            let came =
                format!("version {} from {:?} to {} by {}", row.version, row.from, row.to, row.by.as_str());
            broken.push(Break::new(id, format!("version {expected} by a legal step from {before:?}"), came));
        }
        before = Some(row.to);
    }
    let last = rows.last().map(|row| (row.version, row.to));
    if last != Some((version, status)) {
        broken.push(Break::new(
            id,
            format!("a timeline up to version {version}, {status}"),
            format!("{last:?}"),
        ));
    }
    broken
}

/// A partner was seen at `at` because the order was under way then, which customers may hear of later.
#[must_use]
pub fn seen_under_way(id: OrderId, at: Timestamp, rows: &[Row]) -> Option<Break> {
    let next = rows.iter().skip(1).map(|row| Some(row.at)).chain([None]);
    let is_so = rows.iter().zip(next).any(|(row, next)| {
        row.to.shows_location()
            && row.at <= at.after(LEEWAY)
            && next.is_none_or(|next| next.after(LEEWAY) >= at)
    });
    (!is_so).then(|| Break::new(id, "no position but from en_route to delivered", format!("one at {at}")))
}

/// Each offer that was accepted has made the order a partner's.
#[must_use]
pub fn assigned(id: OrderId, accepted: usize, rows: &[Row]) -> Option<Break> {
    let assigned = rows.iter().filter(|row| row.to == OrderStatus::Assigned).count();
    (accepted > assigned).then(|| {
        let expected = format!("{accepted} times a partner, as often as an offer was accepted");
        Break::new(id, expected, format!("{assigned} times"))
    })
}

/// The part of a timeline in which the order was the partner's who has it in the end.
#[must_use]
pub fn last_ride(rows: &[Row]) -> &[Row] {
    let begin = rows.iter().rposition(|row| row.to == OrderStatus::Assigned);
    let ride = begin.and_then(|begin| rows.get(begin..)).unwrap_or_default();
    if ride.iter().any(|row| row.to == OrderStatus::Confirmed) { &[] } else { ride }
}

/// All that went in and out of an account, newest first, adds up to what it holds. It never holds less than nothing.
#[must_use]
pub fn adds_up(whose: &str, balance: i64, entries: &[Entry]) -> Vec<Break> {
    let (mut broken, mut sum) = (Vec::new(), 0_i64);
    for entry in entries.iter().rev() {
        sum = sum.saturating_add(entry.amount);
        if sum != entry.balance_after {
            let came = format!("{} after {} of {}", entry.balance_after, entry.kind, entry.amount);
            broken.push(Break::new(whose, format!("a balance of {sum}"), came));
            sum = entry.balance_after;
        }
        if entry.balance_after < 0 {
            let came = format!("{} after {} of {}", entry.balance_after, entry.kind, entry.amount);
            broken.push(Break::new(whose, "no balance below zero", came));
        }
    }
    if sum != balance {
        broken.push(Break::new(
            whose,
            format!("a balance of {sum}, the sum of all entries"),
            balance.to_string(),
        ));
    }
    broken
}

/// An order that is paid from the wallet is set aside once. Unless it was completed all of it is given back, once; where the
/// customer cancelled late, less a fee.
#[must_use]
pub fn paid_from_wallet(
    id: OrderId,
    status: OrderStatus,
    price: i64,
    rows: &[Row],
    entries: &[Entry],
) -> Option<Break> {
    let amounts = |kind: &str| -> Vec<i64> {
        let about = entries.iter().filter(|entry| entry.order_id == Some(id) && entry.kind == kind);
        about.map(|entry| entry.amount).collect()
    };
    let aside = amounts("authorisation");
    let (released, rest) = (amounts("release"), amounts("cancellation_fee"));
    let is_back = match (status, released.as_slice(), rest.as_slice()) {
        (OrderStatus::Completed, [], []) => true,
        (OrderStatus::Cancelled | OrderStatus::Failed, [back], []) => *back == price,
        (OrderStatus::Cancelled, [], [back]) => (0..price).contains(back) && is_cancelled_late(rows),
        // A fee as high as the price leaves nothing to give back.
        (OrderStatus::Cancelled, [], []) => is_cancelled_late(rows),
        (_, _, _) => false,
    };
    (aside != [-price] || !is_back).then(|| {
        let expected = format!(
            "{price} set aside once, and given back once unless completed, less a fee where that is due"
        );
        let came = format!("{status}, set aside {aside:?}, given back {released:?}, after a fee {rest:?}");
        Break::new(id, expected, came)
    })
}

/// Whether the customer cancelled when the partner was there already. Nobody else pays for it, nor earlier.
#[must_use]
pub fn is_cancelled_late(rows: &[Row]) -> bool {
    rows.last().is_some_and(|row| {
        row.from == Some(OrderStatus::Arrived)
            && row.to == OrderStatus::Cancelled
            && row.by == Party::Customer
    })
}

/// A completed order is earned once, and as much as the offer said.
#[must_use]
pub fn earned(id: OrderId, share: Option<i64>, entries: &[Entry]) -> Option<Break> {
    let about = entries.iter().filter(|entry| {
        entry.order_id == Some(id) && ["capture", "cash_order"].contains(&entry.kind.as_str())
    });
    let amounts: Vec<i64> = about.map(|entry| entry.amount).collect();
    let is_so = amounts.len() == 1 && share.is_none_or(|share| amounts.iter().all(|amount| *amount == share));
    (!is_so).then(|| {
        let expected = share.map_or("one earning".to_owned(), |share| format!("{share} earned once"));
        Break::new(id, expected, format!("{amounts:?}"))
    })
}

/// A message that somebody sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The sender's mark.
    pub mark: &'a str,
    /// What it says.
    pub words: &'static Words,
    /// Whether the server said that it has it.
    pub is_sure: bool,
}

/// A message is there once, if it was said to be written, and says what it should. Both sides see the same, in one order: the
/// customer all of it, a partner what was written in that partner's own time.
#[must_use]
pub fn messages<'a>(
    id: OrderId,
    written: impl Iterator<Item = Sent<'a>>,
    customer: &[Message],
    partner: Option<(PartnerId, &[Message])>,
) -> Vec<Break> {
    let mut broken = Vec::new();
    let mut times = BTreeMap::<&str, usize>::new();
    for mark in customer.iter().filter_map(|message| message.client_id.as_deref()) {
        *times.entry(mark).or_default() += 1;
    }
    for Sent { mark, words, is_sure } in written {
        let found = times.get(mark).copied().unwrap_or_default();
        let marked = customer.iter().filter(|message| message.client_id.as_deref() == Some(mark));
        broken.extend(marked.filter_map(|message| words.come(id, mark, &message.text, message.masked)));
        if found > 1 || is_sure && found == 0 {
            broken.push(Break::new(id, format!("message {mark} once"), format!("{found} times")));
        }
    }
    if let Some((whose, seen)) = partner {
        let same: Vec<&Message> = customer.iter().filter(|message| message.partner_id == whose).collect();
        if !same.iter().copied().eq(seen) {
            let expected = format!("{} messages for both sides alike", same.len());
            broken.push(Break::new(id, expected, format!("{} for the partner", seen.len())));
        }
    }
    broken
}

#[cfg(test)]
#[path = "ends_tests.rs"]
mod tests;
