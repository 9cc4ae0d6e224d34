//! What the system lets one process do.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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
