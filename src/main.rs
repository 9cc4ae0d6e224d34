//! The command line of waybill.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::Failure;
use waybill::domain::locale::Locale;
use waybill::domain::principal::Role;
use waybill::tools::load::LoadArgs;
use waybill::tools::simulate::SimulateArgs;

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
    Serve,
    /// Bring the database's tables up to date, and nothing else.
    Migrate,
    /// Work with accounts.
    #[command(subcommand)]
    User(UserCommand),
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
    /// Open many sessions on a server, publish at a steady rate, and account for what arrived.
    Load(Box<LoadArgs>),
    /// Let customers, partners and an admin live on a server that was started for the demo.
    Simulate(SimulateArgs),
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

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve => commands::serve(),
        Command::Migrate => commands::migrate(),
        Command::User(UserCommand::Add { email, name, role, locale, password_stdin: _ }) => {
            commands::add_user(email, name, role, locale)
        }
        Command::Token { email } => commands::token(&email),
        Command::Config { markdown } => commands::config(markdown),
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
