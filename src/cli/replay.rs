//! `maxspan replay`: the production detector over files.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::setup::{self, ConfigArgs, TimeArgs};
use super::{Exit, lines, output, overfull, profile, summary};
use crate::alert::{Format, Renderer};
use crate::config::{InputSettings, Validate};
use crate::detect::{Detector, Engine, Origin, Output, Record, Stamp, Stats};
use crate::setup::nanoseconds;

mod parallel;

use parallel::Judged;

/// How many unreadable lines of a file are named on stderr; all are counted.
const NAMED_LINES: u64 = 5;
/// How many lines are read between two looks at the output.
const BATCH: usize = 1_000;
/// From so many files for each thread on, the threads read files side by side, as unpacking is not
/// divided; of fewer, and larger ones, all threads judge one file after the other.
const FILES_A_THREAD: usize = 4;

/// Arguments of `maxspan replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files of records, one JSON document a line: plain, .gz or .zst; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Rule file or directory of rule files; may be given several times. Without it, those of the
    /// configuration, or the directory `rules`
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    times: TimeArgs,
    /// The form of the alerts; without it, that of the configuration
    #[arg(long, value_parser = alert_format(), value_name = "FORMAT")]
    alert_format: Option<Format>,
    /// Read all files as one partition, merged by event time
    #[arg(long)]
    merge: bool,
    /// How many threads to work with
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Say on standard error what each rule has cost, dearest first: for people, or as `--profile=json`.
    /// Of a rule's conditions some evaluations are timed; what finds the rules to ask is not in it
    #[arg(long, value_name = "FORMAT", value_enum, num_args = 0..=1, require_equals = true,
        default_missing_value = "human")]
    profile: Option<output::Format>,
    /// How many records are decoded whole; without it, as the configuration says
    #[arg(long, value_enum, value_name = "WHICH")]
    validate: Option<ValidateArg>,
    /// Whether records may be rejected by their bytes; without it, as the configuration says
    #[arg(long, value_enum, value_name = "SWITCH")]
    prefilter: Option<Switch>,
    /// Print no summary
    #[arg(long, short)]
    quiet: bool,
}

/// `--validate`
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ValidateArg {
    /// Those that may satisfy a stage, and a sample of the others.
    Sampled,
    /// All of them.
    All,
}

/// `--prefilter`
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    /// They may.
    On,
    /// They may not.
    Off,
}

impl Args {
    /// Writes what the flags say about reading records over what the configuration says.
    fn override_input(&self, input: &mut InputSettings) {
        if let Some(validate) = self.validate {
            input.validate = match validate {
                ValidateArg::Sampled => Validate::Sampled,
                ValidateArg::All => Validate::All,
            };
        }
        if let Some(prefilter) = self.prefilter {
            input.prefilter = prefilter == Switch::On;
        }
    }
}

/// `--alert-format`: one of the words that name the formats.
fn alert_format() -> impl TypedValueParser<Value = Format> {
    let words = PossibleValuesParser::new(Format::ALL.map(Format::as_str));
    words.try_map(|word| {
        let named = Format::ALL.into_iter().find(|format| format.as_str() == word);
        named.ok_or_else(|| format!("`{word}` is no format"))
    })
}

/// Runs the command.
///
/// # Errors
/// If rules, configuration or a file cannot be read.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut config = args.config.load()?;
    if let Some(format) = args.alert_format {
        config.alerts.format = format;
    }
    args.override_input(&mut config.input);
    let files = setup::rule_files(&config, &args.rules)?;
    let setup = setup::compile(&config, &args.times, files);
    // With other rules than the configuration's, most overrides have none.
    if args.rules.is_empty() {
        setup::warn_of_unused_overrides(&config, &setup);
    }
    if setup.rules.rules().is_empty() {
        output::error("no rule to run");
        return Ok(Exit::Findings);
    }
    let engine = match args.profile {
        Some(_) => setup.offline().profiling(nanoseconds),
        None => setup.offline(),
    };
    let replay = Replay { engine, renderer: setup.renderer() };
    let started = std::time::Instant::now();
    let stats = if args.merge { replay.merged(&args.files)? } else { replay.apart(args)? };
    if !args.quiet {
        summary::print(&setup.rules, &stats, started.elapsed());
    }
    if let Some(format) = args.profile {
        profile::print(&setup.rules, &stats, format)?;
    }
    Ok(if setup.refused().next().is_some() { Exit::Findings } else { Exit::Fine })
}

struct Replay {
    engine: Engine,
    renderer: Renderer,
}

impl Replay {
    /// Each file is a partition of its own; alerts come in the order of the files.
    fn apart(&self, args: &Args) -> anyhow::Result<Stats> {
        if args.jobs > 1 && args.files.len() >= FILES_A_THREAD * args.jobs {
            return self.side_by_side(args);
        }
        let mut stats = Stats::default();
        for path in &args.files {
            stats.add(&self.file(path, args.jobs, &mut io::stdout())?);
        }
        Ok(stats)
    }

    /// Each thread reads files of its own.
    fn side_by_side(&self, args: &Args) -> anyhow::Result<Stats> {
        let mut stats = Stats::default();
        let next = AtomicUsize::new(0);
        let (done, results) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..args.jobs {
                let (done, next) = (done.clone(), &next);
                scope.spawn(move || {
                    while let Some((index, path)) = {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        args.files.get(index).map(|path| (index, path))
                    } {
                        let mut alerts = Vec::new();
                        let result = self.file(path, 1, &mut alerts);
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

    /// Reads one file with so many threads.
    fn file(&self, path: &Path, jobs: usize, alerts: &mut Alerts) -> anyhow::Result<Stats> {
        let mut partition = Partition::new(self, path, alerts);
        match jobs {
            0 | 1 => lines::of_file(path, |number, line| partition.line(number, line))?,
            _ => {
                let costs = parallel::of_file(path, &self.engine, jobs, |before, judged| {
                    partition.judged(before, judged)
                })?;
                partition.stats.add(&costs);
            }
        }
        partition.end()
    }

    /// All files are one partition, read in the order of event time.
    fn merged(&self, paths: &[PathBuf]) -> anyhow::Result<Stats> {
        let mut alerts = io::stdout();
        let mut partition = Partition::new(self, Path::new("merged"), &mut alerts);
        let mut number = 0;
        lines::merged(paths, self.engine.rules(), |_, _, line| {
            number += 1;
            partition.line(number, line)
        })?;
        partition.end()
    }
}

/// Where alerts are written to, by one thread after the other.
type Alerts = dyn Write + Send;

/// One detector and where its alerts go.
struct Partition<'a> {
    origin: Origin,
    detector: Detector,
    renderer: &'a Renderer,
    alerts: &'a mut Alerts,
    stats: Stats,
    named: u64,
    waiting: usize,
}

impl<'a> Partition<'a> {
    fn new(replay: &'a Replay, path: &Path, alerts: &'a mut Alerts) -> Self {
        let origin = Origin { topic: path.display().to_string().into(), partition: 0 };
        let (detector, renderer) = (replay.engine.detector(origin.clone()), &replay.renderer);
        let stats = Stats::default();
        Self { origin, detector, renderer, alerts, stats, named: 0, waiting: 0 }
    }

    fn line(&mut self, number: i64, line: &[u8]) -> anyhow::Result<()> {
        self.detector.on_record(&record(number, line));
        self.waiting += 1;
        if self.waiting < BATCH {
            return Ok(());
        }
        overfull::check(&self.detector)?;
        self.flush()
    }

    /// Takes in the lines of a block that have been judged; there are `before` lines before it.
    fn judged(&mut self, before: i64, judged: &Judged) -> anyhow::Result<()> {
        for (number, line, screened) in judged.lines() {
            self.detector.on_screened(&record(before + number, line), screened);
        }
        overfull::check(&self.detector)?;
        self.flush()
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.waiting = 0;
        if self.detector.outbox().is_empty() {
            return Ok(());
        }
        for output in self.detector.take_outbox() {
            match output {
                Output::Finding(finding) => {
                    for alert in self.renderer.alert(&self.origin, &finding) {
                        self.alerts.write_all(&alert.value).context("cannot write an alert")?;
                        self.alerts.write_all(b"\n").context("cannot write an alert")?;
                    }
                }
                // Bounded input has no journal, and nothing of it is forwarded.
                Output::Journal(_) | Output::Forward(_) => {}
                Output::DeadLetter(letter) => {
                    self.named += 1;
                    if self.named <= NAMED_LINES {
                        let place = format!("{}:{}", self.origin.topic, letter.offset);
                        output::warning(&format!("{place}: unreadable record: {}", letter.reason));
                    }
                }
            }
        }
        self.alerts.flush().context("cannot write an alert")
    }

    fn end(mut self) -> anyhow::Result<Stats> {
        overfull::check(&self.detector)?;
        self.detector.finish();
        self.flush()?;
        self.stats.add(&self.detector.take_stats());
        Ok(self.stats)
    }
}

fn record(number: i64, line: &[u8]) -> Record<'_> {
    Record { offset: number, stamp: Stamp::None, payload: Some(line), source: None }
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
