//! What people write to each other: each message is answered, and comes as it was written, but for contact details.

use std::time::{Duration, Instant};

use super::ends::Row;
use super::{Break, Steady};
use crate::domain::ids::OrderId;
use crate::domain::order::OrderStatus;
use crate::domain::principal::Role;
use crate::domain::time::Timestamp;

/// The clocks of this machine and the server's differ by less.
const LEEWAY: Duration = Duration::from_secs(2);
/// A step may be committed this long after its time, and until then it is not there: a server may be stopped in between.
const VERY_LATE: Duration = Duration::from_secs(15);

/// Why a message cannot be written, or no more.
pub const REFUSALS: [&str; 3] = ["chat_closed", "not_found", "rate_limited"];

/// A message's text.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// As it is sent.
    pub said: &'static str,
    /// As both sides read it.
    pub told: &'static str,
}

impl Words {
    /// Without anything that would be masked.
    #[must_use]
    pub const fn plain(text: &'static str) -> Self {
        Self { said: text, told: text }
    }

    /// Message `mark` says what it should, and whether anything in it is masked.
    #[must_use]
    pub fn come(&self, id: OrderId, mark: &str, text: &str, masked: bool) -> Option<Break> {
        let is_masked = self.said != self.told;
        (text != self.told || masked != is_masked).then(|| {
            let words =
                |text: &str, masked| format!("{text:?}, {}", if masked { "masked" } else { "not masked" });
            let expected = format!("message {mark} to say {}", words(self.told, is_masked));
            Break::new(id, expected, words(text, masked))
        })
    }
}

/// A message that was first sent at `sent` has neither come back nor been refused, as far as was heard up to `at`.
#[must_use]
pub fn unheard(id: OrderId, mark: &str, sent: Instant, steady: Steady, at: Instant) -> Option<Break> {
    steady
        .is_overdue(sent, at)
        .then(|| Break::new(id, format!("message {mark} back, or a refusal"), "nothing"))
}

/// That a message was refused, which the order's timeline has to explain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, as the server says.
    pub code: String,
    /// The sender's role.
    pub by: Role,
    /// When it was first sent.
    pub from: Timestamp,
    /// When the refusal was heard.
    pub to: Timestamp,
}

impl Refusal {
    /// It came at a time when there was no chat, or from a partner who had the order no longer.
    #[must_use]
    pub fn unexplained(&self, id: OrderId, mark: &str, rows: &[Row]) -> Option<Break> {
        let (from, to) = (self.from.before(LEEWAY), self.to.after(LEEWAY));
        let next = rows.iter().skip(1).map(|row| Some(row.at)).chain([None]);
        let is_meanwhile = |(row, next): &(&Row, Option<Timestamp>)| {
            row.at <= to && next.is_none_or(|next| from <= next.after(VERY_LATE))
        };
        let mut meanwhile = rows.iter().zip(next).filter(is_meanwhile);
        let is_explained = match self.code.as_str() {
            "chat_closed" => {
                let has_no_chat = |status: OrderStatus| {
                    status.is_end() || matches!(status, OrderStatus::Pending | OrderStatus::Confirmed)
                };
                meanwhile.any(|(row, _)| has_no_chat(row.to))
            }
            "not_found" => {
                let is_lost =
                    |row: &Row| row.from == Some(OrderStatus::Assigned) && row.to == OrderStatus::Confirmed;
                self.by == Role::Partner && rows.iter().any(|row| row.at <= to && is_lost(row))
            }
            // Other codes are judged when they come.
            _ => true,
        };
        (!is_explained).then(|| {
            let expected =
                format!("message {mark} taken: there was a chat from {} to {}", self.from, self.to);
            Break::new(id, expected, format!("the refusal {:?}", self.code))
        })
    }
}

/// A message is refused for a reason that there is; `code` is none that passes.
#[must_use]
pub fn refused(id: OrderId, mark: &str, code: &str) -> Option<Break> {
    (!REFUSALS.contains(&code)).then(|| {
        let expected = format!("message {mark} back, or one of {REFUSALS:?}");
        Break::new(id, expected, format!("the refusal {code:?}"))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn words_come_as_they_were_written_but_for_contact_details() {
        let id = OrderId::new();
        let plain = Words::plain("Hello");
        assert_eq!(plain.come(id, "a", "Hello", false), None);
        assert!(plain.come(id, "a", "Hello", true).is_some(), "there is nothing to mask");
        assert!(plain.come(id, "a", "Help", false).is_some(), "another text");
        let number = Words { said: "Call 555", told: "Call •••" };
        assert_eq!(number.come(id, "a", "Call •••", true), None);
        assert!(number.come(id, "a", "Call 555", false).is_some(), "the number");
        assert!(number.come(id, "a", "Call 555", true).is_some(), "the number, called masked");
        assert!(number.come(id, "a", "Call •••", false).is_some(), "masked, and nobody says so");
    }

    #[test]
    fn a_message_without_an_answer_is_noticed_once_none_can_come_any_more() {
        let (id, begin) = (OrderId::new(), Instant::now());
        let after = |seconds| begin + Duration::from_secs(seconds);
        let look = |sent, line, town, at| {
            let steady = Steady { line: after(line), town: after(town) };
            unheard(id, "a", after(sent), steady, after(at)).is_some()
        };
        assert!(!look(5, 0, 0, 45));
        assert!(look(5, 0, 0, 46));
        assert!(!look(5, 0, 20, 46), "somebody has lost the connection meanwhile");
        assert!(!look(5, 20, 0, 46), "the sender has");
        assert!(!look(5, 0, 0, 4), "nothing was heard since");
    }

    #[test]
    fn a_message_is_refused_for_a_reason() {
        let id = OrderId::new();
        for code in REFUSALS {
            assert_eq!(refused(id, "a", code), None);
        }
        for code in ["", "unknown_type", "invalid_fields", "role_not_allowed"] {
            assert!(refused(id, "a", code).is_some(), "{code}");
        }
    }

    #[test]
    fn a_refusal_has_to_fit_the_timeline() {
        let (id, begin) = (OrderId::new(), Timestamp::from_millis(1_000_000));
        let after = |seconds| begin.after(Duration::from_secs(seconds));
        let row = |from: Option<OrderStatus>, to, seconds| Row {
            version: 1,
            from,
            to,
            by: crate::domain::order::Party::System,
            at: after(seconds),
        };
        let rows = [
            row(None, OrderStatus::Pending, 0),
            row(Some(OrderStatus::Pending), OrderStatus::Confirmed, 1),
            row(Some(OrderStatus::Confirmed), OrderStatus::Assigned, 100),
            row(Some(OrderStatus::Assigned), OrderStatus::Confirmed, 200),
            row(Some(OrderStatus::Confirmed), OrderStatus::Assigned, 300),
            row(Some(OrderStatus::Assigned), OrderStatus::Cancelled, 400),
        ];
        let is_explained = |code: &str, by, from, to| {
            let refusal = Refusal { code: code.to_owned(), by, from: after(from), to: after(to) };
            refusal.unexplained(id, "a", &rows).is_none()
        };
        assert!(is_explained("chat_closed", Role::Customer, 50, 51));
        assert!(is_explained("chat_closed", Role::Customer, 410, 411));
        assert!(is_explained("chat_closed", Role::Customer, 190, 199), "clocks differ");
        assert!(!is_explained("chat_closed", Role::Customer, 120, 130), "there was a partner");
        assert!(
            is_explained("not_found", Role::Partner, 210, 211)
                && is_explained("not_found", Role::Partner, 350, 351)
        );
        assert!(!is_explained("not_found", Role::Partner, 110, 120), "it was that partner's");
        assert!(!is_explained("not_found", Role::Customer, 210, 211), "it was the customer's all along");
    }
}
