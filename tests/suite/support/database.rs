//! A database for each test: SQLite, or PostgreSQL when `WAYBILL_TEST_DATABASE` says so.

use diesel::{Connection, PgConnection, RunQueryDsl};
use tempfile::TempDir;
use uuid::Uuid;

/// A database of its own that is removed when this is dropped.
pub enum TestDatabase {
    /// A file in a folder of its own.
    Sqlite(TempDir),
    /// A database on the server that `WAYBILL_TEST_POSTGRES` names.
    Postgres {
        /// Where databases are created, as a libpq URL.
        server: String,
        /// Its name.
        name: String,
    },
}

impl TestDatabase {
    /// One of the kind that this run is about. On PostgreSQL with its tables, where `WAYBILL_TEST_POSTGRES_TEMPLATE` names a
    /// database to copy.
    pub fn new() -> Self {
        Self::from_template(std::env::var("WAYBILL_TEST_POSTGRES_TEMPLATE").ok().as_deref())
    }

    /// One of the kind that this run is about, without any table.
    pub fn empty() -> Self {
        Self::from_template(None)
    }

    fn from_template(template: Option<&str>) -> Self {
        match std::env::var("WAYBILL_TEST_DATABASE").as_deref() {
            Ok("postgres") => {
                let server = std::env::var("WAYBILL_TEST_POSTGRES");
                Self::postgres(
                    server.expect("WAYBILL_TEST_POSTGRES names a server; tests/services starts one"),
                    template.unwrap_or("template1"),
                )
            }
            Ok("sqlite") | Err(_) => Self::Sqlite(TempDir::new().expect("a folder")),
            Ok(other) => panic!("WAYBILL_TEST_DATABASE is sqlite or postgres, not {other}"),
        }
    }

    fn postgres(server: String, template: &str) -> Self {
        let name = format!("waybill_test_{}", Uuid::new_v4().simple());
        run(&server, &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self::Postgres { server, name }
    }

    /// Its `DATABASE_URL`.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}", folder.path().join("waybill.db").display()),
            Self::Postgres { server, name } => {
                let mut url = url::Url::parse(server).expect("a libpq URL");
                url.set_path(name);
                url.into()
            }
        }
    }

    /// What its servers put before everything in Redis, if they are to use it: with PostgreSQL they do, so that all tests
    /// are about both ways.
    pub fn redis(&self) -> Option<(String, String)> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres { name, .. } => {
                let url = std::env::var("WAYBILL_TEST_REDIS");
                Some((
                    url.expect("WAYBILL_TEST_REDIS names a server; tests/services starts one"),
                    name.clone(),
                ))
            }
        }
    }

    /// Whether several servers may share it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        match self {
            Self::Sqlite(_) => {}
            // A server that was not stopped still holds connections.
            Self::Postgres { server, name } => run(server, &format!("DROP DATABASE {name} WITH (FORCE)")),
        }
    }
}

fn run(server: &str, statement: &str) {
    let mut conn = PgConnection::establish(server).expect("the PostgreSQL server answers");
    diesel::sql_query(statement).execute(&mut conn).expect("the statement runs");
}
