//! The secret that signs tokens: the one that is set, or one that is made and kept beside the database.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::services::tokens::secret_weakness;

use super::settings::{Secret, SettingError, Settings};

const NAME: &str = "WAYBILL_JWT_SECRET";

/// The secret to sign with.
///
/// # Errors
/// When there is none and none can be made, or when it is weak and others than this machine can reach the
/// server.
pub fn load(settings: &Settings) -> Result<Secret, SettingError> {
    let secret = match (&settings.jwt_secret, settings.database_file()) {
        (Some(secret), _) => secret.clone(),
        (None, Some(database)) => {
            let path = path_beside(database);
            kept(&path).map_err(|error| {
                SettingError::new(NAME, format!("is not set, and {} cannot be used: {error}", path.display()))
            })?
        }
        (None, None) => return Err(SettingError::new(NAME, "needed with PostgreSQL")),
    };
    match secret_weakness(secret.expose().as_bytes()) {
        Some(weakness) if settings.is_exposed() => Err(SettingError::new(
            NAME,
            format!("{weakness}: too weak for {}, which others can reach", settings.listen),
        )),
        Some(weakness) => {
            log::warn!(
                "{NAME} is weak: {weakness}. It would be refused on an address that others can reach."
            );
            Ok(secret)
        }
        None => Ok(secret),
    }
}

fn path_beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".jwt-secret");
    name.into()
}

/// The secret in a file, which is made when it is not there.
fn kept(path: &Path) -> io::Result<Secret> {
    match fs::read_to_string(path) {
        Ok(text) => read(path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path)?;
            read(path, &fs::read_to_string(path)?)
        }
        Err(error) => Err(error),
    }
}

fn read(path: &Path, text: &str) -> io::Result<Secret> {
    let text = text.trim();
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    if is_open_to_others(path)? {
        log::warn!("{} can be read by other users; chmod 600 closes it", path.display());
    }
    Ok(Secret::new(text))
}

/// Writes a fresh secret. When two processes do so at once, both end up with the same one.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", uuid::Uuid::new_v4().simple()));
    let fresh = PathBuf::from(fresh);
    let outcome = write_private(&fresh).and_then(|()| match fs::hard_link(&fresh, path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    fs::remove_file(&fresh)?;
    outcome?;
    // The name, too, survives a power cut: tokens would end with it otherwise.
    File::open(folder)?.sync_all()?;
    log::info!("made a secret for tokens: {}", path.display());
    Ok(())
}

fn write_private(path: &Path) -> io::Result<()> {
    let secret: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;

    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::settings::Sources;
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let pairs: Vec<_> = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Settings::read(&Sources::new(pairs, [])).expect("good settings")
    }

    #[test]
    fn a_secret_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("new/waybill.db").display());
        let settings = settings(&[("DATABASE_URL", &url), ("WAYBILL_LISTEN", "0.0.0.0:0")]);
        let first = load(&settings).expect("made");
        let again = load(&settings).expect("kept");
        assert_eq!(first.expose(), again.expose());
        assert_eq!(secret_weakness(first.expose().as_bytes()), None);
        let files: Vec<_> = fs::read_dir(folder.path().join("new")).expect("there").collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let path = folder.path().join("new/waybill.db.jwt-secret");
        assert!(!is_open_to_others(&path).expect("there"));
    }

    #[test]
    fn a_weak_secret_is_only_good_for_this_machine() {
        let weak = ("WAYBILL_JWT_SECRET", "changeme");
        load(&settings(&[weak])).expect("on 127.0.0.1");
        load(&settings(&[weak, ("WAYBILL_LISTEN", "[::1]:0")])).expect("on ::1");
        for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let error = load(&settings(&[weak, ("WAYBILL_LISTEN", listen)])).expect_err(listen);
            assert_eq!(error.name, NAME);
            assert!(!error.to_string().contains("changeme"), "{error}");
        }
    }

    #[test]
    fn an_empty_file_is_no_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("w.db.jwt-secret"), "\n").expect("written");
        let url = format!("sqlite://{}", folder.path().join("w.db").display());
        let error = load(&settings(&[("DATABASE_URL", &url)])).expect_err("empty");
        assert!(error.to_string().contains("it is empty"), "{error}");
    }
}
