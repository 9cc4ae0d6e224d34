//! What a run found, as a table and as JSON.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;

use super::ledger::Faults;
use super::meters::{Counts, Quantiles, total};

/// Most subscriptions with faults that are listed one by one.
pub const LISTED: usize = 20;

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// The server.
    pub url: String,
    /// `durable` or `ephemeral`.
    pub mode: &'static str,
    /// Sessions.
    pub sessions: usize,
    /// Groups.
    pub groups: usize,
    /// Groups that each session subscribed to.
    pub subscriptions: usize,
    /// Messages a second over all groups.
    pub rate: f64,
    /// Seconds at that rate before the measured ones.
    pub warmup_secs: f64,
    /// Measured seconds.
    pub duration_secs: f64,
    /// Requests in flight at most.
    pub publishers: usize,
}

/// How the sessions were opened, and whether they stayed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sessions {
    /// Opened and subscribed.
    pub opened: u64,
    /// Not opened, by reason.
    pub unopened: Counts,
    /// Ended by the server or the network before the end, by reason.
    pub lost: Counts,
    /// Seconds from the first connection to the last subscription.
    pub opening_secs: f64,
    /// From connecting to the server's 101.
    pub handshake: Quantiles,
    /// From connecting to the answer to the subscription.
    pub join: Quantiles,
}

/// How publishing went.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Publishing {
    /// Messages that the schedule asked for.
    pub due: u64,
    /// Requests sent.
    pub sent: u64,
    /// Answered with success.
    pub accepted: u64,
    /// Answered otherwise, by status. These messages are not expected to arrive.
    pub refused: Counts,
    /// Not answered, by reason. Nobody knows about these, so they may arrive or not.
    pub unanswered: Counts,
    /// Due, and not sent by the end because all publishers were waiting for answers.
    pub unsent: u64,
    /// From when a message was due to when its request was sent.
    pub lag: Quantiles,
    /// From a request to its answer.
    pub answer: Quantiles,
}

/// A subscription that something went wrong for.
#[derive(Debug, Clone, Serialize)]
pub struct Affected {
    /// Which one, by the order of joining.
    pub subscription: usize,
    /// The index of its group.
    pub group: usize,
    /// What.
    pub faults: Faults,
}

/// What arrived.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Delivery {
    /// One for each accepted message and session in its group.
    pub expected: u64,
    /// How many of these came.
    pub delivered: u64,
    /// All arrivals, repeats included, and those of messages without an answer.
    pub received: u64,
    /// What went wrong, over all sessions.
    pub faults: Faults,
    /// Subscriptions that something went wrong for.
    pub affected: u64,
    /// The first [`LISTED`] of them.
    pub listed: Vec<Affected>,
    /// `error` frames, by code and message.
    pub errors: Counts,
    /// `resync` frames.
    pub resyncs: u64,
    /// Text frames that were not understood.
    pub unreadable: u64,
    /// From when a message was due to its arrival at each session, without the warm-up.
    pub latency: Quantiles,
    /// Measured arrivals a second.
    pub per_second: f64,
    /// Processor time of the server for each arrival, µs, warm-up included; none unless asked for.
    pub server_cpu_us: Option<f64>,
}

/// What a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was asked for.
    pub setting: Setting,
    /// The sessions.
    pub sessions: Sessions,
    /// The way in.
    pub publishing: Publishing,
    /// The way out.
    pub delivery: Delivery,
    /// Why this is no clean run; empty when it is one.
    pub problems: Vec<String>,
}

impl Report {
    /// Puts it together and judges it.
    #[must_use]
    pub fn new(setting: Setting, sessions: Sessions, publishing: Publishing, delivery: Delivery) -> Self {
        let problems = problems(&sessions, &publishing, &delivery);
        Self { setting, sessions, publishing, delivery, problems }
    }

    /// Whether nothing was missing, doubled or out of order, no connection was lost, and the load was offered.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

fn problems(sessions: &Sessions, publishing: &Publishing, delivery: &Delivery) -> Vec<String> {
    let faults = &delivery.faults;
    let counts = [
        (faults.missing, "missing"),
        (faults.doubled, "doubled"),
        (faults.out_of_order, "out of order"),
        (faults.holes, "positions never seen"),
        (faults.stray, "of groups not subscribed to"),
        (faults.misnumbered, "without a valid number, or numbered differently for another session"),
        (total(&sessions.unopened), "sessions not opened"),
        (total(&sessions.lost), "connections lost"),
        (publishing.unsent, "messages not sent in time"),
    ];
    let mut problems: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if publishing.accepted == 0 {
        problems.push("no message was accepted".to_owned());
    }
    problems
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, sessions, publishing, delivery, problems } = self;
        let Setting { url, mode, groups, subscriptions, rate, duration_secs, .. } = setting;
        writeln!(
            f,
            "{url}: {} sessions in {groups} groups, each in {subscriptions}, {rate} {mode} messages/s for {duration_secs} s",
            setting.sessions
        )?;
        writeln!(
            f,
            "\n{:<14}{:>12}{:>11}{:>11}{:>11}{:>11}{:>11}",
            "", "count", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"
        )?;
        row(f, "handshake", &sessions.handshake)?;
        row(f, "subscribed", &sessions.join)?;
        row(f, "send lag", &publishing.lag)?;
        row(f, "answer", &publishing.answer)?;
        row(f, "delivery", &delivery.latency)?;
        writeln!(f)?;
        let Publishing { due, sent, accepted, unsent, .. } = publishing;
        line(f, "sessions", format!("{} opened in {:.1} s", sessions.opened, sessions.opening_secs))?;
        counts(f, "not opened", &sessions.unopened)?;
        counts(f, "lost", &sessions.lost)?;
        line(
            f,
            "messages",
            format!("{due} due, {sent} sent, {accepted} accepted, {unsent} not sent in time"),
        )?;
        counts(f, "refused", &publishing.refused)?;
        counts(f, "unanswered", &publishing.unanswered)?;
        let Delivery { expected, delivered, per_second, .. } = delivery;
        line(f, "deliveries", format!("{delivered} of {expected}, {per_second:.0}/s"))?;
        if let Some(cpu) = delivery.server_cpu_us {
            line(f, "server CPU", format!("{cpu:.2} µs a delivery"))?;
        }
        let Faults { missing, doubled, out_of_order, holes, stray, misnumbered, epochs } = delivery.faults;
        line(f, "faults", format!("{missing} missing, {doubled} doubled, {out_of_order} out of order"))?;
        if holes + stray + misnumbered + epochs + delivery.resyncs + delivery.unreadable > 0 {
            let Delivery { resyncs, unreadable, .. } = delivery;
            line(f, "", format!("{holes} positions never seen, {stray} stray, {misnumbered} misnumbered"))?;
            line(
                f,
                "",
                format!("{epochs} epoch changes, {resyncs} resyncs, {unreadable} frames not understood"),
            )?;
        }
        counts(f, "errors", &delivery.errors)?;
        for Affected { subscription, group, faults } in &delivery.listed {
            let Faults { missing, doubled, out_of_order, holes, .. } = faults;
            line(
                f,
                &format!("  subscription {subscription}"),
                format!(
                    "group {group}: {missing} missing, {doubled} doubled, {out_of_order} out of order, {holes} holes"
                ),
            )?;
        }
        if problems.is_empty() {
            line(f, "result", "clean")
        } else {
            line(f, "result", format!("NOT CLEAN: {}", problems.join("; ")))
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: impl Display) -> fmt::Result {
    writeln!(f, "{name:<14}{text}")
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, found: &Quantiles) -> fmt::Result {
    let Quantiles { count, p50_ms, p90_ms, p99_ms, p999_ms, max_ms } = found;
    writeln!(
        f,
        "{name:<14}{count:>12}{p50_ms:>11.3}{p90_ms:>11.3}{p99_ms:>11.3}{p999_ms:>11.3}{max_ms:>11.3}"
    )
}

fn counts(f: &mut fmt::Formatter<'_>, name: &str, counts: &Counts) -> fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for (reason, count) in counts {
        let separator = if text.is_empty() { "" } else { "; " };
        write!(text, "{separator}{count} × {reason}")?;
    }
    line(f, name, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sessions: Sessions, faults: Faults, accepted: u64, unsent: u64) -> Report {
        let setting = Setting {
            url: "http://127.0.0.1:8000".to_owned(),
            mode: "durable",
            sessions: 100,
            subscriptions: 1,
            groups: 10,
            rate: 50.0,
            warmup_secs: 2.0,
            duration_secs: 10.0,
            publishers: 4,
        };
        let publishing = Publishing { due: 600, sent: 600, accepted, unsent, ..Publishing::default() };
        Report::new(setting, sessions, publishing, Delivery { faults, ..Delivery::default() })
    }

    #[test]
    fn a_run_without_faults_is_clean() {
        let clean = report(Sessions::default(), Faults { epochs: 1, ..Faults::default() }, 600, 0);
        assert!(clean.is_clean());
        assert!(clean.to_string().ends_with("result        clean\n"), "{clean}");
    }

    #[test]
    fn each_kind_of_fault_spoils_it_and_is_named() {
        let none = Faults::default();
        for (faults, word) in [
            (Faults { missing: 3, ..none }, "3 missing"),
            (Faults { doubled: 3, ..none }, "3 doubled"),
            (Faults { out_of_order: 3, ..none }, "3 out of order"),
            (Faults { holes: 3, ..none }, "3 positions"),
            (Faults { stray: 3, ..none }, "3 of groups"),
            (Faults { misnumbered: 3, ..none }, "3 without"),
        ] {
            let found = report(Sessions::default(), faults, 600, 0);
            assert!(!found.is_clean() && !faults.is_clean(), "{word}");
            assert!(found.to_string().contains(&format!("NOT CLEAN: {word}")), "{found}");
        }
    }

    #[test]
    fn lost_connections_and_load_not_offered_spoil_it() {
        let lost = Sessions { lost: Counts::from([("4408 too slow".to_owned(), 2)]), ..Sessions::default() };
        let found = report(lost, Faults::default(), 600, 0);
        assert_eq!(found.problems, ["2 connections lost"]);
        assert!(found.to_string().contains("2 × 4408 too slow"), "{found}");
        assert!(!report(Sessions::default(), Faults::default(), 600, 1).is_clean());
        assert_eq!(
            report(Sessions::default(), Faults::default(), 0, 0).problems,
            ["no message was accepted"]
        );
    }
}
