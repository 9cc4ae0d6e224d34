//! Reading through the public interface what has to be there, however long it takes.

use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::person::Person;
use super::trouble::Trouble;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a call is tried that the server is too busy for, or that has no answer.
pub const TRIED: Duration = Duration::from_secs(120);

/// A page of a list.
#[derive(Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins.
    next_cursor: Option<String>,
}

/// Reads, and tries again where the server is too busy or the network broke.
pub async fn get<T: DeserializeOwned>(person: &Person, path: &str) -> Result<T, Trouble> {
    let begin = Instant::now();
    loop {
        match person.get(path).await {
            Err(trouble) if trouble.passes() && begin.elapsed() < TRIED => sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

/// Reads a list to its end.
pub async fn all<T: DeserializeOwned>(person: &Person, path: &str) -> Result<Vec<T>, Trouble> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let first = format!("{path}{separator}limit=200");
    let mut found = Vec::new();
    let mut next = first.clone();
    loop {
        let page: Page<T> = get(person, &next).await?;
        found.extend(page.items);
        match page.next_cursor {
            Some(cursor) => next = format!("{first}&cursor={cursor}"),
            None => return Ok(found),
        }
    }
}
