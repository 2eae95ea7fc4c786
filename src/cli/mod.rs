//! The command line: one variant and one file per subcommand, and the exit codes.
//!
//! Never evaluates anything itself.

pub mod check;
pub mod demo;
pub mod explain;
pub mod lines;
pub mod normalize;
pub mod output;
mod overfull;
mod profile;
pub mod replay;
pub mod run;
pub mod setup;
mod summary;
pub mod test;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::config::ConfigError;
use crate::service::ServiceError;
use crate::text::Text;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is fine.
    Fine,
    /// There are findings: rules refused, cases failed, alerts missing.
    Findings,
    /// The command line or the configuration is wrong.
    Usage,
    /// Something failed while running.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
        })
    }
}

/// Elastic-style EQL detection rules, run in real time on a Kafka stream.
#[derive(Debug, Parser)]
#[command(name = "maxspan", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Run(run::Args),
    /// Show the whole thing with an in-process broker and a recorded attack; needs no set-up
    Demo(demo::Args),
    /// Compile rules and say what there is to say about each
    Check(check::Args),
    /// Show rules as states; with --events, why they did or did not fire
    Explain(explain::Args),
    /// Run the cases that stand beside rules
    Test(test::Args),
    /// Run rules over recorded events and print the alerts
    Replay(replay::Args),
    /// Print records as rules see them: whole ECS documents
    Normalize(normalize::Args),
}

const EXIT_CODES: &str =
    "Exit codes: 0 fine, 1 findings, 2 usage or configuration, 3 failed while running";

/// Runs the command that the process's arguments ask for.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Normalize(args) => normalize::run(&args),
    };
    result.unwrap_or_else(|error| told(&error)).into()
}

/// Prints an error and returns the exit code that fits it.
fn told(error: &anyhow::Error) -> Exit {
    let config = error.chain().find_map(|cause| match cause.downcast_ref::<ServiceError>() {
        Some(ServiceError::Config(config)) => Some(config),
        _ => cause.downcast_ref::<ConfigError>(),
    });
    if let Some(config) = config {
        let none = || Arc::new(Text::new(String::new(), String::new()));
        let text = config.text.clone().unwrap_or_else(none);
        output::diagnostics(&config.diagnostics, &text, output::Stream::Err);
        return Exit::Usage;
    }
    output::error(&format!("{error:#}"));
    match error.downcast_ref::<ServiceError>() {
        Some(ServiceError::Failed(_) | ServiceError::Deadline(_)) => Exit::Failed,
        Some(ServiceError::Kafka(crate::kafka::Error::Thread(_))) => Exit::Failed,
        Some(ServiceError::NoRules { .. }) => Exit::Findings,
        Some(_) => Exit::Usage,
        None => Exit::Failed,
    }
}
