//! Writing a message.

use std::time::{Duration, Instant};

use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::chat::is_open;
use crate::domain::contact::{Masked, mask};
use crate::domain::group::GroupKey;
use crate::domain::ids::{EventId, MessageId, OrderId, UserId};
use crate::domain::order::{Assignee, Order, Party};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::protocol::ephemeral::EphemeralFrame;
use crate::protocol::event::Event;
use crate::protocol::views::MessageView;
use crate::services::app::{App, Reply, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::services::idempotency::Idempotency;
use crate::services::limits::Counted;
use crate::services::orders;
use crate::store::messages::{self as rows, Message};
use crate::store::{orders as order_rows, users};

use super::notifying::notify;
use super::view;

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// 1 to 2,000 characters. Phone numbers and e-mail addresses in it are masked.
    #[schema(min_length = 1, max_length = 2000)]
    pub text: String,
    /// The client's own mark: the message bears it, and is known by it when it comes again. A UUID say, and nothing that
    /// looks like a phone number or an e-mail address: the other side sees it.
    #[schema(min_length = 1, max_length = 128)]
    pub client_id: Option<String>,
}

/// What became of it.
#[derive(Debug)]
pub struct Posted {
    /// The message.
    pub message: MessageView,
    /// Whether it was written by this call, rather than by an earlier one with the same `client_id`.
    pub is_new: bool,
}

/// Checks a message as far as that needs no database.
///
/// # Errors
/// `Invalid`.
pub fn check(new: &NewMessage) -> Result<(), ServiceError> {
    let mut checks = Checks::default();
    checks.text("text", &new.text, 1..=2000);
    if let Some(client_id) = &new.client_id {
        checks.text("client_id", client_id, 1..=128);
        // The other side gets it as it is. Digits of a UUID, or of the time, may look like a number by chance.
        let is_innocent = Uuid::try_parse(client_id).is_ok() || is_time(client_id, Timestamp::now());
        if !is_innocent && mask(client_id).is_masked {
            let message = "expected no phone number or e-mail address; take a UUID";
            checks.fail("client_id", "invalid", message);
        }
    }
    checks.done()
}

/// Whether digits are a time of this year's, give or take one: in milliseconds, microseconds or nanoseconds since 1970. Telephone
/// numbers that begin like these have fewer digits; they may be as long as whole seconds.
fn is_time(digits: &str, now: Timestamp) -> bool {
    let per_milli = match digits.len() {
        13 => 1,
        16 => 1_000,
        19 => 1_000_000,
        // Anything else is none.
        _ => return false,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let Some(number) = Some(digits).filter(|_| is_number).and_then(|digits| digits.parse::<i64>().ok())
    else {
        return false;
    };
    number.saturating_div(per_milli).abs_diff(now.as_millis()) < YEAR
}

/// 366 days, milliseconds.
const YEAR: u64 = 366 * 24 * 3600 * 1_000;

/// Writes a message about an order. Sent again with the same `client_id`, it is the same message.
///
/// # Errors
/// `Invalid`; `NotFound`; `Limited`; `Conflict` with `chat_closed` or `client_id_reused`; the database's.
pub async fn post(
    app: &App,
    who: Principal,
    order_id: OrderId,
    new: NewMessage,
) -> Result<Posted, ServiceError> {
    let listeners = admit(app, &who, order_id, &new, new.client_id.is_some()).await?;
    let (own, counted) = (app.clone(), Counted::default());
    let counts = counted.clone();
    let written = app.write(move |tx| post_in(&own, tx, &who, order_id, new, &listeners, &counts)).await;
    written.inspect_err(|error| give_back(app, &who, error, &counted))
}

/// [`post`] for a call that may come with an `Idempotency-Key`.
///
/// # Errors
/// As [`post`]; `Conflict` when the key came with another request.
pub async fn post_once(
    app: &App,
    who: Principal,
    order_id: OrderId,
    new: NewMessage,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    let may_be_known = key.is_some() || new.client_id.is_some();
    let listeners = admit(app, &who, order_id, &new, may_be_known).await?;
    let (own, counted) = (app.clone(), Counted::default());
    let counts = counted.clone();
    let job = move |tx: &mut Tx<'_>| post_in(&own, tx, &who, order_id, new, &listeners, &counts);
    let written = app.write_once(key, 201, move |tx| Ok(job(tx)?.message)).await;
    written.inspect_err(|error| give_back(app, &who, error, &counted))
}

/// One that was not written is sent again, and counts once.
fn give_back(app: &App, who: &Principal, error: &ServiceError, counted: &Counted) {
    if error.is_passing() && counted.is_so() {
        app.guard().give_back_message(who.user_id);
    }
}

/// Checks what needs no database, and looks who has the order on a screen. That is asked before the transaction, which
/// waits for nobody.
async fn admit(
    app: &App,
    who: &Principal,
    order_id: OrderId,
    new: &NewMessage,
    may_be_known: bool,
) -> Result<Vec<UserId>, ServiceError> {
    check(new)?;
    // What may have been written by an earlier call is looked up beyond the limit, too, and counted once it proves new.
    let now = Instant::now();
    if let Err(limited) = app.guard().check_message(who.user_id, now) {
        if !may_be_known {
            return Err(limited);
        }
        app.guard().admit_repeat(who.user_id, now)?;
    }
    // Where not all are known, who may be reading along is notified: once too often is better than not at all.
    Ok(app.groups().listeners(GroupKey::Order(order_id)).await.users)
}

fn post_in(
    app: &App,
    tx: &mut Tx<'_>,
    who: &Principal,
    order_id: OrderId,
    new: NewMessage,
    listeners: &[UserId],
    counted: &Counted,
) -> Result<Posted, ServiceError> {
    let (order, party) = orders::with_party(who, order_rows::find_locked(tx.conn(), order_id)?)?;
    let name = name_of(tx, who, &order, party)?;
    let Masked { text, is_masked } = mask(&new.text);
    if let Some(client_id) = &new.client_id
        && let Some(earlier) = rows::find_marked(tx.conn(), order_id, who.user_id, client_id)?
    {
        if earlier.text != text {
            let detail = "You have given this client_id to another message about this order.";
            return Err(ServiceError::conflict("client_id_reused", detail));
        }
        return Ok(Posted { message: view(earlier, name), is_new: false });
    }
    let partner = open_with(&order, tx.now(), tx.settings().chat_after_end)?;
    app.guard().admit_message(who.user_id, Instant::now())?;
    counted.note();
    // No message is older than the one before it, whichever instance's clock was asked.
    let last = rows::last(tx.conn(), order_id)?;
    let (number, created_at) = last.map_or((0, tx.now()), |(number, at)| (number, at.max(tx.now())));
    let message = Message {
        id: MessageId::new(),
        order_id,
        number: number + 1,
        partner_id: partner.partner_id,
        sender_id: who.user_id,
        party,
        client_id: new.client_id,
        text,
        is_masked,
        created_at,
    };
    rows::insert(tx.conn(), &message)?;
    let message = view(message, name);
    tx.emit_as(EventId::from(message.id), &Event::ChatMessage { message: Box::new(message.clone()) });
    notify(tx, &order, &message, listeners)?;
    Ok(Posted { message, is_new: true })
}

/// The partner with whom an order is talked about.
fn open_with(order: &Order, now: Timestamp, after_end: Duration) -> Result<&Assignee, ServiceError> {
    let partner = order.partner.as_ref().filter(|_| is_open(order, now, after_end));
    partner.ok_or_else(|| {
        let detail = "An order can be written about while it has a partner, and for a while after its end.";
        ServiceError::conflict("chat_closed", detail)
    })
}

fn name_of(tx: &mut Tx<'_>, who: &Principal, order: &Order, party: Party) -> Result<String, ServiceError> {
    let name = match party {
        Party::Customer => Some(order.customer_name.clone()),
        Party::Partner => order.partner.as_ref().map(|partner| partner.name.clone()),
        Party::Admin | Party::System => users::find(tx.conn(), who.user_id)?.map(|user| user.name),
    };
    name.ok_or(ServiceError::NotFound { what: "user" })
}

/// Shows those who listen to an order that `who` is writing about it.
///
/// # Errors
/// `NotFound`; `Conflict` with `chat_closed`; `Overloaded`; the database's.
pub async fn typing(app: &App, who: Principal, order_id: OrderId) -> Result<(), ServiceError> {
    let (after_end, now) = (app.settings().chat_after_end, Instant::now());
    app.read(move |conn| {
        let (order, _) = orders::visible(conn, &who, order_id)?;
        open_with(&order, Timestamp::now(), after_end).map(|_| ())
    })
    .await?;
    if !app.guard().may_show_typing((who.user_id, order_id), now) {
        // Another session of the user's has shown it a moment ago.
        return Ok(());
    }
    let body = EphemeralFrame::Typing { user_id: who.user_id }.to_text();
    // Two who write are both seen.
    let slot = format!("typing:{}", who.user_id);
    let group = GroupKey::Order(order_id);
    app.groups().publish_ephemeral(group, EventId::new(), slot.as_str().into(), body.into())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(client_id: &str) -> bool {
        check(&NewMessage { text: "Hello".into(), client_id: Some(client_id.into()) }).is_err()
    }

    #[test]
    fn a_client_id_holds_no_contact_details() {
        for client_id in
            ["0170 1234567", "+49 170 1234567", "ada@example.org", "c-1 ada@example.org", "call 0170-1234567"]
        {
            assert!(refused(client_id), "{client_id}");
        }
    }

    #[test]
    fn usual_client_ids_are_taken() {
        let now = Timestamp::now().as_millis();
        for time in [now, now * 1_000, now * 1_000_000] {
            assert!(!refused(&time.to_string()), "{time}");
        }
        for client_id in
            ["c-1", "m-1", "1", "order 1234567", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "V1StGXR8_Z5jdHi6B-myT"]
        {
            assert!(!refused(client_id), "{client_id}");
        }
        for _ in 0..20_000 {
            for id in [Uuid::new_v4(), Uuid::now_v7()] {
                for form in [id.hyphenated().to_string(), id.simple().to_string()] {
                    assert!(!refused(&form) && !refused(&form.to_uppercase()), "{form}");
                }
            }
        }
    }
}
