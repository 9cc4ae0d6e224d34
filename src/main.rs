//! The command line of waybill.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::Failure;
use waybill::tools::load::LoadArgs;

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
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve => commands::serve(),
        Command::Migrate => commands::migrate(),
        Command::Token { email } => commands::token(&email),
        Command::Config { markdown } => commands::config(markdown),
        Command::Load(args) => return commands::load(*args),
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
