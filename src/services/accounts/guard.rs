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
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;

    use super::*;

    fn guard(is_limiting: bool) -> Guard {
        Guard::new(is_limiting, 1_000, &KeyHasher::new(b"a secret"), Box::new(|_, _| {}))
    }

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    /// How many wrong passwords in a row are looked at.
    fn tries(guard: &Guard, attempt: &Attempt, now: Instant) -> usize {
        let mut tries = 0;
        while tries < 1000 && guard.check_attempt(attempt, now).is_ok() {
            guard.failed(attempt, now);
            tries += 1;
        }
        tries
    }

    #[test]
    fn one_address_cannot_go_on_guessing_at_one_account() {
        let (guard, now) = (guard(true), Instant::now());
        let attempt = Attempt::new("ada@example.org", address(1));
        assert_eq!(tries(&guard, &attempt, now), 10);
        let refused = guard.check_attempt(&attempt, now);
        assert!(
            matches!(refused, Err(ServiceError::Limited { retry_after }) if retry_after.as_secs() == 10),
            "{refused:?}"
        );
    }

    #[test]
    fn one_address_cannot_go_on_guessing_at_many_accounts() {
        let (guard, now) = (guard(true), Instant::now());
        let tried = (0..1000)
            .map(|number| Attempt::new(&format!("user{number}@example.org"), address(1)))
            .filter(|attempt| guard.check_attempt(attempt, now).map(|()| guard.failed(attempt, now)).is_ok());
        assert_eq!(tried.count(), 60);
    }

    #[test]
    fn many_addresses_that_guess_at_an_account_do_not_lock_its_owner_out() {
        let (guard, now) = (guard(true), Instant::now());
        let at_home = Attempt::new("ada@example.org", address(0));
        guard.succeeded(&at_home);

        let attackers: Vec<_> = (1..=100).map(|n| Attempt::new("ada@example.org", address(n))).collect();
        let tried: usize = attackers.iter().map(|attempt| tries(&guard, attempt, now)).sum();
        // Without the limit over all strangers it would be ten for each.
        assert!((300..=320).contains(&tried), "{tried}");

        assert_eq!(tries(&guard, &at_home, now), 10, "where the owner was before nothing changes");
        let abroad = Attempt::new("ada@example.org", address(1000));
        assert_eq!(tries(&guard, &abroad, now), 3, "from elsewhere the owner has a few tries");
    }

    #[test]
    fn an_ipv6_customer_is_one_address_and_so_is_a_mapped_ipv4_one() {
        let attempt = |address: &str| Attempt::new("a@b", address.parse().expect("an address"));
        assert_eq!(attempt("2001:db8:1:2::1"), attempt("2001:db8:1:2:ffff::9"));
        assert_ne!(attempt("2001:db8:1:2::1"), attempt("2001:db8:1:3::1"));
        assert_eq!(attempt("::ffff:192.0.2.1"), attempt("192.0.2.1"));
    }

    #[test]
    fn telling_that_an_address_is_taken_has_its_limit_and_making_accounts_a_wider_one() {
        let (guard, now) = (guard(true), Instant::now());
        let told = (0..50).filter(|_| {
            guard
                .admit_registration(address(1), now)
                .and_then(|()| guard.admit_taken(address(1), now))
                .is_ok()
        });
        assert_eq!(told.count(), 10);
        let made = (0..500).filter(|_| guard.admit_registration(address(2), now).is_ok());
        assert_eq!(made.count(), 100);
    }

    #[test]
    fn what_is_counted_on_one_instance_counts_on_the_others() {
        let now = Instant::now();
        let there = Arc::new(guard(true));
        let told = Arc::clone(&there);
        let tell = move |name: &'static str, key| told.count_from_elsewhere(name, key, now);
        let here = Guard::new(true, 1_000, &KeyHasher::new(b"a secret"), Box::new(tell));
        let attempt = Attempt::new("ada@example.org", address(1));
        assert_eq!(tries(&here, &attempt, now), 10);
        assert_eq!(tries(&there, &attempt, now), 0);
        let user_id = UserId::new();
        let opened = (0..1000).filter(|_| here.admit_handshake(user_id, now).is_ok()).count();
        assert_eq!((opened, there.admit_handshake(user_id, now).is_ok()), (60, false));
        let at_home = Attempt::new("bob@example.org", address(2));
        here.succeeded(&at_home);
        assert!(there.familiar.has(&at_home));
    }

    #[test]
    fn what_may_have_been_sent_before_is_looked_up_beyond_the_limit_but_not_without_end() {
        let (guard, now, user_id) = (guard(true), Instant::now(), UserId::new());
        assert_eq!((0..50).filter(|_| guard.admit_message(user_id, now).is_ok()).count(), MESSAGES_A_MINUTE);
        assert_eq!((0..500).filter(|_| guard.admit_repeat(user_id, now).is_ok()).count(), 100);
        assert!(guard.admit_repeat(user_id, now + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn an_instance_takes_so_many_handshakes_a_second_and_no_more() {
        let (guard, now) = (guard(true), Instant::now());
        let taken = |now| (0..5000).filter(|_| guard.admit_any_handshake(now).is_ok()).count();
        assert_eq!((taken(now), taken(now + Duration::from_millis(100))), (1_000, 100));
    }

    #[test]
    fn limits_can_be_turned_off() {
        let (guard, now) = (guard(false), Instant::now());
        assert_eq!(tries(&guard, &Attempt::new("ada@example.org", address(1)), now), 1000);
        assert!((0..1000).all(|_| guard.admit_log_in(address(1), now).is_ok()));
    }

    #[actix_web::test]
    async fn few_passwords_are_hashed_at_once_even_without_limits() {
        let guard = guard(false);
        let mut turns = Vec::new();
        while let Some(turn) = guard.turn().now_or_never() {
            turns.push(turn.expect("a turn"));
        }
        assert_eq!(turns.len(), AT_ONCE);
        turns.pop();
        assert!(guard.turn().now_or_never().is_some(), "the next goes when one is done");
    }
}
