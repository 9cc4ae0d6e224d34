//! German, in the polite form.

use std::net::IpAddr;

use super::{Rendered, minutes};
use crate::domain::money::Money;
use crate::domain::notification::content::{
    AccountChange, CancelledBy, FailureCause, NotificationContent as Content, RefusedPayment, WithdrawalCause,
};
use crate::domain::notification::text::{Excerpt, Line};

/// What stands for the name of a partner who has none that can be shown.
const PARTNER: &str = "Ihr Partner";

pub(super) fn render(content: &Content) -> Rendered {
    match content {
        Content::OrderPlaced { price, .. } => Rendered::new(
            "Bestellung eingegangen",
            format!(
                "Vielen Dank! Wir haben Ihre Bestellung über {} erhalten und bestätigen sie in Kürze.",
                money(*price)
            ),
        ),
        Content::OrderConfirmed { .. } => Rendered::new(
            "Bestellung bestätigt",
            "Ihre Bestellung ist bestätigt. Wir suchen jetzt jemanden, der sie Ihnen bringt.",
        ),
        Content::OrderAssigned { partner_name, .. } => Rendered::new(
            "Ihre Bestellung ist vergeben",
            format!(
                "{} kümmert sich um Ihre Bestellung. Wir melden uns, sobald es losgeht.",
                partner_name.or(PARTNER)
            ),
        ),
        Content::PartnerEnRoute { partner_name, .. } => Rendered::new(
            "Unterwegs zur Abholung",
            format!("{} ist unterwegs, um Ihre Bestellung abzuholen.", partner_name.or(PARTNER)),
        ),
        Content::PartnerArrived { partner_name, .. } => Rendered::new(
            "Am Abholort angekommen",
            format!("{} ist am Abholort Ihrer Bestellung angekommen.", partner_name.or(PARTNER)),
        ),
        Content::OrderPickedUp { partner_name, .. } => Rendered::new(
            "Bestellung abgeholt",
            format!("{} hat Ihre Bestellung abgeholt.", partner_name.or(PARTNER)),
        ),
        Content::OrderInTransit { partner_name, .. } => Rendered::new(
            "Ihre Bestellung ist unterwegs",
            format!(
                "{} bringt Ihnen Ihre Bestellung. Sie können die Fahrt live verfolgen.",
                partner_name.or(PARTNER)
            ),
        ),
        Content::OrderArriving { partner_name, .. } => Rendered::new(
            "Gleich da",
            format!(
                "{} ist gleich bei Ihnen. Bitte halten Sie Ihren Übergabecode bereit.",
                partner_name.or(PARTNER)
            ),
        ),
        Content::OrderDelivered { .. } => Rendered::new(
            "Bestellung zugestellt",
            "Ihre Bestellung ist angekommen. Wir wünschen Ihnen viel Freude damit! \
             Sie können die Zustellung jetzt bewerten.",
        ),
        Content::OrderCompleted { price, .. } => Rendered::new(
            "Bestellung abgeschlossen",
            format!(
                "Ihre Bestellung über {} ist abgeschlossen. Vielen Dank für Ihr Vertrauen!",
                money(*price)
            ),
        ),
        Content::OrderCancelled { by, reason, fee, .. } => {
            Rendered::new("Bestellung storniert", cancelled(*by, reason.as_ref(), *fee))
        }
        Content::OrderFailed { cause, reason, .. } => {
            Rendered::new("Bestellung nicht ausgeführt", failed(*cause, reason.as_ref()))
        }
        Content::OrderReassigned { partner_name: Some(name), .. } => Rendered::new(
            "Ihre Bestellung wurde neu vergeben",
            format!("{} kümmert sich jetzt um Ihre Bestellung.", name.or(PARTNER)),
        ),
        Content::OrderReassigned { partner_name: None, .. } => Rendered::new(
            "Ihre Bestellung wird neu vergeben",
            "Ihre Bestellung musste leider zurückgegeben werden. Wir suchen bereits jemand anderen dafür.",
        ),
        Content::EtaChanged { delay, .. } => Rendered::new(
            "Ihre Bestellung verspätet sich",
            match minutes(*delay) {
                1 => {
                    "Es tut uns leid: Ihre Bestellung kommt etwa eine Minute später als erwartet.".to_owned()
                }
                minutes => {
                    format!(
                        "Es tut uns leid: Ihre Bestellung kommt etwa {minutes} Minuten später als erwartet."
                    )
                }
            },
        ),
        Content::PaymentAuthorised { amount, .. } => Rendered::new(
            "Betrag reserviert",
            format!(
                "Wir haben {} für Ihre Bestellung reserviert. Abgebucht wird erst, wenn sie abgeschlossen ist.",
                money(*amount)
            ),
        ),
        Content::PaymentCaptured { amount, .. } => Rendered::new(
            "Zahlung erhalten",
            format!("Wir haben {} für Ihre Bestellung erhalten. Vielen Dank!", money(*amount)),
        ),
        Content::PaymentFailed { payment, amount } => payment_failed(*payment, *amount),
        Content::RefundIssued { amount, .. } => Rendered::new(
            "Betrag erstattet",
            format!("Wir haben Ihnen {} erstattet und Ihrem Guthaben gutgeschrieben.", money(*amount)),
        ),
        Content::WalletCredited { amount, balance } => Rendered::new(
            format!("{} gutgeschrieben", money(*amount)),
            format!("Ihr Guthaben beträgt jetzt {}.", money(*balance)),
        ),
        Content::WalletDebited { amount, balance } => Rendered::new(
            format!("{} abgebucht", money(*amount)),
            format!("Ihr Guthaben beträgt jetzt {}.", money(*balance)),
        ),
        Content::AssignmentOffered { earnings, pickup_distance, .. } => Rendered::new(
            format!("Neuer Auftrag im Angebot: {}", money(*earnings)),
            format!(
                "Der Abholort ist {} entfernt. Nehmen Sie an, bevor das Angebot abläuft.",
                distance(*pickup_distance)
            ),
        ),
        Content::AssignmentExpired { .. } => Rendered::new(
            "Angebot abgelaufen",
            "Sie haben auf ein Angebot nicht rechtzeitig geantwortet. Das nächste kommt bestimmt.",
        ),
        Content::AssignmentGiven { earnings, .. } => Rendered::new(
            "Sie haben einen neuen Auftrag",
            format!("Wir haben Ihnen einen Auftrag gegeben. Sie verdienen damit {}.", money(*earnings)),
        ),
        Content::AssignmentWithdrawn { cause, .. } => {
            Rendered::new("Auftrag zurückgezogen", withdrawn(*cause))
        }
        Content::EarningsCredited { amount, .. } => Rendered::new(
            format!("Sie haben {} verdient", money(*amount)),
            format!(
                "Für einen abgeschlossenen Auftrag haben wir Ihnen {} gutgeschrieben. Gut gemacht!",
                money(*amount)
            ),
        ),
        Content::PayoutSent { amount } => Rendered::new(
            "Auszahlung veranlasst",
            format!("Ihre Auszahlung von {} ist auf dem Weg zu Ihnen.", money(*amount)),
        ),
        Content::PayoutFailed { amount } => Rendered::new(
            "Auszahlung fehlgeschlagen",
            format!(
                "Ihre Auszahlung von {} kam nicht zustande. Der Betrag ist wieder bei Ihren Einnahmen.",
                money(*amount)
            ),
        ),
        Content::RatingReceived { stars, comment, .. } => rating(*stars, comment.as_ref()),
        Content::ChatMessage { sender_name, excerpt, .. } => Rendered::new(
            format!("Nachricht von {}", sender_name.or("Ihrem Kontakt")),
            excerpt.or("Öffnen Sie den Chat, um sie zu lesen."),
        ),
        Content::Announcement { title, text } => {
            Rendered::new(title.or("Mitteilung"), text.or("Es gibt Neuigkeiten für Sie."))
        }
        Content::SecurityNewLogin { device, ip, .. } => Rendered::new(
            "Neue Anmeldung in Ihrem Konto",
            format!(
                "Soeben hat sich jemand{} in Ihrem Konto angemeldet. \
                 Falls Sie das nicht waren, sichern Sie bitte sofort Ihr Konto.",
                origin(device.as_ref(), *ip)
            ),
        ),
        Content::AccountUpdated { change } => Rendered::new(
            "Ihr Konto wurde geändert",
            format!(
                "{} Falls Sie das nicht erwartet haben, melden Sie sich bitte sofort bei uns.",
                changed(*change)
            ),
        ),
    }
}

/// `12,50 EUR`: the comma is the decimal sign.
fn money(amount: Money) -> String {
    amount.to_string().replace('.', ",")
}

/// `1,3 km`: the comma is the decimal sign.
fn distance(metres: u32) -> String {
    super::distance(metres).replace('.', ",")
}

fn cancelled(by: CancelledBy, reason: Option<&Line>, fee: Option<Money>) -> String {
    let what = match by {
        CancelledBy::Customer => "Ihre Bestellung wurde wie gewünscht storniert.",
        CancelledBy::Admin => "Leider mussten wir Ihre Bestellung stornieren.",
    };
    let cost = match fee {
        Some(fee) => format!("Es fällt eine Stornogebühr von {} an.", money(fee)),
        None => "Es entstehen Ihnen keine Kosten.".to_owned(),
    };
    with_reason(format!("{what} {cost}"), reason)
}

fn failed(cause: FailureCause, reason: Option<&Line>) -> String {
    let what = match cause {
        FailureCause::NoPartner => "Leider konnte niemand Ihre Bestellung rechtzeitig übernehmen.",
        FailureCause::Admin => "Leider konnte Ihre Bestellung nicht ausgeführt werden.",
    };
    with_reason(format!("{what} Es entstehen Ihnen keine Kosten."), reason)
}

/// The reason stands last, because whoever typed it may have ended it with a full stop or not.
fn with_reason(text: String, reason: Option<&Line>) -> String {
    match reason {
        Some(reason) if !reason.as_str().is_empty() => format!("{text} Grund: {reason}"),
        Some(_) | None => text,
    }
}

fn payment_failed(payment: RefusedPayment, amount: Money) -> Rendered {
    let amount = money(amount);
    match payment {
        RefusedPayment::Order { .. } | RefusedPayment::NewOrder => Rendered::new(
            "Zahlung fehlgeschlagen",
            format!(
                "Ihre Zahlung von {amount} für Ihre Bestellung ist fehlgeschlagen. \
                 Bitte prüfen Sie Ihr Guthaben."
            ),
        ),
        RefusedPayment::TopUp => Rendered::new(
            "Aufladung fehlgeschlagen",
            format!("Ihre Aufladung um {amount} ist fehlgeschlagen. Bitte versuchen Sie es noch einmal."),
        ),
    }
}

fn withdrawn(cause: WithdrawalCause) -> &'static str {
    match cause {
        WithdrawalCause::Cancelled => "Der Auftrag wurde storniert. Sie müssen nichts weiter tun.",
        WithdrawalCause::Failed => "Der Auftrag kann nicht ausgeführt werden. Sie müssen nichts weiter tun.",
        WithdrawalCause::Reassigned => "Der Auftrag wird anderweitig vergeben. Sie müssen nichts weiter tun.",
    }
}

fn rating(stars: u8, comment: Option<&Excerpt>) -> Rendered {
    let title = match stars {
        1 => "Neue Bewertung: 1 Stern".to_owned(),
        stars => format!("Neue Bewertung: {stars} Sterne"),
    };
    match comment {
        Some(comment) if !comment.as_str().is_empty() => {
            Rendered::new(title, format!("Dazu wurde geschrieben: „{comment}“"))
        }
        Some(_) | None => Rendered::new(title, "Ihre Arbeit wurde bewertet. Vielen Dank für Ihren Einsatz!"),
    }
}

fn origin(device: Option<&Line>, ip: Option<IpAddr>) -> String {
    match (device.filter(|device| !device.as_str().is_empty()), ip) {
        (Some(device), Some(ip)) => format!(" mit {device} (IP-Adresse {ip})"),
        (Some(device), None) => format!(" mit {device}"),
        (None, Some(ip)) => format!(" von der IP-Adresse {ip}"),
        (None, None) => String::new(),
    }
}

fn changed(change: AccountChange) -> &'static str {
    match change {
        AccountChange::Profile => "Ihr Profil wurde geändert.",
        AccountChange::Email => "Die E-Mail-Adresse Ihres Kontos wurde geändert.",
        AccountChange::Password => "Ihr Passwort wurde geändert.",
        AccountChange::Role => "Die Rechte Ihres Kontos wurden geändert.",
    }
}
