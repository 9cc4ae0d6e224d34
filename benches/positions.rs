//! How long it takes to find the nearest partners among many, and to move them: `cargo bench --bench positions`.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use waybill::domain::geo::Position;
use waybill::domain::ids::PartnerId;
use waybill::domain::time::Timestamp;
use waybill::protocol::channel::PartnerPosition;
use waybill::services::tracking::positions::Positions;

const PARTNERS: usize = 100_000;
const ROUNDS: u32 = 20_000;
const FOUND: usize = 20;
const CROWD: usize = 5_000;

/// Somewhere in a city of 40 by 40 km.
fn anywhere(rng: &mut StdRng) -> Position {
    Position { latitude: rng.random_range(52.3..52.66), longitude: rng.random_range(13.1..13.69) }
}

fn main() {
    let (mut rng, positions, now) = (StdRng::seed_from_u64(1), Positions::default(), Timestamp::now());
    let mut partners: Vec<PartnerPosition> = (0..PARTNERS)
        .map(|_| PartnerPosition {
            partner_id: PartnerId::new(),
            position: anywhere(&mut rng),
            accuracy: None,
            at: now,
        })
        .collect();
    let begin = Instant::now();
    partners.iter().for_each(|seen| positions.note(*seen, false));
    report("the first position of one", begin.elapsed() / PARTNERS as u32);

    let begin = Instant::now();
    for round in 0..ROUNDS {
        let Some(seen) = partners.get_mut(rng.random_range(0..PARTNERS)) else { continue };
        seen.position.latitude += rng.random_range(-1e-4..1e-4);
        seen.at = now.after(Duration::from_millis(round.into()));
        positions.note(*seen, false);
    }
    report("a move", begin.elapsed() / ROUNDS);

    // Whoever starts the day at one depot, and leaves it.
    let depot = Position { latitude: 52.5, longitude: 13.4 };
    let mut gather = |what: &str, place: &mut dyn FnMut() -> Position| {
        let begin = Instant::now();
        for (round, seen) in partners.iter_mut().take(CROWD).enumerate() {
            seen.position = place();
            seen.at = now.after(Duration::from_secs(3_600) + Duration::from_millis(round as u64));
            positions.note_judged(&[*seen]);
        }
        report(what, begin.elapsed() / CROWD as u32);
    };
    gather("to where 5,000 are", &mut || depot);
    let (begin, mut slowest) = (Instant::now(), Duration::ZERO);
    for _ in 0..CROWD {
        let one = Instant::now();
        assert_eq!(positions.nearest(depot, 1e7, FOUND, now, now).len(), FOUND);
        slowest = slowest.max(one.elapsed());
    }
    report("the 20 nearest where 5,000 are", begin.elapsed() / CROWD as u32);
    report("the 20 nearest where 5,000 are, slowest", slowest);
    gather("from where 5,000 were", &mut || anywhere(&mut rng));

    let (begin, mut slowest) = (Instant::now(), Duration::ZERO);
    for _ in 0..ROUNDS {
        let one = Instant::now();
        let found = positions.nearest(anywhere(&mut rng), 1e7, FOUND, now, now);
        slowest = slowest.max(one.elapsed());
        assert_eq!(found.len(), FOUND);
    }
    report("the 20 nearest", begin.elapsed() / ROUNDS);
    report("the 20 nearest, slowest", slowest);
}

fn report(what: &str, span: Duration) {
    println!("{what}, of {PARTNERS}: {:.1} µs", span.as_secs_f64() * 1e6);
}
