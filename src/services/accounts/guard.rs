//! What stands between strangers and the password check: limits, and a gate that few pass at a time.
//!
//! Only failed log-ins are counted. They are counted by address over all accounts, by account and address
//! together, and by account over all addresses. The last would let anybody lock an owner out, so it binds
//! neither addresses from which that account was logged in to before, nor the first few tries from any other.
//!
//! An account here is an e-mail address, whether somebody registered it or not, so that no limit tells which.
//! Counts are in memory: a restart forgets them. Instances tell each other what they count, so that several allow no more
//! than one; what is under way at the same moment on two of them may get through.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::ids::{OrderId, PartnerId, UserId};
use crate::services::error::ServiceError;
use crate::services::limits::{Familiar, KeyHasher, Limiter, Rate, Window};

/// Passwords hashed at once. Each takes 19 MiB and a thread for tens of milliseconds.
const AT_ONCE: usize = 2;
/// How long a call waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(5);
/// Keys that each limit remembers.
const KEYS: usize = 50_000;

/// Log-ins from an address, good ones included: what a busy office never reaches.
const LOG_INS: Rate = rate(300, Duration::from_millis(200));
/// Failed log-ins from an address. More than for one account, so that one person's mistakes leave the
/// others behind the same address something.
const FAILURES_BY_ADDRESS: Rate = rate(60, Duration::from_secs(3));
/// Failed log-ins to an account from an address.
const FAILURES_BY_PAIR: Rate = rate(10, Duration::from_secs(10));
/// Failed log-ins to an account from all addresses that are strange to it.
const FAILURES_BY_STRANGERS: Rate = rate(20, Duration::from_secs(30));
/// What each strange address may try while the strangers' budget is spent.
const FAILURES_BY_STRANGER: Rate = rate(3, Duration::from_secs(600));
/// Registrations from an address.
const REGISTRATIONS: Rate = rate(100, Duration::from_secs(5));
/// Registrations from an address that were told that the e-mail address is taken.
const TAKEN: Rate = rate(10, Duration::from_secs(60));

/// Handshakes of a user: what clients that wait before they come back do not reach, on all their devices.
const HANDSHAKES: Rate = rate(60, Duration::from_millis(250));

/// Messages of a user in any minute, about all orders.
const MESSAGES_A_MINUTE: usize = 20;

/// Orders that a user places: more than an office at noon, with all that were refused for want of money.
const ORDERS: Rate = rate(60, Duration::from_secs(5));

/// Top-ups and pay-outs that a user asks for: each asks the provider, and stays on the books.
const TRANSFERS: Rate = rate(30, Duration::from_secs(60));

/// Messages and orders beyond these limits that may have been sent before, and are looked up: what a client has open, and then
/// some.
const REPEATS: Rate = rate(100, Duration::from_secs(1));

/// Samples of a partner, on each instance: a frame a second, and what a day offline has left.
const SAMPLES: Rate = rate(5_000, Duration::from_millis(20));

/// That a user is writing about an order, shown by all of the user's sessions on an instance.
const TYPING: Rate = rate(1, Duration::from_secs(2));

const fn rate(burst: u32, every: Duration) -> Rate {
    Rate { burst, every }
}

macro_rules! budgets {
    ($($name:ident: $rate:expr,)+) => {
        /// The limits and the gate of one instance.
        pub(in crate::services) struct Guard {
            turns: Arc<Semaphore>,
            $($name: Limiter,)+
            familiar: Familiar,
            messages: Window,
            /// Handshakes of everybody, on this instance.
            all_handshakes: Limiter,
            /// Whether limits apply. The gate always does.
            is_limiting: bool,
            /// Tells the other instances what was counted.
            tell: Tell,
        }

        impl Guard {
            /// `tell` gets the name of what was counted, and the hash of what it was counted under.
            pub(in crate::services) fn new(
                is_limiting: bool,
                handshakes_per_second: u32,
                hasher: &KeyHasher,
                tell: Tell,
            ) -> Self {
                let per_second = handshakes_per_second.max(1);
                let all = Rate { burst: per_second, every: Duration::from_secs(1) / per_second };
                Self {
                    turns: Arc::new(Semaphore::new(AT_ONCE)),
                    $($name: Limiter::new($rate, KEYS, hasher),)+
                    familiar: Familiar::new(KEYS, hasher),
                    messages: Window::new(MESSAGES_A_MINUTE, Duration::from_secs(60), KEYS, hasher),
                    all_handshakes: Limiter::new(all, 1, hasher),
                    is_limiting,
                    tell,
                }
            }

            /// Counts what another instance has counted.
            pub(in crate::services) fn count_from_elsewhere(&self, name: &str, key: u64, now: Instant) {
                match name {
                    $(stringify!($name) => self.$name.charge_hash(key, now),)+
                    FAMILIAR => self.familiar.put_hash(key),
                    MESSAGES => self.messages.charge_hash(key, now),
                    // Any other text: a later version may count more.
                    _ => {}
                }
            }
        }
    };
}

/// What [`Guard::count_from_elsewhere`] calls addresses from which an account was logged in to.
const FAMILIAR: &str = "familiar";
/// What it calls messages.
const MESSAGES: &str = "messages";

/// Takes the name of a budget and a key's hash.
type Tell = Box<dyn Fn(&'static str, u64) + Send + Sync>;

budgets! {
    log_ins: LOG_INS,
    failures_by_address: FAILURES_BY_ADDRESS,
    failures_by_pair: FAILURES_BY_PAIR,
    failures_by_strangers: FAILURES_BY_STRANGERS,
    failures_by_stranger: FAILURES_BY_STRANGER,
    registrations: REGISTRATIONS,
    taken: TAKEN,
    handshakes: HANDSHAKES,
    orders: ORDERS,
    transfers: TRANSFERS,
    repeats: REPEATS,
    samples: SAMPLES,
    typing: TYPING,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("is_limiting", &self.is_limiting).finish_non_exhaustive()
    }
}

impl Guard {
    /// Waits for a turn to hash a password. The turn ends when the permit is dropped.
    ///
    /// # Errors
    /// `Limited` when too many others wait.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, ServiceError> {
        match tokio::time::timeout(TURN_WAIT, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ServiceError::Limited { retry_after: TURN_WAIT }),
        }
    }

    /// Counts a log-in from an address, before anything else is done about it.
    ///
    /// # Errors
    /// `Limited`.
    pub(super) fn admit_log_in(&self, address: IpAddr, now: Instant) -> Result<(), ServiceError> {
        self.limited("log_ins", || self.log_ins.take(&network(address), now))
    }

    /// Whether a password for an account may be tried from an address.
    ///
    /// # Errors
    /// `Limited`.
    pub(super) fn check_attempt(&self, attempt: &Attempt, now: Instant) -> Result<(), ServiceError> {
        let check = || {
            self.failures_by_address.check(&attempt.network, now)?;
            self.failures_by_pair.check(attempt, now)?;
            if self.familiar.has(attempt) {
                return Ok(());
            }
            self.failures_by_strangers.check(&attempt.account, now).or_else(|wait| {
                self.failures_by_stranger.check(attempt, now).map_err(|own_wait| own_wait.min(wait))
            })
        };
        if self.is_limiting { check().map_err(refused) } else { Ok(()) }
    }

    /// Counts a wrong password.
    pub(super) fn failed(&self, attempt: &Attempt, now: Instant) {
        self.counted("failures_by_address", self.failures_by_address.charge(&attempt.network, now));
        self.counted("failures_by_pair", self.failures_by_pair.charge(attempt, now));
        if !self.familiar.has(attempt) {
            self.counted("failures_by_strangers", self.failures_by_strangers.charge(&attempt.account, now));
            self.counted("failures_by_stranger", self.failures_by_stranger.charge(attempt, now));
        }
    }

    /// Remembers an address from which an account was logged in to.
    pub(super) fn succeeded(&self, attempt: &Attempt) {
        self.counted(FAMILIAR, self.familiar.put(attempt));
    }

    /// Counts a registration from an address.
    ///
    /// # Errors
    /// `Limited`.
    pub(super) fn admit_registration(&self, address: IpAddr, now: Instant) -> Result<(), ServiceError> {
        let network = network(address);
        self.limited("registrations", || {
            self.taken.check(&network, now)?;
            self.registrations.take(&network, now)
        })
    }

    /// Counts that an address is told that an e-mail address is taken.
    ///
    /// # Errors
    /// `Limited` when it may not be told: of many that asked at once, only some are answered.
    pub(super) fn admit_taken(&self, address: IpAddr, now: Instant) -> Result<(), ServiceError> {
        self.limited("taken", || self.taken.take(&network(address), now))
    }

    /// Counts a WebSocket handshake of anybody, before anything else is done about it: after a restart of another
    /// instance, everybody comes at once.
    ///
    /// # Errors
    /// `Limited`.
    pub(super) fn admit_any_handshake(&self, now: Instant) -> Result<(), ServiceError> {
        if self.is_limiting {
            self.all_handshakes.take(&(), now).map_err(refused)?;
        }
        Ok(())
    }

    /// Counts a WebSocket handshake of a user.
    ///
    /// # Errors
    /// `Limited`.
    pub(super) fn admit_handshake(&self, user_id: UserId, now: Instant) -> Result<(), ServiceError> {
        self.limited("handshakes", || self.handshakes.take(&user_id, now))
    }

    /// Whether a user may write a message. Counts nothing.
    ///
    /// # Errors
    /// `Limited`.
    pub(in crate::services) fn check_message(
        &self,
        user_id: UserId,
        now: Instant,
    ) -> Result<(), ServiceError> {
        if self.is_limiting { self.messages.check(&user_id, now).map_err(refused) } else { Ok(()) }
    }

    /// Counts a message of a user.
    ///
    /// # Errors
    /// `Limited`.
    pub(in crate::services) fn admit_message(
        &self,
        user_id: UserId,
        now: Instant,
    ) -> Result<(), ServiceError> {
        self.limited(MESSAGES, || self.messages.take(&user_id, now))
    }

    /// Counts a message of a user no more, which the database has not taken. The other instances, who were told of it, do so
    /// for the rest of the minute.
    pub(in crate::services) fn give_back_message(&self, user_id: UserId) {
        self.messages.give_back(&user_id);
    }

    /// Whether a user may place an order. Counts nothing.
    ///
    /// # Errors
    /// `Limited`.
    pub(in crate::services) fn check_order(&self, user_id: UserId, now: Instant) -> Result<(), ServiceError> {
        if self.is_limiting { self.orders.check(&user_id, now).map_err(refused) } else { Ok(()) }
    }

    /// Counts an order that a user places, or would if there were money for it.
    ///
    /// # Errors
    /// `Limited`.
    pub(in crate::services) fn admit_order(&self, user_id: UserId, now: Instant) -> Result<(), ServiceError> {
        self.limited("orders", || self.orders.take(&user_id, now))
    }

    /// Counts an order of a user no more, which the database has not taken; here, not on the other instances.
    pub(in crate::services) fn give_back_order(&self, user_id: UserId) {
        self.orders.give_back(&user_id);
    }

    /// Counts a top-up or a pay-out that a user asks for.
    ///
    /// # Errors
    /// `Limited`.
    pub(in crate::services) fn admit_transfer(
        &self,
        user_id: UserId,
        now: Instant,
    ) -> Result<(), ServiceError> {
        self.limited("transfers", || self.transfers.take(&user_id, now))
    }

    /// Counts a transfer of a user no more, which the database has not taken; here, not on the other instances.
    pub(in crate::services) fn give_back_transfer(&self, user_id: UserId) {
        self.transfers.give_back(&user_id);
    }

    /// Counts a message or an order beyond its limit that is looked up all the same, since it may have been sent before.
    ///
    /// # Errors
    /// `Limited`.
    pub(in crate::services) fn admit_repeat(
        &self,
        user_id: UserId,
        now: Instant,
    ) -> Result<(), ServiceError> {
        self.limited("repeats", || self.repeats.take(&user_id, now))
    }

    /// Counts samples of a partner. The other instances are not told: that would cost more than the samples.
    ///
    /// # Errors
    /// `Limited`.
    pub(in crate::services) fn admit_samples(
        &self,
        partner_id: PartnerId,
        count: usize,
        now: Instant,
    ) -> Result<(), ServiceError> {
        if self.is_limiting {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.samples.take_some(&partner_id, count, now).map_err(refused)?;
        }
        Ok(())
    }

    /// Whether it is time to show again that a user is writing about an order; if so, that is counted. The other instances
    /// are not told: that would cost more than what is shown.
    pub(in crate::services) fn may_show_typing(&self, what: (UserId, OrderId), now: Instant) -> bool {
        // Also where no limits apply: clients rely on it.
        self.typing.take(&what, now).is_ok()
    }

    fn limited(
        &self,
        name: &'static str,
        take: impl FnOnce() -> Result<u64, Duration>,
    ) -> Result<(), ServiceError> {
        if self.is_limiting {
            self.counted(name, take().map_err(refused)?);
        }
        Ok(())
    }

    fn counted(&self, name: &'static str, key: u64) {
        if self.is_limiting {
            (self.tell)(name, key);
        }
    }
}

/// Whole seconds, rounded up: `Retry-After` has no smaller unit.
fn refused(wait: Duration) -> ServiceError {
    let seconds = wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX);
    ServiceError::Limited { retry_after: Duration::from_secs(seconds) }
}

/// What a try at a password is counted under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    account: String,
    network: IpAddr,
}

impl Attempt {
    /// `account` is the e-mail address in lower case, whether an account has it or not.
    pub(super) fn new(account: &str, address: IpAddr) -> Self {
        Self { account: account.into(), network: network(address) }
    }
}

/// What one customer of a provider has: an IPv4 address, or 64 bits of an IPv6 address (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests;
