//! Dispatch: whom an order is offered to, and what becomes of an offer.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::{PartnerId, UserId};
use super::order::InvalidName;
use super::time::Timestamp;

/// How partners are found for orders.
#[derive(Debug, Clone, Copy)]
pub struct DispatchRules {
    /// Whether orders are offered at all; otherwise an admin assigns them.
    pub enabled: bool,
    /// How many partners are asked at the same time.
    pub offers_at_once: usize,
    /// How long an offer can be accepted.
    pub offer_lasts: Duration,
    /// How far from the pick-up partners are looked for at first, metres.
    pub first_radius: u32,
    /// How far in the end, metres.
    pub max_radius: u32,
    /// How long after nobody was found it is looked again, farther.
    pub look_again_after: Duration,
    /// How long partners are looked for before the order fails.
    pub give_up_after: Duration,
    /// The most orders that a partner has in hand.
    pub orders_in_hand: i64,
}

impl DispatchRules {
    /// How far to look after a look as far as `radius` that found nobody.
    #[must_use]
    pub fn widen(&self, radius: u32) -> u32 {
        radius.saturating_mul(2).min(self.max_radius)
    }
}

/// Where a partner has to have been seen since, to be offered anything.
pub const FRESH: Duration = Duration::from_secs(60);
/// Who let an offer run out is not asked about that order again for so long, nor before everybody else was asked.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Where an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OfferStatus {
    /// It can be accepted.
    Open,
    /// The partner has taken the order.
    Accepted,
    /// The partner does not want it.
    Declined,
    /// The partner did not answer in time.
    Expired,
    /// The order is not to be had any more, or the partner has gone offline.
    Withdrawn,
    /// Another partner has taken the order.
    Taken,
}

impl OfferStatus {
    const ALL: [Self; 6] =
        [Self::Open, Self::Accepted, Self::Declined, Self::Expired, Self::Withdrawn, Self::Taken];

    /// As the wire and the database have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Taken => "taken",
        }
    }
}

impl FromStr for OfferStatus {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(InvalidName)
    }
}

/// A partner who was near the pick-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub partner_id: PartnerId,
    /// How far away, metres.
    pub distance: u32,
    /// How old that position is, seconds.
    pub age: u64,
}

/// What is known of a partner when an order is to be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The account behind the profile.
    pub user_id: UserId,
    /// Whether the partner wants offers.
    pub online: bool,
    /// Orders in hand, and offers that may become some.
    pub load: i64,
    /// Whether the partner had this order and has it no longer.
    pub is_former: bool,
    /// What became of the last offer of this order to this partner, and when it was closed.
    pub last_offer: Option<(OfferStatus, Option<Timestamp>)>,
}

/// Why an order was offered to a candidate, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was offered.
    Offered,
    /// Others were nearer.
    Farther,
    /// The partner is offline, or no partner any more.
    Offline,
    /// The partner has as much in hand as one may have.
    Busy,
    /// The partner had this order before.
    HadIt,
    /// The partner declined it.
    Declined,
    /// The partner was asked and did not answer: a moment ago, or others come first.
    Asked,
}

/// What speaks against offering an order to this partner, if anything.
#[must_use]
pub fn objection(standing: Option<&Standing>, rules: &DispatchRules, now: Timestamp) -> Option<Verdict> {
    let Some(standing) = standing.filter(|standing| standing.online) else { return Some(Verdict::Offline) };
    if standing.is_former {
        return Some(Verdict::HadIt);
    }
    match standing.last_offer {
        Some((OfferStatus::Declined, _)) => return Some(Verdict::Declined),
        Some((OfferStatus::Open, _)) => return Some(Verdict::Asked),
        Some((
            OfferStatus::Expired | OfferStatus::Accepted | OfferStatus::Withdrawn | OfferStatus::Taken,
            _,
        ))
        | None => {}
    }
    if silent_since(standing).is_some_and(|since| now.since(since) < ASK_AGAIN_AFTER) {
        return Some(Verdict::Asked);
    }
    (standing.load >= rules.orders_in_hand).then_some(Verdict::Busy)
}

/// When the partner let the last offer of the order run out; nothing for who was never asked, or could not answer.
fn silent_since(standing: &Standing) -> Option<Timestamp> {
    match standing.last_offer {
        Some((OfferStatus::Expired, closed_at)) => Some(closed_at.unwrap_or(Timestamp::from_millis(0))),
        Some((
            OfferStatus::Open
            | OfferStatus::Accepted
            | OfferStatus::Declined
            | OfferStatus::Withdrawn
            | OfferStatus::Taken,
            _,
        ))
        | None => None,
    }
}

/// Judges candidates: as many as are asked at once get the order offered. First come those who were not asked yet, the
/// nearest first; then, once `is_everybody` says that there is nobody beside these candidates, those who were asked and did
/// not answer, the one who was asked the longest ago first. Gives them all, the nearest first.
#[must_use]
pub fn judge(
    candidates: &[Candidate],
    standing_of: impl Fn(PartnerId) -> Option<Standing>,
    rules: &DispatchRules,
    now: Timestamp,
    is_everybody: bool,
) -> Vec<(Candidate, Verdict)> {
    let mut sorted = candidates.to_vec();
    sorted.sort_by_key(|candidate| (candidate.distance, candidate.age, candidate.partner_id));
    let mut left = rules.offers_at_once;
    let mut silent = Vec::new();
    let verdict = |(at, candidate): (usize, Candidate)| {
        let standing = standing_of(candidate.partner_id);
        let verdict = match objection(standing.as_ref(), rules, now) {
            Some(verdict) => verdict,
            None => match standing.as_ref().and_then(silent_since) {
                Some(since) => {
                    silent.push((since, at));
                    Verdict::Asked
                }
                None if left == 0 => Verdict::Farther,
                None => {
                    left -= 1;
                    Verdict::Offered
                }
            },
        };
        (candidate, verdict)
    };
    let mut judged: Vec<_> = sorted.into_iter().enumerate().map(verdict).collect();
    silent.sort_unstable();
    for (_, at) in silent.into_iter().take(if is_everybody { left } else { 0 }) {
        if let Some((_, verdict)) = judged.get_mut(at) {
            *verdict = Verdict::Offered;
        }
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(offers_at_once: usize) -> DispatchRules {
        DispatchRules {
            enabled: true,
            offers_at_once,
            offer_lasts: Duration::from_secs(30),
            first_radius: 2000,
            max_radius: 5000,
            look_again_after: Duration::from_secs(5),
            give_up_after: Duration::from_secs(600),
            orders_in_hand: 2,
        }
    }

    fn free() -> Standing {
        Standing { user_id: UserId::new(), online: true, load: 0, is_former: false, last_offer: None }
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_000_000)
    }

    #[test]
    fn the_nearest_who_may_are_asked() {
        let ids: Vec<PartnerId> = (0..5).map(|_| PartnerId::new()).collect();
        let near = |index: usize, distance| Candidate { partner_id: ids[index], distance, age: 1 };
        let candidates = [near(0, 900), near(1, 100), near(2, 300), near(3, 200), near(4, 50)];
        let standing = |id: PartnerId| {
            let busy = Standing { load: 2, ..free() };
            if id == ids[1] { Some(busy) } else { (id != ids[4]).then(free) }
        };
        let judged = judge(&candidates, standing, &rules(2), now(), true);
        let verdicts: Vec<_> = judged.iter().map(|(one, verdict)| (one.distance, *verdict)).collect();
        assert_eq!(
            verdicts,
            [
                (50, Verdict::Offline),
                (100, Verdict::Busy),
                (200, Verdict::Offered),
                (300, Verdict::Offered),
                (900, Verdict::Farther)
            ]
        );
    }

    #[test]
    fn nobody_is_asked_twice_but_who_did_not_answer_and_that_a_while_ago() {
        let last = |status, ago: u64| {
            let closed_at = Some(now().before(Duration::from_secs(ago)));
            objection(Some(&Standing { last_offer: Some((status, closed_at)), ..free() }), &rules(1), now())
        };
        assert_eq!(last(OfferStatus::Declined, 3600), Some(Verdict::Declined));
        assert_eq!(last(OfferStatus::Expired, 59), Some(Verdict::Asked));
        assert_eq!(last(OfferStatus::Expired, 60), None);
        assert_eq!(last(OfferStatus::Taken, 0), None);
        let former = Standing { is_former: true, ..free() };
        assert_eq!(objection(Some(&former), &rules(1), now()), Some(Verdict::HadIt));
    }

    /// What becomes of three partners, the nearest first, who let offers run out so many seconds ago.
    fn asked(silent_for: [Option<u64>; 3], at_once: usize, is_everybody: bool) -> Vec<Verdict> {
        let ids: Vec<PartnerId> = (0..3).map(|_| PartnerId::new()).collect();
        let near = ids.iter().enumerate();
        let near = near.map(|(at, id)| Candidate { partner_id: *id, distance: at as u32 * 100, age: 1 });
        let standing = |id: PartnerId| {
            let at = ids.iter().position(|known| *known == id)?;
            let ago = silent_for[at].map(|secs| now().before(Duration::from_secs(secs)));
            Some(Standing { last_offer: ago.map(|at| (OfferStatus::Expired, Some(at))), ..free() })
        };
        let judged = judge(&near.collect::<Vec<_>>(), standing, &rules(at_once), now(), is_everybody);
        judged.into_iter().map(|(_, verdict)| verdict).collect()
    }

    #[test]
    fn who_was_never_asked_comes_before_those_who_did_not_answer() {
        let verdicts = asked([Some(90), Some(60), None], 1, true);
        assert_eq!(verdicts, [Verdict::Asked, Verdict::Asked, Verdict::Offered]);
        let verdicts = asked([Some(90), None, None], 1, true);
        assert_eq!(verdicts, [Verdict::Asked, Verdict::Offered, Verdict::Farther]);
        let verdicts = asked([Some(90), Some(120), None], 2, true);
        assert_eq!(verdicts, [Verdict::Asked, Verdict::Offered, Verdict::Offered]);
    }

    #[test]
    fn those_who_did_not_answer_are_asked_in_turn_once_there_is_nobody_else() {
        let verdicts = asked([Some(70), Some(100), Some(59)], 1, true);
        assert_eq!(verdicts, [Verdict::Asked, Verdict::Offered, Verdict::Asked]);
        assert_eq!(asked([Some(90), Some(60), Some(60)], 1, false), [Verdict::Asked; 3]);
        assert_eq!(asked([Some(90), Some(60), Some(60)], 5, true), [Verdict::Offered; 3]);
    }

    /// Nobody ever answers: whom a cascade of single offers reaches, as indexes into those who stand there at these
    /// distances.
    fn cascade(distances: &[u32], offers: usize) -> Vec<usize> {
        let rules = rules(1);
        let ids: Vec<PartnerId> = distances.iter().map(|_| PartnerId::new()).collect();
        let mut last: Vec<Option<Timestamp>> = vec![None; ids.len()];
        let (mut radius, mut now, mut reached) = (rules.first_radius, now(), Vec::new());
        while reached.len() < offers {
            let within = ids.iter().zip(distances).filter(|(_, metres)| **metres <= radius);
            let within = within.map(|(id, metres)| Candidate { partner_id: *id, distance: *metres, age: 1 });
            let standing = |id: PartnerId| {
                let at = ids.iter().position(|known| *known == id)?;
                Some(Standing { last_offer: last[at].map(|at| (OfferStatus::Expired, Some(at))), ..free() })
            };
            let is_everybody = radius >= rules.max_radius;
            let judged = judge(&within.collect::<Vec<_>>(), standing, &rules, now, is_everybody);
            match judged.iter().find(|(_, verdict)| *verdict == Verdict::Offered) {
                Some((candidate, _)) => {
                    let at = ids.iter().position(|id| *id == candidate.partner_id).expect("one of them");
                    now = now.after(rules.offer_lasts);
                    last[at] = Some(now);
                    reached.push(at);
                }
                None => {
                    radius = rules.widen(radius);
                    now = now.after(rules.look_again_after);
                }
            }
        }
        reached
    }

    #[test]
    fn everybody_is_reached_however_many_nearer_ones_do_not_answer() {
        let near: Vec<u32> = (1..=12).map(|at| at * 100).collect();
        assert_eq!(cascade(&near, 12), (0..12).collect::<Vec<_>>());
        assert_eq!(cascade(&[100, 200, 300, 4500], 5), [0, 1, 2, 3, 0], "farther away before once more");
        assert_eq!(cascade(&[100, 200, 300, 400], 9), [0, 1, 2, 3, 0, 1, 2, 3, 0], "and then in turn");
        assert_eq!(cascade(&[100], 3), [0, 0, 0]);
    }

    #[test]
    fn the_radius_grows_to_its_bound() {
        let rules = rules(1);
        assert_eq!((rules.widen(2000), rules.widen(4000), rules.widen(u32::MAX)), (4000, 5000, 5000));
    }

    #[test]
    fn names_read_back() {
        for status in OfferStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }
}
