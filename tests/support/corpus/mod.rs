//! Generated telemetry with known answers: made-up Windows hosts under attack, as Winlogbeat sends their records and
//! as ECS.
//!
//! The same settings give the same bytes everywhere. Which events end a sequence of which shipped rule is told by a
//! matcher of the generator's own ([`answers`]), which never sees a record and knows nothing of the engine.
//!
//! [`Corpus`] is a corpus in files, kept under `target/corpora`; [`lines`] gives a small one in memory.

#![allow(dead_code, unreachable_pub, reason = "each program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod answers;
mod attacks;
mod chance;
mod delivery;
mod event;
mod hosts;
mod json;
mod making;
mod time;
mod written;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use answers::{Answers, RULES};
use chance::Random;
use delivery::{Lateness, Queue, Sent};
use event::Kind;
use hosts::Hosts;
use making::{Moment, Wish, make};

/// Changes whenever the same settings give other bytes than before: kept corpora are named after it.
const VERSION: u32 = 2;
/// 2 March 2026, 08:00 UTC.
const BEGIN: i64 = 1_772_438_400_000;

/// What a corpus is like.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub events: u64,
    pub hosts: usize,
    /// Of event time. Together the events must span a minute.
    pub events_per_second: u64,
    /// How often each scene is injected, in a million events.
    pub attacks_per_million: u64,
    pub seed: u64,
    /// Records come as Windows writes them: connections of Sysmon about a second late, 13 s at most. Without it they
    /// come in the order of event time.
    pub is_late: bool,
    /// How many of a thousand records are delivered twice.
    pub doubled_per_thousand: u64,
}

impl Settings {
    /// A hundred thousand events with many attacks: what most tests ask for.
    pub const MANY_ATTACKS: Self = Self {
        events: 100_000,
        hosts: 1_000,
        events_per_second: 500,
        attacks_per_million: 600,
        seed: 7,
        is_late: false,
        doubled_per_thousand: 0,
    };

    /// The same events, as Windows writes them.
    pub const fn late(self) -> Self {
        Self { is_late: true, ..self }
    }

    /// The same events; so many records of a thousand come twice.
    pub const fn doubled(self, per_thousand: u64) -> Self {
        Self { doubled_per_thousand: per_thousand, ..self }
    }

    /// Another size.
    pub const fn of(self, events: u64, events_per_second: u64, attacks_per_million: u64) -> Self {
        Self { events, events_per_second, attacks_per_million, ..self }
    }

    /// Tells settings apart, as the name of a folder.
    fn name(&self) -> String {
        let Self { events, hosts, events_per_second, attacks_per_million, seed, .. } = self;
        let late = if self.is_late { "-late" } else { "" };
        let doubled = self.doubled_per_thousand;
        format!(
            "v{VERSION}-{events}-h{hosts}-eps{events_per_second}-a{attacks_per_million}-s{seed}-d{doubled}{late}"
        )
    }
}

/// How records are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As Winlogbeat 8 puts them on Kafka.
    Raw,
    /// As Elasticsearch's pipelines leave them.
    Ecs,
}

impl Shape {
    pub const ALL: [Self; 2] = [Self::Raw, Self::Ecs];

    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Ecs => "ecs",
        }
    }
}

/// The last words of the shipped rules' ids; [`Corpus::finals`] knows their answers.
pub fn rules() -> [&'static str; 3] {
    RULES.map(|(name, _)| name)
}

/// A generated corpus in files.
pub struct Corpus {
    directory: PathBuf,
    settings: Settings,
    finals: [Vec<u64>; 3],
}

impl Corpus {
    /// Returns the corpus of these settings. Its files are written when they are asked for.
    pub fn make(settings: Settings) -> Self {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/corpora");
        let directory = base.join(settings.name());
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("answers.json");
        let finals = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap(),
            Err(_) => {
                let finals = run(&settings, |_, _| ());
                write_whole(&path, |file| {
                    file.write_all(&serde_json::to_vec(&finals).unwrap()).unwrap();
                });
                finals
            }
        };
        Self { directory, settings, finals }
    }

    /// Returns the file of a shape, one record a line. It is written if it is not there.
    pub fn file(&self, shape: Shape) -> PathBuf {
        let path = self.directory.join(format!("{}.ndjson", shape.name()));
        if !path.exists() {
            write_whole(&path, |file| {
                let mut line = Vec::new();
                run(&self.settings, |sent, hosts| {
                    line.clear();
                    write_line(sent, hosts, shape, &mut line);
                    line.push(b'\n');
                    file.write_all(&line).unwrap();
                });
            });
        }
        path
    }

    /// The numbers of the events that end a sequence of the rule whose id ends so, in exact semantics.
    pub fn finals(&self, rule: &str) -> Vec<u64> {
        let place = RULES.iter().position(|(name, _)| *name == rule);
        self.finals[place.unwrap_or_else(|| panic!("no answers for {rule}"))].clone()
    }
}

/// Returns the records of a small corpus, in the order of arrival.
pub fn lines(settings: &Settings, shape: Shape) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    run(settings, |sent, hosts| {
        let mut line = Vec::new();
        write_line(sent, hosts, shape, &mut line);
        lines.push(line);
    });
    lines
}

/// Makes all events, hands them out in the order of arrival, and returns the answers.
fn run(settings: &Settings, mut deliver: impl FnMut(&Sent, &Hosts)) -> [Vec<u64>; 3] {
    let span_ms = (settings.events * 1_000 / settings.events_per_second) as i64;
    assert!(span_ms >= 60_000, "a corpus spans a minute at least, and not {span_ms} ms");
    let chance = &mut Random::new(settings.seed);
    let mut hosts = Hosts::new(settings.hosts, chance);
    let times = (settings.attacks_per_million * settings.events / 1_000_000).max(1);
    let mut planned = attacks::plan(times, span_ms, settings.hosts, chance).into_iter().peekable();
    let mut lateness = Lateness {
        is_late: settings.is_late,
        doubled: settings.doubled_per_thousand,
        chance: Random::new(settings.seed ^ 0x1a7e),
    };
    let (mut queue, mut answers) = (Queue::default(), Answers::default());
    for number in 0..settings.events {
        let since = (number * 1_000 / settings.events_per_second) as i64;
        let (host, kind, wish) = match planned.next_if(|planned| planned.at <= since) {
            Some(planned) => (planned.host, planned.kind, planned.wish),
            None => {
                let kind: Kind = *making::weighted(&Kind::SHARES, chance);
                (hosts.pick(chance), kind, Wish::default())
            }
        };
        let at = BEGIN + since;
        let event = make(kind, &Moment { number, at, host, on: &hosts.all[host] }, wish, chance);
        answers.see(&event);
        queue.put(event, &mut lateness);
        drain(&mut queue, at, &mut hosts, &mut deliver);
    }
    drain(&mut queue, i64::MAX, &mut hosts, &mut deliver);
    answers.finals()
}

/// Hands out what has arrived until now.
fn drain(queue: &mut Queue, now: i64, hosts: &mut Hosts, deliver: &mut impl FnMut(&Sent, &Hosts)) {
    while let Some(sent) = queue.take(now) {
        if sent.record.get() == 0 {
            let host = &mut hosts.all[sent.event.host];
            host.record += 1;
            sent.record.set(host.record);
        }
        deliver(&sent, hosts);
    }
}

fn write_line(sent: &Sent, hosts: &Hosts, shape: Shape, out: &mut Vec<u8>) {
    let host = &hosts.all[sent.event.host];
    written::write(&sent.event, host, sent.written_at, sent.record.get(), shape, out);
}

/// Writes a file under another name first: another test may be about to do the same.
fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write)) {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_extension(format!("{}-{number}.unfinished", std::process::id()));
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&unfinished).unwrap());
    write(&mut file);
    file.flush().unwrap();
    fs::rename(&unfinished, path).unwrap();
}
