//! What a simulation saw, as text.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use super::rules::Break;
use super::rules::told::Held;
use super::rules::vigils::Wait;
use super::saw::{Lapse, Saw, Seen};
use crate::tools::load::meters::{Counts, Latencies, count};

/// What a simulation saw.
#[derive(Debug)]
pub struct Report {
    /// Whom, where, and for how long.
    pub heading: String,
    /// Orders, by where they stood at the end.
    pub orders: Counts,
    /// Orders that were paid from a wallet.
    pub from_wallet: usize,
    /// What became of offers.
    pub offers: Counts,
    /// Messages that were written, and those of which the sender knows it.
    pub messages: (usize, usize),
    /// Other things that people did.
    pub deeds: Counts,
    /// Calls, and those that were refused because the world had moved on.
    pub calls: (u64, Counts),
    /// Calls that failed: not answered, or the server could not do it.
    pub failed: Counts,
    /// Frames, and those of the people that were refused.
    pub frames: (u64, Counts),
    /// Connections that had to be made anew.
    pub reconnects: Counts,
    /// How subscriptions went on after that, and which began anew in between.
    pub resumed: Counts,
    /// Events that came again, and were dropped.
    pub duplicates: u64,
    /// Looks at inboxes, by what they said of the unread badge.
    pub badges: Counts,
    /// The rules that wait: for how long each was in force, and how often it was kept meanwhile.
    pub in_force: Vec<(&'static str, Duration, u64)>,
    /// What people had to be told, as the accounts say in the end.
    pub held: Vec<(&'static str, Held)>,
    /// The first broken rules.
    pub broken: Vec<Break>,
    /// How many there are in all.
    pub breaks: u64,
    lapses: Vec<(&'static str, [f64; 4], u64)>,
}

impl Report {
    /// Of what was seen within `elapsed`.
    #[must_use]
    pub fn new(people: &str, elapsed: Duration, saw: &Saw) -> Self {
        saw.look(|seen| Self::of(format!("{people}, {:.0} s", elapsed.as_secs_f64()), seen))
    }

    fn of(heading: String, seen: &Seen) -> Self {
        let mut orders = Counts::new();
        seen.orders.values().for_each(|placed| count(&mut orders, placed.status.as_str()));
        let written = || seen.orders.values().flat_map(|placed| &placed.written);
        let lapse = |lapse: &Lapse, found: &Latencies| {
            let name = match lapse {
                Lapse::Partner => "order to partner",
                Lapse::Offer => "offer",
                Lapse::Step => "step",
                Lapse::Dot => "position to dot",
                Lapse::Message => "message",
                Lapse::Event => "any event",
                Lapse::Call => "call",
                Lapse::Ping => "ping",
                Lapse::Back => "connected again",
            };
            (name, [0.5, 0.95, 0.99, 1.0].map(|share| found.quantile_ms(share)), found.count())
        };
        let in_force = |wait: Wait| {
            let vigil = seen.vigils.of(wait);
            (wait.name(), vigil.in_force, vigil.kept)
        };
        Self {
            heading,
            orders,
            from_wallet: seen.orders.values().filter(|placed| placed.from_wallet).count(),
            offers: seen.offers.counts.clone(),
            messages: (written().count(), written().filter(|written| written.is_sure).count()),
            deeds: seen.deeds.clone(),
            calls: (seen.calls, seen.refused.clone()),
            failed: seen.failed.clone(),
            frames: (seen.frames, seen.errors.clone()),
            reconnects: seen.reconnects.clone(),
            resumed: seen.resumed.clone(),
            duplicates: seen.duplicates,
            badges: seen.badges.clone(),
            in_force: Wait::ALL.map(in_force).to_vec(),
            held: seen.held.iter().map(|(what, held)| (*what, *held)).collect(),
            broken: seen.broken.clone(),
            breaks: seen.breaks,
            lapses: seen.lapses.iter().map(|(name, found)| lapse(name, found)).collect(),
        }
    }

    /// Whether no rule was broken.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.breaks == 0
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        writeln!(
            f,
            "\n{:<18}{:>10}{:>11}{:>11}{:>11}{:>11}",
            "", "count", "p50 ms", "p95 ms", "p99 ms", "max ms"
        )?;
        for (name, [p50, p95, p99, max], count) in &self.lapses {
            writeln!(f, "{name:<18}{count:>10}{p50:>11.1}{p95:>11.1}{p99:>11.1}{max:>11.1}")?;
        }
        writeln!(f)?;
        line(f, "orders", listed(&self.orders))?;
        line(f, "from wallets", self.from_wallet)?;
        line(f, "offers", listed(&self.offers))?;
        let (written, sure) = self.messages;
        line(f, "messages", format!("{written} sent, {sure} known to be written"))?;
        counts(f, "also", &self.deeds)?;
        line(f, "calls", self.calls.0)?;
        counts(f, "  refused", &self.calls.1)?;
        counts(f, "  failed", &self.failed)?;
        line(f, "frames", self.frames.0)?;
        counts(f, "  errors", &self.frames.1)?;
        line(f, "  heard again", self.duplicates)?;
        counts(f, "unread badges", &self.badges)?;
        counts(f, "reconnects", &self.reconnects)?;
        counts(f, "  subscriptions", &self.resumed)?;
        for (name, span, kept) in &self.in_force {
            let text = format!("{:.0} s in force, {kept} × {name}", span.as_secs_f64());
            line(f, "rules that wait", text)?;
        }
        for (what, Held { due, told, excused }) in &self.held {
            let text =
                format!("{due} due; of those that a snapshot may have told, {told} told, {excused} not");
            line(f, &format!("{what} told"), text)?;
        }
        for broken in &self.broken {
            line(f, "broken", broken)?;
        }
        if self.is_clean() {
            line(f, "result", "clean")
        } else {
            line(f, "result", format!("NOT CLEAN: {} times a rule was broken", self.breaks))
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: impl Display) -> fmt::Result {
    writeln!(f, "{name:<18}{text}")
}

fn counts(f: &mut fmt::Formatter<'_>, name: &str, counts: &Counts) -> fmt::Result {
    if counts.is_empty() { Ok(()) } else { line(f, name, listed(counts)) }
}

fn listed(counts: &Counts) -> String {
    let mut text = String::new();
    for (name, count) in counts {
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing into a text cannot fail.
        let _ = write!(text, "{separator}{count} × {name}");
    }
    if text.is_empty() { "none".to_owned() } else { text }
}
