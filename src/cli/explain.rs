//! `maxspan explain`: a rule as states.
//!
//! Never runs a rule: that is `replay`'s.

use std::path::PathBuf;

use super::{Exit, output};
use crate::rule::explain::explain;
use crate::rule::set::{RuleSet, Status};
use crate::rules_dir;

/// Arguments of `maxspan explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rule files, or directories of them
    #[arg(required = true, value_name = "RULE")]
    rules: Vec<PathBuf>,
    /// The service's configuration, for its `[rules]`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If the configuration or a rule cannot be read.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let defaults = match &args.config {
        Some(path) => crate::config::Config::load(Some(path), &[])?.rule_defaults(),
        None => Default::default(),
    };
    let (rules, reports) = RuleSet::compile(rules_dir::read(&args.rules)?, &defaults);
    let refused = reports.iter().filter(|report| report.status == Status::Refused);
    let mut exit = Exit::Fine;
    for report in refused {
        output::diagnostics(&report.diagnostics, &report.text, output::Stream::Err);
        exit = Exit::Findings;
    }
    for (index, rule) in rules.rules().iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        output::line(&format!("{gap}{}", explain(rule)));
    }
    Ok(exit)
}
