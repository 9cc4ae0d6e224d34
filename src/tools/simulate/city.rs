//! The demo city: a few blocks of Barcelona's Eixample. The streets are real and their grid nearly so; the shops and
//! house numbers are made up.

use rand::Rng;
use rand::rngs::StdRng;

use crate::domain::geo::{Place, Position};

/// From one street to the next, metres.
pub const BLOCK: f64 = 133.0;
/// Streets along the sea, from the sea inland.
const STREETS: [&str; 6] = [
    "Carrer del Consell de Cent",
    "Carrer d'Aragó",
    "Carrer de València",
    "Carrer de Mallorca",
    "Carrer de Provença",
    "Carrer del Rosselló",
];
/// Streets from the sea inland, from the south-west on.
const CROSS_STREETS: usize = 7;
/// The crossing of Carrer de Provença (4) and Passeig de Gràcia (2).
const ANCHOR: (Position, Spot) =
    (Position { latitude: 41.3953, longitude: 2.1619 }, Spot { along: 2.0 * BLOCK, inland: 4.0 * BLOCK });
/// Where the streets along the sea lead, degrees clockwise from north; the cross streets, 90 degrees less.
const BEARING: f64 = 47.0;
/// A degree of latitude, metres.
const DEGREE: f64 = 111_195.0;
/// House numbers grow by about this much from crossing to crossing.
const NUMBERS: f64 = 20.0;
/// Closer than this is on the street, metres.
const ON_STREET: f64 = 1.0;

/// A point of the city's own plane, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// North-east, along the sea.
    pub along: f64,
    /// North-west, away from it.
    pub inland: f64,
}

impl Spot {
    /// Metres as the crow flies.
    #[must_use]
    pub fn distance(self, other: Self) -> f64 {
        (self.along - other.along).hypot(self.inland - other.inland)
    }

    /// Metres by the streets.
    #[must_use]
    pub fn ride(self, other: Self) -> f64 {
        (self.along - other.along).abs() + (self.inland - other.inland).abs()
    }

    /// Where the way to `to` leads, degrees clockwise from north.
    #[must_use]
    pub fn heading(self, to: Self) -> f64 {
        let right = (to.along - self.along).atan2(to.inland - self.inland).to_degrees();
        (right + BEARING - 90.0).rem_euclid(360.0)
    }

    /// The point on the earth.
    #[must_use]
    pub fn position(self) -> Position {
        let (origin, anchor) = ANCHOR;
        let (sin, cos) = BEARING.to_radians().sin_cos();
        let (along, inland) = (self.along - anchor.along, self.inland - anchor.inland);
        let (east, north) = (along * sin - inland * cos, along * cos + inland * sin);
        Position {
            latitude: origin.latitude + north / DEGREE,
            longitude: origin.longitude + east / (DEGREE * origin.latitude.to_radians().cos()),
        }
    }

    /// The spot of a point on the earth.
    #[must_use]
    pub fn of(position: Position) -> Self {
        let (origin, anchor) = ANCHOR;
        let (sin, cos) = BEARING.to_radians().sin_cos();
        let north = (position.latitude - origin.latitude) * DEGREE;
        let east = (position.longitude - origin.longitude) * DEGREE * origin.latitude.to_radians().cos();
        Self {
            along: anchor.along + east * sin + north * cos,
            inland: anchor.inland + north * sin - east * cos,
        }
    }

    /// Some crossing.
    #[must_use]
    pub fn crossing(rng: &mut StdRng) -> Self {
        let street = rng.random_range(0..STREETS.len());
        let cross = rng.random_range(0..CROSS_STREETS);
        Self { along: cross as f64 * BLOCK, inland: street as f64 * BLOCK }
    }
}

/// The corners of a way by the streets, both ends included.
#[must_use]
pub fn route(from: Spot, to: Spot) -> Vec<Spot> {
    let mut corners = vec![from];
    if (from.inland - to.inland).abs() > ON_STREET {
        let off_street = (from.inland / BLOCK - (from.inland / BLOCK).round()).abs() * BLOCK > ON_STREET;
        // Who is between two streets is on a cross street already.
        let along = if off_street { from.along } else { cross_street(from.along, to.along) };
        corners.push(Spot { along, inland: from.inland });
        corners.push(Spot { along, inland: to.inland });
    }
    corners.push(to);
    corners.dedup();
    corners
}

/// The cross street to take: the one nearest to half way.
fn cross_street(from: f64, to: f64) -> f64 {
    let last = (CROSS_STREETS - 1) as f64;
    ((from + to) / 2.0 / BLOCK).round().clamp(0.0, last) * BLOCK
}

/// Where goods come from, and what can be had there.
#[derive(Debug)]
pub struct Shop {
    /// As the sign says.
    pub name: &'static str,
    /// Names and prices, in cents.
    pub menu: &'static [(&'static str, i64)],
    street: usize,
    along: f64,
}

/// All of them.
pub const SHOPS: &[Shop] = &[
    Shop {
        name: "Forn Aurora",
        menu: &[("Sourdough loaf", 420), ("Ensaïmada", 260), ("Coca de vidre", 310)],
        street: 3,
        along: 0.4 * BLOCK,
    },
    Shop {
        name: "Cafè Tramuntana",
        menu: &[("Flat white", 290), ("Carrot cake", 480), ("Bikini toast", 550)],
        street: 1,
        along: 1.7 * BLOCK,
    },
    Shop {
        name: "Arrosseria Salamandra",
        menu: &[("Vegetable paella", 1450), ("Arròs negre", 1690), ("Crema catalana", 520)],
        street: 0,
        along: 4.6 * BLOCK,
    },
    Shop {
        name: "Llibreria Full Verd",
        menu: &[("Paperback", 1290), ("City map", 750)],
        street: 4,
        along: 3.3 * BLOCK,
    },
    Shop {
        name: "Ramen Nit",
        menu: &[("Miso ramen", 1280), ("Gyoza", 690), ("Matcha mochi", 450)],
        street: 2,
        along: 5.5 * BLOCK,
    },
    Shop {
        name: "Floristeria Glicina",
        menu: &[("Bunch of tulips", 1200), ("Olive tree in a pot", 2450)],
        street: 5,
        along: 2.3 * BLOCK,
    },
];

impl Shop {
    /// Where it is.
    #[must_use]
    pub fn spot(&self) -> Spot {
        Spot { along: self.along, inland: self.street as f64 * BLOCK }
    }

    /// Where it is, with its address.
    #[must_use]
    pub fn place(&self) -> Place {
        place(self.spot(), &format!("{}, {}", self.name, address(self.street, self.along, 0)))
    }
}

/// An address from `least` to `most` metres of street away from `from`; if none is found, some address.
#[must_use]
pub fn some_address(rng: &mut StdRng, from: Spot, least: f64, most: f64) -> Place {
    let width = (CROSS_STREETS - 1) as f64 * BLOCK;
    let mut try_one = || {
        let (street, along) = (rng.random_range(0..STREETS.len()), rng.random_range(0.0..width));
        (Spot { along, inland: street as f64 * BLOCK }, address(street, along, rng.random_range(0..=1)))
    };
    let mut found = try_one();
    for _ in 0..50 {
        if (least..=most).contains(&found.0.ride(from)) {
            break;
        }
        found = try_one();
    }
    place(found.0, &found.1)
}

fn address(street: usize, along: f64, side: u32) -> String {
    let name = STREETS.get(street).copied().unwrap_or_default();
    // Within the city, so a small positive number.
    let number = 220 + (along / BLOCK * NUMBERS) as u32 / 2 * 2 + side;
    format!("{name} {number}, Barcelona")
}

fn place(spot: Spot, address: &str) -> Place {
    let Position { latitude, longitude } = spot.position();
    // Centimetres are more than a house number tells.
    let round = |degrees: f64| (degrees * 1e6).round() / 1e6;
    Place { latitude: round(latitude), longitude: round(longitude), address: address.to_owned() }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_plane_keeps_the_earths_distances() {
        let (a, b) = (Spot { along: 0.0, inland: 0.0 }, Spot { along: 700.0, inland: 500.0 });
        let on_earth = a.position().distance(b.position());
        assert!((on_earth - a.distance(b)).abs() < 1.0, "{on_earth}");
        let back = Spot::of(b.position());
        assert!(back.distance(b) < 0.01, "{back:?}");
    }

    #[test]
    fn headings_are_those_of_the_streets() {
        let here = Spot { along: 0.0, inland: 0.0 };
        let heading = |along, inland| here.heading(Spot { along, inland }).round();
        assert_eq!((heading(9.0, 0.0), heading(0.0, 9.0)), (47.0, 317.0));
        assert_eq!((heading(-9.0, 0.0), heading(0.0, -9.0)), (227.0, 137.0));
        // And so they are on the earth.
        let (from, to) = (here.position(), Spot { along: 100.0, inland: 0.0 }.position());
        assert!(to.latitude > from.latitude && to.longitude > from.longitude);
    }

    #[test]
    fn ways_follow_the_streets_and_end_where_they_should() {
        let mut rng = StdRng::seed_from_u64(7);
        for shop in SHOPS {
            let to = Spot::of(some_address(&mut rng, shop.spot(), 350.0, 650.0).position());
            let way = route(shop.spot(), to);
            assert_eq!((way.first(), way.last()), (Some(&shop.spot()), Some(&to)));
            for leg in way.windows(2) {
                let (along, inland) = (leg[0].along - leg[1].along, leg[0].inland - leg[1].inland);
                assert!(along.abs() < ON_STREET || inland.abs() < ON_STREET, "{way:?}");
                if inland.abs() > ON_STREET {
                    let street = leg[0].along / BLOCK;
                    assert!((street - street.round()).abs() < 1e-6, "through a house: {way:?}");
                }
            }
        }
    }

    #[test]
    fn who_is_on_a_cross_street_stays_on_it() {
        let from = Spot { along: 2.0 * BLOCK, inland: 1.5 * BLOCK };
        let to = Spot { along: 4.2 * BLOCK, inland: 3.0 * BLOCK };
        assert_eq!(route(from, to), [from, Spot { along: from.along, inland: to.inland }, to]);
        assert_eq!(route(to, to), [to]);
    }

    #[test]
    fn addresses_are_as_far_as_asked() {
        let mut rng = StdRng::seed_from_u64(1);
        for shop in SHOPS {
            let there = some_address(&mut rng, shop.spot(), 350.0, 650.0);
            let ride = Spot::of(there.position()).ride(shop.spot());
            assert!((349.0..=651.0).contains(&ride), "{ride} from {}", shop.name);
            assert!(there.address.ends_with(", Barcelona"), "{}", there.address);
        }
    }
}
