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
        guard.admit_registration(address(1), now).and_then(|()| guard.admit_taken(address(1), now)).is_ok()
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
