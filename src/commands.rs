//! What each command does. Answers go to standard output, everything else to standard error.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use waybill::domain::group_pattern::GroupPattern;
use waybill::domain::locale::Locale;
use waybill::domain::principal::{Principal, Role};
use waybill::domain::time::Timestamp;
use waybill::server::demo::DemoOptions;
use waybill::server::settings::{Settings, Sources, listing, markdown};
use waybill::server::{self, ServerError, logging};
use waybill::services::accounts::{self, NewUser};
use waybill::services::error::ServiceError;
use waybill::services::service_keys::{self, NewKey};
use waybill::store::ledger::{self, Report};
use waybill::store::{DatabaseUrl, Store, users};
use waybill::telemetry::Metrics;
use waybill::tools::load::{self, LoadArgs};
use waybill::tools::simulate::{self, SimulateArgs};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Why a command failed.
pub(crate) struct Failure {
    /// What to print.
    pub(crate) lines: Vec<String>,
    /// What to exit with: 1 when it failed while running, 2 when a setting or an argument is wrong.
    pub(crate) code: u8,
}

impl Failure {
    fn failed(problem: impl std::fmt::Display) -> Self {
        Self { lines: vec![problem.to_string()], code: 1 }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self { lines: vec![error.to_string()], code: error.exit_code() }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            // What was wrong stood in the arguments.
            ServiceError::Invalid(errors) => Self {
                lines: errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect(),
                code: 2,
            },
            error => Self::failed(error),
        }
    }
}

type Outcome = Result<(), Failure>;

fn wrong_settings(errors: Vec<waybill::server::settings::SettingError>) -> Failure {
    Failure { lines: errors.iter().map(ToString::to_string).collect(), code: 2 }
}

fn settings() -> Result<Settings, Failure> {
    let settings =
        Sources::of_process().and_then(|sources| Settings::read(&sources)).map_err(wrong_settings)?;
    logging::start(&settings);
    Ok(settings)
}

fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::failed)
}

pub(crate) fn serve(demo: Option<DemoOptions>) -> Outcome {
    let settings = settings()?;
    if settings.service_keys.is_empty() && std::env::var_os("WAYBILL_SERVICE_KEY").is_some() {
        log::warn!("WAYBILL_SERVICE_KEY is for clients; what the server reads is WAYBILL_SERVICE_KEYS");
    }
    let system = actix_web::rt::System::new();
    let outcome = system.block_on(server::serve(settings, demo));
    // Dropping it would wait for jobs that hang in the database, whatever the time that stopping may take.
    std::mem::forget(system);
    outcome.map_err(Failure::from)
}

pub(crate) fn migrate() -> Outcome {
    let settings = settings()?;
    let metrics = Metrics::new().map_err(Failure::failed)?;
    server::open_store(&settings, &metrics)?;
    print(&format!("{} is up to date\n", settings.database_url))
}

pub(crate) fn add_user(email: String, name: String, role: Role, locale: Locale) -> Outcome {
    let settings = settings()?;
    let mut password = String::new();
    std::io::stdin().read_line(&mut password).map_err(Failure::failed)?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    let metrics = Metrics::new().map_err(Failure::failed)?;
    let store = server::open_store(&settings, &metrics)?;
    let user = NewUser { email, password, name, role, locale };
    let user = actix_web::rt::System::new().block_on(accounts::add_user(&store, user))?;
    print(&format!("{}\n", user.id))
}

fn open_store() -> Result<Store, Failure> {
    let settings = settings()?;
    let metrics = Metrics::new().map_err(Failure::failed)?;
    Ok(server::open_store(&settings, &metrics)?)
}

pub(crate) fn add_service_key(name: String, groups: Vec<GroupPattern>, days: Option<u32>) -> Outcome {
    let store = open_store()?;
    let lifetime = days.map(|days| DAY * days);
    let new = NewKey { name, groups, lifetime };
    let key = actix_web::rt::System::new().block_on(service_keys::add(&store, new))?;
    print(&format!("{key}\n"))
}

pub(crate) fn list_service_keys() -> Outcome {
    let store = open_store()?;
    let keys = actix_web::rt::System::new().block_on(service_keys::list(&store))?;
    let time = |at: Option<Timestamp>| at.map_or_else(|| "never".into(), |at| at.to_string());
    let mut text = String::from("name\tgroups\tcreated\tlast used\texpires\n");
    for key in keys {
        let (used, expires) = (time(key.last_used_at), time(key.expires_at));
        text.push_str(&format!("{}\t{}\t{}\t{used}\t{expires}\n", key.name, key.groups, key.created_at));
    }
    print(&text)
}

pub(crate) fn rotate_service_key(name: String, grace_secs: u32) -> Outcome {
    let store = open_store()?;
    let grace = Duration::from_secs(grace_secs.into());
    let key = actix_web::rt::System::new().block_on(service_keys::rotate(&store, name, grace))?;
    print(&format!("{key}\n"))
}

pub(crate) fn revoke_service_keys(name: String) -> Outcome {
    let store = open_store()?;
    actix_web::rt::System::new().block_on(service_keys::revoke(&store, name)).map_err(Failure::from)
}

pub(crate) fn token(email: &str) -> Outcome {
    let settings = settings()?;
    let tokens = server::tokens(&settings)?;
    let metrics = Metrics::new().map_err(Failure::failed)?;
    let store = server::open_store(&settings, &metrics)?;
    let address = email.trim().to_lowercase();
    let user = actix_web::rt::System::new()
        .block_on(store.read(move |conn| users::find_by_email(conn, &address).map_err(ServiceError::from)))?;
    let Some(user) = user else { return Err(Failure::failed(format!("there is no user {email}"))) };
    let principal =
        Principal { user_id: user.id, role: user.role, partner_id: user.partner_id, family_id: None };
    let minted = tokens.mint_access(&principal, Timestamp::now()).map_err(Failure::failed)?;
    print(&format!("{}\n", minted.token))
}

pub(crate) fn verify_ledger() -> Outcome {
    let settings = settings()?;
    // A new one would be empty, in which all fits together.
    if let DatabaseUrl::Sqlite(path) = &settings.database_url
        && !path.exists()
    {
        return Err(Failure::failed(format!("there is no database at {}", path.display())));
    }
    let metrics = Metrics::new().map_err(Failure::failed)?;
    let store = server::open_store(&settings, &metrics)?;
    let verified = store.read(|conn| ledger::verify(conn).map_err(ServiceError::from));
    let report = actix_web::rt::System::new().block_on(verified)?;
    if !report.faults.is_empty() {
        return Err(Failure { lines: report.faults, code: 1 });
    }
    let Report { accounts, transactions, entries, .. } = report;
    print(&format!("{accounts} accounts, {transactions} movements, {entries} entries: all fits together\n"))
}

pub(crate) fn config(as_markdown: bool) -> Outcome {
    if as_markdown {
        return print(&markdown());
    }
    let sources = Sources::of_process().map_err(wrong_settings)?;
    let mut text = String::new();
    for line in listing(&sources) {
        let default = if line.default.is_empty() { "not set" } else { line.default };
        text.push_str(&format!(
            "{}={}\n    from: {}; default: {default}\n    {}\n",
            line.name,
            line.value,
            line.source.as_str(),
            line.help
        ));
    }
    print(&text)?;
    // After the listing, which helps to see what is wrong.
    Settings::read(&sources).map(|_| ()).map_err(wrong_settings)
}

/// Under which URL clients reach the server, as far as the settings tell.
fn base_url() -> Result<String, Failure> {
    let sources = Sources::of_process().map_err(wrong_settings)?;
    let settings = Settings::read(&sources).map_err(wrong_settings)?;
    Ok(settings.public_url.map_or_else(|| format!("http://{}", settings.listen), String::from))
}

fn print_document<T: serde::Serialize>(document: &T) -> Outcome {
    let text = serde_json::to_string_pretty(document).map_err(Failure::failed)?;
    print(&format!("{text}\n"))
}

pub(crate) fn openapi() -> Outcome {
    print_document(&waybill::http::openapi::document(&base_url()?))
}

pub(crate) fn asyncapi() -> Outcome {
    print_document(&waybill::protocol::asyncapi::document(&base_url()?))
}

pub(crate) fn load(args: LoadArgs) -> ExitCode {
    actix_web::rt::System::new().block_on(load::run(args))
}

pub(crate) fn simulate(args: SimulateArgs) -> ExitCode {
    // The first logger counts, and there is no other.
    let _ = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).try_init();
    actix_web::rt::System::new().block_on(simulate::run(args))
}
