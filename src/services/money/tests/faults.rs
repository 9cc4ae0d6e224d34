//! What is lost, late or in the way of a transfer: it is asked for again, and nobody is told what is not so.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::domain::geo::Place;
use crate::domain::order::{Item, PaymentMethod};

/// A provider that answers what is written down for it, and after that always that it is done.
#[derive(Debug, Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Answer, Unanswered>>>,
    /// Whom it was asked for.
    asked: Mutex<Vec<TransferId>>,
    /// Whose ledger cannot be had once it has answered.
    breaks: Mutex<Option<App>>,
}

impl Script {
    fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
        part.lock().expect("no panic")
    }

    fn is_to_answer(&self, answers: impl IntoIterator<Item = Result<Answer, Unanswered>>) {
        Self::lock(&self.answers).extend(answers);
    }

    fn times_asked(&self) -> usize {
        Self::lock(&self.asked).len()
    }
}

impl Provider for Arc<Script> {
    fn name(&self) -> &'static str {
        "test"
    }

    fn transfer(&self, instruction: Instruction) -> BoxFuture<'_, Result<Answer, Unanswered>> {
        Script::lock(&self.asked).push(instruction.id);
        let done = || Ok(Answer::Succeeded { reference: "done".into() });
        let answer = Script::lock(&self.answers).pop_front().unwrap_or_else(done);
        let broken = Script::lock(&self.breaks).take();
        async move {
            if let Some(app) = broken {
                sql(&app, "ALTER TABLE ledger_entries RENAME TO gone").await;
            }
            answer
        }
        .boxed()
    }
}

fn lost() -> Result<Answer, Unanswered> {
    Err(Unanswered("lost".into()))
}

fn taken() -> Result<Answer, Unanswered> {
    Ok(Answer::Pending { reference: "taken".into() })
}

/// An app of each kind, with a provider of its own.
fn each() -> Vec<(TestApp, Arc<Script>)> {
    let scripts = Mutex::new(Vec::new());
    let apps = TestApp::each_with(|settings| {
        let script = Arc::new(Script::default());
        settings.money.provider = Some(Arc::new(Arc::clone(&script)));
        Script::lock(&scripts).push(script);
    });
    let apps: Vec<TestApp> = apps.collect();
    apps.into_iter().zip(scripts.into_inner().expect("no panic")).collect()
}

pub(super) async fn sql(app: &App, text: impl Into<String>) {
    let text = text.into();
    let done = app.write(move |tx| {
        diesel::sql_query(text).execute(tx.conn()).map_err(StoreError::from)?;
        Ok(())
    });
    done.await.expect("it is done");
}

fn key() -> Idempotency {
    Idempotency::new("somebody", "k".into(), "POST /", b"{}")
}

/// Fills a wallet, and tells how that stands.
async fn fill(app: &App, who: Principal, key: Option<Idempotency>) -> String {
    let reply = top_up(app, who, NewTopUp { amount: 500, currency: USD }, key).await.expect("an answer");
    assert_eq!(reply.status, 201);
    let view: serde_json::Value = serde_json::from_str(&reply.body).expect("JSON");
    view["status"].as_str().expect("a status").to_owned()
}

async fn held(app: &App, who: Principal) -> i64 {
    wallet(app, who, USD).await.expect("a wallet").balance
}

fn in_seconds(seconds: u64) -> Timestamp {
    Timestamp::now().after(Duration::from_secs(seconds))
}

#[actix_web::test]
async fn once_the_provider_has_moved_money_nobody_is_told_that_nothing_was_changed() {
    for (app, script) in each() {
        let who = app.user(Role::Customer).await;
        *Script::lock(&script.breaks) = Some(app.clone());
        assert_eq!(fill(&app, who, Some(key())).await, "pending");
        sql(&app, "ALTER TABLE gone RENAME TO ledger_entries").await;
        assert_eq!(held(&app, who).await, 0);
        assert_eq!(fill(&app, who, Some(key())).await, "succeeded", "the answer was not kept");
        assert_eq!((held(&app, who).await, script.times_asked()), (500, 2));
    }
}

#[actix_web::test]
async fn what_the_provider_has_taken_and_told_no_end_of_is_asked_for_ever_more_seldom() {
    for (app, script) in each() {
        let who = app.user(Role::Customer).await;
        script.is_to_answer([taken(), taken()]);
        let early = in_seconds(599);
        for _ in 0..2 {
            assert_eq!(fill(&app, who, Some(key())).await, "pending");
        }
        for (by, times) in [(early, 1), (in_seconds(601), 2), (in_seconds(1199), 2), (in_seconds(1201), 3)] {
            resume(&app, by).await.expect("asked");
            assert_eq!(script.times_asked(), times);
        }
        assert_eq!(fill(&app, who, Some(key())).await, "succeeded");
        resume(&app, in_seconds(7 * 86_400)).await.expect("asked");
        assert_eq!((held(&app, who).await, script.times_asked()), (500, 3));
    }
}

#[actix_web::test]
async fn a_transfer_that_fails_each_time_keeps_no_other_waiting() {
    for (app, script) in each() {
        let (full, other) = (app.user(Role::Customer).await, app.user(Role::Customer).await);
        fill(&app, full, None).await;
        let most = i64::MAX;
        sql(&app, format!("UPDATE ledger_accounts SET balance = {most} WHERE owner = '{}'", full.user_id))
            .await;
        script.is_to_answer([lost(), lost()]);
        for who in [full, other] {
            assert_eq!(fill(&app, who, None).await, "pending");
        }
        for _ in 0..2 {
            resume(&app, in_seconds(61)).await.expect("it goes on");
            assert_eq!((held(&app, full).await, held(&app, other).await), (most, 500));
            assert_eq!(script.times_asked(), 5, "three calls, and each once more");
        }
    }
}

#[actix_web::test]
async fn that_a_refusal_cannot_be_noted_does_not_hide_it() {
    for (app, _) in each() {
        let who = app.user(Role::Customer).await;
        sql(&app, "ALTER TABLE notifications RENAME TO gone").await;
        let place = || Place { latitude: 1.0, longitude: 1.0, address: "here".into() };
        let new = NewOrder {
            pickup: place(),
            dropoff: place(),
            items: vec![Item { name: "soup".into(), quantity: 1, unit_price: 100 }],
            currency: None,
            payment_method: Some(PaymentMethod::Wallet),
            notes: None,
        };
        let refused = orders::place(&app, who, new, None).await.expect_err("there is nothing to pay with");
        assert_eq!(refused.code(), "insufficient_funds");
    }
}
