//! Whatever several callers do at once, with crashes in between: the ledger is whole, nothing is ever below zero, and no call
//! changes anything twice.

use std::cell::Cell;
use std::sync::Barrier;
use std::time::Duration;

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, RunQueryDsl};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

mod calls;
mod faults;
mod ops;
mod world;

use super::provider::{Answer, Instruction, Unanswered};
use super::transfers::{News, apply};
use super::*;
use crate::domain::ids::{OrderId, TransferId};
use crate::domain::ledger::MovementKind;
use crate::domain::principal::{Principal, Role};
use crate::domain::time::Timestamp;
use crate::services::app::{App, Reply};
use crate::services::idempotency::Idempotency;
use crate::services::orders::{self, NewOrder};
use crate::services::testing::TestApp;
use crate::store::StoreError;

use calls::{Answers, Asked, Changes, Made};
use ops::{Act, act, filling};
use world::{Done, World, euro};

const USD: Currency = Currency::DEFAULT;
/// As many as the database of a test has.
const CONNECTIONS: usize = 8;
/// Long enough that every transfer is asked for again.
const DAY: Duration = Duration::from_secs(24 * 3600);

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

async fn count(app: &App, rows: String) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let count = app.read(move |conn| {
        let text = format!("SELECT COUNT(*) AS count FROM {rows}");
        Ok(diesel::sql_query(text).get_result::<Count>(conn).map_err(StoreError::from)?.count)
    });
    count.await.expect("it is counted")
}

/// How many calls have left something behind, by what there is.
async fn changes(app: &App, world: &World) -> Changes {
    let everybody = world.everybody();
    Changes {
        transfers: count(app, format!("transfers WHERE user_id IN ({everybody})")).await,
        orders: count(app, format!("orders WHERE customer_id IN ({everybody})")).await,
        refunds: count(
            app,
            format!("ledger_transactions WHERE kind = 'refund' AND by_user IN ({everybody})"),
        )
        .await,
    }
}

/// Waits until all is done that nobody waits for any more: each thread of the database takes one of these jobs, and none ends
/// before the last has begun. On SQLite, one thread writes in turn.
async fn nothing_is_under_way(app: &App) {
    let all = Arc::new(Barrier::new(CONNECTIONS));
    let jobs = (0..CONNECTIONS).map(|_| {
        let all = Arc::clone(&all);
        app.read(move |_| {
            all.wait();
            Ok(())
        })
    });
    for ended in join_all(jobs).await {
        ended.expect("the database works");
    }
    app.write(|_| Ok(())).await.expect("the database works");
}

/// Lets a world of its own go through all of it, and gives what was answered.
async fn play(app: &TestApp, number: u32, acts: &[Act]) -> Answers {
    let mut world = World::new(app, number).await;
    let mut answers = Answers::default();
    let acts: Vec<Act> = filling().chain(acts.iter().cloned()).collect();
    // Three at a time, in whatever order their transactions come.
    for acts in acts.chunks(3) {
        let done = join_all(acts.iter().map(|act| world.act(app, act.clone()))).await;
        let mut called = Vec::new();
        for (act, done) in acts.iter().zip(done) {
            let refused = match &done {
                Done::Called(made) => made.outcome.as_ref().err(),
                Done::Other(outcome) => outcome.as_ref().err(),
            };
            match refused {
                // Another caller may have ended what this one was about.
                None | Some(ServiceError::Conflict { .. } | ServiceError::NotFound { .. }) => {}
                Some(error) => panic!("{act:?}: {error}"),
            }
            if let Done::Called(made) = done {
                called.push(made);
            }
        }
        for made in &mut called {
            // What was possible too late for the second call may have been possible for the first, which was slower.
            if made.is_repeated && made.outcome.is_err() {
                nothing_is_under_way(app).await;
                made.outcome = made.call.clone().make(app).await;
            }
        }
        answers.take_in(&called);
        for Made { call, outcome, .. } in called {
            if let (Asked::TopUp(_) | Asked::PayOut(_), Ok(reply)) = (&call.asked, &outcome) {
                let view: serde_json::Value = serde_json::from_str(&reply.body).expect("JSON");
                let text = |member: &str| view[member].as_str().expect("a text");
                let amount = view["amount"].as_i64().expect("a number");
                let currency = text("currency").parse().expect("a currency");
                world.transfers.push((text("id").parse().expect("an id"), Money { amount, currency }));
            }
            if call.key.is_some() {
                world.calls.push(call);
            }
        }
        let report = app.read(|conn| Ok(ledger::verify(conn)?)).await.expect("it is added up");
        assert!(report.faults.is_empty(), "{:#?} after {acts:?}", report.faults);
    }
    assert_eq!(changes(app, &world).await, answers.changes, "what there is, and what was answered");
    let torn = "order_steps step WHERE version > 1 AND NOT EXISTS (SELECT 1 FROM order_steps before \
                WHERE before.order_id = step.order_id AND before.version = step.version - 1 \
                AND before.to_status = step.from_status)";
    assert_eq!(count(app, torn.to_owned()).await, 0, "steps that follow on no step");
    // What is still due is of no concern to other worlds.
    faults::sql(app, "DELETE FROM deadlines").await;
    answers
}

#[test]
fn whatever_is_done_at_once_and_however_it_ends_the_ledger_is_whole() {
    let system = actix_web::rt::System::new();
    let each = || {
        TestApp::each_with(|settings| {
            settings.money.provider = Some(Arc::new(Quick::default()));
            settings.dispatch.offers_at_once = 2;
        })
    };
    let apps: Vec<TestApp> = system.block_on(async { each().collect() });
    let config = ProptestConfig { cases: 22, failure_persistence: None, ..ProptestConfig::default() };
    let [number, repeated, reused, found] = [const { Cell::new(0) }; 4];
    let outcome = TestRunner::new(config).run(&prop::collection::vec(act(), 30..90), |acts| {
        number.set(number.get() + 1);
        for app in &apps {
            let answers = system.block_on(play(app, number.get(), &acts));
            repeated.set(repeated.get() + answers.repeated);
            reused.set(reused.get() + answers.reused);
            found.set(found.get() + answers.found);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(
        repeated.get() > 0 && reused.get() > 0 && found.get() > 0,
        "{repeated:?} calls were repeated, {reused:?} keys reused, {found:?} changes found that were not heard of"
    );
    for app in &apps {
        system.block_on(everything_was_tried(app));
    }
    system.block_on(async { drop(apps) });
}

/// Proves that what was done in an app was worth the while.
async fn everything_was_tried(app: &TestApp) {
    let made = app.read(|conn| Ok(ledger::count_by_kind(conn)?)).await.expect("counts");
    assert_eq!(made.len(), MovementKind::ALL.len(), "not every kind of movement was tried: {made:?}");
    for currency in [USD, euro()] {
        for account in ["wallet", "held", "earnings", "cash", "revenue", "provider", "payouts", "refunds"] {
            let rows = format!(
                "ledger_accounts WHERE kind = '{account}' AND currency = '{currency}' AND revision > 0"
            );
            assert!(count(app, rows).await > 0, "no {account} in {currency}");
        }
    }
    for status in ["accepted", "declined", "expired", "withdrawn", "taken"] {
        assert!(count(app, format!("offers WHERE status = '{status}'")).await > 0, "no offer was {status}");
    }
    for kind in ["dispatch", "offer", "no_partner", "complete"] {
        let count = |outcome| app.metrics().deadlines.with_label_values(&[kind, outcome]).get();
        assert!(count("done") > 0, "no {kind} was due");
        assert_eq!(count("failed"), 0, "{kind}");
    }
}
