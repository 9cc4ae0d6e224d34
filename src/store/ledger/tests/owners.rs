//! Money that went to somebody else than it belongs to, or another way than its kind goes, while all sums are right.

use super::*;
use crate::domain::geo::Place;
use crate::domain::ledger::{BadMovement, Commission, debt, pay_out_return};
use crate::domain::order::{Assignee, Order, OrderStatus, PaymentMethod};
use crate::domain::payment::PaymentStatus;
use crate::store::orders;
use crate::store::payments::{self, Payment};

const PRICE: i64 = 1000;
const FEE: i64 = 300;

/// An order's id, its customer and its partner, the user behind the partner, and another customer and another partner.
#[derive(Debug, Clone, Copy)]
struct Cast {
    order: OrderId,
    customer: UserId,
    partner: PartnerId,
    partner_user: UserId,
    stranger: UserId,
    rival: PartnerId,
}

impl Cast {
    /// All of them in the database, with enough to be taken for one another.
    fn new(conn: &mut Conn) -> Self {
        let (customer, stranger) = (add_user(conn), add_user(conn));
        let (partner, rival) = (PartnerId::new(), PartnerId::new());
        let partner_user = add_user_as(conn, Role::Partner, Some(partner));
        let rival_user = add_user_as(conn, Role::Partner, Some(rival));
        for user in [customer, stranger] {
            let filling = filling(conn, user, 5000);
            post_now(conn, &filling);
        }
        for (partner, user) in [(partner, partner_user), (rival, rival_user)] {
            let cast = Self { order: OrderId::new(), customer, partner, partner_user: user, stranger, rival };
            add_order(conn, &cast, &CASH);
            let earned = cast.deal().cash_order(partner, commission()).expect("balanced");
            assert!(matches!(post_now(conn, &earned), Posting::Posted(_)));
        }
        let cast = Self { order: OrderId::new(), customer, partner, partner_user, stranger, rival };
        let other = Self { order: OrderId::new(), customer: stranger, ..cast };
        add_order(conn, &other, &OPEN);
        let held = other.deal().authorisation().expect("balanced");
        assert!(matches!(post_now(conn, &held), Posting::Posted(_)));
        cast
    }

    /// The same, where nobody is mistaken for another.
    fn without_mistakes(self) -> Self {
        Self { stranger: self.customer, rival: self.partner, ..self }
    }

    fn deal(&self) -> Deal {
        Deal { order_id: self.order, customer_id: self.customer, price: money(PRICE) }
    }

    /// The deal with the wrong customer.
    fn strange(&self) -> Deal {
        Deal { customer_id: self.stranger, ..self.deal() }
    }
}

/// What an order has come to, and what of its price was paid and given back.
struct End {
    method: PaymentMethod,
    status: OrderStatus,
    payment: PaymentStatus,
    paid: i64,
    refunded: i64,
}

const CASH: End = End {
    method: PaymentMethod::Cash,
    status: OrderStatus::Completed,
    payment: PaymentStatus::Captured,
    paid: PRICE,
    refunded: 0,
};
const CASH_LATE: End = End { status: OrderStatus::Cancelled, paid: FEE, ..CASH };
const WALLET: End = End { method: PaymentMethod::Wallet, ..CASH };
const REFUNDED: End = End { payment: PaymentStatus::Refunded, refunded: PRICE, ..WALLET };
const LATE: End = End { status: OrderStatus::Cancelled, paid: FEE, ..WALLET };
const OPEN: End =
    End { status: OrderStatus::Assigned, payment: PaymentStatus::Authorised, paid: 0, ..WALLET };
const FAILED: End = End { status: OrderStatus::Failed, payment: PaymentStatus::Released, paid: 0, ..WALLET };

fn commission() -> Commission {
    Commission::new(1500)
}

fn add_order(conn: &mut Conn, cast: &Cast, end: &End) {
    let place = || Place { latitude: 0.0, longitude: 0.0, address: "here".into() };
    let partner = Assignee { partner_id: cast.partner, user_id: cast.partner_user, name: "Bo".into() };
    let order = Order {
        id: cast.order,
        status: end.status,
        version: 1,
        customer_id: cast.customer,
        customer_name: "Ada".into(),
        partner: Some(partner),
        pickup: place(),
        dropoff: place(),
        items: Vec::new(),
        price: money(PRICE),
        payment_method: end.method,
        notes: None,
        code: "0000".into(),
        created_at: AT,
        updated_at: AT,
    };
    orders::insert(conn, &order).expect("the database works");
    let is_fee = end.method == PaymentMethod::Cash && end.status == OrderStatus::Cancelled;
    let payment = Payment {
        order_id: cast.order,
        customer_id: cast.customer,
        method: end.method,
        status: end.payment,
        amount: money(if is_fee { end.paid } else { PRICE }),
        captured: end.paid,
        refunded: end.refunded,
        created_at: AT,
        updated_at: AT,
    };
    payments::insert(conn, &payment).expect("the database works");
}

type Movements = Result<Vec<Movement>, BadMovement>;
type Mistake = (End, fn(&Cast) -> Movements, &'static str);
/// What gains, and what loses.
type Way = fn(&Cast) -> [Account; 2];

/// What moved for an order, somebody in it taken for another: how the order ended, and whose account of which kind it was, by
/// a movement of which kind.
const MISTAKES: [Mistake; 12] = [
    (
        WALLET,
        |cast| Ok(vec![cast.deal().authorisation()?, cast.deal().capture(cast.rival, commission())?]),
        "capture: 850 USD in the earnings of {rival}",
    ),
    (
        WALLET,
        |cast| Ok(vec![cast.strange().authorisation()?, cast.strange().capture(cast.partner, commission())?]),
        "authorisation: -1000 USD in the wallet of {stranger}",
    ),
    (
        WALLET,
        |cast| Ok(vec![cast.deal().authorisation()?, cast.strange().capture(cast.partner, commission())?]),
        "capture: -1000 USD in the held of {stranger}",
    ),
    (
        FAILED,
        |cast| Ok(vec![cast.strange().authorisation()?, cast.strange().release()?]),
        "release: 1000 USD in the wallet of {stranger}",
    ),
    (
        LATE,
        |cast| {
            let deal = cast.deal();
            Ok(vec![deal.authorisation()?, deal.late_release(FEE, cast.rival, commission())?])
        },
        "cancellation_fee: 255 USD in the earnings of {rival}",
    ),
    (
        LATE,
        |cast| {
            let deal = cast.strange();
            Ok(vec![deal.authorisation()?, deal.late_release(FEE, cast.partner, commission())?])
        },
        "cancellation_fee: 700 USD in the wallet of {stranger}",
    ),
    (
        CASH_LATE,
        |cast| Ok(vec![cast.strange().cancellation_fee(FEE, cast.partner, commission())?]),
        "cancellation_fee: -300 USD in the wallet of {stranger}",
    ),
    (
        CASH_LATE,
        |cast| Ok(vec![cast.deal().cancellation_fee(FEE, cast.rival, commission())?]),
        "cancellation_fee: 255 USD in the earnings of {rival}",
    ),
    (
        CASH,
        |cast| Ok(vec![cast.deal().cash_order(cast.rival, commission())?]),
        "cash_order: -1000 USD in the cash of {rival}",
    ),
    (
        CASH,
        |cast| Ok(vec![cast.deal().cash_order(cast.rival, commission())?]),
        "cash_order: 850 USD in the earnings of {rival}",
    ),
    (
        CASH,
        |cast| {
            let cause = cast.deal().cash_order(cast.partner, commission())?;
            Ok([Some(cause.clone()), debt(&cause, cast.rival, 850, -1000)?].into_iter().flatten().collect())
        },
        "debt: 850 USD in the cash of {rival}",
    ),
    (
        REFUNDED,
        |cast| {
            let deal = cast.deal();
            let refund = cast.strange().refund(PRICE, 0)?;
            Ok(vec![deal.authorisation()?, deal.capture(cast.partner, commission())?, refund])
        },
        "refund: 1000 USD in the wallet of {stranger}",
    ),
];

/// The cast and the faults, once all that has moved.
fn moved(
    conn: &mut Conn,
    end: &End,
    movements: impl Fn(&Cast) -> Movements,
    is_right: bool,
) -> (Cast, String) {
    let cast = Cast::new(conn);
    add_order(conn, &cast, end);
    let roles = if is_right { cast.without_mistakes() } else { cast };
    for movement in movements(&roles).expect("balanced") {
        assert!(matches!(post_now(conn, &movement), Posting::Posted(_)), "{movement:?}");
    }
    (cast, faults(conn).join("\n"))
}

#[test]
fn what_an_order_moves_for_somebody_who_has_no_part_in_it_is_found() {
    on_each(|conn| {
        for (end, movements, fault) in MISTAKES {
            let (cast, found) = moved(conn, &end, movements, false);
            let fault = fault
                .replace("{stranger}", &cast.stranger.to_string())
                .replace("{rival}", &cast.rival.to_string());
            let whose = format!(
                "order {} is of customer {} and partner {} in USD",
                cast.order, cast.customer, cast.partner
            );
            let is_told = |line: &str| line.starts_with(&whose) && line.ends_with(&fault);
            assert!(found.lines().any(is_told), "{whose} … {fault}:\n{found}");
        }
    });
}

#[test]
fn what_an_order_moves_for_those_who_have_part_in_it_is_right() {
    on_each(|conn| {
        for (end, movements, _) in MISTAKES {
            assert_eq!(moved(conn, &end, movements, true).1, "");
        }
    });
}

#[test]
fn an_order_that_was_given_back_is_its_last_partners_alone() {
    let given_back =
        |cast: &Cast| Ok(vec![cast.deal().authorisation()?, cast.deal().capture(cast.rival, commission())?]);
    on_each(|conn| {
        let (cast, found) = moved(conn, &WALLET, given_back, false);
        assert!(found.contains("in the earnings of"), "{found}");
        let carried_by =
            format!("UPDATE orders SET partner_id = '{}' WHERE id = '{}'", cast.rival, cast.order);
        diesel::sql_query(carried_by).execute(conn).expect("it is changed");
        assert!(!faults(conn).join("\n").contains("in the earnings of"));
        // An order that nobody has, and that was paid to somebody.
        let nobodys = format!("UPDATE orders SET partner_id = NULL WHERE id = '{}'", cast.order);
        diesel::sql_query(nobodys).execute(conn).expect("it is changed");
        let found = faults(conn).join("\n");
        assert!(
            found.contains("and partner nobody in USD") && found.contains("in the earnings of"),
            "{found}"
        );
    });
}

#[test]
fn what_moves_in_another_currency_than_the_orders_is_found() {
    on_each(|conn| {
        let cast = Cast::new(conn);
        add_order(conn, &cast, &REFUNDED);
        let deal = cast.deal();
        let euros = Deal { price: Money { amount: PRICE, currency: "EUR".parse().expect("a code") }, ..deal };
        for movement in
            [deal.authorisation(), deal.capture(cast.partner, commission()), euros.refund(PRICE, 0)]
        {
            assert!(matches!(post_now(conn, &movement.expect("balanced")), Posting::Posted(_)));
        }
        let found = faults(conn);
        assert_eq!(found.len(), 2, "{found:#?}");
        let whose = format!("refund: 1000 EUR in the wallet of {}", cast.customer);
        assert!(found.iter().any(|fault| fault.ends_with(&whose)), "{found:#?}");
    });
}

#[test]
fn what_a_transfer_moves_for_somebody_else_is_found() {
    on_each(|conn| {
        let cast = Cast::new(conn);
        let failed = (TransferKind::PayOut, TransferStatus::Failed);
        let id = add_transfer(conn, failed, cast.partner_user, Some(cast.partner), 500);
        let back = pay_out_return(id, cast.partner, money(500)).expect("balanced");
        let debt = debt(&back, cast.rival, 850, -500).expect("balanced").expect("something is owed");
        for movement in [pay_out(id, cast.partner, money(500)).expect("balanced"), back] {
            assert!(matches!(post_now(conn, &movement), Posting::Posted(_)));
        }
        assert_eq!(faults(conn), [""; 0]);
        assert!(matches!(post_now(conn, &debt), Posting::Posted(_)));
        let found = faults(conn).join("\n");
        let whose = format!(
            "transfer {id} (pay_out) is of user {} and partner {} in USD",
            cast.partner_user, cast.partner
        );
        for fault in ["debt: -500 USD in the earnings of", "debt: 500 USD in the cash of"] {
            let fault = format!("{fault} {}", cast.rival);
            let is_told = |line: &str| line.starts_with(&whose) && line.ends_with(&fault);
            assert!(found.lines().any(is_told), "{whose} … {fault}:\n{found}");
        }
    });
}

#[test]
fn a_pay_out_of_earnings_that_are_not_the_callers_is_found() {
    on_each(|conn| {
        let cast = Cast::new(conn);
        let succeeded = (TransferKind::PayOut, TransferStatus::Succeeded);
        let id = add_transfer(conn, succeeded, cast.customer, Some(cast.partner), 500);
        post_now(conn, &pay_out(id, cast.partner, money(500)).expect("balanced"));
        let fault = format!(
            "pay-out {id} of user {} sends what partner {} has earned, who is user {}",
            cast.customer, cast.partner, cast.partner_user
        );
        assert_eq!(faults(conn), [fault]);
    });
}

#[test]
fn what_goes_another_way_than_its_kind_goes_is_found() {
    // All of it for the right people, and each sum is right.
    let ways: [(End, MovementKind, Way, &str); 3] = [
        (
            FAILED,
            MovementKind::Release,
            |cast| [Account::Earnings(cast.partner), Account::Held(cast.customer)],
            "(release) gives 1000 to earnings",
        ),
        (
            REFUNDED,
            MovementKind::Refund,
            |cast| [Account::Refunds, Account::Wallet(cast.customer)],
            "(refund) takes 1000 from wallet",
        ),
        (
            REFUNDED,
            MovementKind::Refund,
            |cast| [Account::Wallet(cast.customer), Account::Cash(cast.partner)],
            "(refund) takes 1000 from cash",
        ),
    ];
    on_each(|conn| {
        for (end, kind, accounts, fault) in &ways {
            let movements = |cast: &Cast| {
                let [gains, loses] = accounts(cast);
                let entries = [(gains, PRICE), (loses, -PRICE)];
                let odd = Movement::new(
                    *kind,
                    format!("{kind}:odd:{}", cast.order),
                    Some(cast.order),
                    USD,
                    &entries,
                )?;
                let mut all = vec![cast.deal().authorisation()?];
                if end.paid > 0 {
                    all.push(cast.deal().capture(cast.partner, commission())?);
                }
                all.push(odd);
                Ok(all)
            };
            let (_, found) = moved(conn, end, movements, true);
            assert!(found.lines().any(|line| line.ends_with(fault)), "{fault}:\n{found}");
        }
    });
}
