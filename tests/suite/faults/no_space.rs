//! No more space, and files that may not be written.
//!
//! A limit on the size of files works for every user and can be lifted while the program runs. A full file
//! system is another error of the kernel's and another path through SQLite, so that is tried too where we may
//! mount one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use actix_web::rt::task::spawn_blocking;
use rustix::process::{Pid, Resource, Rlimit, geteuid, prlimit};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::caller::{Call, Caller};
use super::stage::{Cast, Stage, kill};
use super::writer::{Answered, check_answers, state_of};
use crate::support::process::{Process, run, waybill};
use crate::support::{Socket, TestApp, TestDatabase, an_order};

/// Takes all space away, and gives it back.
trait Shortage {
    fn begin(&self, process: &Process);
    fn end(&self, process: &Process);
}

/// No file may grow past its first byte. A write that would do so is answered with SIGXFSZ and EFBIG.
struct NoLargeFiles;

impl NoLargeFiles {
    fn set(process: &Process, bytes: Option<u64>) {
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(pid, Resource::Fsize, limit).expect("the limit is set");
    }
}

impl Shortage for NoLargeFiles {
    fn begin(&self, process: &Process) {
        Self::set(process, Some(1));
    }

    fn end(&self, process: &Process) {
        Self::set(process, None);
    }
}

/// A small file system of its own that is filled to the last byte.
struct FullDisk {
    mount: PathBuf,
}

impl FullDisk {
    /// One that can be mounted by whoever runs this, if any.
    fn mounted_at(mount: &Path) -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=8m", "waybill-test"]).arg(mount);
        let is_mounted = command.output().is_ok_and(|output| output.status.success());
        is_mounted.then(|| Self { mount: mount.into() })
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }
}

impl Shortage for FullDisk {
    fn begin(&self, _: &Process) {
        let mut ballast = std::fs::File::create(self.ballast()).expect("a file");
        let error = std::io::copy(&mut std::io::repeat(0), &mut ballast).expect_err("it is full some time");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    fn end(&self, _: &Process) {
        std::fs::remove_file(self.ballast()).expect("it goes");
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.mount).status();
        assert!(std::thread::panicking() || unmounted.is_ok_and(|status| status.success()));
    }
}

#[actix_web::test]
async fn without_space_writes_are_refused_whole_reads_go_on_and_it_heals_by_itself() {
    let database = TestDatabase::Sqlite(TempDir::new().expect("a folder"));
    outlast(database, &NoLargeFiles).await;
}

#[actix_web::test]
async fn a_full_disk_is_outlasted_as_well() {
    let folder = TempDir::new().expect("a folder");
    match FullDisk::mounted_at(folder.path()) {
        Some(disk) => outlast(TestDatabase::Sqlite(folder), &disk).await,
        // Nobody but root may mount one. The limit on files takes its place: again, but from the very first write.
        None => outlast(TestDatabase::Sqlite(folder), &NoLargeFiles).await,
    }
}

async fn outlast(database: TestDatabase, shortage: &impl Shortage) {
    let (stage, cast) = Stage::on(database, 1, &[]).await;
    let (customer, caller) = (&cast.customers[0], Caller::new());
    let process = stage.serve().await;
    let address = process.address;
    let mut answered = Answered::new();
    let mut screen = listen(&process, &cast).await;
    for _ in 0..3 {
        place(&caller, &process, &cast, &mut answered).await;
    }
    let before = state_of(&caller, address, customer).await;

    shortage.begin(&process);
    let (id, version) = before.orders.first_key_value().expect("an order");
    let calls = [
        Call::post(&customer.token, "/orders", an_order()),
        Call::post(&customer.token, format!("/orders/{id}/transitions"), json!({"to": "cancelled"})),
        Call::post(&customer.token, "/notifications/read_all", json!({})),
    ];
    // A last page may still have had room, so the first ones may be taken: until one is refused.
    let mut refused = 0;
    for round in 0..500 {
        for call in &calls {
            let call = call.clone().anew();
            let (status, body) = caller.once(address, &call).await.expect("an answer");
            match status {
                503 => {
                    assert_eq!(body["code"], "unavailable", "{body}");
                    refused += 1;
                }
                200 | 201 if round < 400 => {}
                _ => panic!("{status} {body}"),
            }
        }
        if refused >= 9 {
            break;
        }
    }
    assert!(refused >= 9, "writes are still taken");
    assert_eq!(caller.page(address, "/readyz").await.0, 503);
    assert_eq!(caller.page(address, "/healthz").await.0, 200);
    let meanwhile = state_of(&caller, address, customer).await;
    let again = state_of(&caller, address, customer).await;
    assert_eq!(meanwhile.orders, again.orders, "reads agree with one another");
    assert!(meanwhile.orders[id] >= *version);
    screen.so_far().await;

    shortage.end(&process);
    let healed = caller.until_status(address, "/readyz", 200);
    timeout(Duration::from_secs(20), healed).await.expect("it heals by itself");
    let healed = state_of(&caller, address, customer).await;
    assert_eq!(healed.orders, meanwhile.orders, "what was refused was not done after all");
    assert_eq!(healed.notifications, meanwhile.notifications);
    for id in healed.orders.keys() {
        answered.entry(id.clone()).or_default();
    }
    let placed = place(&caller, &process, &cast, &mut answered).await;
    let awaited = |frame: &serde_json::Value| {
        frame["type"] == "order_update" && frame["update"]["order_id"] == placed.as_str()
    };
    screen.until_match("the update of the new order", awaited).await;
    let state = state_of(&caller, address, customer).await;
    check_answers(&caller, address, customer, &answered, &state).await;

    // What the file holds is sound, and so it is after a crash.
    kill(process).await;
    let again = stage.serve().await;
    let after = state_of(&caller, again.address, customer).await;
    assert_eq!(after.orders, state.orders);
    kill(again).await;
}

async fn listen(process: &Process, cast: &Cast) -> Socket {
    let bearer = format!("Bearer {}", cast.customers[0].token);
    let headers = [("Authorization", bearer.as_str())];
    let mut socket = Socket::open(process.address, "/ws/notifications/", &headers).await.expect("it opens");
    socket.expect("unread_count").await;
    socket
}

async fn place(caller: &Caller, process: &Process, cast: &Cast, answered: &mut Answered) -> String {
    let call = Call::post(&cast.customers[0].token, "/orders", an_order());
    let (status, order) = caller.once(process.address, &call).await.expect("an answer");
    assert_eq!(status, 201, "{order}");
    let id = order["id"].as_str().expect("an id").to_owned();
    let version = order["version"].as_i64().expect("a version");
    let status = order["status"].as_str().expect("a status").to_owned();
    answered.insert(id.clone(), vec![(version, status)]);
    id
}

#[actix_web::test]
async fn a_database_that_may_not_be_written_is_refused_at_the_start() {
    let database = TestDatabase::Sqlite(TempDir::new().expect("a folder"));
    let (database, stopped) = TestApp::start_on(database, &[]).await.stop().await;
    stopped.expect("it stops in time");
    let url = database.url();
    let output = spawn_blocking(move || {
        let folder = TempDir::new().expect("a folder");
        let mut command = waybill(&folder, &[("DATABASE_URL", &url), ("WAYBILL_LISTEN", "127.0.0.1:0")]);
        command.arg("serve");
        let path = Path::new(url.strip_prefix("sqlite://").expect("a file"));
        run(read_only(&command, path.parent().expect("its folder")), "")
    });
    let output = output.await.expect("it ends");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    let complaints = log.lines().filter(|line| line.starts_with("waybill: ")).count();
    assert_eq!(complaints, 1, "{log}");
    assert!(output.stdout.is_empty(), "it says that it listens");
}

/// The same command in a world where this folder cannot be written.
fn read_only(command: &Command, folder: &Path) -> Command {
    use std::os::unix::fs::PermissionsExt;

    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        std::fs::set_permissions(entry.path(), PermissionsExt::from_mode(0o444)).expect("it is ours");
    }
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o555)).expect("it is ours");
    let mut stripped = Command::new("setpriv");
    if geteuid().is_root() {
        // Root without the power to write what may not be written.
        stripped.args(["--bounding-set=-dac_override", "--inh-caps=-dac_override"]);
    }
    stripped.arg("--").arg(command.get_program()).args(command.get_args());
    stripped.env_clear();
    for (name, value) in command.get_envs() {
        stripped.env(name, value.expect("none is taken away"));
    }
    stripped.current_dir(command.get_current_dir().expect("it has a folder"));
    stripped
}
