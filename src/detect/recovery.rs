//! How a partition's state is rebuilt after a restart: which records to read again, with which
//! clock, and what of it to commit beside the offset.
//!
//! The state itself is never written. What is committed says from where to replay: the floor T
//! (below it no event time matters), the safe offset S (before it no record matters), a start R
//! two memories before S with the clock as it was there, and how far idle time had run; and it holds
//! the windows of suppression, which what is replayed could not rebuild. The format
//! is ASCII, `key=value` parts separated by `;`, below the 4,096 bytes that Kafka keeps.

use std::collections::VecDeque;

use crate::event::{EventTime, TimeSpan};
use crate::sequence::PartitionClock;
use crate::sequence::clock::Step;

use super::sources::Listen;
use super::suppress::{self, Window};

/// First part of the metadata: the format and its version.
const FORMAT: &str = "maxspan1";
/// Most bytes of metadata that brokers keep by default (`offset.metadata.max.bytes`).
const MAX_METADATA: usize = 4_096;
/// Most advances of idle time that are remembered.
const MAX_IDLE: usize = 36;
/// Most rules whose hashes fit beside everything else.
const MAX_RULES: usize = 240;
/// How often, in the clock's time, a possible start of a replay is noted.
const CHECKPOINT_EVERY: TimeSpan = TimeSpan::from_secs(2);
/// For how long beyond the longest memory admitted events are remembered as possible starts.
const HORIZON: TimeSpan = TimeSpan::from_secs(600);

/// An event that satisfied some stage: where, when, and what the clock showed as it was taken in: after
/// its own step, since what that step made forgettable is gone before the event is offered.
#[derive(Clone, Copy, Debug)]
struct Admission {
    offset: i64,
    event_time: EventTime,
    clock: EventTime,
    /// What the clock will show when it counts: later, if it has run ahead.
    seen_at: EventTime,
}

/// Idle time that ran on to `clock` before the record at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Idle {
    pub(super) position: i64,
    pub(super) clock: EventTime,
}

/// A place where a replay may start, and the clock before its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Checkpoint {
    offset: i64,
    clock: PartitionClock,
}

/// What a running detector remembers so that it can say from where to replay.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// INVARIANT: ascending offsets.
    admissions: VecDeque<Admission>,
    /// INVARIANT: ascending offsets and clocks.
    checkpoints: VecDeque<Checkpoint>,
    /// INVARIANT: ascending positions, each once.
    idle: Vec<Idle>,
}

impl Trail {
    /// Notes the clock before the record at `offset`.
    pub(super) fn note_clock(&mut self, offset: i64, clock: PartitionClock) {
        let Some(last) = self.checkpoints.back() else {
            self.checkpoints.push_back(Checkpoint { offset, clock });
            return;
        };
        let gained = match (last.clock.shows, clock.shows) {
            (Some(before), Some(now)) => now - before >= CHECKPOINT_EVERY,
            (before, now) => before != now,
        };
        if gained {
            self.checkpoints.push_back(Checkpoint { offset, clock });
        }
    }

    /// Notes an event that satisfied a stage.
    pub(super) fn note_admission(
        &mut self,
        offset: i64,
        event_time: EventTime,
        clock: EventTime,
        seen_at: EventTime,
    ) {
        self.admissions.push_back(Admission { offset, event_time, clock, seen_at });
    }

    /// Returns the earliest offset at which a replay may start.
    pub(super) fn earliest(&self) -> i64 {
        self.checkpoints.front().map_or(i64::MAX, |first| first.offset)
    }

    /// Notes that idle time ran on; tells whether there is room for that.
    pub(super) fn note_idle(&mut self, position: i64, clock: EventTime) -> bool {
        let full = self.idle.len() >= MAX_IDLE;
        match self.idle.last_mut() {
            Some(last) if last.position == position => last.clock = last.clock.max(clock),
            _ if full => return false,
            _ => self.idle.push(Idle { position, clock }),
        }
        true
    }

    /// Returns from where to replay if everything before `position` is done, and forgets what no
    /// later answer can need.
    pub(super) fn replay(
        &mut self,
        floor: Option<EventTime>,
        position: i64,
        clock: PartitionClock,
        memory: TimeSpan,
    ) -> Replay {
        self.forget(clock, memory);
        let needed = |admission: &&Admission| floor.is_some_and(|t| admission.event_time >= t);
        let first = self.admissions.iter().find(needed);
        let safe = first.map_or(position, |admission| admission.offset);
        let clock_at_safe = first.map(|admission| admission.clock).or(clock.shows);
        let reach = clock_at_safe.map(|at_safe| at_safe - memory.times(2));
        // What had run ahead of the clock matters for as long as if it had come in its place.
        let ran_ahead = |admission: &&Admission| reach.is_some_and(|t| admission.seen_at > t);
        let ahead = self.admissions.iter().find(ran_ahead).map(|admission| admission.offset);
        let latest = ahead.map_or(safe, |offset| offset.min(safe));
        let early = |checkpoint: &&Checkpoint| {
            let Some(reach) = reach else { return true };
            checkpoint.offset <= latest && checkpoint.clock.shows.is_none_or(|shows| shows <= reach)
        };
        let start = self.checkpoints.iter().rev().find(early).or_else(|| self.checkpoints.front());
        let start = start.copied().unwrap_or(Checkpoint { offset: position, clock });
        self.idle.retain(|idle| idle.position >= start.offset);
        let (start, clock, idle) = (start.offset, start.clock, self.idle.clone());
        Replay { floor, safe, start, clock, idle, listen: None }
    }

    /// A host whose clock is further behind than the horizon cannot be recovered in full.
    fn forget(&mut self, clock: PartitionClock, memory: TimeSpan) {
        let Some(now) = clock.shows else { return };
        let horizon = now - memory - HORIZON;
        while self.admissions.front().is_some_and(|first| first.seen_at < horizon) {
            self.admissions.pop_front();
        }
        let oldest = self.admissions.front().map_or(horizon, |first| first.clock.min(horizon));
        let unreachable = oldest - memory.times(2);
        let is_old = |second: &Checkpoint| second.clock.shows.is_none_or(|s| s <= unreachable);
        while self.checkpoints.get(1).is_some_and(is_old) {
            self.checkpoints.pop_front();
        }
    }
}

/// From where to replay, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replay {
    /// T: hits below it only move times; without it every hit does.
    pub(super) floor: Option<EventTime>,
    /// S: hits before it only move times.
    pub(super) safe: i64,
    /// R: the first record to read.
    pub(super) start: i64,
    /// The clock before the record at `start`.
    pub(super) clock: PartitionClock,
    /// How far idle time had run, and where.
    pub(super) idle: Vec<Idle>,
    /// Of re-keyed events: from where to listen how far their sources have come, before the start.
    pub(super) listen: Option<Listen>,
}

/// A rule as the metadata knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RuleMark {
    /// Hash of its query and times.
    pub(super) hash: u32,
    /// The offset from which it has seen the partition, if that was loaded behind the safe offset.
    pub(super) start: Option<i64>,
}

/// Everything that is committed beside an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) cut: u64,
    pub(super) owner: String,
    pub(super) replay: Replay,
    /// The clock from which this partition has been seen; nothing for the beginning of time.
    pub(super) seen_from: Option<EventTime>,
    pub(super) rules: Vec<RuleMark>,
    /// Windows of suppression, those to keep first if there is not room for all.
    pub(super) windows: Vec<Window>,
}

impl Metadata {
    /// Writes the metadata, below Kafka's limit.
    pub(super) fn write(&self) -> String {
        let Replay { floor, safe, start, clock, idle, listen } = &self.replay;
        let time =
            |at: Option<EventTime>| at.map_or_else(|| "-".to_owned(), |at| at.nanos().to_string());
        let step = clock.step.map_or_else(
            || "-".to_owned(),
            |step| format!("{:x},{},{}", step.host, step.first.nanos(), step.newest.nanos()),
        );
        let idle = idle.iter().map(|idle| format!("{},{}", idle.position, idle.clock.nanos()));
        let mut text = format!(
            "{FORMAT};cut={};own={};t={};s={safe};r={start};c={};step={step};idle={};seen={};rules={}",
            self.cut,
            self.owner,
            time(*floor),
            time(clock.shows),
            idle.collect::<Vec<_>>().join("+"),
            time(self.seen_from),
            self.write_rules(),
        );
        if let Some(Listen { offset, newest }) = listen {
            text.push_str(&format!(";listen={offset},{}", time(*newest)));
        }
        if !self.windows.is_empty() {
            let room = (MAX_METADATA - 1).saturating_sub(text.len() + ";win=".len());
            text.push_str(";win=");
            text.push_str(&suppress::write(&self.windows, room));
        }
        debug_assert!(text.is_ascii() && text.len() < MAX_METADATA, "{} bytes", text.len());
        text
    }

    /// A set that is too large is named by nothing: after a change of rules all start anew.
    fn write_rules(&self) -> String {
        let (first, rest) = self.rules.split_at(self.rules.len().min(MAX_RULES));
        let mark = |rule: &RuleMark| match rule.start {
            Some(start) => format!("{:x}@{start:x}", rule.hash),
            None => format!("{:x}", rule.hash),
        };
        let all = first.iter().map(mark).collect::<Vec<_>>().join("+");
        if all.len() > 2_000 || !rest.is_empty() { format!("*{:x}", self.set_hash()) } else { all }
    }

    fn set_hash(&self) -> u32 {
        self.rules.iter().fold(0, |sum: u32, rule| sum.rotate_left(5) ^ rule.hash)
    }

    /// Reads metadata; the error says what is wrong with it.
    ///
    /// `known` are the rules that run now: a set that was too large to be listed is recognised by
    /// its hash.
    pub(super) fn read(text: &str, known: &[u32]) -> Result<Self, String> {
        let mut parts = text.split(';');
        let format = parts.next().unwrap_or("");
        if format != FORMAT {
            let what =
                if format.starts_with("maxspan") { "a newer format" } else { "foreign text" };
            return Err(format!("the committed metadata is {what}"));
        }
        let parts: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let part = |name: &str| {
            let found = parts.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            found.ok_or_else(|| format!("the committed metadata lacks `{name}`"))
        };
        let clock =
            PartitionClock { shows: read_time(part("c")?)?, step: read_step(part("step")?)? };
        let replay = Replay {
            floor: read_time(part("t")?)?,
            safe: read_number(part("s")?)?,
            start: read_number(part("r")?)?,
            clock,
            idle: list(part("idle")?).map(read_idle).collect::<Result<_, _>>()?,
            listen: part("listen").ok().map(read_listen).transpose()?,
        };
        let mut metadata = Self {
            cut: read_number(part("cut")?)?,
            owner: part("own")?.to_owned(),
            replay,
            seen_from: read_time(part("seen")?)?,
            rules: Vec::new(),
            windows: match part("win") {
                Ok(text) => suppress::read(text).ok_or_else(|| broken(text))?,
                Err(_) => Vec::new(),
            },
        };
        metadata.rules = match part("rules")?.strip_prefix('*') {
            None => list(part("rules")?).map(read_mark).collect::<Result<_, _>>()?,
            Some(hash) => {
                let known = known.iter().map(|hash| RuleMark { hash: *hash, start: None });
                let same = Self { rules: known.collect(), ..metadata.clone() };
                let agrees = format!("{:x}", same.set_hash()) == hash;
                if agrees { same.rules } else { Vec::new() }
            }
        };
        Ok(metadata)
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split('+').filter(|item| !item.is_empty())
}

fn broken(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("the committed metadata is broken at `{shown}`")
}

fn read_number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| broken(text))
}

fn read_time(text: &str) -> Result<Option<EventTime>, String> {
    if text == "-" { Ok(None) } else { Ok(Some(EventTime::from_nanos(read_number(text)?))) }
}

fn read_step(text: &str) -> Result<Option<Step>, String> {
    if text == "-" {
        return Ok(None);
    }
    let parts: Vec<&str> = text.split(',').collect();
    let [host, first, newest] = parts[..] else { return Err(broken(text)) };
    let host = u64::from_str_radix(host, 16).map_err(|_| broken(text))?;
    let (first, newest) = (read_number(first)?, read_number(newest)?);
    Ok(Some(Step {
        host,
        first: EventTime::from_nanos(first),
        newest: EventTime::from_nanos(newest),
    }))
}

fn read_idle(text: &str) -> Result<Idle, String> {
    let (position, clock) = text.split_once(',').ok_or_else(|| broken(text))?;
    let clock = EventTime::from_nanos(read_number(clock)?);
    Ok(Idle { position: read_number(position)?, clock })
}

fn read_listen(text: &str) -> Result<Listen, String> {
    let (offset, newest) = text.split_once(',').ok_or_else(|| broken(text))?;
    Ok(Listen { offset: read_number(offset)?, newest: read_time(newest)? })
}

fn read_mark(text: &str) -> Result<RuleMark, String> {
    let (hash, start) = match text.split_once('@') {
        Some((hash, start)) => {
            (hash, Some(i64::from_str_radix(start, 16).map_err(|_| broken(text))?))
        }
        None => (text, None),
    };
    Ok(RuleMark { hash: u32::from_str_radix(hash, 16).map_err(|_| broken(text))?, start })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_nanos(0) + TimeSpan::from_secs(seconds)
    }

    fn metadata(rules: usize) -> Metadata {
        let step = Step { host: u64::MAX, first: EventTime::MIN, newest: EventTime::MAX };
        let idle = (0..MAX_IDLE as i64).map(|n| Idle { position: i64::MAX - n, clock: at(n) });
        Metadata {
            cut: u64::MAX,
            owner: "maxspan-0".into(),
            replay: Replay {
                floor: Some(at(5)),
                safe: i64::MAX,
                start: 0,
                clock: PartitionClock { shows: Some(at(1_700_000_000)), step: Some(step) },
                idle: idle.collect(),
                listen: Some(Listen { offset: i64::MAX, newest: Some(at(1_700_000_000)) }),
            },
            seen_from: None,
            rules: (0..rules as u32)
                .map(|n| RuleMark { hash: u32::MAX - n, start: (n % 7 == 0).then_some(1 << 40) })
                .collect(),
            windows: Vec::new(),
        }
    }

    #[test]
    fn metadata_reads_back_what_it_writes() {
        for rules in [0, 1, 100] {
            let written = metadata(rules);
            let text = written.write();
            assert!(text.len() < MAX_METADATA, "{rules} rules: {} bytes", text.len());
            assert_eq!(Metadata::read(&text, &[]), Ok(written));
        }
    }

    #[test]
    fn windows_fill_what_room_is_left() {
        let window = |n: i64| Window { group: n as u64, start_ms: 9 - n, forget_ms: n };
        let windows: Vec<Window> = (0..1_000).map(window).collect();
        for rules in [0, 1, 100, 240] {
            let written = Metadata { windows: windows.clone(), ..metadata(rules) };
            let text = written.write();
            assert!(text.len() < MAX_METADATA, "{rules} rules: {} bytes", text.len());
            let read = Metadata::read(&text, &[]).unwrap();
            assert!(rules > 1 || read.windows.len() > 50, "only {}", read.windows.len());
            assert_eq!(read.windows, windows[..read.windows.len()]);
        }
    }

    #[test]
    fn a_large_set_is_recognised_as_a_whole() {
        let mut written = metadata(1_000);
        for rule in &mut written.rules {
            rule.start = None;
        }
        let text = written.write();
        assert!(text.len() < MAX_METADATA);
        let known: Vec<u32> = written.rules.iter().map(|rule| rule.hash).collect();
        assert_eq!(Metadata::read(&text, &known), Ok(written));
        assert_eq!(Metadata::read(&text, &known[1..]).map(|read| read.rules), Ok(vec![]));
    }

    #[test]
    fn foreign_and_broken_metadata_says_what_is_wrong() {
        for (text, word) in [
            ("", "foreign"),
            ("hello", "foreign"),
            ("maxspan2;cut=1", "newer"),
            ("maxspan1;cut=1", "lacks"),
            (&metadata(1).write().replace("r=0", "r=zero"), "broken"),
        ] {
            let error = Metadata::read(text, &[]).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
