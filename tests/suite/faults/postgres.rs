//! A PostgreSQL server of a test's own, which the test may kill.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, RunQueryDsl};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::support::TestDatabase;

/// The server. It listens on a socket in its folder and on no port.
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    server: Option<Child>,
}

impl Cluster {
    /// Makes an empty one and starts it. It does not wait for the disk: the machine itself does not crash here.
    pub fn start() -> Self {
        // A short path: that of a socket has 107 bytes at most.
        let folder = TempDir::with_prefix_in("pg-", "/tmp").expect("a folder");
        let mut cluster = Self { folder, programs: programs(), server: None };
        if let Some(owner) = owner() {
            chown(cluster.folder.path(), Some(owner), None)
                .expect("the folder is given to the server's user");
        }
        let mut initdb = cluster.command("initdb");
        initdb.args(["--username=waybill", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]);
        initdb.arg("--pgdata").arg(cluster.data());
        let output = initdb.output().expect("initdb runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        cluster.resume();
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program of PostgreSQL's, as a user that it agrees to run as: it does not run as root.
    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = match owner() {
            Some(owner) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={owner}"), "--clear-groups".into(), "--".into()]).arg(path);
                command
            }
            None => Command::new(path),
        };
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts it, for the first time or again, and waits until it answers.
    pub fn resume(&mut self) {
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        postgres.args([
            "-c",
            "listen_addresses=",
            "-c",
            "max_connections=60",
            "-c",
            "shared_buffers=16MB",
            "-c",
            "fsync=off",
        ]);
        let mut server = postgres.stderr(Stdio::piped()).spawn().expect("postgres starts");
        let begin = Instant::now();
        while let Err(error) = PgConnection::establish(&self.url("postgres")) {
            if server.try_wait().expect("its state is known").is_some() || begin.elapsed().as_secs() > 60 {
                let mut log = String::new();
                let _ = server.stderr.take().map(|mut stderr| stderr.read_to_string(&mut log));
                panic!("{error}: {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.server = Some(server);
    }

    /// Ends it without a good-bye to its clients, as a crash does: all its processes at once.
    pub fn crash(&mut self) {
        if let Some(mut server) = self.server.take() {
            let pid = i32::try_from(server.id()).ok().and_then(Pid::from_raw).expect("a process id");
            // The first process ends the others when it gets this, and then itself.
            kill_process(pid, Signal::QUIT).expect("it is there");
            server.wait().expect("it ends");
        }
    }

    /// An empty database on it.
    pub fn database(&self) -> TestDatabase {
        let name = format!("waybill_{}", uuid::Uuid::new_v4().simple());
        let server = self.url("postgres");
        let mut conn = PgConnection::establish(&server).expect("the server answers");
        diesel::sql_query(format!("CREATE DATABASE {name}")).execute(&mut conn).expect("it is made");
        TestDatabase::Postgres { server, name }
    }

    /// Has it take writes, or refuse them from now on, also on the connections that there are.
    pub fn take_writes(&self, takes: bool) {
        let mut conn = PgConnection::establish(&self.url("postgres")).expect("the server answers");
        for query in [
            format!("ALTER SYSTEM SET default_transaction_read_only = {}", if takes { "off" } else { "on" }),
            "SELECT pg_reload_conf()".into(),
        ] {
            diesel::sql_query("SET default_transaction_read_only = off")
                .execute(&mut conn)
                .expect("it is set");
            diesel::sql_query(query).execute(&mut conn).expect("it is done");
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://waybill@localhost/{database}?host={}", self.folder.path().display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Who is to run it, when we are root.
fn owner() -> Option<u32> {
    if !geteuid().is_root() {
        return None;
    }
    // Whoever owns PostgreSQL's own files, or nobody.
    let home = Path::new("/var/lib/postgresql").metadata().ok().map(|home| home.uid());
    Some(home.filter(|uid| *uid != 0).unwrap_or(65_534))
}

/// The newest PostgreSQL of the distribution's packages, or the one in the path.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .max();
    if let Some((_, bin)) = newest {
        return bin;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    found.expect("PostgreSQL is installed; make test does that")
}
