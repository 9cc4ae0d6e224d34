//! How a crowd comes in: few at a time, each with the account of an earlier simulation or with one that is made now.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix_web::rt::time::sleep;
use futures_util::StreamExt;
use futures_util::stream::iter;
use rand::rngs::StdRng;

use super::person::Person;
use super::trouble::{Backoff, Trouble};

/// People who come in at the same time.
const AT_ONCE: usize = 4;
/// How many a server lets register from one address at once where its rate limits apply, and how long it takes until one more
/// may.
const USUAL: (usize, Duration) = (100, Duration::from_secs(5));
/// What helps.
const HELP: &str = "a server that is started with WAYBILL_RATE_LIMITS=off lets them in as fast as it can";

/// Where a crowd comes in.
#[derive(Debug)]
pub struct Desk {
    /// Whether those who came last had accounts.
    is_known: Cell<bool>,
    /// Whether the server was asked too often.
    is_limited: Cell<bool>,
    /// How many are not in yet.
    left: Cell<usize>,
}

impl Desk {
    /// Lets all of them in, however long the server lets wait.
    pub async fn let_in(people: &[Rc<Person>], chance: impl Fn(usize) -> StdRng) {
        // The first one finds out.
        let desk =
            Self { is_known: Cell::new(true), is_limited: Cell::new(false), left: Cell::new(people.len()) };
        let takes = at_usual_limits(people.len());
        if !takes.is_zero() {
            log::warn!(
                "{} people come in; where they have no accounts yet and the server's rate limits apply, that takes {}: {HELP}",
                people.len(),
                in_words(takes)
            );
        }
        let mut people = iter(people.iter().enumerate());
        if let Some((number, person)) = people.next().await {
            desk.come_in(person, chance(number)).await;
        }
        people.for_each_concurrent(AT_ONCE, |(number, person)| desk.come_in(person, chance(number))).await;
    }

    async fn come_in(&self, person: &Person, mut rng: StdRng) {
        let mut backoff = Backoff::default();
        while let Err(error) = person.come_in(&self.is_known).await {
            let limited = error.refusal().filter(|refusal| refusal.code == "rate_limited");
            if let Some(refusal) = limited
                && !self.is_limited.replace(true)
            {
                let every = refusal.retry_after.unwrap_or(USUAL.1);
                let takes = every.saturating_mul(u32::try_from(self.left.get()).unwrap_or(u32::MAX));
                log::warn!(
                    "the server lets few come in at a time: for the {} who are left that takes about {}; {HELP}",
                    self.left.get(),
                    in_words(takes)
                );
            }
            let trouble = Trouble::from(error);
            let wait = backoff.next(trouble.retry_in(), &mut rng);
            log::debug!("{}: {trouble}; again in {} ms", person.name(), wait.as_millis());
            sleep(wait).await;
        }
        self.left.set(self.left.get().saturating_sub(1));
    }
}

/// How long so many take to register where the usual limits apply.
fn at_usual_limits(people: usize) -> Duration {
    let (at_once, every) = USUAL;
    every.saturating_mul(u32::try_from(people.saturating_sub(at_once)).unwrap_or(u32::MAX))
}

fn in_words(span: Duration) -> String {
    match span.as_secs().div_ceil(60) {
        0 | 1 => format!("{} s", span.as_secs()),
        minutes => format!("{minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_crowd_is_told_how_long_it_takes() {
        let takes = |people| in_words(at_usual_limits(people));
        assert_eq!(["0 s", "50 s", "24 min"], [takes(100), takes(110), takes(382)]);
    }
}
