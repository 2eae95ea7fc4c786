//! `maxspan run`: the service.

use std::path::PathBuf;

use anyhow::Context;

use super::{Exit, setup};
use crate::config::{Config, ConfigError, Override};
use crate::{service, shutdown, telemetry};

/// Arguments of `maxspan run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; without one, everything comes from MAXSPAN_… variables and --set
    #[arg(long, short, value_name = "FILE", env = "MAXSPAN_CONFIG")]
    config: Option<PathBuf>,
    /// A value that wins over the file and the environment: `--set kafka.group=test`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// If the configuration is wrong, or the service cannot start or go on.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = Config::load(args.config.as_deref(), &overrides(args)?)?;
    telemetry::init(&config.log);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let shutdown = shutdown::on_signals().context("cannot watch for signals")?;
        service::run(config, shutdown).await?;
        Ok(Exit::Fine)
    })
}

/// Returns the overrides, the stronger ones last: environment, then command line.
fn overrides(args: &Args) -> Result<Vec<Override>, ConfigError> {
    let mut overrides = setup::environment()?;
    for argument in &args.overrides {
        overrides.push(Override::from_argument(argument).map_err(setup::fault)?);
    }
    Ok(overrides)
}
