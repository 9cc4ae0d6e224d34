//! Asks a routing back end with OSRM's HTTP interface how long a way is. Nothing waits for it: without an answer in time
//! the built-in estimate is told, and an answer that comes later is used from then on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Semaphore;
use url::Url;

use crate::domain::eta::Route;
use crate::services::app::App;

use super::live::Question;
use super::pass;

/// The estimate is told unless the answer is there by then: within 50 ms in all, with what it takes to keep the promise.
const SOON: Duration = Duration::from_millis(25);
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(2);
/// After so many failures in a row the back end is left alone for a while.
const FAILURES: u32 = 3;
/// For so long.
const REST: Duration = Duration::from_secs(10);
/// So many questions at once.
const AT_ONCE: usize = 64;
/// The largest answer, bytes: one route without its line is a few hundred.
const MAX_ANSWER: usize = 256 * 1024;

/// Codes that say that there is no way, or no street near one of the places: with status 400.
const NO_WAY: [&str; 2] = ["NoRoute", "NoSegment"];

/// The way to the back end.
#[derive(Debug, Clone)]
pub(super) struct Routing {
    base: String,
    client: reqwest::Client,
    turns: Arc<Semaphore>,
    breaker: Arc<Mutex<Breaker>>,
}

#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    rests_until: Option<Instant>,
}

/// As much of the answer as is needed.
#[derive(Debug, Deserialize)]
struct Answer {
    code: String,
    #[serde(default)]
    routes: Vec<AnsweredRoute>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct AnsweredRoute {
    distance: f64,
    duration: f64,
}

impl Routing {
    pub(super) fn new(base: &Url) -> Self {
        Self {
            base: base.as_str().trim_end_matches('/').to_owned(),
            client: reqwest::Client::new(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            breaker: Arc::default(),
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may be asked at the moment.
    fn is_resting(&self) -> bool {
        self.breaker().rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// The back end's answer, if there is one that can be true.
    async fn find(&self, question: &Question) -> Option<Route> {
        if self.is_resting() {
            return None;
        }
        let _turn = self.turns.try_acquire().ok()?;
        let found = tokio::time::timeout(PATIENCE, self.fetch(question)).await;
        let found = found.unwrap_or_else(|_| Err("it takes too long".into()));
        let mut breaker = self.breaker();
        match found {
            Ok(route) => {
                *breaker = Breaker::default();
                route
            }
            Err(problem) => {
                breaker.failures += 1;
                if breaker.failures >= FAILURES {
                    breaker.rests_until = Some(Instant::now() + REST);
                    log::warn!("the routing back end is left alone for {REST:?}: {problem}");
                }
                None
            }
        }
    }

    /// What it says: none where it knows of no way, which is no fault of its own.
    async fn fetch(&self, question: &Question) -> Result<Option<Route>, String> {
        let Question { from, to, .. } = question;
        let url = format!(
            "{}/route/v1/driving/{:.6},{:.6};{:.6},{:.6}?overview=false",
            self.base, from.longitude, from.latitude, to.longitude, to.latitude
        );
        let mut answer = self.client.get(url).send().await.map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| error.to_string())? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err("its answer is too long".into());
            }
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        if NO_WAY.contains(&answer.code.as_str()) {
            return Ok(None);
        }
        let route = answer.routes.first().filter(|_| answer.code == "Ok");
        let AnsweredRoute { distance, duration } =
            *route.ok_or_else(|| format!("its answer has the code {:?}", answer.code))?;
        Route::plausible(distance, duration, from.distance(*to))
            .map(Some)
            .ok_or_else(|| format!("{distance} m in {duration} s cannot be"))
    }
}

/// Asks all of this, beside whatever else is going on.
pub(super) fn ask(app: &App, questions: Vec<Question>) {
    let Some(routing) = &app.tracking().routing else { return };
    for question in questions {
        let (app, routing) = (app.clone(), routing.clone());
        actix_web::rt::spawn(async move {
            let mut found = std::pin::pin!(routing.find(&question));
            let route = match tokio::time::timeout(SOON, &mut found).await {
                Ok(route) => route,
                Err(_) => {
                    pass::expect(&app, vec![question.order_id]).await;
                    found.await
                }
            };
            if let Some(route) = route {
                app.last_seen().set_route(&question, route, Instant::now());
            }
            pass::expect(&app, vec![question.order_id]).await;
        });
    }
}
