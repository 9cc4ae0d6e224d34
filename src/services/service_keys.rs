//! Keys of other back ends that may publish: those of the setting and those in the database, each with the groups that it
//! is good for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::domain::group::GroupKey;
use crate::domain::group_pattern::GroupPattern;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::service_keys::{self as rows, ServiceKey};

use super::app::App;
use super::error::{Checks, ServiceError};

/// What keys begin with, so that they are known for what they are where they should not be.
const PREFIX: &str = "waybill_";
/// Random bytes of a key.
const BYTES: usize = 32;
/// Characters of a key: each three bytes are four of Base64.
const LENGTH: usize = PREFIX.len() + (BYTES * 4).div_ceil(3);
/// A use is noted when the last one that was is older.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// The same for a key of the setting, whose uses are noted in the log.
const LOGGED_EVERY: Duration = Duration::from_secs(3600);

/// When a use of each key of the setting was last put into the log, by the key's digest. These keys have no rows.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<HashMap<String, Timestamp>>);

impl Uses {
    /// Whether a use is to be put into the log now; then it counts as done.
    fn is_due(&self, digest: &str, now: Timestamp) -> bool {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = uses.get(digest).is_none_or(|at| *at <= now.before(LOGGED_EVERY));
        if is_due {
            // Grows by known keys only.
            uses.insert(digest.to_owned(), now);
        }
        is_due
    }
}

/// Another back end, whose key came with a call.
#[derive(Debug, Clone)]
pub struct Service {
    /// As it is named in the log.
    pub name: String,
    groups: Vec<GroupPattern>,
    is_of_setting: bool,
}

impl Service {
    /// Whose `Idempotency-Key`s its calls come with: those of a name, whatever key of it is used; but a name of the setting
    /// and one in the database may be two back ends.
    #[must_use]
    pub fn scope(&self) -> String {
        // No name in the database has white space.
        if self.is_of_setting { format!("setting {}", self.name) } else { self.name.clone() }
    }

    /// # Errors
    /// `Forbidden` with `group_not_allowed` unless its key is good for this group.
    pub fn may_publish(&self, group: GroupKey) -> Result<(), ServiceError> {
        if self.groups.iter().any(|pattern| pattern.holds(group)) {
            return Ok(());
        }
        Err(ServiceError::forbidden("group_not_allowed", format!("This key is not good for {group}.")))
    }
}

/// SHA-256, 64 lower-case hexadecimal digits. A fast hash is enough: 256 random bits cannot be guessed.
fn hash(key: &str) -> String {
    format!("{:x}", Sha256::digest(key))
}

/// Finds the back end that a key belongs to, and notes that it was used.
///
/// # Errors
/// `Unauthenticated`; the database's.
pub async fn authenticate(app: &App, key: Option<&str>) -> Result<Service, ServiceError> {
    let refused = || ServiceError::Unauthenticated {
        code: "service_key_invalid",
        detail: "Send a service key: Authorization: Bearer <key>.".into(),
    };
    let key = key.filter(|key| !key.is_empty()).ok_or_else(refused)?;
    // Digests are compared, of which nobody can steer a part: the time that it takes tells nothing of the key.
    let digest = hash(key);
    let mut of_setting = app.settings().service_keys.iter().zip(1..);
    if let Some((known, place)) = of_setting.find(|(known, _)| hash(&known.key) == digest) {
        if app.service_key_uses().is_due(&digest, Timestamp::now()) {
            log::info!("key {place} of WAYBILL_SERVICE_KEYS ({}) is in use", known.name);
        }
        return Ok(Service { name: known.name.clone(), groups: known.groups.clone(), is_of_setting: true });
    }
    // What was never given out is not looked up.
    if !key.starts_with(PREFIX) || key.len() != LENGTH {
        return Err(refused());
    }
    let found = app.read(move |conn| Ok(rows::find(conn, &digest)?)).await?;
    let now = Timestamp::now();
    let found = found.filter(|key| key.expires_at.is_none_or(|at| now < at)).ok_or_else(refused)?;
    let noted = now.before(NOTED_EVERY);
    if found.last_used_at.is_none_or(|at| at <= noted) {
        let hash = found.hash.clone();
        let note = app.write(move |tx| Ok(rows::note_use(tx.conn(), &hash, now, noted)?)).await;
        if let Err(error) = note {
            // The next use is noted as well.
            log::warn!("a use of the service key {} is not noted: {error}", found.name);
        }
    }
    Ok(Service { name: found.name, groups: found.groups, is_of_setting: false })
}

/// A key that is to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Whose.
    pub name: String,
    /// Where it may publish.
    pub groups: Vec<GroupPattern>,
    /// For how long it is good; for ever without it.
    pub lifetime: Option<Duration>,
}

/// A key as it is listed, without the key.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Whose.
    pub name: String,
    /// Where it may publish, with commas.
    pub groups: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
    /// From when on it is good for nothing.
    pub expires_at: Option<Timestamp>,
}

/// A key, and the row that it is known by.
fn make(new: NewKey) -> (String, ServiceKey) {
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; BYTES]>()));
    let created_at = Timestamp::now();
    let row = ServiceKey {
        hash: hash(&key),
        name: new.name,
        groups: new.groups,
        created_at,
        expires_at: new.lifetime.map(|lifetime| created_at.after(lifetime)),
        last_used_at: None,
    };
    (key, row)
}

/// Makes a key. It is given out here and never again.
///
/// # Errors
/// `Invalid`, also when there is one of this name; the database's.
pub async fn add(store: &Store, new: NewKey) -> Result<String, ServiceError> {
    let mut checks = Checks::default();
    checks.text("name", &new.name, 1..=64);
    if new.name.contains(char::is_whitespace) {
        checks.fail("name", "invalid", "expected no white space");
    }
    if new.groups.is_empty() {
        checks.fail("groups", "missing", "name the groups that it is good for");
    }
    checks.done()?;
    let (key, row) = make(new);
    store
        .write(move |conn| {
            rows::lock(conn, &row.name)?;
            if rows::insert(conn, &row)? {
                return Ok(key);
            }
            Err(ServiceError::invalid(
                "name",
                "invalid",
                "there is a key of this name: rotate it, or revoke it first",
            ))
        })
        .await
}

/// All keys.
///
/// # Errors
/// The database's.
pub async fn list(store: &Store) -> Result<Vec<Listed>, ServiceError> {
    let keys = store.read(|conn| rows::list(conn).map_err(ServiceError::from)).await?;
    let listed = |key: ServiceKey| {
        let groups: Vec<String> = key.groups.iter().map(ToString::to_string).collect();
        Listed {
            name: key.name,
            groups: groups.join(","),
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
        }
    };
    Ok(keys.into_iter().map(listed).collect())
}

/// Makes a key in the place of the present one of this name, which is good for `grace` longer. The new one may do the
/// same, and lasts as long as the old one was made to.
///
/// # Errors
/// `NotFound`; the database's.
pub async fn rotate(store: &Store, name: String, grace: Duration) -> Result<String, ServiceError> {
    store
        .write(move |conn| {
            let unknown = ServiceError::NotFound { what: "service key" };
            rows::lock(conn, &name)?;
            let Some(old) = rows::find_present(conn, &name)? else { return Err(unknown) };
            let lifetime = old.expires_at.map(|at| at.since(old.created_at));
            let (key, row) = make(NewKey { name, groups: old.groups, lifetime });
            let last = row.created_at.after(grace);
            let last = old.expires_at.map_or(last, |at| at.min(last));
            let is_replaced = rows::replace(conn, &old.hash, row.created_at, last)?;
            rows::remove(conn, &row.name, Some(row.created_at))?;
            if is_replaced && rows::insert(conn, &row)? { Ok(key) } else { Err(unknown) }
        })
        .await
}

/// Lets the keys of this name be good for nothing.
///
/// # Errors
/// `NotFound`; the database's.
pub async fn revoke(store: &Store, name: String) -> Result<(), ServiceError> {
    let removed = store
        .write(move |conn| {
            rows::lock(conn, &name)?;
            Ok::<_, ServiceError>(rows::remove(conn, &name, None)?)
        })
        .await?;
    if removed > 0 { Ok(()) } else { Err(ServiceError::NotFound { what: "service key" }) }
}
