//! Whatever several callers do to several inboxes at once, the counters stay exact and their events in order.
//!
//! What each caller does follows from a seed; how their transactions interleave is up to the database's
//! threads.

use actix_web::rt;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::domain::notification::{Channel, Choice, NotificationKind};

const USERS: usize = 3;
const CALLERS: u64 = 6;
const STEPS: usize = 25;
const ROUNDS: u64 = 4;

#[derive(Debug, Clone, Copy)]
enum Step {
    Add,
    AddToAll,
    AddAndFail,
    Read,
    ReadByTwo,
    ReadAll,
    Prefer(bool),
}

fn step(dice: &mut StdRng) -> Step {
    match dice.random_range(0..100) {
        0..35 => Step::Add,
        35..50 => Step::AddToAll,
        50..55 => Step::AddAndFail,
        55..70 => Step::Read,
        70..82 => Step::ReadByTwo,
        82..90 => Step::ReadAll,
        _ => Step::Prefer(dice.random()),
    }
}

async fn call(app: App, users: Vec<Principal>, mut dice: StdRng) {
    for _ in 0..STEPS {
        let who = users[dice.random_range(0..users.len())];
        let step = step(&mut dice);
        take(&app, &users, who, step, &mut dice).await;
    }
}

async fn take(app: &App, users: &[Principal], who: Principal, step: Step, dice: &mut StdRng) {
    match step {
        Step::Add => notify(app, who.user_id, confirmed()).await,
        Step::AddToAll => {
            // In any order: it is not the caller who sees to it that nobody waits in a circle.
            let from = dice.random_range(0..users.len());
            let order = users.iter().cycle().skip(from).take(users.len());
            let letters: Vec<_> = order.map(|user| (user.user_id, confirmed())).collect();
            app.write(move |tx| add_all(tx, letters)).await.expect("all notified");
        }
        Step::AddAndFail => {
            let failed = app.write(move |tx| {
                add(tx, who.user_id, &confirmed())?;
                Err::<(), _>(ServiceError::conflict("version_conflict", "no"))
            });
            assert!(matches!(failed.await, Err(ServiceError::Conflict { .. })));
        }
        Step::Read | Step::ReadByTwo => {
            let ids = ids(app, who, Filter::default()).await;
            if ids.is_empty() {
                return;
            }
            let id = ids[dice.random_range(0..ids.len())];
            let callers = if matches!(step, Step::ReadByTwo) { 2 } else { 1 };
            for left in join_all((0..callers).map(|_| mark_read(app, who, id))).await {
                assert!(left.expect("read") >= 0);
            }
        }
        Step::ReadAll => assert_eq!(mark_all_read(app, who).await.expect("all read"), 0),
        Step::Prefer(enabled) => {
            let kind = NotificationKind::OrderConfirmed;
            let choice = Choice { kind, channel: Channel::InApp, enabled };
            set_preferences(app, who, vec![choice]).await.expect("chosen");
        }
    }
}

async fn check(app: &App, who: Principal, seed: u64) {
    let unread = ids(app, who, Filter { unread: Some(true), ..Filter::default() }).await;
    let unread = i64::try_from(unread.len()).expect("not so many");
    let (count, revision) = counted(app, who).await;
    assert_eq!(count, unread, "seed {seed}: the counter is not what the rows say");

    let rows = outbox_rows(app).await;
    let told = counts(&rows, who.user_id);
    let revisions: Vec<i64> = told.iter().map(|(revision, _)| *revision).collect();
    assert_eq!(revisions, (1..=revision).collect::<Vec<_>>(), "seed {seed}: as they go out");
    if let Some((_, last)) = told.last() {
        assert_eq!(*last, json!(unread), "seed {seed}: what a client is left with");
    }

    let mut sent: Vec<EventId> = letters(&rows, who.user_id).into_iter().map(|(id, _)| id).collect();
    assert!(sent.is_sorted(), "seed {seed}: notifications go out in the order of their ids");
    sent.reverse();
    let stored = ids(app, who, Filter::default()).await.into_iter().map(EventId::from);
    assert_eq!(sent, stored.collect::<Vec<_>>(), "seed {seed}: what is stored is what goes out");
}

#[actix_web::test]
async fn counters_stay_exact_under_any_interleaving() {
    for app in TestApp::each() {
        for seed in 0..ROUNDS {
            let mut users = Vec::new();
            for _ in 0..USERS {
                users.push(app.user(Role::Customer).await);
            }
            let callers = (0..CALLERS).map(|caller| {
                let dice = StdRng::seed_from_u64(seed * CALLERS + caller);
                rt::spawn(call(App::clone(&app), users.clone(), dice))
            });
            for caller in join_all(callers).await {
                caller.expect("no caller fails");
            }
            for who in users {
                check(&app, who, seed).await;
            }
        }
    }
}
