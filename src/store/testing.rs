//! Databases for tests: each test has one of its own, which goes with it.

use std::sync::Arc;
use std::time::Duration;

use diesel::RunQueryDsl;
use tempfile::TempDir;

use crate::domain::ids::UserId;
use crate::telemetry::Metrics;

use super::connection::open;
use super::{Conn, DatabaseUrl, Store, StoreSettings};

/// Names a PostgreSQL server on which tests may create databases, as a libpq URL.
const SERVER: &str = "WAYBILL_TEST_POSTGRES";
/// Names a database there that has its tables, and is copied, if there is one.
const TEMPLATE: &str = "WAYBILL_TEST_POSTGRES_TEMPLATE";

/// A database of its own that is removed when this is dropped.
pub(crate) enum TestDatabase {
    /// A file in a folder of its own.
    Sqlite(TempDir),
    /// A database on the server that the environment names.
    Postgres {
        /// Where databases are created.
        server: String,
        /// Its name.
        name: String,
    },
}

impl TestDatabase {
    /// One of each kind that can be had here: SQLite always, PostgreSQL when [`SERVER`] is set.
    pub(crate) fn each() -> Vec<Self> {
        let postgres = std::env::var(SERVER).ok().map(Self::postgres);
        std::iter::once(Self::sqlite()).chain(postgres).collect()
    }

    /// A file.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().expect("a folder"))
    }

    fn postgres(server: String) -> Self {
        let name = format!("waybill_test_{}", UserId::new().to_string().replace('-', ""));
        let template = std::env::var(TEMPLATE).unwrap_or_else(|_| "template1".into());
        run(&server, &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self::Postgres { server, name }
    }

    fn url(&self) -> DatabaseUrl {
        match self {
            Self::Sqlite(folder) => DatabaseUrl::Sqlite(folder.path().join("waybill.db")),
            Self::Postgres { server, name } => {
                let mut url = url::Url::parse(server).expect("a libpq URL");
                url.set_path(name);
                DatabaseUrl::Postgres(url.into())
            }
        }
    }

    /// A connection to it, as it is.
    pub(crate) fn connect(&self) -> Conn {
        open(&self.url(), Duration::from_secs(30)).expect("the database opens")
    }

    /// A connection to it, its tables made.
    pub(crate) fn connect_made(&self) -> Conn {
        super::migrate::run(&self.url()).expect("the tables are made");
        self.connect()
    }

    /// Opens it, its tables made.
    pub(crate) fn open(&self, metrics: &Arc<Metrics>) -> Store {
        self.open_with(Duration::from_secs(30), metrics)
    }

    /// The same, with a patience of one's own.
    pub(crate) fn open_with(&self, wait: Duration, metrics: &Arc<Metrics>) -> Store {
        let settings = StoreSettings { url: self.url(), connections: 8, wait };
        Store::open(&settings, Arc::clone(metrics)).expect("the database opens")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        match self {
            Self::Sqlite(_) => {}
            // Its pool may still hold connections.
            Self::Postgres { server, name } => run(server, &format!("DROP DATABASE {name} WITH (FORCE)")),
        }
    }
}

fn run(server: &str, statement: &str) {
    let mut conn = open(&DatabaseUrl::Postgres(server.into()), Duration::from_secs(30))
        .expect("the PostgreSQL server answers");
    diesel::sql_query(statement).execute(&mut conn).expect("the statement runs");
}
