//! Whatever several callers do at once, with crashes in between: the ledger is whole, and nothing is ever below zero.

use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

mod faults;

use super::provider::{Answer, Instruction, Unanswered};
use super::transfers::{News, apply};
use super::*;
use crate::domain::geo::Place;
use crate::domain::ids::{OrderId, TransferId};
use crate::domain::ledger::MovementKind;
use crate::domain::order::{Item, OrderStatus, Party, PaymentMethod, STEPS};
use crate::domain::payment::TransferStatus;
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;
use crate::services::app::{App, Reply};
use crate::services::idempotency::Idempotency;
use crate::services::orders::{self, Assignment, NewOrder, Transition};
use crate::services::testing::TestApp;
use crate::store::orders::{self as order_rows, Filter};

const USD: Currency = Currency::DEFAULT;
/// Long enough that every transfer is asked for again.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Something that somebody does. Numbers choose among what is there.
#[derive(Debug, Clone)]
enum Op {
    TopUp {
        customer: usize,
        amount: i64,
        key: Option<u8>,
    },
    Place {
        customer: usize,
        price: i64,
        on_wallet: bool,
    },
    /// An order is carried on for so many steps.
    Carry {
        order: usize,
        steps: usize,
    },
    /// An order is carried to its pick-up, and its customer cancels.
    CancelLate {
        order: usize,
    },
    /// Any step that the order can take, cancelling say.
    Step {
        order: usize,
        step: usize,
    },
    /// A late end of an order, of which nothing is left.
    StepAndCrash {
        order: usize,
        to: OrderStatus,
    },
    Refund {
        order: usize,
        amount: Option<i64>,
    },
    PayOut {
        partner: usize,
        amount: Option<i64>,
        key: Option<u8>,
    },
    Event {
        transfer: usize,
        status: TransferStatus,
        id: u8,
    },
    /// News that is taken in, and of which nothing is left.
    NewsAndCrash {
        transfer: usize,
        status: TransferStatus,
    },
    Resume,
}

fn op() -> impl Strategy<Value = Op> {
    // What the test provider declines, leaves pending or loses, and what goes through.
    let amount = |hundreds, rests: &'static [i64]| {
        (0..hundreds, prop::sample::select(rests)).prop_map(|(hundreds, rest)| hundreds * 100 + rest)
    };
    let end = || prop::sample::select(vec![TransferStatus::Succeeded, TransferStatus::Failed]);
    let ends =
        prop::sample::select(vec![OrderStatus::Completed, OrderStatus::Cancelled, OrderStatus::Failed]);
    let some = || 0..1000_usize;
    // Few keys, so that they are met again, with the same body and with another.
    let key = || prop::option::of(0..4_u8);
    prop_oneof![
        3 => (0..2_usize, amount(40_i64, &[2, 3, 4, 50, 60, 70]), key())
            .prop_map(|(customer, amount, key)| Op::TopUp { customer, amount, key }),
        4 => (0..2_usize, 0..1200_i64, prop::bool::weighted(0.7))
            .prop_map(|(customer, price, on_wallet)| Op::Place { customer, price, on_wallet }),
        10 => (some(), 2..9_usize).prop_map(|(order, steps)| Op::Carry { order, steps }),
        2 => some().prop_map(|order| Op::CancelLate { order }),
        3 => (some(), some()).prop_map(|(order, step)| Op::Step { order, step }),
        2 => (some(), ends).prop_map(|(order, to)| Op::StepAndCrash { order, to }),
        4 => (some(), prop::option::of(1..900_i64)).prop_map(|(order, amount)| Op::Refund { order, amount }),
        3 => (0..2_usize, prop::option::of(amount(5, &[2, 3, 4, 50])), key())
            .prop_map(|(partner, amount, key)| Op::PayOut { partner, amount, key }),
        3 => (some(), end(), 0..40_u8).prop_map(|(transfer, status, id)| Op::Event { transfer, status, id }),
        1 => (some(), end()).prop_map(|(transfer, status)| Op::NewsAndCrash { transfer, status }),
        1 => Just(Op::Resume),
    ]
}

/// Answers like the test provider, but never slowly.
#[derive(Debug, Default)]
struct Quick(provider::TestProvider);

impl Provider for Quick {
    fn name(&self) -> &'static str {
        "test"
    }

    fn transfer(
        &self,
        instruction: Instruction,
    ) -> futures_util::future::BoxFuture<'_, Result<Answer, Unanswered>> {
        let Instruction { id, kind, amount } = instruction;
        let whole = if amount.amount % 100 == 5 { amount.amount + 1 } else { amount.amount };
        self.0.transfer(Instruction { id, kind, amount: Money { amount: whole, ..amount } })
    }
}

/// Who there is.
struct Cast {
    customers: Vec<Principal>,
    partners: Vec<Principal>,
    admin: Principal,
}

async fn orders_of(app: &App, cast: &Cast, open: bool) -> Vec<OrderId> {
    let mut ids = Vec::new();
    for customer in &cast.customers {
        let filter = Filter { customer_id: Some(customer.user_id), ..Filter::default() };
        let found = app.read(move |conn| Ok(order_rows::list(conn, &filter, 100)?)).await.expect("orders");
        ids.extend(found.into_iter().filter(|order| !open || !order.status.is_end()).map(|order| order.id));
    }
    ids
}

fn pick<T: Copy>(among: &[T], number: usize) -> Option<T> {
    among.get(number.checked_rem(among.len())?).copied()
}

fn crashed<T>() -> Result<T, ServiceError> {
    Err(ServiceError::conflict("not_delivered", "the power went out"))
}

/// Does it, and gives the transfer that it was about, if there was one.
async fn act(
    app: &App,
    cast: &Cast,
    transfers: &[(TransferId, Money)],
    op: Op,
) -> Result<Option<Reply>, ServiceError> {
    let keyed = |who: &Principal, key: Option<u8>, body: &str| {
        let scope = who.user_id.to_string();
        key.map(|key| Idempotency::new(&scope, key.to_string(), "POST /", body.as_bytes()))
    };
    match op {
        Op::TopUp { customer, amount, key } => {
            let who = cast.customers[customer];
            let new = NewTopUp { amount, currency: USD };
            top_up(app, who, new, keyed(&who, key, &amount.to_string())).await.map(Some)
        }
        Op::PayOut { partner, amount, key } => {
            let who = cast.partners[partner];
            let new = NewPayout { amount, currency: None };
            pay_out(app, who, new, keyed(&who, key, &format!("{amount:?}"))).await.map(Some)
        }
        Op::Place { customer, price, on_wallet } => {
            let place = || Place { latitude: 1.0, longitude: 1.0, address: "here".into() };
            let new = NewOrder {
                pickup: place(),
                dropoff: place(),
                items: vec![Item { name: "soup".into(), quantity: 1, unit_price: price }],
                currency: None,
                payment_method: Some(if on_wallet { PaymentMethod::Wallet } else { PaymentMethod::Cash }),
                notes: None,
            };
            orders::place(app, cast.customers[customer], new, None).await.map(|_| None)
        }
        Op::Carry { order, steps } => {
            let Some(order_id) = pick(&orders_of(app, cast, true).await, order) else { return Ok(None) };
            for _ in 0..steps {
                take_step(app, cast, order_id, order, 0).await?;
            }
            Ok(None)
        }
        Op::CancelLate { order } => {
            let Some(order_id) = pick(&orders_of(app, cast, true).await, order) else { return Ok(None) };
            for _ in 0..3 {
                take_step(app, cast, order_id, order, 0).await?;
            }
            let found = app.read(move |conn| Ok(order_rows::find(conn, order_id)?)).await?;
            let customer = found.map(|order| order.customer_id);
            let who = cast.customers.iter().find(|one| Some(one.user_id) == customer).copied();
            let asked = Transition {
                to: OrderStatus::Cancelled,
                version: None,
                reason: None,
                code: None,
                note: None,
            };
            orders::transition(app, who.expect("its customer"), order_id, asked, None).await.map(|_| None)
        }
        Op::Step { order, step } => match pick(&orders_of(app, cast, true).await, order) {
            Some(order_id) => take_step(app, cast, order_id, order, step).await.map(|()| None),
            None => Ok(None),
        },
        Op::StepAndCrash { order, to } => {
            let Some(order_id) = pick(&orders_of(app, cast, true).await, order) else { return Ok(None) };
            app.write(move |tx| {
                let order = order_rows::find_locked(tx.conn(), order_id)?;
                if let Some(mut order) =
                    order.filter(|order| !order.status.is_end() && order.partner.is_some())
                {
                    let from = order.status;
                    order.status = to;
                    settle(tx, &order, from, Party::Customer)?;
                }
                crashed()
            })
            .await
        }
        Op::Refund { order, amount } => {
            let Some(order_id) = pick(&orders_of(app, cast, false).await, order) else { return Ok(None) };
            let new = NewRefund { amount, reason: "cold".into() };
            refund(app, cast.admin, order_id, new, None).await.map(|_| None)
        }
        Op::Event { transfer, status, id } => {
            let Some((transfer_id, amount)) = pick(transfers, transfer) else { return Ok(None) };
            let event = ProviderEvent {
                id: format!("{id} of {}", cast.admin.user_id),
                kind: format!("transfer.{status}"),
                transfer_id,
                reference: None,
                amount: amount.amount,
                currency: amount.currency,
                reason: None,
            };
            take_event(app, "test", event).await.map(|_| None)
        }
        Op::NewsAndCrash { transfer, status } => {
            let Some((transfer_id, _)) = pick(transfers, transfer) else { return Ok(None) };
            app.write(move |tx| {
                apply(tx, transfer_id, News { status, reference: None, failure: None })?;
                crashed()
            })
            .await
        }
        Op::Resume => resume(app, Timestamp::now().after(DAY)).await.map(|_| None),
    }
}

/// Takes one of the steps that the order can take, as somebody who may; `chance` chooses the partner.
async fn take_step(
    app: &App,
    cast: &Cast,
    order_id: OrderId,
    chance: usize,
    number: usize,
) -> Result<(), ServiceError> {
    let order = app.read(move |conn| Ok(order_rows::find(conn, order_id)?)).await?;
    let order = order.ok_or(ServiceError::NotFound { what: "order" })?;
    let mut steps: Vec<_> = STEPS.iter().filter(|step| step.from == order.status).collect();
    // What carries on comes first, and giving back last.
    steps.sort_by_key(|step| step.to == OrderStatus::Confirmed && order.status == OrderStatus::Assigned);
    let Some(step) = pick(&steps, number) else { return Ok(()) };
    if step.to == OrderStatus::Assigned {
        let partner_id = cast.partners[chance % 2].partner_id.expect("a partner");
        return orders::assign(app, cast.admin, order_id, Assignment { partner_id }, None).await.map(|_| ());
    }
    let by = step.by[number % step.by.len()];
    let who = match by {
        Party::Customer => cast.customers.iter().find(|one| one.user_id == order.customer_id).copied(),
        Party::Partner => {
            let assigned = order.partner.as_ref().map(|partner| partner.partner_id);
            cast.partners.iter().find(|one| one.partner_id == assigned).copied()
        }
        Party::Admin | Party::System => Some(cast.admin),
    };
    let Some(who) = who else { return Ok(()) };
    let words = Some("because".to_owned());
    let asked = Transition { to: step.to, version: None, reason: words.clone(), code: None, note: words };
    orders::transition(app, who, order_id, asked, None).await.map(|_| ())
}

async fn play(app: &TestApp, ops: &[Op]) {
    let mut cast = Cast { customers: Vec::new(), partners: Vec::new(), admin: app.user(Role::Admin).await };
    for _ in 0..2 {
        cast.customers.push(app.user(Role::Customer).await);
        cast.partners.push(app.user(Role::Partner).await);
    }
    let mut transfers = Vec::new();
    // Three at a time, in whatever order their transactions come.
    for ops in ops.chunks(3) {
        let outcomes = join_all(ops.iter().map(|op| act(app, &cast, &transfers, op.clone()))).await;
        for (op, outcome) in ops.iter().zip(outcomes) {
            match outcome {
                Ok(Some(reply)) => {
                    let view: serde_json::Value = serde_json::from_str(&reply.body).expect("JSON");
                    let id = view["id"].as_str().expect("an id").parse().expect("an id");
                    let amount = view["amount"].as_i64().expect("a number");
                    transfers.push((id, Money { amount, currency: USD }));
                }
                Ok(None) | Err(ServiceError::Conflict { .. }) => {}
                // Another caller may have ended what this one was about.
                Err(ServiceError::NotFound { .. }) => {}
                Err(error) => panic!("{op:?}: {error}"),
            }
        }
        let report = app.read(|conn| Ok(ledger::verify(conn)?)).await.expect("it is added up");
        assert!(report.faults.is_empty(), "{:#?} after {ops:?}", report.faults);
    }
}

#[test]
fn whatever_is_done_at_once_and_however_it_ends_the_ledger_is_whole() {
    let system = actix_web::rt::System::new();
    let quick = || TestApp::each_with(|settings| settings.money.provider = Some(Arc::new(Quick::default())));
    let apps: Vec<TestApp> = system.block_on(async { quick().collect() });
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(op(), 30..90), |ops| {
        apps.iter().for_each(|app| system.block_on(play(app, &ops)));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    for app in &apps {
        let made = system.block_on(app.read(|conn| Ok(ledger::count_by_kind(conn)?))).expect("counts");
        assert_eq!(made.len(), MovementKind::ALL.len(), "not every kind of movement was tried: {made:?}");
    }
    system.block_on(async { drop(apps) });
}
