//! `maxspan test`: runs the cases that stand beside rules.
//!
//! Never judges a case itself: that is `detect`'s.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::setup::ConfigArgs;
use super::{Exit, output};
use crate::detect::{Options, case};
use crate::diag::Diagnostic;
use crate::rule;
use crate::rule::set::Defaults;
use crate::rules_dir::{self, WithCases};
use crate::text::Text;

/// Arguments of `maxspan test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rule files, their `*.cases.toml`, or directories of them; with --config they may be left out
    /// for its own
    #[arg(required_unless_present = "config", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Write the results as JUnit XML as well
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How to print the results
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
    /// Print cases that pass as well
    #[arg(long, short)]
    verbose: bool,
}

/// What became of the cases of one rule.
#[derive(Serialize)]
struct Suite {
    /// Path of the rule.
    rule: String,
    cases: Vec<Outcome>,
}

/// What became of a case.
#[derive(Serialize)]
struct Outcome {
    name: String,
    passed: bool,
    /// What came otherwise than expected.
    faults: Vec<String>,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Totals {
    passed: usize,
    failed: usize,
    /// Rules without a case.
    without: usize,
}

/// Runs the command.
///
/// # Errors
/// If a path cannot be read, or the JUnit file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.config.load()?;
    let paths = if args.paths.is_empty() { &config.rules.paths } else { &args.paths };
    let files = rules_dir::read_with_cases(paths).context("nothing tested")?;
    let run = Run { defaults: config.rule_defaults(), options: config.detector_options() };
    let suites: Vec<Suite> = files.iter().map(|file| run.suite(file)).collect();
    let totals = totals(&suites);
    match args.format {
        output::Format::Human => print_human(&suites, totals, args.verbose),
        output::Format::Json => print_json(&suites, totals)?,
    }
    if let Some(path) = &args.junit {
        let context = || format!("cannot write `{}`", path.display());
        std::fs::write(path, junit(&suites, totals)).with_context(context)?;
    }
    Ok(if totals.failed > 0 { Exit::Findings } else { Exit::Fine })
}

/// How cases are run: as the configuration says.
struct Run {
    defaults: Defaults,
    options: Options,
}

impl Run {
    fn suite(&self, file: &WithCases) -> Suite {
        let rule = file.rule.name.clone();
        let Some(cases) = &file.cases else { return Suite { rule, cases: Vec::new() } };
        let outcomes = match rule::case::parse(cases) {
            Ok(cases) => cases.iter().map(|case| self.outcome(&file.rule, case)).collect(),
            Err(found) => vec![failed("(the file of cases)", told(&found, cases))],
        };
        Suite { rule, cases: outcomes }
    }

    fn outcome(&self, rule: &Arc<Text>, case: &rule::case::Case) -> Outcome {
        match case::run(rule, case, &self.defaults, &self.options) {
            Ok(faults) => Outcome { name: case.name.clone(), passed: faults.is_empty(), faults },
            Err(found) => failed(&case.name, told(&found, rule)),
        }
    }
}

fn failed(name: &str, faults: Vec<String>) -> Outcome {
    Outcome { name: name.to_owned(), passed: false, faults }
}

/// Returns errors as lines with their places.
fn told(found: &[Diagnostic], text: &Text) -> Vec<String> {
    let line = |found: &Diagnostic| {
        let place = found.span.map(|span| text.position(span.start));
        let place = place.map_or(String::new(), |at| format!(":{}:{}", at.line, at.column));
        format!("{}{place}: {}: {}", text.name, found.code, found.message)
    };
    match found.iter().any(Diagnostic::is_error) {
        false => vec![format!("{}: holds no EQL rule", text.name)],
        true => found.iter().filter(|found| found.is_error()).map(line).collect(),
    }
}

fn totals(suites: &[Suite]) -> Totals {
    let mut totals = Totals::default();
    for suite in suites {
        let passed = suite.cases.iter().filter(|case| case.passed).count();
        totals.passed += passed;
        totals.failed += suite.cases.len() - passed;
        totals.without += usize::from(suite.cases.is_empty());
    }
    totals
}

fn print_human(suites: &[Suite], totals: Totals, verbose: bool) {
    for suite in suites {
        if suite.cases.is_empty() {
            output::line(&format!("{}: no cases", suite.rule));
        }
        for case in suite.cases.iter().filter(|case| verbose || !case.passed) {
            let word = match case.passed {
                true => "ok".to_owned(),
                false => output::Stream::Out.paint("FAILED", output::Style::Red),
            };
            output::line(&format!("{}: {}: {word}", suite.rule, case.name));
            for fault in &case.faults {
                output::line(&format!("    {fault}"));
            }
        }
    }
    let Totals { passed, failed, without } = totals;
    let without = match without {
        0 => String::new(),
        1 => ", 1 rule without cases".to_owned(),
        count => format!(", {count} rules without cases"),
    };
    output::line(&format!("{} cases: {passed} passed, {failed} failed{without}", passed + failed));
}

fn print_json(suites: &[Suite], totals: Totals) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        rules: &'a [Suite],
        totals: Totals,
    }
    output::line(&serde_json::to_string_pretty(&Report { rules: suites, totals })?);
    Ok(())
}

/// Returns the results as the XML that build servers read.
fn junit(suites: &[Suite], totals: Totals) -> String {
    let (count, failed) = (totals.passed + totals.failed, totals.failed);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"maxspan\" tests=\"{count}\" failures=\"{failed}\">\n"
    );
    for suite in suites {
        // Writing to a string cannot fail.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">",
            escaped(&suite.rule),
            suite.cases.len(),
            suite.cases.iter().filter(|case| !case.passed).count(),
        );
        suite.cases.iter().for_each(|case| xml.push_str(&testcase(&suite.rule, case)));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn testcase(rule: &str, case: &Outcome) -> String {
    let (class, name) = (escaped(rule), escaped(&case.name));
    let head = format!("    <testcase classname=\"{class}\" name=\"{name}\"");
    if case.passed {
        return format!("{head}/>\n");
    }
    let first = escaped(case.faults.first().map_or("", String::as_str));
    let all = escaped(&case.faults.join("\n"));
    format!("{head}>\n      <failure message=\"{first}\">{all}</failure>\n    </testcase>\n")
}

/// Escapes what has a meaning in XML, and leaves out what may not stand there at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control() || ['\n', '\t'].contains(c)) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}
