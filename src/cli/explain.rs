//! `maxspan explain`: a rule as states, and why it did or did not fire on recorded events.
//!
//! Never judges itself: that is the library's `explain`'s.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::setup::{self, ConfigArgs, TimeArgs};
use super::{Exit, lines, output, overfull};
use crate::config::Config;
use crate::detect::Engine;
use crate::explain::{Explainer, Explanation, Limits, Place, text};
use crate::rule::explain as states;
use crate::rule::set::RuleSet;
use crate::source;
use crate::text::Text;

/// Arguments of `maxspan explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rule files, or directories of them; with --config they may be left out for its own
    #[arg(required_unless_present = "config", value_name = "RULE")]
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
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    times: TimeArgs,
    /// How to print the explanation
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
}

/// Runs the command.
///
/// # Errors
/// If the configuration, a rule or a file of records cannot be read.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.config.load()?;
    let files = setup::rule_files(&config, &args.rules)?;
    // What a condition would have said of an event of another category is explained, too.
    let files = wanted(args, &config, files);
    let setup = setup::compile_for_whole_events(&config, &args.times, files);
    let mut exit = if setup.refused().next().is_some() { Exit::Findings } else { Exit::Fine };
    let rules = Arc::clone(&setup.rules);
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
    let explanation = explain_events(args, setup.offline())?;
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

/// Returns the files of the rules that are asked for.
fn wanted(args: &Args, config: &Config, files: Vec<Arc<Text>>) -> Vec<Arc<Text>> {
    let Some(id) = &args.rule_id else { return files };
    let (_, reports) = RuleSet::compile(files, &config.rule_defaults());
    let wanted = reports.into_iter().filter(|report| report.rule_id.as_ref() == Some(id));
    wanted.map(|report| report.text).collect()
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
fn explain_events(args: &Args, engine: Engine) -> anyhow::Result<Explanation> {
    let rules = Arc::clone(engine.rules());
    let limits = Limits { keys: args.limit, hits: args.hits, wanted: args.key.clone() };
    let mut explainer = Explainer::new(engine, limits);
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
            explainer.detector().map_or(Ok(()), overfull::check)
        })?;
    } else {
        for (file, path) in args.events.iter().enumerate() {
            explainer.begin(&path.display().to_string());
            lines::of_file(path, |line, record| {
                explainer.on_record(line, Place { file, line }, record);
                explainer.detector().map_or(Ok(()), overfull::check)
            })?;
        }
    }
    Ok(explainer.finish())
}
