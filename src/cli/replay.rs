//! `maxspan replay`: the production detector over files.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use anyhow::Context;

use super::{Exit, lines, output};
use crate::detect::{Detector, Options, Origin, Output, Past, Record, Stamp, Stats};
use crate::event::TimeSpan;
use crate::normalize::Shape;
use crate::rule::Emit;
use crate::rule::set::{Defaults, RuleSet, Status};
use crate::rules_dir;

/// How many unreadable lines of a file are named on stderr; all are counted.
const NAMED_LINES: u64 = 5;
/// How many lines are read between two looks at the output.
const BATCH: usize = 1_000;

/// Arguments of `maxspan replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files of records, one JSON document a line: plain, .gz or .zst; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Rule file or directory of rule files; may be given several times
    #[arg(long, value_name = "PATH", default_value = "config/rules")]
    rules: Vec<PathBuf>,
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
    /// Read all files as one partition, merged by event time
    #[arg(long)]
    merge: bool,
    /// How many files to read at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Print no summary
    #[arg(long, short)]
    quiet: bool,
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

/// Runs the command.
///
/// # Errors
/// If rules, configuration or a file cannot be read.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let (mut defaults, options) = settings(args)?;
    defaults.force(args.emit.map(Into::into), args.order_tolerance, args.allowed_lateness);
    let (rules, reports) = RuleSet::compile(rules_dir::read(&args.rules)?, &defaults);
    for report in reports.iter().filter(|report| report.status == Status::Refused) {
        output::diagnostics(&report.diagnostics, &report.text, output::Stream::Err);
    }
    if rules.rules().is_empty() {
        output::error("no rule to run");
        return Ok(Exit::Findings);
    }
    let replay = Replay { rules: Arc::new(rules), options };
    let started = std::time::Instant::now();
    let stats = if args.merge { replay.merged(&args.files)? } else { replay.apart(args)? };
    if !args.quiet {
        summarize(&replay.rules, &stats, started.elapsed());
    }
    let refused = reports.iter().any(|report| report.status == Status::Refused);
    Ok(if refused { Exit::Findings } else { Exit::Fine })
}

fn settings(args: &Args) -> anyhow::Result<(Defaults, Options)> {
    let (defaults, options) = match &args.config {
        Some(path) => {
            let config = crate::config::Config::load(Some(path), &[])?;
            (config.rule_defaults(), config.detector_options())
        }
        None => Default::default(),
    };
    // A file is the whole past: an absence that looks back sees where it begins.
    Ok((defaults, Options { past: Past::Nothing, ..options }))
}

struct Replay {
    rules: Arc<RuleSet>,
    options: Options,
}

impl Replay {
    /// Each file is a partition of its own; alerts come in the order of the files.
    fn apart(&self, args: &Args) -> anyhow::Result<Stats> {
        let mut stats = Stats::default();
        if args.jobs <= 1 {
            for path in &args.files {
                stats.add(&self.file(path, &mut io::stdout().lock())?);
            }
            return Ok(stats);
        }
        let next = AtomicUsize::new(0);
        let (done, results) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..args.jobs.min(args.files.len()) {
                let (done, next) = (done.clone(), &next);
                scope.spawn(move || {
                    while let Some((index, path)) = {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        args.files.get(index).map(|path| (index, path))
                    } {
                        let mut alerts = Vec::new();
                        let result = self.file(path, &mut alerts);
                        if done.send((index, result.map(|stats| (stats, alerts)))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            print_in_order(results, &mut stats)
        })?;
        Ok(stats)
    }

    fn file(&self, path: &Path, alerts: &mut dyn Write) -> anyhow::Result<Stats> {
        let mut partition = Partition::new(self, path, alerts);
        lines::of_file(path, |number, line| partition.line(number, line))?;
        partition.end()
    }

    /// All files are one partition, read in the order of event time.
    fn merged(&self, paths: &[PathBuf]) -> anyhow::Result<Stats> {
        let mut alerts = io::stdout().lock();
        let mut partition = Partition::new(self, Path::new("merged"), &mut alerts);
        let mut number = 0;
        lines::merged(paths, &self.rules, |_, _, line| {
            number += 1;
            partition.line(number, line)
        })?;
        partition.end()
    }
}

/// One detector and where its alerts go.
struct Partition<'a> {
    name: String,
    detector: Detector,
    alerts: &'a mut dyn Write,
    stats: Stats,
    named: u64,
    waiting: usize,
}

impl<'a> Partition<'a> {
    fn new(replay: &Replay, path: &Path, alerts: &'a mut dyn Write) -> Self {
        let name = path.display().to_string();
        let origin = Origin { topic: name.as_str().into(), partition: 0 };
        let detector = Detector::new(Arc::clone(&replay.rules), origin, replay.options.clone());
        Self { name, detector, alerts, stats: Stats::default(), named: 0, waiting: 0 }
    }

    fn line(&mut self, number: i64, line: &[u8]) -> anyhow::Result<()> {
        self.detector.on_record(&Record {
            offset: number,
            stamp: Stamp::None,
            payload: Some(line),
            source: None,
        });
        self.waiting += 1;
        if self.waiting >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.waiting = 0;
        if self.detector.outbox().is_empty() {
            return Ok(());
        }
        for output in self.detector.take_outbox() {
            match output {
                Output::Alert(alert) => {
                    self.alerts.write_all(&alert.value).context("cannot write an alert")?;
                    self.alerts.write_all(b"\n").context("cannot write an alert")?;
                }
                // There is no other life that would read it, and no brokers to forward to.
                Output::Journal(_) | Output::Forward(_) => {}
                Output::DeadLetter(letter) => {
                    self.named += 1;
                    if self.named <= NAMED_LINES {
                        let place = format!("{}:{}", self.name, letter.offset);
                        output::warning(&format!("{place}: unreadable record: {}", letter.reason));
                    }
                }
            }
        }
        self.alerts.flush().context("cannot write an alert")
    }

    fn end(mut self) -> anyhow::Result<Stats> {
        self.detector.finish();
        self.flush()?;
        self.stats.add(&self.detector.take_stats());
        Ok(self.stats)
    }
}

type Done = (usize, anyhow::Result<(Stats, Vec<u8>)>);

fn print_in_order(results: mpsc::Receiver<Done>, stats: &mut Stats) -> anyhow::Result<()> {
    let mut early = std::collections::BTreeMap::new();
    let mut next = 0;
    for (index, result) in results {
        early.insert(index, result?);
        while let Some((of_file, alerts)) = early.remove(&next) {
            stats.add(&of_file);
            io::stdout().write_all(&alerts).context("cannot write an alert")?;
            next += 1;
        }
    }
    Ok(())
}

fn summarize(rules: &RuleSet, stats: &Stats, elapsed: std::time::Duration) {
    let rate = stats.records as f64 / elapsed.as_secs_f64().max(1e-6);
    output::note(&format!(
        "records: {} in {:.1} s ({rate:.0} a second); hits: {}",
        stats.records,
        elapsed.as_secs_f64(),
        stats.admitted,
    ));
    for (rule, counted) in rules.rules().iter().zip(&stats.rules) {
        let left = match counted.suppressed {
            0 => String::new(),
            count => format!(", {count} more suppressed"),
        };
        let alerts = counted.matches - counted.suppressed;
        output::note(&format!("alerts: {alerts} of {}{left}", rule.metadata.id));
    }
    let sequences = stats
        .rules
        .iter()
        .fold(Default::default(), |sum: crate::sequence::Counts, r| sum.plus(r.sequences));
    let undecided = stats.rules.iter().map(|rule| rule.undecided).sum();
    for (count, what) in [
        (stats.dead_letter_count(), "unreadable records"),
        (stats.of_shape(Shape::Unknown), "records of unknown shape"),
        (stats.foreign_ids, "records whose `host.id` is their collector's, and was left out"),
        (stats.shared_ids, "`host.id`s that two machines share"),
        (stats.no_event_time, "records without a time, which no rule sees"),
        (stats.no_host, "records without a host"),
        (sequences.duplicates, "repeated hits, left out"),
        (sequences.late, "late hits, taken all the same"),
        (sequences.too_late, "hits too late to be taken"),
        (sequences.contradicted, "eager matches that a later arrival contradicts"),
        (undecided, "conditions too costly to decide: stages counted as hits, exceptions did not"),
        (stats.refused_bytes, "hits refused because of `max_bytes`"),
        (stats.refused_keys, "join keys refused because of `max_key_expansion`"),
        (sequences.refused_keys, "hits refused because of `max_keys`"),
        (sequences.refused_candidates, "hits refused because of `max_candidates_per_key`"),
    ] {
        if count > 0 {
            output::note(&format!("{what}: {count}"));
        }
    }
}
