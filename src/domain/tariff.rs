//! What is charged, in each currency that orders may be in. A number means something else in each: 300 are three dollars, or
//! 300 yen.

use std::collections::BTreeMap;

use super::geo::{Place, Position};
use super::money::{Currency, Money};
use super::order::Item;

/// What an order costs beside its items; minor units of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tariff {
    /// For every order.
    pub base_fee: i64,
    /// For each started kilometre between pick-up and drop-off.
    pub fee_per_km: i64,
    /// For cancelling when the partner is there; at most the price is taken.
    pub cancellation_fee: i64,
}

impl Tariff {
    /// What an order costs, or `None` when it is too much to be a price.
    #[must_use]
    pub fn price(&self, items: &[Item], pickup: &Place, dropoff: &Place) -> Option<i64> {
        let goods = items.iter().try_fold(0_i64, |sum, item| {
            sum.checked_add(item.unit_price.checked_mul(i64::from(item.quantity))?)
        })?;
        goods.checked_add(self.delivery(pickup.position(), dropoff.position())?)
    }

    /// What it costs to carry something there, or `None` when that is too much to be a price.
    #[must_use]
    pub fn delivery(&self, pickup: Position, dropoff: Position) -> Option<i64> {
        // At most half the earth's girth, 20,016 km: the cast cannot overflow.
        let kilometres = (pickup.distance(dropoff) / 1000.0).ceil() as i64;
        self.fee_per_km.checked_mul(kilometres)?.checked_add(self.base_fee)
    }
}

/// The currencies that orders and top-ups may be in, each with its tariff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariffs {
    default: Currency,
    each: BTreeMap<Currency, Tariff>,
}

impl Tariffs {
    /// One currency, which counts where none is named.
    #[must_use]
    pub fn new(default: Currency, tariff: Tariff) -> Self {
        Self { default, each: BTreeMap::from([(default, tariff)]) }
    }

    /// Another currency, in the place of what was said of it before.
    #[must_use]
    pub fn with(mut self, currency: Currency, tariff: Tariff) -> Self {
        self.each.insert(currency, tariff);
        self
    }

    /// What counts where no currency is named.
    #[must_use]
    pub const fn default_currency(&self) -> Currency {
        self.default
    }

    /// What is charged in a currency; nothing for one that is not taken.
    #[must_use]
    pub fn get(&self, currency: Currency) -> Option<&Tariff> {
        self.each.get(&currency)
    }

    /// All that are taken, by their codes.
    pub fn currencies(&self) -> impl Iterator<Item = Currency> {
        self.each.keys().copied()
    }

    /// What a customer pays who cancels late an order of this price. Nothing where the currency is not taken any more:
    /// nobody has said what a fee would be in it.
    #[must_use]
    pub fn cancellation_fee(&self, price: Money) -> i64 {
        self.get(price.currency).map_or(0, |tariff| tariff.cancellation_fee.min(price.amount))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOLLARS: Tariff = Tariff { base_fee: 300, fee_per_km: 80, cancellation_fee: 250 };

    #[test]
    fn the_price_is_items_and_distance() {
        let place = |latitude| Place { latitude, longitude: 0.0, address: String::new() };
        let items = [Item { name: "soup".into(), quantity: 2, unit_price: 450 }];
        // 0.01 degrees of latitude are 1.11 km: two started kilometres.
        let price = DOLLARS.price(&items, &place(52.50), &place(52.51));
        assert_eq!(price, Some(900 + 300 + 160));
        let huge = [Item { name: "moon".into(), quantity: 1000, unit_price: i64::MAX }];
        assert_eq!(DOLLARS.price(&huge, &place(0.0), &place(0.0)), None);
    }

    #[test]
    fn the_fee_for_cancelling_is_that_of_the_currency_and_at_most_the_price() {
        let code = |text: &str| text.parse::<Currency>().expect("a code");
        let yen = Tariff { cancellation_fee: 400, ..DOLLARS };
        let tariffs = Tariffs::new(code("USD"), DOLLARS).with(code("JPY"), yen);
        for (currency, amount, fee) in
            [("USD", 1000, 250), ("JPY", 1000, 400), ("JPY", 399, 399), ("USD", 0, 0), ("EUR", 1000, 0)]
        {
            let price = Money { amount, currency: code(currency) };
            assert_eq!(tariffs.cancellation_fee(price), fee, "{price}");
        }
        assert_eq!(tariffs.currencies().map(|code| code.to_string()).collect::<Vec<_>>(), ["JPY", "USD"]);
    }
}
