//! Where values come from.

use std::collections::BTreeMap;
use std::path::Path;

use super::SettingError;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was not set.
    Default,
    /// The process's environment.
    Environment,
    /// The file `.env`.
    DotEnv,
}

impl Source {
    /// As `waybill config` shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Environment => "environment",
            Self::DotEnv => ".env",
        }
    }
}

/// The variables that are set.
#[derive(Default)]
pub struct Sources {
    environment: BTreeMap<String, String>,
    dotenv: BTreeMap<String, String>,
}

impl Sources {
    /// Variables of one's own choosing.
    pub fn new<E, D>(environment: E, dotenv: D) -> Self
    where
        E: IntoIterator<Item = (String, String)>,
        D: IntoIterator<Item = (String, String)>,
    {
        let set = |(_, value): &(String, String)| !value.trim().is_empty();
        Self {
            environment: environment.into_iter().filter(set).collect(),
            dotenv: dotenv.into_iter().filter(set).collect(),
        }
    }

    /// The environment of this process, and `.env` in its working directory when there is one.
    ///
    /// # Errors
    /// When `.env` cannot be read, or one of our variables is no text.
    pub fn of_process() -> Result<Self, Vec<SettingError>> {
        let mut errors = Vec::new();
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => environment.push((name, value)),
                Err(_) if super::table::is_ours(&name) => {
                    errors.push(SettingError::new(name, "is not UTF-8"));
                }
                Err(_) => {}
            }
        }
        let dotenv = read_dotenv(Path::new(".env")).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        if errors.is_empty() { Ok(Self::new(environment, dotenv)) } else { Err(errors) }
    }

    /// The value of a variable, if it is set.
    pub(super) fn find(&self, name: &str) -> Option<(&str, Source)> {
        let environment = self.environment.get(name).map(|value| (value.as_str(), Source::Environment));
        environment.or_else(|| self.dotenv.get(name).map(|value| (value.as_str(), Source::DotEnv)))
    }

    /// Every name that is set in the file.
    pub(super) fn names_in_file(&self) -> impl Iterator<Item = &str> {
        self.dotenv.keys().map(String::as_str)
    }

    /// Every name that is set anywhere.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.environment.keys().chain(self.dotenv.keys()).map(String::as_str)
    }
}

fn read_dotenv(path: &Path) -> Result<Vec<(String, String)>, SettingError> {
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(Vec::new()),
        Err(error) => return Err(SettingError::new(".env", format!("cannot be read: {error}"))),
    };
    lines
        .map(|line| {
            line.map_err(|error| match error {
                // The text of the line may hold a secret.
                dotenvy::Error::LineParse(_, column) => {
                    SettingError::new(".env", format!("has a line that cannot be read, near column {column}"))
                }
                error => SettingError::new(".env", format!("cannot be read: {error}")),
            })
        })
        .collect()
}
