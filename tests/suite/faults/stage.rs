//! A database with users in it, and the program on it, as often as it is started.

use std::sync::Arc;

use actix_web::rt::task::spawn_blocking;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use waybill::store::{Conn, outbox};

use crate::support::process::{Ended, Process};
use crate::support::{TestApp, TestDatabase, TestUser};

/// The key of a back end that may publish.
pub const SERVICE_KEY: &str = "a-service-key-that-nobody-guesses";

/// Where the program plays.
pub struct Stage {
    folder: Arc<TempDir>,
    database: TestDatabase,
    settings: Vec<(String, String)>,
}

/// Who plays.
pub struct Cast {
    /// Place orders.
    pub customers: Vec<TestUser>,
    /// Carries them out.
    pub partner: TestUser,
    /// Gives them to the partner.
    pub admin: TestUser,
}

impl Stage {
    /// A database of the kind that this run is about.
    pub async fn new(customers: usize, settings: &[(&str, &str)]) -> (Self, Cast) {
        Self::on(TestDatabase::new(), customers, settings).await
    }

    /// A database that is given.
    pub async fn on(database: TestDatabase, count: usize, settings: &[(&str, &str)]) -> (Self, Cast) {
        // Nobody logs in anew, however long the test takes.
        let app = TestApp::start_on(database, &[("WAYBILL_ACCESS_LIFETIME_SECS", "604800")]).await;
        let mut customers = Vec::new();
        for _ in 0..count {
            customers.push(app.customer().await);
        }
        let cast = Cast { customers, partner: app.partner().await, admin: app.admin().await };
        let (database, stopped) = app.stop().await;
        stopped.expect("it stops in time");
        let service_keys = format!("tests:{SERVICE_KEY}");
        let usual = [
            ("WAYBILL_RATE_LIMITS", "off"),
            ("WAYBILL_FRAMES_PER_SECOND", "10000"),
            ("WAYBILL_SESSIONS_PER_USER", "10000"),
            ("WAYBILL_WORKERS", "1"),
            ("WAYBILL_ORDERS_IN_HAND", "1000"),
            ("WAYBILL_DRAIN_NOTICE_MS", "0"),
            ("WAYBILL_SERVICE_KEYS", service_keys.as_str()),
        ];
        let settings = usual.iter().chain(settings);
        let settings = settings.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        (Self { folder: Arc::new(TempDir::new().expect("a folder")), database, settings }, cast)
    }

    /// The database alone.
    pub fn into_database(self) -> TestDatabase {
        self.database
    }

    /// The database.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Starts the program and waits until it is ready.
    pub async fn serve(&self) -> Process {
        let folder = Arc::clone(&self.folder);
        let mut settings = self.settings.clone();
        settings.push(("DATABASE_URL".into(), self.database.url()));
        let process = spawn_blocking(move || {
            let settings: Vec<(&str, &str)> =
                settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            Process::serve(&folder, &settings)
        });
        process.await.expect("the program is ready")
    }
}

/// Kills it as nothing else can, and waits until it is gone.
pub async fn kill(process: Process) -> Ended {
    spawn_blocking(|| process.kill()).await.expect("it was killed")
}

/// Waits until it ends by itself.
pub async fn ended(process: Process) -> Ended {
    spawn_blocking(|| process.wait()).await.expect("it ended")
}

/// A connection past the server, to its database.
pub fn direct(database: &TestDatabase) -> Conn {
    let url = database.url();
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut conn = SqliteConnection::establish(path).expect("the file opens");
            conn.batch_execute("PRAGMA busy_timeout = 20000").expect("it is set");
            Conn::Sqlite(conn)
        }
        None => Conn::Postgres(PgConnection::establish(&url).expect("the database answers")),
    }
}

/// How many events wait to be published.
pub fn waiting(database: &TestDatabase) -> i64 {
    outbox::count(&mut direct(database)).expect("the outbox is read")
}
