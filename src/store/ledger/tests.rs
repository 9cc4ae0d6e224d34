mod owners;

use super::*;
use crate::domain::ids::{TransferId, UserId};
use crate::domain::ledger::{Deal, pay_out, top_up};
use crate::domain::money::Money;
use crate::domain::payment::{TransferKind, TransferStatus};
use crate::domain::principal::Role;
use crate::store::testing::TestDatabase;
use crate::store::transfers::{self, Transfer};
use crate::store::users::{self, User};
use crate::telemetry::Metrics;

const USD: Currency = Currency::DEFAULT;
const AT: Timestamp = Timestamp::from_millis(1_000_000);

/// Runs on a database of each kind, its tables made.
fn on_each(test: impl Fn(&mut Conn)) {
    for database in TestDatabase::each() {
        let store = database.open(&Metrics::new().expect("no figure twice"));
        test(&mut database.connect());
        store.close();
    }
}

fn money(amount: i64) -> Money {
    Money { amount, currency: USD }
}

fn add_user(conn: &mut Conn) -> UserId {
    add_user_as(conn, Role::Customer, None)
}

fn add_user_as(conn: &mut Conn, role: Role, partner_id: Option<PartnerId>) -> UserId {
    let id = UserId::new();
    let user = User {
        id,
        email: format!("{id}@example.com"),
        name: "Ada".into(),
        role,
        locale: "en".into(),
        password_hash: "none".into(),
        created_at: AT,
        deleted_at: None,
        partner_id,
    };
    assert!(users::insert(conn, &user).expect("the database works"));
    id
}

/// Puts a top-up on record that has succeeded, and gives what it moves.
fn filling(conn: &mut Conn, user_id: UserId, amount: i64) -> Movement {
    let id = add_transfer(conn, (TransferKind::TopUp, TransferStatus::Succeeded), user_id, None, amount);
    top_up(id, user_id, money(amount)).expect("balanced")
}

fn add_transfer(
    conn: &mut Conn,
    (kind, status): (TransferKind, TransferStatus),
    user_id: UserId,
    partner_id: Option<PartnerId>,
    amount: i64,
) -> TransferId {
    let transfer = Transfer {
        id: TransferId::new(),
        kind,
        user_id,
        partner_id,
        amount: money(amount),
        status,
        reference: None,
        failure: None,
        asks: 0,
        ask_at: AT,
        created_at: AT,
        updated_at: AT,
    };
    transfers::insert(conn, &transfer).expect("the database works");
    transfer.id
}

fn post_now(conn: &mut Conn, movement: &Movement) -> Posting {
    post(conn, movement, None, AT).expect("the database works")
}

fn faults(conn: &mut Conn) -> Vec<String> {
    verify(conn).expect("the database works").faults
}

#[test]
fn a_movement_happens_once_under_its_key() {
    on_each(|conn| {
        let user = add_user(conn);
        let movement = filling(conn, user, 500);
        let transfer = movement.transfer_id().expect("a transfer");
        assert!(matches!(post_now(conn, &movement), Posting::Posted(posted) if posted.len() == 2));
        assert_eq!(post_now(conn, &movement), Posting::AlreadyPosted);
        let other = top_up(transfer, user, money(501)).expect("balanced");
        assert_eq!(post_now(conn, &other), Posting::KeyReused);
        let euros = Money { amount: 500, currency: "EUR".parse().expect("a code") };
        let other = top_up(transfer, user, euros).expect("balanced");
        assert_eq!(post_now(conn, &other), Posting::KeyReused);
        assert_eq!(balance(conn, USD, Account::Wallet(user)).expect("a balance"), 500);
        let entries = entries(conn, USD, Account::Wallet(user), None, 10).expect("entries");
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].amount, entries[0].balance_after), (500, 500));
        assert!(faults(conn).is_empty());
    });
}

#[test]
fn nothing_happens_where_there_is_not_enough() {
    on_each(|conn| {
        let (user, partner) = (add_user(conn), PartnerId::new());
        let filling = filling(conn, user, 500);
        post_now(conn, &filling);
        let sent = pay_out(TransferId::new(), partner, money(1)).expect("balanced");
        assert_eq!(post_now(conn, &sent), Posting::Refused(Account::Earnings(partner)));
        let deal = Deal { order_id: OrderId::new(), customer_id: user, price: money(501) };
        assert_eq!(
            post_now(conn, &deal.authorisation().expect("balanced")),
            Posting::Refused(Account::Wallet(user))
        );
        let huge = top_up(TransferId::new(), user, money(i64::MAX)).expect("balanced");
        assert_eq!(post_now(conn, &huge), Posting::Refused(Account::Wallet(user)), "it cannot be counted");
        let balances = lock(conn, USD, &[Account::Held(user), Account::Wallet(user)]);
        assert_eq!(balances.expect("locked"), [0, 500]);
        assert!(faults(conn).is_empty());
    });
}

#[test]
fn pages_of_entries_go_back_in_time() {
    on_each(|conn| {
        let user = add_user(conn);
        for amount in 1..=5 {
            let filling = filling(conn, user, amount);
            post_now(conn, &filling);
        }
        let page =
            |conn: &mut Conn, before| entries(conn, USD, Account::Wallet(user), before, 2).expect("a page");
        let amounts = |page: &[Entry]| page.iter().map(|entry| entry.amount).collect::<Vec<_>>();
        let first = page(conn, None);
        assert_eq!(amounts(&first), [5, 4]);
        assert_eq!(amounts(&page(conn, Some(first[1].number))), [3, 2]);
        assert_eq!(amounts(&page(conn, Some(2))), [1]);
    });
}

#[test]
fn whatever_is_changed_behind_its_back_is_found() {
    for (change, found) in [
        ("UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'wallet'", "keeps 501"),
        ("UPDATE ledger_accounts SET revision = 7 WHERE kind = 'wallet'", "after 7 entries"),
        ("UPDATE ledger_entries SET amount = 400 WHERE amount = 500", "sums to -100"),
        ("UPDATE ledger_entries SET balance_after = 1 WHERE balance_after = 500", "says 1"),
        ("UPDATE ledger_entries SET balance_after = -1 WHERE balance_after = 500", "(wallet) was at -1"),
        ("UPDATE ledger_entries SET number = 2 WHERE amount = 500", "entry 2"),
        (
            "UPDATE ledger_accounts SET currency = 'EUR' WHERE kind = 'wallet'",
            "all balances in EUR sum to 500",
        ),
        ("UPDATE ledger_accounts SET kind = 'held' WHERE kind = 'wallet'", "held for customer"),
        ("UPDATE ledger_accounts SET owner = 'another' WHERE kind = 'wallet'", "its owner has 0"),
        ("UPDATE transfers SET amount = 499", "(top_up of 499) is succeeded; its owner has 500"),
        ("UPDATE transfers SET status = 'failed'", "is failed; its owner has 500"),
        ("UPDATE ledger_transactions SET transfer_id = NULL", "is of no payment and no transfer"),
    ] {
        on_each(|conn| {
            let user = add_user(conn);
            let filling = filling(conn, user, 500);
            post_now(conn, &filling);
            assert!(faults(conn).is_empty());
            diesel::sql_query(change).execute(conn).expect("it is changed");
            let faults = faults(conn);
            assert!(faults.iter().any(|fault| fault.contains(found)), "{change}: {faults:?}");
        });
    }
}

#[test]
fn the_database_itself_lets_no_balance_go_below_zero() {
    on_each(|conn| {
        let user = add_user(conn);
        let filling = filling(conn, user, 500);
        post_now(conn, &filling);
        let below = diesel::sql_query("UPDATE ledger_accounts SET balance = -1 WHERE kind = 'wallet'");
        assert!(below.execute(conn).is_err());
    });
}
