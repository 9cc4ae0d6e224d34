//! Positions on the earth.

use serde::{Deserialize, Serialize};

/// Mean radius of the earth (IUGG), metres.
pub const EARTH_RADIUS: f64 = 6_371_008.8;

/// A position in WGS 84 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

impl Position {
    /// Whether both coordinates are finite and in range.
    #[must_use]
    pub fn is_valid(self) -> bool {
        (-90.0..=90.0).contains(&self.latitude) && (-180.0..=180.0).contains(&self.longitude)
    }

    /// Great-circle distance in metres (haversine).
    #[must_use]
    pub fn distance(self, other: Self) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_north = (to - from) / 2.0;
        let half_east = (other.longitude - self.longitude).to_radians() / 2.0;
        let chord = half_north.sin().powi(2) + from.cos() * to.cos() * half_east.sin().powi(2);
        2.0 * EARTH_RADIUS * chord.sqrt().min(1.0).asin()
    }
}

/// A position with the address that people know it by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// As people write it, at most 500 characters.
    pub address: String,
}

impl Place {
    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { latitude: self.latitude, longitude: self.longitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_agrees_with_a_known_one() {
        let berlin = Position { latitude: 52.5200, longitude: 13.4050 };
        let paris = Position { latitude: 48.8566, longitude: 2.3522 };
        assert!((berlin.distance(paris) - 877_460.0).abs() < 1_000.0, "{}", berlin.distance(paris));
        assert_eq!(berlin.distance(berlin), 0.0);
    }

    #[test]
    fn not_a_number_is_no_position() {
        assert!(!Position { latitude: f64::NAN, longitude: 0.0 }.is_valid());
        assert!(!Position { latitude: 0.0, longitude: f64::INFINITY }.is_valid());
        assert!(!Position { latitude: 90.1, longitude: 0.0 }.is_valid());
        assert!(Position { latitude: -90.0, longitude: 180.0 }.is_valid());
    }
}
