//! What the answers say that everybody has.

use std::collections::BTreeMap;

use super::Account;

/// The house's part, in hundredths.
const COMMISSION: i64 = 15;
/// What it costs to cancel when the partner has arrived.
pub const FEE: i64 = 300;

/// A customer's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purse {
    pub balance: i64,
    pub held: i64,
}

/// Everybody's, kept by the answers alone.
#[derive(Debug)]
pub struct Books {
    pub purses: Vec<Purse>,
    /// What each partner has earned and was not paid; below zero where it is owed.
    earned: Vec<i64>,
    revenue: i64,
    brought: i64,
    sent: i64,
    given_back: i64,
    /// How often each kind of thing was answered.
    times: BTreeMap<&'static str, usize>,
}

impl Books {
    pub fn new(customers: usize, partners: usize) -> Self {
        Self {
            purses: vec![Purse::default(); customers],
            earned: vec![0; partners],
            revenue: 0,
            brought: 0,
            sent: 0,
            given_back: 0,
            times: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.times.entry(what).or_default() += 1;
    }

    pub fn topped_up(&mut self, customer: usize, amount: i64, status: &str) {
        match status {
            "succeeded" => {
                self.count("top-up");
                self.purses[customer].balance += amount;
                self.brought += amount;
            }
            "failed" => self.count("top-up declined"),
            other => panic!("a top-up is {other}"),
        }
    }

    pub fn placed(&mut self, customer: usize, price: i64, is_cash: bool) {
        self.count(if is_cash { "cash order" } else { "wallet order" });
        if !is_cash {
            let purse = &mut self.purses[customer];
            purse.balance -= price;
            purse.held += price;
        }
    }

    pub fn short_of_money(&mut self) {
        self.count("order refused");
    }

    fn share(&mut self, partner: usize, amount: i64) {
        let house = amount * COMMISSION / 100;
        self.revenue += house;
        self.earned[partner] += amount - house;
    }

    pub fn completed(&mut self, customer: usize, partner: usize, price: i64, is_cash: bool) {
        self.share(partner, price);
        if is_cash {
            self.count("cash order completed");
            self.earned[partner] -= price;
        } else {
            self.count("wallet order completed");
            self.purses[customer].held -= price;
        }
    }

    /// Ended before anything was to be paid.
    pub fn released(&mut self, customer: usize, price: i64, is_cash: bool) {
        self.count("order ended early");
        if !is_cash {
            let purse = &mut self.purses[customer];
            purse.held -= price;
            purse.balance += price;
        }
    }

    /// Gives what was paid for that.
    pub fn cancelled_late(&mut self, customer: usize, partner: usize, price: i64, is_cash: bool) -> i64 {
        let purse = &mut self.purses[customer];
        let fee = if is_cash {
            FEE.min(price).min(purse.balance)
        } else {
            purse.held -= price;
            purse.balance += price;
            FEE.min(price)
        };
        purse.balance -= fee;
        self.count("fee");
        self.share(partner, fee);
        fee
    }

    pub fn refunded(&mut self, customer: usize, amount: i64) {
        self.count("refund");
        self.purses[customer].balance += amount;
        self.given_back += amount;
    }

    pub fn paid_out(&mut self, partner: usize, amount: i64, status: &str) {
        match status {
            "succeeded" => {
                self.count("pay-out");
                self.earned[partner] -= amount;
                self.sent += amount;
            }
            "failed" => self.count("pay-out returned"),
            other => panic!("a pay-out is {other}"),
        }
    }

    pub fn pay_out_refused(&mut self) {
        self.count("pay-out refused");
    }

    /// What a partner can have, and what a partner owes: whatever is earned pays that first.
    pub fn of_partner(&self, partner: usize) -> (i64, i64) {
        let earned = self.earned[partner];
        (earned.max(0), (-earned).max(0))
    }

    pub fn of_the_house(&self) -> [(Account, i64); 4] {
        [
            (Account::Revenue, self.revenue),
            (Account::Provider, -self.brought),
            (Account::Payouts, self.sent),
            (Account::Refunds, -self.given_back),
        ]
    }

    /// Proves that it was worth the while.
    pub fn all_was_tried(&self) {
        for what in [
            "top-up",
            "wallet order",
            "cash order",
            "wallet order completed",
            "cash order completed",
            "order ended early",
            "fee",
            "refund",
            "pay-out",
        ] {
            assert!(self.times.contains_key(what), "no {what} in {:?}", self.times);
        }
    }
}
