//! `maxspan check`: compiles rules and says what there is to say about each.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::{Exit, output};
use crate::config::{self, Config};
use crate::diag::{Diagnostic, Severity};
use crate::rule::overrides;
use crate::rule::set::{Defaults, RuleReport, RuleSet, Status};
use crate::text::Text;
use crate::{rules_dir, text_file};

/// Arguments of `maxspan check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rule files, directories of rule files, or the service's configuration file
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
    /// Print notes, and rules that run without a caveat, as well
    #[arg(long, short)]
    verbose: bool,
}

/// How many rules became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Rules that run as written.
    pub runs: usize,
    /// Rules that run with a caveat.
    pub caveat: usize,
    /// Rules that do not run.
    pub refused: usize,
    /// Files that hold no EQL rule, or one that is switched off.
    pub skipped: usize,
}

impl Totals {
    /// Counts the reports.
    pub fn of(reports: &[RuleReport]) -> Self {
        let count = |status| reports.iter().filter(|report| report.status == status).count();
        Self {
            runs: count(Status::Runs),
            caveat: count(Status::Caveat),
            refused: count(Status::Refused),
            skipped: count(Status::Skipped),
        }
    }
}

/// What there is to say about a configuration once its rules are known.
#[derive(Serialize)]
struct ConfigReport {
    path: String,
    diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    text: Arc<Text>,
}

/// Runs the command.
///
/// # Errors
/// If a path cannot be read.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let (configs, rules): (Vec<PathBuf>, Vec<PathBuf>) =
        args.paths.iter().cloned().partition(|path| is_configuration(path));
    let mut defaults = Defaults::default();
    let mut paths = rules;
    let mut texts = Vec::new();
    for path in &configs {
        let config = Config::load(Some(path), &[])?;
        defaults = config.rule_defaults();
        paths.extend(config.rules.paths.iter().cloned());
        let text = text_file::read(path).map(|text| Arc::new(config::masked(&text)));
        texts.extend(text.map(|text| (text, defaults.overrides.clone(), config)));
    }
    let files = rules_dir::read(&paths).context("nothing checked")?;
    let (_, reports) = RuleSet::compile(files, &defaults);
    let judge = |(text, overrides, config): (Arc<Text>, _, Config)| {
        let mut diagnostics = overrides::warnings(&text.contents, &overrides, &reports);
        diagnostics.extend(config.missing_for_a_service());
        ConfigReport { path: text.name.clone(), diagnostics, text }
    };
    let configs: Vec<ConfigReport> = texts.into_iter().map(judge).collect();
    match args.format {
        output::Format::Human => print_human(&configs, &reports, args.verbose),
        output::Format::Json => print_json(&configs, &reports)?,
    }
    let refused = Totals::of(&reports).refused > 0;
    Ok(if refused { Exit::Findings } else { Exit::Fine })
}

/// A configuration has a section that no rule file has.
fn is_configuration(path: &std::path::Path) -> bool {
    let Ok(text) = text_file::read(path) else { return false };
    let lines = || text.contents.trim_start_matches('\u{feff}').lines();
    // Before the first table a key names its section itself: `log.level = "info"`.
    let head = lines().take_while(|line| !line.trim().starts_with('['));
    let dotted = head.filter_map(|line| line.split_once(['.', '=']).map(|(name, _)| name.trim()));
    lines().filter_map(section).chain(dotted).any(|section| Config::SECTIONS.contains(&section))
}

/// Returns the first part of a table's name: `rules` of `[rules.override."id"]`. A file need not be
/// whole to be recognized.
fn section(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix('[')?;
    let end = name.find(['.', ']'])?;
    Some(name[..end].trim())
}

fn print_human(configs: &[ConfigReport], reports: &[RuleReport], verbose: bool) {
    for config in configs {
        output::diagnostics(&config.diagnostics, &config.text, output::Stream::Out);
    }
    for report in reports {
        let is_wanted = |found: &&Diagnostic| verbose || found.severity > Severity::Note;
        let found: Vec<Diagnostic> = report.diagnostics.iter().filter(is_wanted).cloned().collect();
        output::diagnostics(&found, &report.text, output::Stream::Out);
        let quiet = !verbose && matches!(report.status, Status::Runs | Status::Skipped);
        if !quiet {
            output::line(&format!("{}: {}", report.path, describe(report)));
        }
    }
    let Totals { runs, caveat, refused, skipped } = Totals::of(reports);
    output::line(&format!(
        "{} rules: {runs} run, {caveat} run with a caveat, {refused} refused, {skipped} skipped",
        reports.len(),
    ));
}

fn describe(report: &RuleReport) -> String {
    let status = match report.status {
        Status::Runs => "runs",
        Status::Caveat => "runs with a caveat",
        Status::Refused => "refused",
        Status::Skipped => "skipped",
    };
    match &report.reason {
        Some(reason) => format!("{status}: {reason}"),
        None => status.to_owned(),
    }
}

fn print_json(configs: &[ConfigReport], reports: &[RuleReport]) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        configurations: &'a [ConfigReport],
        rules: &'a [RuleReport],
        totals: Totals,
    }
    let totals = Totals::of(reports);
    let report = Report { configurations: configs, rules: reports, totals };
    output::line(&serde_json::to_string_pretty(&report)?);
    Ok(())
}
