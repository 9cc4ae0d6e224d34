//! What runs beside the requests: started in one order, stopped in the other.

use actix_web::rt::task::{JoinError, JoinHandle};
use futures_util::future::select_all;
use tokio::sync::oneshot;

use crate::jobs::{announcements, deadlines, pushes, transfers};
use crate::services::app::App;
use crate::services::notifications::run_recorder;
use crate::services::{alone, console, leadership, others, relay, tracking};

use super::ServerError;

/// The loops in the background of one server.
#[derive(Debug)]
pub(super) struct Background {
    tasks: Vec<Task>,
}

#[derive(Debug)]
struct Task {
    name: &'static str,
    stop: oneshot::Sender<()>,
    handle: JoinHandle<()>,
}

impl Background {
    /// Starts them all on the present thread. `is_shared`: whether other servers can be on the same database.
    pub(super) fn start(app: &App, is_shared: bool) -> Self {
        let mut background = Self { tasks: Vec::new() };
        if app.groups().has_bridge() {
            // Last of all: the relay of the last instance needs the lease to its end.
            background.add("the lease of the outbox", |stop| leadership::run(app.clone(), stop));
            background.add("what other instances say", |stop| others::run(app.clone(), stop));
        }
        if is_shared && !app.groups().has_bridge() {
            background.add("being the only server on the database", |stop| alone::run(app.clone(), stop));
        }
        // The relay stops after these: what they commit has to go out as well.
        background.add("the outbox relay", |stop| relay::run(app.clone(), stop));
        background.add("the delivery recorder", |stop| run_recorder(app.clone(), stop));
        // Before what still comes in, so that it is written after that.
        background.add("the trails of orders", |stop| tracking::run_trails(app.clone(), stop));
        background.add("the positions of partners", |stop| tracking::run_positions(app.clone(), stop));
        background.add("the tracking of partners", |stop| tracking::run(app.clone(), stop));
        background.add("what admins are told", |stop| console::run(app.clone(), stop));
        background.add("what admins are to look at", |stop| console::run_exceptions(app.clone(), stop));
        background.add("the sending of pushes", |stop| pushes::run(app.clone(), stop));
        background.add("announcements", |stop| announcements::run(app.clone(), stop));
        background.add("the deadlines", |stop| deadlines::run(app.clone(), stop));
        background.add("the asking after transfers of money", |stop| transfers::run(app.clone(), stop));
        background
    }

    fn add<F, R>(&mut self, name: &'static str, run: R)
    where
        R: FnOnce(Stop) -> F,
        F: Future<Output = ()> + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let handle = actix_web::rt::spawn(run(Stop(stopped)));
        self.tasks.push(Task { name, stop, handle });
    }

    /// Waits until one ends that was not told to.
    pub(super) async fn broken(&mut self) -> ServerError {
        let (_, index, _) = select_all(self.tasks.iter_mut().map(|task| &mut task.handle)).await;
        ServerError::Ended {
            part: self.tasks.get(index).map_or("a loop in the background", |task| task.name),
        }
    }

    /// Stops them one by one, each when it has done what waits.
    pub(super) async fn stop(self) {
        for Task { name, stop, handle } in self.tasks.into_iter().rev() {
            log::debug!("{name} is to stop");
            let was_running = stop.send(()).is_ok();
            let ended: Result<(), JoinError> = handle.await;
            if !was_running || ended.is_err() {
                log::error!("{name} ended early; what waits is done after the next start");
            }
        }
    }
}

/// Resolves when a loop is to stop: when it is told to, or when nobody is left to tell it.
struct Stop(oneshot::Receiver<()>);

impl Future for Stop {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[actix_web::test]
    async fn the_first_to_start_is_the_last_to_stop() {
        let stopped = Arc::new(Mutex::new(Vec::new()));
        let mut background = Background { tasks: Vec::new() };
        for name in ["first", "second", "third"] {
            let stopped = Arc::clone(&stopped);
            background.add(name, |stop| async move {
                stop.await;
                // The others must wait for whoever takes its time.
                tokio::task::yield_now().await;
                stopped.lock().expect("no panic").push(name);
            });
        }
        background.stop().await;
        assert_eq!(*stopped.lock().expect("no panic"), ["third", "second", "first"]);
    }

    #[actix_web::test]
    async fn one_that_ends_by_itself_is_named() {
        let mut background = Background { tasks: Vec::new() };
        background.add("the steady one", |stop| stop);
        background.add("the other one", |_| std::future::ready(()));
        assert_eq!(background.broken().await.to_string(), "the other one has ended");
    }
}
