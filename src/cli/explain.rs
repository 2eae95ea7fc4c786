//! `maxspan explain`: a rule as states, and why it did or did not fire on recorded events.
//!
//! Never judges itself: that is the library's `explain`'s.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::replay::{EmitArg, span};
use super::{Exit, lines, output};
use crate::detect::Options;
use crate::explain::{Explainer, Explanation, Limits, Place, text};
use crate::event::TimeSpan;
use crate::rule::explain as states;
use crate::rule::set::{Defaults, RuleReport, RuleSet, Status};
use crate::text::Text;
use crate::{rules_dir, source};

/// Arguments of `maxspan explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rule files, or directories of them
    #[arg(required = true, value_name = "RULE")]
    rules: Vec<PathBuf>,
    /// Only the rule with this id
    #[arg(long, value_name = "ID")]
    rule_id: Option<String>,
    /// Records, one JSON document a line: plain, .gz or .zst; `-` is standard input; may be given
    /// several times. Says why the rules did or did not fire on them
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    /// Only the join key of which this is a part, such as a host's id; may be given several times
    #[arg(long, value_name = "TEXT", requires = "events")]
    key: Vec<String>,
    /// How many join keys of a rule to show
    #[arg(long, value_name = "N", default_value_t = Limits::default().keys, requires = "events")]
    limit: usize,
    /// How many events of a join key to show
    #[arg(long, value_name = "N", default_value_t = Limits::default().hits, requires = "events")]
    hits: usize,
    /// Read all files as one partition, merged by event time
    #[arg(long, requires = "events")]
    merge: bool,
    /// The service's configuration, for its `[rules]`, `[state]` and `[input]`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// When matches leave, for all rules
    #[arg(long, value_enum)]
    emit: Option<EmitArg>,
    /// By how much an event may precede that of the stage before it, for all rules: `1s`, `0s`
    #[arg(long, value_name = "SPAN", value_parser = span)]
    order_tolerance: Option<TimeSpan>,
    /// How late an event may come and still be taken in its place, for all rules: `30s`
    #[arg(long, value_name = "SPAN", value_parser = span)]
    allowed_lateness: Option<TimeSpan>,
    /// How to print the explanation
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
}

/// Runs the command.
///
/// # Errors
/// If the configuration, a rule or a file of records cannot be read.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let (mut defaults, options) = match &args.config {
        Some(path) => {
            let config = crate::config::Config::load(Some(path), &[])?;
            (config.rule_defaults(), config.detector_options())
        }
        None => Default::default(),
    };
    let emit = args.emit.map(Into::into);
    defaults.force(emit, args.order_tolerance, args.allowed_lateness);
    let (files, rules, mut exit) = compile(args, &defaults)?;
    if rules.rules().is_empty() {
        output::error(&match &args.rule_id {
            Some(id) => format!("no rule with the id `{id}` runs"),
            None => "no rule to explain".to_owned(),
        });
        return Ok(Exit::Findings);
    }
    if args.events.is_empty() {
        print_states(&rules, args.format)?;
        return Ok(exit);
    }
    defaults.forced.suppression.enabled = Some(false);
    let (unsuppressed, _) = RuleSet::compile(files, &defaults);
    let explanation = explain_events(args, rules, unsuppressed, options)?;
    let is_known = explanation.rules.iter().any(|rule| !rule.by_key.is_empty());
    if !args.key.is_empty() && !is_known {
        output::warning(&format!("no join key has the parts `{}`", args.key.join("`, `")));
        exit = Exit::Findings;
    }
    match args.format {
        output::Format::Human => {
            text::lines(&explanation).iter().for_each(|line| output::line(line));
        }
        output::Format::Json => output::line(&serde_json::to_string_pretty(&explanation)?),
    }
    Ok(exit)
}

/// Compiles the rules that are asked for, and shows what is wrong with those that are refused.
fn compile(args: &Args, defaults: &Defaults) -> anyhow::Result<(Vec<Arc<Text>>, RuleSet, Exit)> {
    let mut files = rules_dir::read(&args.rules)?;
    let (mut rules, mut reports) = RuleSet::compile(files.clone(), defaults);
    if let Some(id) = &args.rule_id {
        let is_asked_for = |report: &RuleReport| report.rule_id.as_ref() == Some(id);
        reports.retain(is_asked_for);
        files = reports.iter().map(|report| Arc::clone(&report.text)).collect();
        (rules, reports) = RuleSet::compile(files.clone(), defaults);
    }
    let mut exit = Exit::Fine;
    for report in reports.iter().filter(|report| report.status == Status::Refused) {
        output::diagnostics(&report.diagnostics, &report.text, output::Stream::Err);
        exit = Exit::Findings;
    }
    Ok((files, rules, exit))
}

fn print_states(rules: &RuleSet, format: output::Format) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct States<'r> {
        rule_id: &'r str,
        name: &'r str,
        version: &'r str,
        states: Vec<String>,
    }
    let rules = rules.rules().iter();
    if format == output::Format::Human {
        for (index, rule) in rules.enumerate() {
            let gap = if index > 0 { "\n" } else { "" };
            output::line(&format!("{gap}{}", states::explain(rule)));
        }
        return Ok(());
    }
    let states = rules.map(|rule| States {
        rule_id: &rule.metadata.id,
        name: &rule.metadata.name,
        version: &rule.version,
        states: states::states(rule),
    });
    let states: Vec<States<'_>> = states.collect();
    output::line(&serde_json::to_string_pretty(&serde_json::json!({ "rules": states }))?);
    Ok(())
}

/// Each file is a partition of its own, unless they are merged.
fn explain_events(
    args: &Args,
    rules: RuleSet,
    unsuppressed: RuleSet,
    options: Options,
) -> anyhow::Result<Explanation> {
    let rules = Arc::new(rules);
    let limits = Limits { keys: args.limit, hits: args.hits, wanted: args.key.clone() };
    let mut explainer = Explainer::new(Arc::clone(&rules), Arc::new(unsuppressed), options, limits);
    let name = |path: &PathBuf| match path.as_os_str() == source::STDIN {
        true => "stdin".to_owned(),
        false => path.display().to_string(),
    };
    explainer.set_files(args.events.iter().map(name).collect());
    if args.merge {
        explainer.begin("merged");
        let mut offset = 0;
        lines::merged(&args.events, &rules, |file, line, record| {
            offset += 1;
            explainer.on_record(offset, Place { file, line }, record);
            Ok(())
        })?;
    } else {
        for (file, path) in args.events.iter().enumerate() {
            explainer.begin(&path.display().to_string());
            lines::of_file(path, |line, record| {
                explainer.on_record(line, Place { file, line }, record);
                Ok(())
            })?;
        }
    }
    Ok(explainer.finish())
}
