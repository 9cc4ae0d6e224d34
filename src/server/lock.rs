//! One server for each SQLite file: two would each number events of their own and keep their own groups.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Why a database's file could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another server has it.
    #[error("another server{} has the database {} open; only one may", by(.process), .path.display())]
    Taken {
        /// The database.
        path: PathBuf,
        /// The other's process id, as far as it is known.
        process: Option<u32>,
    },
    /// The file beside the database cannot be made or locked.
    #[error("{}: {problem}", .path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: io::Error,
    },
}

fn by(process: &Option<u32>) -> String {
    process.map(|process| format!(" (process {process})")).unwrap_or_default()
}

/// A claim on a database's file, for as long as it is kept. The kernel gives it up when the process ends,
/// however it ends.
#[derive(Debug)]
pub(super) struct Claim {
    _file: File,
}

/// Claims `database` for this server; its folder is made when it is not there.
pub(super) fn claim(database: &Path) -> Result<Claim, ClaimError> {
    let path = lock_path(database);
    let failed = |problem| ClaimError::Failed { path: path.clone(), problem };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let options = File::options().create(true).truncate(false).read(true).write(true).open(&path);
    let mut file = options.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut text = String::new();
            let process = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(ClaimError::Taken { path: database.into(), process });
        }
        Err(std::fs::TryLockError::Error(problem)) => return Err(failed(problem)),
    }
    write_process(&mut file).map_err(failed)?;
    Ok(Claim { _file: file })
}

fn write_process(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Beside the database itself, also when it is reached through a link.
fn lock_path(database: &Path) -> PathBuf {
    let real = database.canonicalize().unwrap_or_else(|_| database.into());
    let mut name = real.into_os_string();
    name.push(".serve.lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_is_refused_until_the_first_is_given_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("deep/waybill.db");
        let first = claim(&database).expect("the first");
        let error = claim(&database).expect_err("the second").to_string();
        assert!(error.contains("waybill.db") && error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        claim(&database).expect("free again");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_database_is_the_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("waybill.db");
        std::fs::write(&database, "").expect("a file");
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&database, &link).expect("a link");
        let _first = claim(&database).expect("the first");
        claim(&link).expect_err("the second");
    }
}
