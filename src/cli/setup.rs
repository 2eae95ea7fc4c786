//! Options that commands over files share, and what they make of configuration, rules and flags.
//!
//! Never compiles a rule itself: that is the library's `setup`.

use std::path::PathBuf;
use std::sync::Arc;

use super::output;
use crate::config::{Config, ConfigError, Override};
use crate::diag::Diagnostic;
use crate::event::TimeSpan;
use crate::rule::set::Defaults;
use crate::rule::{Emit, overrides};
use crate::rules_dir;
use crate::setup::Setup;
use crate::text::Text;

/// The configuration of a command over files.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// The service's configuration: its rules, and how they run; the environment counts as for `run`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How rules run over files, whatever the configuration says.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TimeArgs {
    /// When matches leave, for all rules
    #[arg(long, value_enum)]
    emit: Option<EmitArg>,
    /// By how much an event may precede that of the stage before it, for all rules: `1s`, `0s`
    #[arg(long, value_name = "SPAN", value_parser = span)]
    order_tolerance: Option<TimeSpan>,
    /// How late an event may come and still be taken in its place, for all rules: `30s`
    #[arg(long, value_name = "SPAN", value_parser = span)]
    allowed_lateness: Option<TimeSpan>,
}

/// `--emit`
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum EmitArg {
    /// As soon as the last event has arrived.
    Eager,
    /// When they are final.
    Exact,
}

impl From<EmitArg> for Emit {
    fn from(arg: EmitArg) -> Self {
        match arg {
            EmitArg::Eager => Self::Eager,
            EmitArg::Exact => Self::Exact,
        }
    }
}

/// Reads a length of time from the command line.
///
/// # Errors
/// If it is none.
pub fn span(text: &str) -> Result<TimeSpan, String> {
    TimeSpan::parse(text).ok_or_else(|| "expected a number and a unit: 500ms, 1s, 5m".to_owned())
}

impl ConfigArgs {
    /// Returns the configuration: the file with the environment on top of it, or the defaults.
    ///
    /// # Errors
    /// If the file cannot be read, or something in it is wrong.
    pub fn load(&self) -> anyhow::Result<Config> {
        let Some(path) = &self.config else { return Ok(Config::default()) };
        Ok(Config::load(Some(path), &environment()?)?)
    }
}

/// Returns what the environment says on top of a configuration file.
///
/// # Errors
/// If a variable of ours names no key.
pub fn environment() -> Result<Vec<Override>, ConfigError> {
    // A variable that is no UTF-8 cannot be one of ours that makes sense.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Override::from_env(variables).map_err(fault)
}

/// Returns the error for a value that stands in no file.
pub fn fault(found: Diagnostic) -> ConfigError {
    ConfigError { text: None, diagnostics: vec![found] }
}

/// Returns the texts of the rule files at these paths, or, without any, at those of the
/// configuration.
///
/// # Errors
/// If a path cannot be read.
pub fn rule_files(config: &Config, paths: &[PathBuf]) -> anyhow::Result<Vec<Arc<Text>>> {
    let paths = if paths.is_empty() { &config.rules.paths } else { paths };
    Ok(rules_dir::read(paths)?)
}

/// Compiles rules as the configuration and the flags say, and shows what is wrong with those that
/// are refused.
pub fn compile(config: &Config, times: &TimeArgs, files: Vec<Arc<Text>>) -> Setup {
    compile_with(config, times, files, config.rule_defaults())
}

/// As [`compile`], for a command that looks at events that no rule would look at.
pub fn compile_for_whole_events(config: &Config, times: &TimeArgs, files: Vec<Arc<Text>>) -> Setup {
    compile_with(config, times, files, Defaults { whole_events: true, ..config.rule_defaults() })
}

fn compile_with(
    config: &Config,
    times: &TimeArgs,
    files: Vec<Arc<Text>>,
    mut defaults: Defaults,
) -> Setup {
    defaults.force(times.emit.map(Into::into), times.order_tolerance, times.allowed_lateness);
    let setup = Setup::with_defaults(config, files, &defaults);
    for report in setup.refused() {
        output::diagnostics(&report.diagnostics, &report.text, output::Stream::Err);
    }
    setup
}

/// Warns of overrides of the configuration that change nothing, where its own rules run.
pub fn warn_of_unused_overrides(config: &Config, setup: &Setup) {
    let overrides = config.rule_defaults().overrides;
    // `check` shows them where they stand.
    let found = overrides::warnings("", &overrides, &setup.reports);
    let nowhere = Arc::new(Text::new("", ""));
    output::diagnostics(&found, &nowhere, output::Stream::Err);
}
