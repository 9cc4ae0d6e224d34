//! Brings the tables up to date, once, however many processes start at the same time.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{Conn, DatabaseUrl, open};
use super::error::StoreError;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// How long another process may keep the file, which no request waits for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Names the advisory lock that migrating processes take on PostgreSQL: "waybill" in ASCII.
const LOCK: i64 = 0x77_61_79_62_69_6c_6c;

/// Runs what is pending, in one transaction: when one migration fails, none was made.
pub(super) fn run(url: &DatabaseUrl) -> Result<Vec<String>, StoreError> {
    let _lock = match url {
        DatabaseUrl::Sqlite(path) => Some(lock_beside(path)?),
        DatabaseUrl::Postgres(_) => None,
    };
    let mut conn = open(url, PATIENCE)?;
    match &mut conn {
        Conn::Sqlite(conn) => run_pending(conn, SQLITE),
        Conn::Postgres(conn) => {
            // However long another process takes to do the same.
            conn.batch_execute("SET lock_timeout = 0")?;
            // Released when the connection closes, also when this process is killed.
            diesel::sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(conn)?;
            conn.batch_execute("SET client_min_messages = warning")?;
            run_pending(conn, POSTGRES)
        }
    }
}

fn run_pending<DB, C>(conn: &mut C, migrations: EmbeddedMigrations) -> Result<Vec<String>, StoreError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB> + Connection,
{
    // Around all of it, Diesel's own table included: a failure leaves nothing of what was not there before.
    let run = conn.transaction(|conn| {
        let run = conn.run_pending_migrations(migrations);
        let run = run.map_err(|error| StoreError::Migration(error.to_string()))?;
        Ok::<_, StoreError>(run.iter().map(ToString::to_string).collect::<Vec<_>>())
    })?;
    for version in &run {
        log::info!("migrated the database to {version}");
    }
    Ok(run)
}

/// A lock file beside the database: SQLite's own locks do not span several migrations.
fn lock_beside(path: &Path) -> Result<File, StoreError> {
    let unavailable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(unavailable)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&name).map_err(unavailable)?;
    lock.lock().map_err(unavailable)?;
    make_private(path).map_err(unavailable)?;
    Ok(lock)
}

/// Makes a new database's file readable for its owner only: it holds password hashes. SQLite gives the same rights
/// to the files that it puts beside it.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;

    match File::options().create_new(true).write(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        // There already, with the rights that its owner has given it.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
