//! Connections to the two databases, and transactions on them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::r2d2::{HandleError, ManageConnection, PooledConnection, R2D2Connection};
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryResult, RunQueryDsl, SqliteConnection};

use super::error::StoreError;

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// The embedded one.
    Sqlite(SqliteConnection),
    /// The one for several instances.
    Postgres(PgConnection),
}

/// Where the database is: `sqlite://path/to/file.db` or `postgres://user:password@host/name`.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A libpq connection URL.
    Postgres(String),
}

/// Text that was meant as a database URL and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected sqlite://path/to/file.db or postgres://user:password@host/name")]
pub struct InvalidDatabaseUrl;

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        match text.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() && path != ":memory:" => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => Ok(Self::Postgres(text.into())),
            Some(_) | None => Err(InvalidDatabaseUrl),
        }
    }
}

/// Without the password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(text) => match url::Url::parse(text) {
                Ok(mut url) => {
                    if url.password().is_some() && url.set_password(Some("***")).is_err() {
                        return f.write_str("postgres://…");
                    }
                    // A password may also stand in the query: `?password=…`.
                    if url.query().is_some_and(|query| query.contains("password")) {
                        url.set_query(Some("…"));
                    }
                    f.write_str(url.as_str())
                }
                Err(_) => f.write_str("postgres://…"),
            },
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A transaction that says nothing for so long is given up by PostgreSQL: the host may be gone without a word, and what it
/// had locked would stay so until TCP notices, which takes hours.
const ABANDONED: Duration = Duration::from_secs(30);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Reading,
    All,
}

/// Opens a connection that may write.
pub(super) fn open(url: &DatabaseUrl, wait: Duration) -> Result<Conn, StoreError> {
    connect(url, Use::All, wait).map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn connect(url: &DatabaseUrl, purpose: Use, wait: Duration) -> Result<Conn, diesel::r2d2::Error> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let mut conn =
                SqliteConnection::establish(&file_uri(path)).map_err(diesel::r2d2::Error::ConnectionError)?;
            // The busy timeout first: the others may have to wait.
            let busy_timeout = format!("PRAGMA busy_timeout = {}", wait.as_millis());
            for pragma in [
                busy_timeout.as_str(),
                "PRAGMA journal_mode = WAL",
                // NORMAL loses the last commits at a power cut.
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA cache_size = -16000",
                "PRAGMA temp_store = MEMORY",
            ] {
                conn.batch_execute(pragma).map_err(diesel::r2d2::Error::QueryError)?;
            }
            if purpose == Use::Reading {
                conn.batch_execute("PRAGMA query_only = ON").map_err(diesel::r2d2::Error::QueryError)?;
            }
            Ok(Conn::Sqlite(conn))
        }
        DatabaseUrl::Postgres(url) => {
            let mut conn = PgConnection::establish(url).map_err(diesel::r2d2::Error::ConnectionError)?;
            // Who waits for what such a one has locked does not keep a connection for as long: others need it.
            let (abandoned, wait) = (ABANDONED.as_millis(), wait.as_millis());
            let bounds =
                format!("SET idle_in_transaction_session_timeout = {abandoned}; SET lock_timeout = {wait}");
            conn.batch_execute(&bounds).map_err(diesel::r2d2::Error::QueryError)?;
            Ok(Conn::Postgres(conn))
        }
    }
}

fn file_uri(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A pooled connection and when it was last used.
pub(super) struct Idle {
    conn: Conn,
    used_at: Instant,
}

impl Idle {
    /// Whether it can be used. A connection that lay idle may have been dropped by the other side.
    pub(super) fn is_fit(&mut self) -> bool {
        self.used_at.elapsed() < Duration::from_secs(1) || self.conn.ping().is_ok()
    }
}

/// Makes pooled connections. Its own, since Diesel's tries the variants of `Conn` in turn and SQLite takes
/// any text as a path.
#[derive(Debug)]
pub(super) struct Manager {
    url: DatabaseUrl,
    purpose: Use,
    wait: Duration,
}

impl Manager {
    pub(super) fn readers(url: DatabaseUrl, wait: Duration) -> Self {
        let purpose = match &url {
            DatabaseUrl::Sqlite(_) => Use::Reading,
            DatabaseUrl::Postgres(_) => Use::All,
        };
        Self { url, purpose, wait }
    }
}

impl ManageConnection for Manager {
    type Connection = Idle;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Idle, Self::Error> {
        Ok(Idle { conn: connect(&self.url, self.purpose, self.wait)?, used_at: Instant::now() })
    }

    fn is_valid(&self, idle: &mut Idle) -> Result<(), Self::Error> {
        idle.conn.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, idle: &mut Idle) -> bool {
        std::thread::panicking() || R2D2Connection::is_broken(&mut idle.conn)
    }
}

/// A connection out of the pool.
pub(super) struct Pooled<'pool> {
    conn: PooledConnection<Manager>,
    pool: std::marker::PhantomData<&'pool ()>,
}

impl Pooled<'_> {
    pub(super) fn new(conn: PooledConnection<Manager>) -> Self {
        Self { conn, pool: std::marker::PhantomData }
    }

    pub(super) fn get(&mut self) -> &mut Conn {
        self.conn.used_at = Instant::now();
        &mut self.conn.conn
    }
}

/// Puts the pool's troubles into the log at a level that fits: the failing job is reported on its own.
#[derive(Debug)]
pub(super) struct LogErrors;

impl<E: std::error::Error> HandleError<E> for LogErrors {
    fn handle_error(&self, error: E) {
        log::debug!("database connection: {error}");
    }
}

/// Runs `job` in a transaction. On SQLite it is one that writes from its beginning, since one that begins
/// by reading fails when another has written meanwhile, whatever the busy timeout.
pub(super) fn transaction<T, E>(conn: &mut Conn, job: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E>
where
    E: From<StoreError>,
{
    begin(conn)?;
    match job(conn) {
        Ok(value) => {
            commit(conn)?;
            Ok(value)
        }
        Err(error) => {
            if let Err(error) = roll_back(conn) {
                // The connection is discarded as broken; the transaction ends with it.
                log::debug!("roll-back: {error}");
            }
            Err(error)
        }
    }
}

/// Runs `job`, which only reads, on the data as they are when it begins, whatever others change meanwhile.
pub(crate) fn at_one_moment<T, E>(
    conn: &mut Conn,
    job: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<StoreError>,
{
    match conn {
        // A transaction that only reads sees one state; it does not keep others from writing.
        Conn::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN DEFERRED"),
        Conn::Postgres(conn) => AnsiTransactionManager::begin_transaction_sql(
            conn,
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        ),
    }
    .map_err(StoreError::from)?;
    let outcome = job(conn);
    roll_back(conn)?;
    outcome
}

pub(super) fn begin(conn: &mut Conn) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE"),
        Conn::Postgres(conn) => AnsiTransactionManager::begin_transaction(conn),
    }
    .map_err(StoreError::from)
}

pub(super) fn commit(conn: &mut Conn) -> Result<(), StoreError> {
    <Conn as Connection>::TransactionManager::commit_transaction(conn).map_err(StoreError::from)
}

pub(super) fn roll_back(conn: &mut Conn) -> Result<(), StoreError> {
    <Conn as Connection>::TransactionManager::rollback_transaction(conn).map_err(StoreError::from)
}

/// Makes others who lock the same name wait until this transaction has ended. SQLite has one writer at a time and needs no
/// lock.
pub(super) fn lock_name(conn: &mut Conn, name: String) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(conn) => {
            diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                .bind::<Text, _>(name)
                .execute(conn)?;
            Ok(())
        }
    }
}

pub(super) fn probe(conn: &mut Conn) -> Result<(), StoreError> {
    conn.ping().map_err(StoreError::from)
}

/// Writes, and not only takes the lock for it: a full disk shows itself by nothing less. The row is among the
/// tickets, since those are purged; no ticket has such an id.
pub(super) fn probe_writing(conn: &mut Conn) -> Result<(), StoreError> {
    let written: QueryResult<usize> = diesel::sql_query(
        "INSERT INTO used_tickets (jti, expires_at) VALUES ('readiness', 0) \
         ON CONFLICT (jti) DO UPDATE SET expires_at = used_tickets.expires_at + 1",
    )
    .execute(conn);
    written.map(|_| ()).map_err(StoreError::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_of_two_databases() {
        assert_eq!("sqlite://data/waybill.db".parse(), Ok(DatabaseUrl::Sqlite("data/waybill.db".into())));
        assert_eq!("sqlite:///var/w.db".parse(), Ok(DatabaseUrl::Sqlite("/var/w.db".into())));
        assert!(matches!("postgres://h/n".parse(), Ok(DatabaseUrl::Postgres(_))));
        for text in ["", "data/waybill.db", "mysql://h/n", "sqlite://", "sqlite://:memory:", "postgres://"] {
            assert_eq!(text.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl), "{text}");
        }
    }

    #[test]
    fn a_url_shows_without_its_password() {
        for text in ["postgres://u:hunter2@h/n", "postgres://h/n?password=hunter2&user=u"] {
            let url: DatabaseUrl = text.parse().expect("a URL");
            assert!(!format!("{url} {url:?}").contains("hunter2"));
        }
    }
}
