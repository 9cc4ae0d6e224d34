//! kill -9 at any moment: between a commit and its publication, in the middle of an answer, while clients come
//! back from the kill before.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix_web::rt::spawn;
use futures_util::FutureExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::caller::Caller;
use super::listener::{Goal, Listener};
use super::stage::{Stage, kill, waiting};
use super::writer::{Writer, check_answers, state_of};

const KILLS: usize = 200;
/// The longest that the server is left in peace once it has taken a write.
const PEACE: Duration = Duration::from_millis(100);
/// The longest that a listener keeps its connection, so that some come back to a server that lives.
const STAY: Duration = Duration::from_millis(300);

/// Between the one who kills and those who write.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rings with each write that was answered.
    pub written: Notify,
    /// Whether writers are to finish.
    pub done: Cell<bool>,
}

#[actix_web::test]
async fn what_was_answered_stands_and_reaches_everybody_through_200_kills() {
    let seed = std::env::var("WAYBILL_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| rand::rng().random());
    eprintln!("WAYBILL_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (stage, cast) = Stage::new(4, &[]).await;

    let (tell, whereabouts) = watch::channel(None);
    let progress = Rc::new(Progress::default());
    let (mut writers, mut listeners) = (Vec::new(), Vec::new());
    for customer in &cast.customers {
        let (told, orders) = mpsc::unbounded_channel();
        let (set_goal, goal) = watch::channel(None);
        let listener = Listener::new(customer, rng.random(), whereabouts.clone(), orders, goal, STAY);
        listeners.push((set_goal, spawn(listener.follow())));
        let writer = Writer::new(customer, &cast, whereabouts.clone(), Rc::clone(&progress), told);
        writers.push(spawn(writer.work()));
    }
    let (_no_orders, none) = mpsc::unbounded_channel();
    let (set_partner_goal, goal) = watch::channel(None);
    let listener = Listener::new(&cast.partner, rng.random(), whereabouts.clone(), none, goal, STAY);
    let partner_listener = spawn(listener.follow());

    let begin = Instant::now();
    let (mut process, mut looks, mut left_behind) = (stage.serve().await, 0, 0);
    for round in 0..KILLS {
        // A write of before the kill proves nothing about this server.
        let _ = progress.written.notified().now_or_never();
        tell.send_replace(Some(process.address));
        timeout(Duration::from_secs(20), progress.written.notified()).await.expect("it takes writes again");
        sleep(PEACE.mul_f64(rng.random_range(0.0..1.0))).await;
        tell.send_replace(None);
        kill(process).await;
        // Not each time: looking tidies up what the server has to find its way through.
        if round % 4 == 0 {
            looks += 1;
            left_behind += usize::from(waiting(stage.database()) > 0);
        }
        process = stage.serve().await;
    }
    eprintln!("{KILLS} kills in {:?}; {left_behind} of {looks} left events behind", begin.elapsed());
    let address = process.address;
    tell.send_replace(Some(address));
    progress.done.set(true);

    let caller = Caller::new();
    let mut partner_goal = Goal::default();
    for ((writer, customer), (set_goal, _)) in writers.into_iter().zip(&cast.customers).zip(&listeners) {
        let answered = writer.await.expect("the writer worked to the end");
        let state = state_of(&caller, address, customer).await;
        check_answers(&caller, address, customer, &answered, &state).await;
        partner_goal.orders.extend(state.orders.clone());
        set_goal.send_replace(Some(state));
    }
    set_partner_goal.send_replace(Some(partner_goal));
    let mut recovered = 0;
    for (_, listener) in listeners.into_iter().chain([(set_partner_goal, partner_listener)]) {
        let figures = timeout(Duration::from_secs(60), listener).await.expect("everything has arrived");
        let figures = figures.expect("nothing came out of order");
        eprintln!("{figures:?}");
        recovered += figures.recovered;
    }
    assert!(recovered > 0, "nobody came back to a server that was still there");
    assert!(left_behind > 0, "no kill hit the gap between commit and publication");
}
