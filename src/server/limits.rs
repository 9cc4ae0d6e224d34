//! What the system lets one process do.

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Allows as many open files as the system lets us have: each connection is one, and the usual limit is 1024.
pub(super) fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    if now.current == now.maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }) {
        Ok(()) => log::debug!("open files: {:?} allowed, {:?} before", now.maximum, now.current),
        Err(error) => log::warn!("the number of open files stays at {:?}: {error}", now.current),
    }
}

/// Keeps the process alive when a file has come to its largest size (`RLIMIT_FSIZE`): SIGXFSZ would end it. The
/// write itself fails as it does on a full disk, and is answered like that.
pub(super) fn outlive_file_size_limit() {
    // A handler takes the place of the system's own from here on, though nobody listens to it.
    if let Err(error) = signal(SignalKind::from_raw(Signal::XFSZ.as_raw())) {
        log::warn!("a limit on the size of files would end this process: {error}");
    }
}
