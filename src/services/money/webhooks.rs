//! What the provider tells by itself: events that are signed, may come twice, late, and in any order.
//!
//! An event names the transfer by our own id, under which it was on record before the provider heard of it. So an event can
//! come before the answer of the call that caused it, and is never about something unknown.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::ToSchema;

use crate::domain::ids::TransferId;
use crate::domain::money::{Currency, Money};
use crate::domain::payment::TransferStatus;
use crate::domain::time::Timestamp;
use crate::services::app::{App, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::store::transfers as rows;

use super::transfers::{News, apply};

/// How far the time of a signature may be from now.
const TOLERANCE: Duration = Duration::from_secs(300);
/// How many codes of a signature are looked at: one for each key, with some to spare.
const MAX_CODES: usize = 5;
/// How many characters of a provider's name for a transfer are kept.
const MAX_REFERENCE: usize = 255;
/// How many characters of why it failed.
const MAX_REASON: usize = 200;
/// How long a code is, bytes.
const CODE: usize = 32;
/// How long it is remembered that an event was told.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);
/// How many events are forgotten at once.
const FORGOTTEN: i64 = 1000;

/// A key that the provider's events are signed with.
#[derive(Clone)]
pub struct WebhookSecret(String);

impl WebhookSecret {
    /// Keeps `text` from being printed by accident.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads the body once, however many codes there are: nobody knows yet who sends it.
    fn signs(&self, signature: &Signature, body: &[u8]) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else { return false };
        mac.update(format!("{}.", signature.at).as_bytes());
        mac.update(body);
        // Compares in constant time.
        signature.codes.iter().any(|code| mac.clone().verify_slice(code).is_ok())
    }
}

/// Without the secret.
impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// What stands in `Webhook-Signature`: `t=<unix seconds>,v1=<hex>`, with several `v1` while keys are changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    at: i64,
    codes: Vec<[u8; CODE]>,
}

impl Signature {
    /// Reads the header; nothing when it is none. Passed over are schemes other than `v1`, what can be no code of it, and
    /// codes past the fifth.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut signature = Self { at: i64::MIN, codes: Vec::new() };
        for part in header.split(',') {
            match part.trim().split_once('=')? {
                ("t", at) => signature.at = at.parse().ok()?,
                ("v1", code) if signature.codes.len() < MAX_CODES => signature.codes.extend(from_hex(code)),
                (_, _) => {}
            }
        }
        (signature.at != i64::MIN && !signature.codes.is_empty()).then_some(signature)
    }
}

fn from_hex(text: &str) -> Option<[u8; CODE]> {
    if text.len() != 2 * CODE || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    bytes?.try_into().ok()
}

/// Makes sure that what came is from the provider, and new.
///
/// # Errors
/// `Unauthenticated` with `signature_invalid` or `signature_expired`.
pub fn verify_signature(
    secrets: &[WebhookSecret],
    header: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), ServiceError> {
    let refused = |code, detail: &'static str| ServiceError::Unauthenticated { code, detail: detail.into() };
    let invalid =
        || refused("signature_invalid", "No signature came, or none of the provider's for this body.");
    let signature = header.and_then(Signature::parse).ok_or_else(invalid)?;
    // First, since it costs nothing.
    if now.as_secs().abs_diff(signature.at) > TOLERANCE.as_secs() {
        return Err(refused(
            "signature_expired",
            "The event was signed more than 5 minutes from now. Sign it anew.",
        ));
    }
    let is_genuine = secrets.iter().any(|secret| secret.signs(&signature, body));
    is_genuine.then_some(()).ok_or_else(invalid)
}

/// What an event is of. Read before the rest, of which a type that is not known may have any.
#[derive(Debug, Clone, Deserialize)]
pub struct EventType {
    #[serde(rename = "type")]
    name: String,
}

impl EventType {
    /// Whether events of this type are taken in.
    #[must_use]
    pub fn is_known(&self) -> bool {
        status_of(&self.name).is_some()
    }
}

/// What a type of events says of a transfer. Types are the provider's, and an open set.
fn status_of(kind: &str) -> Option<TransferStatus> {
    match kind {
        "transfer.succeeded" => Some(TransferStatus::Succeeded),
        "transfer.failed" => Some(TransferStatus::Failed),
        _ => None,
    }
}

/// What the provider tells of a transfer. The interface is the provider's: it may have more members than these.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ProviderEvent {
    /// The event's id, 1 to 255 characters: the same however often it is sent.
    pub id: String,
    /// `transfer.succeeded` or `transfer.failed`; others are passed over, whatever else they have.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id under which the provider was asked for the transfer: that of the top-up or the pay-out.
    pub transfer_id: TransferId,
    /// The provider's own name for the transfer; kept are its first 255 characters.
    pub reference: Option<String>,
    /// What was moved, minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: Currency,
    /// Why it failed; kept are its first 200 characters.
    pub reason: Option<String>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was taken in.
    Taken,
    /// It was taken in before.
    Repeated,
    /// It is of no type, or about no transfer, that this server knows.
    PassedOver,
}

impl Outcome {
    /// As the answer has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Repeated => "repeated",
            Self::PassedOver => "passed_over",
        }
    }
}

/// Takes in what the provider tells, once. The signature is known to be good.
///
/// # Errors
/// `NotFound` for another provider than the one that is set; `Invalid`; `Conflict` with `amount_differs` when the event is
/// about another amount than the transfer; the database's.
pub async fn take_event(app: &App, provider: &str, event: ProviderEvent) -> Result<Outcome, ServiceError> {
    let known = known_provider(app, provider)?;
    let Some(status) = status_of(&event.kind) else { return Ok(Outcome::PassedOver) };
    check(&event)?;
    app.write(move |tx| {
        let now = tx.now();
        if !rows::take_event(tx.conn(), known, &event.id, now)? {
            return Ok(Outcome::Repeated);
        }
        let told = Money { amount: event.amount, currency: event.currency };
        let transfer = rows::find(tx.conn(), event.transfer_id)?;
        let Some(transfer) = transfer else {
            log::warn!("the provider tells of transfer {}, which is none of ours", event.transfer_id);
            return Ok(Outcome::PassedOver);
        };
        if transfer.amount != told {
            log::error!("the provider tells of {told} for transfer {} of {}", transfer.id, transfer.amount);
            return Err(ServiceError::conflict("amount_differs", "The transfer is about another amount."));
        }
        let (reference, reason) = (kept(event.reference, MAX_REFERENCE), kept(event.reason, MAX_REASON));
        let failure = (status == TransferStatus::Failed).then(|| reason.unwrap_or("failed".into()));
        apply(tx, transfer.id, News { status, reference, failure })?;
        Ok(Outcome::Taken)
    })
    .await
}

/// The provider that is set, if it has this name.
///
/// # Errors
/// `NotFound`.
pub fn known_provider(app: &App, name: &str) -> Result<&'static str, ServiceError> {
    let known = app.settings().money.provider.as_ref().map(|provider| provider.name());
    known.filter(|known| *known == name).ok_or(ServiceError::NotFound { what: "payment provider" })
}

fn check(event: &ProviderEvent) -> Result<(), ServiceError> {
    let mut checks = Checks::default();
    checks.text("id", &event.id, 1..=255);
    checks.number("amount", event.amount, 1..=i64::MAX);
    checks.done()
}

/// What is kept of a text that only describes. Nothing about it refuses an event: the provider would send it in vain again
/// and again, and the money would stay where it is not.
fn kept(text: Option<String>, most: usize) -> Option<String> {
    let text: String = text?.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    let kept: String = text.trim().chars().take(most).collect();
    Some(kept.trim_end().to_owned()).filter(|kept| !kept.is_empty())
}

/// Forgets events that can hardly come again, some at once, and tells how many; what they told stands.
///
/// # Errors
/// The database's.
pub fn purge(tx: &mut Tx<'_>) -> Result<usize, ServiceError> {
    let before = tx.now().before(REMEMBERED);
    Ok(rows::purge_events(tx.conn(), before, FORGOTTEN)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_767_323_045;
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn code(secret: &str, at: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn verify(header: &str, body: &[u8], now: i64) -> Result<(), &'static str> {
        let secrets = [WebhookSecret::new("old"), WebhookSecret::new("new")];
        let now = Timestamp::from_millis(now * 1000);
        verify_signature(&secrets, Some(header), body, now).map_err(|error| error.code())
    }

    #[test]
    fn only_a_fresh_signature_of_this_very_body_with_a_known_key_is_good() {
        let good = |secret| format!("t={AT},v1={}", code(secret, AT, BODY));
        for secret in ["old", "new"] {
            assert_eq!(verify(&good(secret), BODY, AT), Ok(()));
        }
        assert_eq!(verify(&good("other"), BODY, AT), Err("signature_invalid"));
        assert_eq!(verify(&good("new"), b"{}", AT), Err("signature_invalid"));
        for (now, expected) in
            [(300, Ok(())), (-300, Ok(())), (301, Err("signature_expired")), (-301, Err("signature_expired"))]
        {
            assert_eq!(verify(&good("new"), BODY, AT + now), expected, "{now}");
        }
        let moved = format!("t={},v1={}", AT + 1, code("new", AT, BODY));
        assert_eq!(verify(&moved, BODY, AT), Err("signature_invalid"), "the time is signed, too");
        assert!(verify_signature(&[], Some(&good("new")), BODY, Timestamp::from_millis(AT * 1000)).is_err());
    }

    #[test]
    fn one_of_several_codes_is_enough_and_other_schemes_are_passed_over() {
        let (good, bad) = (code("new", AT, BODY), code("other", AT, BODY));
        for header in [format!("v1={bad}, t={AT}, v1={good}"), format!("t={AT},v0=x,v1={good},v2=y")] {
            assert_eq!(verify(&header, BODY, AT), Ok(()), "{header}");
        }
    }

    #[test]
    fn no_more_than_five_codes_are_looked_at_and_only_what_can_be_one() {
        let (good, bad) = (code("new", AT, BODY), code("other", AT, BODY));
        let after = |count, other: &str| format!("t={AT},{}v1={good}", format!("v1={other},").repeat(count));
        assert_eq!(verify(&after(4, &bad), BODY, AT), Ok(()));
        assert_eq!(verify(&after(5, &bad), BODY, AT), Err("signature_invalid"));
        for none in ["", "00", "zz", &bad[1..], &format!("{bad}00"), &"é".repeat(32)] {
            assert_eq!(verify(&after(9, none), BODY, AT), Ok(()), "{none}");
        }
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let good = code("new", AT, BODY);
        for header in [
            "".into(),
            "t=".into(),
            format!("t={AT}"),
            format!("v1={good}"),
            format!("t=x,v1={good}"),
            format!("t={AT},v1={good}0"),
            format!("t={AT},v1="),
            format!("t={AT},v1=é{good}"),
            "t=1,v1=zz".into(),
        ] {
            assert_eq!(verify(&header, BODY, AT), Err("signature_invalid"), "{header}");
        }
    }
}
