//! A customer's money: the wallet, topped up when it is low; cash where there is no other way.

use std::rc::Rc;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::person::{Answer, Person};
use super::trouble::Trouble;
use super::world::Town;
use crate::domain::order::PaymentMethod;

/// How many orders are paid from the wallet.
const FROM_WALLET: f64 = 0.6;
/// A wallet with less is topped up first, minor units.
const LOW: i64 = 6_000;
/// What it is topped up with, minor units.
const TOP_UPS: [i64; 4] = [10_000, 15_000, 20_000, 30_000];

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
struct TopUp {
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
        if self.currency.is_none() {
            self.look(person).await?;
        }
        let body = json!({"amount": amount, "currency": self.currency});
        match person.post::<TopUp>("/api/v1/wallet/topups", &body).await? {
            Answer::Done(TopUp { status }) => self.town.saw.did(format!("top-up {status}")),
            Answer::Refused(refusal) => self.is_cash_only |= refusal.code == "no_payment_provider",
        }
        self.look(person).await
    }
}
