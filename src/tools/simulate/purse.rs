//! A customer's money: the wallet, topped up when it is low; cash where there is no other way.

use std::rc::Rc;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::person::{Answer, Person, TOP_UP_PATH};
use super::rules::Break;
use super::rules::ends::Entry;
use super::rules::transfers::Transfer;
use super::trouble::Trouble;
use super::world::Town;
use crate::domain::order::PaymentMethod;
use crate::domain::time::Timestamp;
use crate::tools::client::http::Refusal;

/// How many orders are paid from the wallet.
const FROM_WALLET: f64 = 0.6;
/// A wallet with less is topped up first, minor units.
const LOW: i64 = 6_000;
/// What it is topped up with, minor units.
const TOP_UPS: [i64; 4] = [10_000, 15_000, 20_000, 30_000];
/// Up to so much more, whole major units, so that few are alike.
const ODD: std::ops::Range<i64> = 0..50;
/// The last two digits of some: the test provider declines these, leaves them open, loses its first answer, or is slow.
const TROUBLED: std::ops::RangeInclusive<i64> = 2..=5;
/// How many those are.
const IN_TROUBLE: f64 = 0.15;

/// A customer's money.
#[derive(Debug)]
pub struct Purse {
    town: Rc<Town>,
    balance: i64,
    /// The one that counts where none is named, once it is known.
    currency: Option<String>,
    /// The server moves no money.
    is_cash_only: bool,
}

#[derive(Deserialize)]
struct Wallet {
    balance: i64,
    currency: String,
}

#[derive(Deserialize)]
struct Latest {
    items: Vec<Entry>,
}

#[derive(Deserialize)]
struct TopUp {
    id: String,
    status: String,
}

impl Purse {
    /// Nothing known of a wallet.
    #[must_use]
    pub fn new(town: Rc<Town>) -> Self {
        Self { town, balance: 0, currency: None, is_cash_only: false }
    }

    /// Looks into the wallet.
    pub async fn look(&mut self, person: &Person) -> Result<(), Trouble> {
        let Wallet { balance, currency } = person.get("/api/v1/wallet").await?;
        (self.balance, self.currency) = (balance, Some(currency));
        Ok(())
    }

    /// An order was refused for want of money. Gives what there was, as the refusal says; it must have been there.
    pub async fn was_too_little(&self, person: &Person, refusal: &Refusal) -> Result<Option<i64>, Trouble> {
        let problem: Value = serde_json::from_str(&refusal.body).unwrap_or_default();
        let balance = problem.pointer("/balance/amount").and_then(Value::as_i64);
        let Latest { items } = person.get("/api/v1/wallet/entries?limit=20").await?;
        let is_known = |balance| {
            let mut held = items.iter().map(|entry| entry.balance_after);
            held.any(|held| held == balance) || balance == 0 && items.len() < 20
        };
        if !balance.is_some_and(is_known) {
            let expected = "a balance that the wallet had of late";
            self.town.saw.broke(person.name(), Break::new("the wallet", expected, refusal.body.clone()));
        }
        Ok(balance)
    }

    /// Takes in a `wallet_update`.
    pub fn moved(&mut self, frame: &Value) {
        if let Some(wallet) = frame.get("wallet").and_then(|wallet| Wallet::deserialize(wallet).ok()) {
            self.balance = wallet.balance;
        }
    }

    /// How the next order is paid, once there is enough for that.
    pub async fn choose(&mut self, person: &Person, rng: &mut StdRng) -> Result<PaymentMethod, Trouble> {
        if self.is_cash_only || !rng.random_bool(FROM_WALLET) {
            return Ok(PaymentMethod::Cash);
        }
        if self.balance < LOW {
            self.top_up(person, rng).await?;
        }
        Ok(if self.is_cash_only { PaymentMethod::Cash } else { PaymentMethod::Wallet })
    }

    /// Fills the wallet.
    pub async fn top_up(&mut self, person: &Person, rng: &mut StdRng) -> Result<(), Trouble> {
        let amount = TOP_UPS.get(rng.random_range(0..TOP_UPS.len())).copied().unwrap_or(LOW);
        let last = if rng.random_bool(IN_TROUBLE) { rng.random_range(TROUBLED) } else { 10 };
        let amount = amount + 100 * rng.random_range(ODD) + last;
        if self.currency.is_none() {
            self.look(person).await?;
        }
        let body = json!({"amount": amount, "currency": self.currency});
        let at = Timestamp::now();
        let answer = person.post::<TopUp>(TOP_UP_PATH, &body, &["no_payment_provider"]).await;
        let moves = |id| self.town.moves(person.name(), Transfer { amount: Some(amount), at, id });
        match answer {
            Ok(Answer::Done(TopUp { id, status })) => {
                self.town.saw.did(format!("top-up {status}"));
                moves(Some(id));
            }
            Ok(Answer::Refused(refusal)) => self.is_cash_only |= refusal.code == "no_payment_provider",
            Err(trouble) => {
                // It may have come to be all the same.
                moves(None);
                return Err(trouble);
            }
        }
        self.look(person).await
    }
}
