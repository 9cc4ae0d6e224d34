//! The ledger's rules: accounts, and movements of money between them, each of which sums to zero.
//!
//! A balance above zero is what the house owes to an account's owner, or has earned. One below zero is what stands for it
//! outside: money at the provider, in partners' hands, or given away. So all balances of a currency sum to zero, always.
//!
//! An order of 10.00 that is paid from the wallet, at a commission of 15 %:
//!
//! | movement | wallet | held | earnings | revenue |
//! | --- | --- | --- | --- | --- |
//! | `authorisation`, when it is placed | −10.00 | +10.00 | | |
//! | `capture`, when it is completed | | −10.00 | +8.50 | +1.50 |
//!
//! The same in cash. The partner has the 10.00 in hand and keeps what was earned, so owes the commission; earnings never go
//! below zero for that, but what is earned later pays the debt first. Say another order, from a wallet, brings 4.00:
//!
//! | movement | cash | earnings | revenue |
//! | --- | --- | --- | --- |
//! | `cash_order`, when it is completed | −10.00 | +8.50 | +1.50 |
//! | `debt`, with it, as far as earnings go | +8.50 | −8.50 | |
//! | `capture` of the other order | | +4.00 | … |
//! | `debt`, with it | +1.50 | −1.50 | |

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use super::ids::{OrderId, PartnerId, TransferId, UserId};
use super::money::{Currency, Money};
use super::order::InvalidName;
use super::payment::names;

names! {
    /// The kinds of accounts.
    AccountKind {
        /// What a customer can spend.
        Wallet = "wallet",
        /// What is set aside for a customer's orders.
        Held = "held",
        /// What a partner has earned and was not paid out.
        Earnings = "earnings",
        /// What is in a partner's hands and not theirs: below zero.
        Cash = "cash",
        /// What the house has earned.
        Revenue = "revenue",
        /// What the provider has brought in: below zero.
        Provider = "provider",
        /// What the provider has paid out.
        Payouts = "payouts",
        /// What the house has given back to customers: below zero.
        Refunds = "refunds",
    }

    /// Why money moved.
    MovementKind {
        /// Into a wallet, from the provider.
        TopUp = "top_up",
        /// The price of an order is set aside.
        Authorisation = "authorisation",
        /// What was set aside is paid.
        Capture = "capture",
        /// What was set aside goes back.
        Release = "release",
        /// A customer cancelled late.
        CancellationFee = "cancellation_fee",
        /// A partner was paid by hand.
        CashOrder = "cash_order",
        /// A partner's earnings pay what the partner owes.
        Debt = "debt",
        /// The house gives back what was paid.
        Refund = "refund",
        /// A partner's earnings leave for the provider.
        PayOut = "pay_out",
        /// They come back.
        PayOutReturn = "pay_out_return",
    }
}

impl AccountKind {
    /// Whether a balance may be this: only what stands for the outside may be below zero, and cash is never above it.
    #[must_use]
    pub const fn allows(self, balance: i64) -> bool {
        match self {
            Self::Wallet | Self::Held | Self::Earnings | Self::Revenue | Self::Payouts => balance >= 0,
            Self::Cash => balance <= 0,
            Self::Provider | Self::Refunds => true,
        }
    }
}

impl MovementKind {
    /// Whether what it brings to a partner's earnings was earned.
    #[must_use]
    pub const fn is_earned(self) -> bool {
        match self {
            Self::Capture | Self::CashOrder | Self::CancellationFee => true,
            Self::TopUp
            | Self::Authorisation
            | Self::Release
            | Self::Debt
            | Self::Refund
            | Self::PayOut
            | Self::PayOutReturn => false,
        }
    }

    /// From which kinds of accounts it takes, and to which it gives.
    #[must_use]
    pub const fn ways(self) -> (&'static [AccountKind], &'static [AccountKind]) {
        use AccountKind::{Cash, Earnings, Held, Payouts, Provider, Refunds, Revenue, Wallet};
        match self {
            Self::TopUp => (&[Provider], &[Wallet]),
            Self::Authorisation => (&[Wallet], &[Held]),
            Self::Capture => (&[Held], &[Earnings, Revenue]),
            Self::Release => (&[Held], &[Wallet]),
            Self::CancellationFee => (&[Held, Wallet], &[Earnings, Revenue, Wallet]),
            Self::CashOrder => (&[Cash], &[Earnings, Revenue]),
            Self::Debt => (&[Earnings], &[Cash]),
            Self::Refund => (&[Refunds], &[Wallet]),
            Self::PayOut => (&[Earnings], &[Payouts]),
            Self::PayOutReturn => (&[Payouts], &[Earnings]),
        }
    }
}

/// An account, in any currency. Transactions lock accounts in this order, so that no two wait for each other in a circle;
/// those that everybody needs come last, and are locked for the shortest time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// What a customer can spend.
    Wallet(UserId),
    /// What is set aside for a customer's orders.
    Held(UserId),
    /// What a partner has earned.
    Earnings(PartnerId),
    /// What a partner holds for the house.
    Cash(PartnerId),
    /// The house's earnings.
    Revenue,
    /// What came in.
    Provider,
    /// What went out.
    Payouts,
    /// What was given back.
    Refunds,
}

impl Account {
    /// What kind of account it is.
    #[must_use]
    pub const fn kind(self) -> AccountKind {
        match self {
            Self::Wallet(_) => AccountKind::Wallet,
            Self::Held(_) => AccountKind::Held,
            Self::Earnings(_) => AccountKind::Earnings,
            Self::Cash(_) => AccountKind::Cash,
            Self::Revenue => AccountKind::Revenue,
            Self::Provider => AccountKind::Provider,
            Self::Payouts => AccountKind::Payouts,
            Self::Refunds => AccountKind::Refunds,
        }
    }

    /// Whose it is; empty for the house's own.
    #[must_use]
    pub fn owner(self) -> String {
        match self {
            Self::Wallet(user_id) | Self::Held(user_id) => user_id.to_string(),
            Self::Earnings(partner_id) | Self::Cash(partner_id) => partner_id.to_string(),
            Self::Revenue | Self::Provider | Self::Payouts | Self::Refunds => String::new(),
        }
    }
}

/// What an account gains, or loses where it is below zero; minor units.
pub type Entry = (Account, i64);

/// Entries that are no movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMovement {
    /// Money would come from nowhere, or go there.
    #[error("the entries sum to {0}, not to zero")]
    Unbalanced(i128),
    /// An account is named twice.
    #[error("an account has two entries")]
    Twice,
}

/// Money that moves between accounts of one currency. There is none that does not sum to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    kind: MovementKind,
    key: String,
    order_id: Option<OrderId>,
    transfer_id: Option<TransferId>,
    currency: Currency,
    entries: Vec<Entry>,
}

impl Movement {
    /// A movement, once for all times under its key. Entries of nothing are left out.
    ///
    /// # Errors
    /// When the entries do not sum to zero, or an account has two.
    pub fn new(
        kind: MovementKind,
        key: String,
        order_id: Option<OrderId>,
        currency: Currency,
        entries: &[Entry],
    ) -> Result<Self, BadMovement> {
        let mut entries: Vec<Entry> = entries.iter().copied().filter(|(_, amount)| *amount != 0).collect();
        entries.sort_unstable();
        let sum: i128 = entries.iter().map(|(_, amount)| i128::from(*amount)).sum();
        if sum != 0 {
            return Err(BadMovement::Unbalanced(sum));
        }
        let accounts = entries.iter().map(|(account, _)| account);
        if accounts.clone().zip(accounts.skip(1)).any(|(one, next)| one == next) {
            return Err(BadMovement::Twice);
        }
        Ok(Self { kind, key, order_id, transfer_id: None, currency, entries })
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> MovementKind {
        self.kind
    }

    /// What makes it happen once: a second movement with this key is the same one.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The order that it is about.
    #[must_use]
    pub const fn order_id(&self) -> Option<OrderId> {
        self.order_id
    }

    /// The transfer that it is about.
    #[must_use]
    pub const fn transfer_id(&self) -> Option<TransferId> {
        self.transfer_id
    }

    /// The currency of all its entries.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// In the order in which accounts are locked.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// The house's part of what partners earn, in hundredths of a per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commission(u16);

impl Commission {
    /// All of it.
    pub const WHOLE: u16 = 10_000;

    /// So many basis points; what is past the whole counts as the whole.
    #[must_use]
    pub fn new(basis_points: u16) -> Self {
        Self(basis_points.min(Self::WHOLE))
    }

    /// The partner's and the house's part of an amount that is not below zero. The house's is rounded down to a whole minor
    /// unit: what is left over is the partner's.
    #[must_use]
    pub fn split(self, amount: i64) -> (i64, i64) {
        let house = i128::from(amount) * i128::from(self.0) / i128::from(Self::WHOLE);
        // No larger than the amount, since the commission is no larger than the whole.
        let house = i64::try_from(house).unwrap_or(amount);
        (amount - house, house)
    }
}

/// What movements of an order need to know of it.
#[derive(Debug, Clone, Copy)]
pub struct Deal {
    /// Which order.
    pub order_id: OrderId,
    /// Who pays.
    pub customer_id: UserId,
    /// What is agreed.
    pub price: Money,
}

impl Deal {
    fn movement(&self, kind: MovementKind, entries: &[Entry]) -> Result<Movement, BadMovement> {
        let key = format!("{kind}:{}", self.order_id);
        Movement::new(kind, key, Some(self.order_id), self.price.currency, entries)
    }

    /// Sets the price aside.
    ///
    /// # Errors
    /// None: its entries sum to zero.
    pub fn authorisation(&self) -> Result<Movement, BadMovement> {
        let Money { amount, .. } = self.price;
        let (wallet, held) = (Account::Wallet(self.customer_id), Account::Held(self.customer_id));
        self.movement(MovementKind::Authorisation, &[(wallet, -amount), (held, amount)])
    }

    /// Pays what was set aside.
    ///
    /// # Errors
    /// As [`Deal::authorisation`].
    pub fn capture(&self, to: PartnerId, commission: Commission) -> Result<Movement, BadMovement> {
        let (share, house) = commission.split(self.price.amount);
        let held = (Account::Held(self.customer_id), -self.price.amount);
        let entries = [held, (Account::Earnings(to), share), (Account::Revenue, house)];
        self.movement(MovementKind::Capture, &entries)
    }

    /// Gives back what was set aside.
    ///
    /// # Errors
    /// As [`Deal::authorisation`].
    pub fn release(&self) -> Result<Movement, BadMovement> {
        let Money { amount, .. } = self.price;
        let (wallet, held) = (Account::Wallet(self.customer_id), Account::Held(self.customer_id));
        self.movement(MovementKind::Release, &[(held, -amount), (wallet, amount)])
    }

    /// Takes `fee`, at most the price, from what was set aside, and gives the rest back.
    ///
    /// # Errors
    /// As [`Deal::authorisation`].
    pub fn late_release(
        &self,
        fee: i64,
        to: PartnerId,
        commission: Commission,
    ) -> Result<Movement, BadMovement> {
        let (share, house) = commission.split(fee);
        let held = (Account::Held(self.customer_id), -self.price.amount);
        let wallet = (Account::Wallet(self.customer_id), self.price.amount - fee);
        let entries = [held, wallet, (Account::Earnings(to), share), (Account::Revenue, house)];
        self.movement(MovementKind::CancellationFee, &entries)
    }

    /// Takes `fee` from the wallet, where nothing was set aside.
    ///
    /// # Errors
    /// As [`Deal::authorisation`].
    pub fn cancellation_fee(
        &self,
        fee: i64,
        to: PartnerId,
        commission: Commission,
    ) -> Result<Movement, BadMovement> {
        let (share, house) = commission.split(fee);
        let wallet = (Account::Wallet(self.customer_id), -fee);
        let entries = [wallet, (Account::Earnings(to), share), (Account::Revenue, house)];
        self.movement(MovementKind::CancellationFee, &entries)
    }

    /// Takes note that a partner was paid by hand.
    ///
    /// # Errors
    /// As [`Deal::authorisation`].
    pub fn cash_order(&self, to: PartnerId, commission: Commission) -> Result<Movement, BadMovement> {
        let (share, house) = commission.split(self.price.amount);
        let cash = (Account::Cash(to), -self.price.amount);
        self.movement(
            MovementKind::CashOrder,
            &[cash, (Account::Earnings(to), share), (Account::Revenue, house)],
        )
    }

    /// Gives `amount` back that was paid; `before` is how much of it was given back already, which tells one refund of an
    /// order from the next.
    ///
    /// # Errors
    /// As [`Deal::authorisation`].
    pub fn refund(&self, amount: i64, before: i64) -> Result<Movement, BadMovement> {
        let kind = MovementKind::Refund;
        let entries = [(Account::Wallet(self.customer_id), amount), (Account::Refunds, -amount)];
        let key = format!("{kind}:{}:{before}", self.order_id);
        Movement::new(kind, key, Some(self.order_id), self.price.currency, &entries)
    }
}

/// Pays what a partner owes from the earnings that `cause` brought, as far as they go; nothing where nothing is owed.
/// `earnings` and `cash` are the balances after `cause`.
///
/// # Errors
/// None: its entries sum to zero.
pub fn debt(
    cause: &Movement,
    partner_id: PartnerId,
    earnings: i64,
    cash: i64,
) -> Result<Option<Movement>, BadMovement> {
    let paid = cash.saturating_neg().min(earnings);
    if paid <= 0 {
        return Ok(None);
    }
    let kind = MovementKind::Debt;
    let entries = [(Account::Earnings(partner_id), -paid), (Account::Cash(partner_id), paid)];
    let key = format!("{kind}:{}", cause.key);
    let movement = Movement::new(kind, key, cause.order_id, cause.currency, &entries)?;
    Ok(Some(Movement { transfer_id: cause.transfer_id, ..movement }))
}

/// Brings money in.
///
/// # Errors
/// None: its entries sum to zero.
pub fn top_up(id: TransferId, user_id: UserId, amount: Money) -> Result<Movement, BadMovement> {
    let entries = [(Account::Provider, -amount.amount), (Account::Wallet(user_id), amount.amount)];
    transfer(MovementKind::TopUp, id, amount.currency, &entries)
}

/// Sends earnings out.
///
/// # Errors
/// None: its entries sum to zero.
pub fn pay_out(id: TransferId, partner_id: PartnerId, amount: Money) -> Result<Movement, BadMovement> {
    let entries = [(Account::Earnings(partner_id), -amount.amount), (Account::Payouts, amount.amount)];
    transfer(MovementKind::PayOut, id, amount.currency, &entries)
}

/// Takes earnings back that could not be sent.
///
/// # Errors
/// None: its entries sum to zero.
pub fn pay_out_return(id: TransferId, partner_id: PartnerId, amount: Money) -> Result<Movement, BadMovement> {
    let entries = [(Account::Earnings(partner_id), amount.amount), (Account::Payouts, -amount.amount)];
    transfer(MovementKind::PayOutReturn, id, amount.currency, &entries)
}

fn transfer(
    kind: MovementKind,
    id: TransferId,
    currency: Currency,
    entries: &[Entry],
) -> Result<Movement, BadMovement> {
    let movement = Movement::new(kind, format!("{kind}:{id}"), None, currency, entries)?;
    Ok(Movement { transfer_id: Some(id), ..movement })
}
