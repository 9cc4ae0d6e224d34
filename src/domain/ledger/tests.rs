use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn deal(amount: i64) -> Deal {
    let price = Money { amount, currency: Currency::DEFAULT };
    Deal { order_id: OrderId::new(), customer_id: UserId::new(), price }
}

#[test]
fn what_does_not_sum_to_zero_is_no_movement() {
    let wallet = Account::Wallet(UserId::new());
    let new = |entries: &[Entry]| {
        Movement::new(MovementKind::TopUp, "key".into(), None, Currency::DEFAULT, entries)
    };
    assert_eq!(new(&[(wallet, 1)]), Err(BadMovement::Unbalanced(1)));
    assert_eq!(
        new(&[(wallet, i64::MAX), (Account::Provider, i64::MAX)]),
        Err(BadMovement::Unbalanced(i128::from(i64::MAX) * 2)),
        "and does not wrap around to zero"
    );
    assert_eq!(new(&[(wallet, 2), (wallet, -1), (Account::Provider, -1)]), Err(BadMovement::Twice));
    let good = new(&[(Account::Provider, -5), (Account::Revenue, 0), (wallet, 5)]).expect("balanced");
    assert_eq!(good.entries(), [(wallet, 5), (Account::Provider, -5)]);
}

#[test]
fn the_commission_is_rounded_down_and_the_rest_is_the_partners() {
    let split = |basis_points, amount| Commission::new(basis_points).split(amount);
    assert_eq!(split(1500, 1000), (850, 150));
    assert_eq!(split(1500, 1), (1, 0));
    assert_eq!(split(1500, 19), (17, 2));
    assert_eq!(split(0, 999), (999, 0));
    assert_eq!(split(10_000, 999), (0, 999));
    assert_eq!(split(u16::MAX, i64::MAX), (0, i64::MAX));
}

#[test]
fn only_what_stands_for_the_outside_may_be_below_zero() {
    let below: Vec<_> = AccountKind::ALL.iter().filter(|kind| kind.allows(-1)).collect();
    assert_eq!(below, [&AccountKind::Cash, &AccountKind::Provider, &AccountKind::Refunds]);
    assert!(!AccountKind::Cash.allows(1), "nobody is owed cash");
}

#[test]
fn names_read_back() {
    for kind in AccountKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(*kind));
    }
    for kind in MovementKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(*kind));
        assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.as_str());
    }
}

/// Balances in memory, by the ledger's own rules.
#[derive(Default)]
struct Book(HashMap<Account, i64>);

impl Book {
    fn get(&self, account: Account) -> i64 {
        self.0.get(&account).copied().unwrap_or_default()
    }

    fn post(&mut self, movement: &Movement) -> bool {
        let after = |(account, amount): &Entry| (*account, self.get(*account) + amount);
        let after: Vec<Entry> = movement.entries().iter().map(after).collect();
        let is_good = after.iter().all(|(account, balance)| account.kind().allows(*balance));
        if is_good {
            self.0.extend(after);
        }
        is_good
    }

    /// Posts what brings earnings, and what is owed with it.
    fn earn(&mut self, movement: &Movement, partner: PartnerId) -> bool {
        let posted = self.post(movement);
        let (earnings, cash) = (self.get(Account::Earnings(partner)), self.get(Account::Cash(partner)));
        if posted && let Some(debt) = debt(movement, partner, earnings, cash).expect("balanced") {
            assert!(self.post(&debt), "a debt is paid from what is there");
        }
        posted
    }
}

proptest! {
    #[test]
    fn whatever_happens_all_sums_to_zero_and_nobody_owes_while_having_earnings(
        steps in prop::collection::vec((0..8_u8, 0..5000_i64, 0..=10_000_u16), 1..60),
    ) {
        let (user, partner) = (UserId::new(), PartnerId::new());
        let mut book = Book::default();
        for (step, amount, basis_points) in steps {
            let commission = Commission::new(basis_points);
            let deal = Deal { customer_id: user, ..deal(amount) };
            let fee = amount.min(300);
            match step {
                0 => { book.post(&top_up(TransferId::new(), user, deal.price).expect("balanced")); }
                1 => { book.post(&deal.authorisation().expect("balanced")); }
                2 => { book.earn(&deal.capture(partner, commission).expect("balanced"), partner); }
                3 => { book.post(&deal.release().expect("balanced")); }
                4 => { book.earn(&deal.late_release(fee, partner, commission).expect("balanced"), partner); }
                5 => { book.earn(&deal.cash_order(partner, commission).expect("balanced"), partner); }
                6 => { book.post(&deal.refund(amount, 0).expect("balanced")); }
                _ => {
                    let id = TransferId::new();
                    if book.post(&pay_out(id, partner, deal.price).expect("balanced")) && amount % 2 == 0 {
                        book.earn(&pay_out_return(id, partner, deal.price).expect("balanced"), partner);
                    }
                }
            }
            prop_assert_eq!(book.0.values().sum::<i64>(), 0);
            prop_assert!(book.get(Account::Earnings(partner)) == 0 || book.get(Account::Cash(partner)) == 0);
        }
    }
}
