//! The command line of waybill.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::Failure;
use waybill::domain::group_pattern::GroupPattern;
use waybill::domain::locale::Locale;
use waybill::domain::principal::Role;
use waybill::server::demo::DemoOptions;
use waybill::tools::load::LoadArgs;
use waybill::tools::simulate::SimulateArgs;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The realtime server of an on-demand marketplace.
#[derive(Parser)]
#[command(version, about, long_about = None, after_help = "Settings come from the environment and from the file .env; `waybill config` lists them.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop.
    Serve(ServeArgs),
    /// Bring the database's tables up to date, and nothing else.
    Migrate,
    /// Work with accounts.
    #[command(subcommand)]
    User(UserCommand),
    /// Work with the ledger of money.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Work with the keys of back ends that may publish events.
    #[command(subcommand)]
    ServiceKey(ServiceKeyCommand),
    /// Print an access token of a user.
    Token {
        /// The user's e-mail address.
        #[arg(long)]
        email: String,
    },
    /// Print every setting, its value and where that comes from; secrets are hidden.
    Config {
        /// Print the table of settings for the documentation instead.
        #[arg(long)]
        markdown: bool,
    },
    /// Print the OpenAPI document of the REST interface.
    Openapi,
    /// Print the AsyncAPI document of the frames on WebSockets.
    Asyncapi,
    /// Open many sessions on a server, publish at a steady rate, and account for what arrived.
    Load(Box<LoadArgs>),
    /// Let people order, ride, write and pay on a server, and hold what they see against its contract.
    Simulate(SimulateArgs),
}

/// What `waybill serve` can be told beside the settings.
#[derive(clap::Args)]
struct ServeArgs {
    /// Make users of all three roles, with a public password, and a simulator that keeps them busy.
    #[arg(long)]
    demo: bool,
    /// What the demo's chance starts from: the same number, the same whims.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "demo")]
    demo_seed: u64,
    /// Make the demo's people, and let them rest: for tests, and for `waybill simulate` beside it.
    #[arg(long, requires = "demo")]
    demo_idle: bool,
    /// Let the demo be reached from other machines: anybody can then log in, also as an admin.
    #[arg(long, requires = "demo")]
    demo_for_everyone: bool,
}

impl ServeArgs {
    fn demo(&self) -> Option<DemoOptions> {
        let seed = (!self.demo_idle).then_some(self.demo_seed);
        self.demo.then_some(DemoOptions { seed, for_everyone: self.demo_for_everyone })
    }
}

#[derive(Subcommand)]
enum UserCommand {
    /// Make an account; the only way to the first admin.
    Add {
        /// For logging in.
        #[arg(long)]
        email: String,
        /// As others see it.
        #[arg(long)]
        name: String,
        /// What the user may do: customer, partner or admin.
        #[arg(long)]
        role: Role,
        /// The language of notifications: en or de.
        #[arg(long, default_value = "en")]
        locale: Locale,
        /// Read the password from the first line of standard input.
        // An argument would show it to everybody on the machine.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

#[derive(Subcommand)]
enum LedgerCommand {
    /// Add up all that was ever entered; exit with 1 and say what is wrong when it does not fit together. A server may run.
    Verify,
}

#[derive(Subcommand)]
enum ServiceKeyCommand {
    /// Make a key and print it, this once: what is kept is a hash.
    Add {
        /// What the back end is called.
        #[arg(long)]
        name: String,
        /// Where it may publish, with commas: *, user_*, partner_*, order_*, admin_dashboard, or single groups.
        #[arg(long, value_delimiter = ',', required = true)]
        groups: Vec<GroupPattern>,
        /// After how many days it is good for nothing; without it, never.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        expires_in: Option<u32>,
    },
    /// Print all keys: whose they are, what they may, when they were last used; never the keys themselves.
    List,
    /// Make a key in the place of the one there is, and print it. It may do the same, and lasts as long again.
    Rotate {
        /// What the back end is called.
        #[arg(long)]
        name: String,
        /// For how many seconds the old key is still good.
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        grace: u32,
    },
    /// Let the keys of a back end be good for nothing, at once.
    Revoke {
        /// What the back end is called.
        #[arg(long)]
        name: String,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => commands::serve(args.demo()),
        Command::Migrate => commands::migrate(),
        Command::User(UserCommand::Add { email, name, role, locale, password_stdin: _ }) => {
            commands::add_user(email, name, role, locale)
        }
        Command::Ledger(LedgerCommand::Verify) => commands::verify_ledger(),
        Command::ServiceKey(command) => match command {
            ServiceKeyCommand::Add { name, groups, expires_in } => {
                commands::add_service_key(name, groups, expires_in)
            }
            ServiceKeyCommand::List => commands::list_service_keys(),
            ServiceKeyCommand::Rotate { name, grace } => commands::rotate_service_key(name, grace),
            ServiceKeyCommand::Revoke { name } => commands::revoke_service_keys(name),
        },
        Command::Token { email } => commands::token(&email),
        Command::Config { markdown } => commands::config(markdown),
        Command::Openapi => commands::openapi(),
        Command::Asyncapi => commands::asyncapi(),
        Command::Load(args) => return commands::load(*args),
        Command::Simulate(args) => return commands::simulate(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { lines, code }) => {
            for line in lines {
                eprintln!("waybill: {line}");
            }
            ExitCode::from(code)
        }
    }
}
