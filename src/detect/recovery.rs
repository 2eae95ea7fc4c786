//! How a partition's state is rebuilt after a restart: which records to read again, with which
//! clock, and what of it to commit beside the offset.
//!
//! The state itself is never written. What is committed says from where to replay: the floor T
//! (below it no event time matters), the safe offset S (before it no record matters), a start R so
//! long before S that keys have the right time there ([`Needs::lead`]), with the clock as it was, and
//! how far idle time had run; and it holds the windows of suppression, which what is replayed could
//! not rebuild. Rules of the long lane have T, S and R of their own, and instead of the clock the place
//! J from which their journal is to be read; an older version does not know them, so that a second
//! format says it. The format is ASCII, `key=value` parts separated by `;`, below the 4,096 bytes that
//! Kafka keeps.

use std::collections::VecDeque;

use crate::event::{EventTime, TimeSpan};
use crate::sequence::clock::Step;
use crate::sequence::{Needs, PartitionClock};

use super::sources::Listen;
use super::suppress::{self, Window};

/// First part of the metadata: the format and its version.
const FORMAT: &str = "maxspan1";
/// The same with a block for the long lane.
const FORMAT_WITH_JOURNAL: &str = "maxspan2";
/// Most bytes of metadata that brokers keep by default (`offset.metadata.max.bytes`).
const MAX_METADATA: usize = 4_096;
/// Most advances of idle time that are remembered.
const MAX_IDLE: usize = 36;
/// Most of those that no entry of the journal carries yet.
const MAX_IDLE_JOURNAL: usize = 4;
/// Most rules whose hashes fit beside everything else.
const MAX_RULES: usize = 240;
/// Most bytes of their hashes, and so many less if there is a block for the long lane.
const MAX_RULE_BYTES: usize = 2_000;
const JOURNAL_BYTES: usize = 400;
/// How often, in the clock's time, a possible start of a replay is noted: so often, or as many
/// times in the longest memory.
const CHECKPOINT_EVERY: TimeSpan = TimeSpan::from_secs(2);
const CHECKPOINTS: i64 = 128;
/// For how long beyond what the rules need admitted events are remembered as possible starts.
const HORIZON: TimeSpan = TimeSpan::from_secs(600);

/// Most admitted events, or stretches of them, that are remembered: 1.5 MiB per partition.
const MAX_ADMISSIONS: usize = 1 << 16;

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
    /// Every entry from the record at `offset` on stands in the journal here or later.
    journal: i64,
}

/// What a running detector remembers so that it can say from where to replay.
#[derive(Debug)]
pub(super) struct Trail {
    /// INVARIANT: ascending offsets; fewer than [`MAX_ADMISSIONS`].
    admissions: VecDeque<Admission>,
    /// How many events in a row one entry stands for under a flood.
    stretch: u64,
    /// How many the last entry stands for.
    last_stretch: u64,
    /// INVARIANT: ascending offsets and clocks.
    checkpoints: VecDeque<Checkpoint>,
    /// INVARIANT: ascending positions, each once.
    idle: Vec<Idle>,
    max_idle: usize,
    checkpoint_every: TimeSpan,
    /// Up to where events were forgotten, and the newest of their times.
    forgotten: Option<(i64, EventTime)>,
}

impl Trail {
    /// Returns the trail of rules that are recovered from the input.
    pub(super) fn of_input() -> Self {
        Self::new(MAX_IDLE, CHECKPOINT_EVERY)
    }

    /// Returns the trail of rules that are recovered from the journal.
    pub(super) fn of_journal(memory: TimeSpan) -> Self {
        let every = TimeSpan::from_nanos(memory.nanos() / CHECKPOINTS);
        Self::new(MAX_IDLE_JOURNAL, CHECKPOINT_EVERY.max(every))
    }

    fn new(max_idle: usize, checkpoint_every: TimeSpan) -> Self {
        Self {
            admissions: VecDeque::new(),
            stretch: 0,
            last_stretch: 0,
            checkpoints: VecDeque::new(),
            idle: Vec::new(),
            max_idle,
            checkpoint_every,
            forgotten: None,
        }
    }

    /// Tells whether a clock has gained enough for [`note_clock`](Self::note_clock) to matter.
    pub(super) fn wants_clock(&self, clock: PartitionClock) -> bool {
        let Some(last) = self.checkpoints.back() else { return true };
        match (last.clock.shows, clock.shows) {
            (Some(before), Some(now)) => now - before >= self.checkpoint_every,
            (before, now) => before != now,
        }
    }

    /// Notes the clock before the record at `offset`, and where in the journal its entry may stand.
    pub(super) fn note_clock(&mut self, offset: i64, clock: PartitionClock, journal: i64) {
        if self.wants_clock(clock) {
            self.checkpoints.push_back(Checkpoint { offset, clock, journal });
        }
    }

    /// Takes the idle time that was noted: it stands in the journal from now on.
    pub(super) fn take_idle(&mut self) -> Vec<Idle> {
        std::mem::take(&mut self.idle)
    }

    /// Notes an event that satisfied a stage.
    pub(super) fn note_admission(
        &mut self,
        offset: i64,
        event_time: EventTime,
        clock: EventTime,
        seen_at: EventTime,
    ) {
        if self.admissions.len() < MAX_ADMISSIONS / 4 {
            self.stretch = 0;
        }
        match self.admissions.back_mut().filter(|_| self.last_stretch < self.stretch) {
            Some(last) => {
                last.event_time = last.event_time.max(event_time);
                last.seen_at = last.seen_at.max(seen_at);
                self.last_stretch += 1;
            }
            None => {
                self.admissions.push_back(Admission { offset, event_time, clock, seen_at });
                self.last_stretch = 1;
            }
        }
        if self.admissions.len() >= MAX_ADMISSIONS {
            self.thin_out();
        }
    }

    /// Makes one of each two neighbours: it stands where the earlier one does, and is as young as the
    /// younger one. A safe offset that is found by it is lower than needed, which is safe.
    fn thin_out(&mut self) {
        let stretches = self.admissions.make_contiguous().chunks(2).map(|pair| {
            let younger = pair[pair.len() - 1];
            Admission {
                event_time: pair[0].event_time.max(younger.event_time),
                seen_at: pair[0].seen_at.max(younger.seen_at),
                ..pair[0]
            }
        });
        self.admissions = stretches.collect();
        self.stretch = self.stretch.max(1) * 2;
    }

    /// Returns the earliest offset at which a replay may start.
    pub(super) fn earliest(&self) -> i64 {
        self.checkpoints.front().map_or(i64::MAX, |first| first.offset)
    }

    /// Notes that idle time ran on; tells whether there is room for that.
    pub(super) fn note_idle(&mut self, position: i64, clock: EventTime) -> bool {
        let full = self.idle.len() >= self.max_idle;
        match self.idle.last_mut() {
            Some(last) if last.position == position => last.clock = last.clock.max(clock),
            _ if full => return false,
            _ => self.idle.push(Idle { position, clock }),
        }
        true
    }

    /// Returns the offset before which a restart finds no event any more; nothing if none from
    /// `floor` on was forgotten.
    pub(super) fn horizon(&self, floor: EventTime) -> Option<i64> {
        self.forgotten.filter(|(_, newest)| *newest >= floor).map(|(before, _)| before)
    }

    /// Returns how many bytes of the heap it takes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.admissions.capacity() * size_of::<Admission>()
            + self.checkpoints.capacity() * size_of::<Checkpoint>()
    }

    /// Returns from where to replay if everything before `position` is done, and forgets what no
    /// later answer can need. Entries that come next stand in the journal at `journal` or later.
    pub(super) fn replay(
        &mut self,
        floor: Option<EventTime>,
        position: i64,
        clock: PartitionClock,
        needs: Needs,
        journal: i64,
    ) -> Replay {
        self.forget(clock, needs);
        let needed = |admission: &&Admission| floor.is_some_and(|t| admission.event_time >= t);
        let first = self.admissions.iter().find(needed);
        let safe = first.map_or(position, |admission| admission.offset);
        let clock_at_safe = first.map(|admission| admission.clock).or(clock.shows);
        let limit = clock_at_safe.map(|at_safe| at_safe - needs.lead());
        // What had run ahead of the clock matters for as long as if it had come in its place.
        let ran_ahead = |admission: &&Admission| limit.is_some_and(|t| admission.seen_at > t);
        let ahead = self.admissions.iter().find(ran_ahead).map(|admission| admission.offset);
        let latest = ahead.map_or(safe, |offset| offset.min(safe));
        // Records before a checkpoint came when the clock showed as much as there, or less.
        let early = |checkpoint: &Checkpoint| {
            let shows = limit.and(checkpoint.clock.shows);
            checkpoint.offset <= latest && shows.is_none_or(|shows| limit > Some(shows))
        };
        let index = self.checkpoints.iter().rposition(early).unwrap_or(0);
        let here = Checkpoint { offset: position, clock, journal };
        let start = self.checkpoints.get(index).copied().unwrap_or(here);
        self.idle.retain(|idle| idle.position >= start.offset);
        // Without a key nothing is to be rebuilt, and behind an old checkpoint nothing stands up to
        // the next one that would be young enough: what retention takes is not missed.
        let is_old = start.clock.shows.is_some_and(|at| limit >= Some(at + self.checkpoint_every));
        let next = self.checkpoints.get(index + 1).unwrap_or(&here).journal;
        let journal = match floor {
            None => here.journal,
            Some(_) if is_old => next,
            Some(_) => start.journal,
        };
        let Checkpoint { offset, clock, .. } = start;
        Replay { floor, safe, start: offset, clock, idle: self.idle.clone(), journal, listen: None }
    }

    /// A host whose clock is further behind than the horizon cannot be recovered in full.
    fn forget(&mut self, clock: PartitionClock, needs: Needs) {
        let Some(now) = clock.shows else { return };
        let horizon = now - needs.window.max(needs.memory) - HORIZON;
        // Not by the clock that an event saw: the first events behind a long silence come while the
        // clock's step is not confirmed yet, and one of them may just have confirmed an older one.
        let is_past = |checkpoint: &Checkpoint| checkpoint.clock.shows.is_none_or(|s| s < horizon);
        let past = self.checkpoints.partition_point(is_past);
        let before = past.checked_sub(2).map_or(i64::MIN, |last| self.checkpoints[last].offset);
        let is_past = |first: &Admission| first.offset < before && first.seen_at < horizon;
        while let Some(first) = self.admissions.front().copied().filter(is_past) {
            self.admissions.pop_front();
            let before = self.admissions.front().map_or(first.offset + 1, |next| next.offset);
            let newest = self.forgotten.map_or(first.event_time, |(_, n)| n.max(first.event_time));
            self.forgotten = Some((before, newest));
        }
        if self.admissions.len() < self.admissions.capacity() / 4 {
            self.admissions.shrink_to(self.admissions.len() * 2);
        }
        // Behind a long silence the clock has leapt: what came before it is as far away still.
        let oldest = self.admissions.front().map_or(horizon, |first| first.clock.min(horizon));
        let unreachable = oldest - needs.lead();
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
    /// J: where in the journal to begin. Nothing but 0 for rules that are recovered from the input.
    pub(super) journal: i64,
}

impl Replay {
    /// Tells whether an event is more than one that moves times.
    pub(super) fn counts(&self, offset: i64, event_time: EventTime) -> bool {
        offset >= self.safe && self.floor.is_some_and(|floor| event_time >= floor)
    }
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
    /// The long lane, if there is one.
    pub(super) long: Option<Long>,
    /// Windows of suppression, those to keep first if there is not room for all.
    pub(super) windows: Vec<Window>,
}

/// What is committed of the rules whose events are kept in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Long {
    /// From where to replay. The clock is not kept: each entry brings its own.
    pub(super) replay: Replay,
    /// The clock from which these rules have seen the partition.
    pub(super) seen_from: Option<EventTime>,
    pub(super) rules: Vec<RuleMark>,
}

impl Metadata {
    /// Writes the metadata, below Kafka's limit.
    pub(super) fn write(&self) -> String {
        let Replay { floor, safe, start, clock, idle, listen, .. } = &self.replay;
        let format = if self.long.is_some() { FORMAT_WITH_JOURNAL } else { FORMAT };
        let (rules, long_rules) = self.write_rules();
        let step = clock.step.map_or_else(
            || "-".to_owned(),
            |step| format!("{:x},{},{}", step.host, step.first.nanos(), step.newest.nanos()),
        );
        let mut text = format!(
            "{format};cut={};own={};t={};s={safe};r={start};c={};step={step};idle={};seen={};rules={}",
            self.cut,
            self.owner,
            time(*floor),
            time(clock.shows),
            write_idle(idle),
            time(self.seen_from),
            rules,
        );
        if let Some(Listen { offset, newest }) = listen {
            text.push_str(&format!(";listen={offset},{}", time(*newest)));
        }
        if let Some(Long { replay, seen_from, .. }) = &self.long {
            text.push_str(&format!(
                ";j={};jt={};js={};jr={};jidle={};jseen={};jrules={long_rules}",
                replay.journal,
                time(replay.floor),
                replay.safe,
                replay.start,
                write_idle(&replay.idle),
                time(*seen_from),
            ));
        }
        if !self.windows.is_empty() {
            let room = (MAX_METADATA - 1).saturating_sub(text.len() + ";win=".len());
            text.push_str(";win=");
            text.push_str(&suppress::write(&self.windows, room));
        }
        debug_assert!(text.is_ascii() && text.len() < MAX_METADATA, "{} bytes", text.len());
        text
    }

    /// Returns the marks of both lanes. A set that is too large is named by a hash of the whole:
    /// after a change of rules all start anew.
    fn write_rules(&self) -> (String, String) {
        let long = self.long.as_ref();
        let room = MAX_RULE_BYTES - long.map_or(0, |_| JOURNAL_BYTES);
        let (mut rules, mut long) =
            (write_marks(&self.rules), long.map_or_else(String::new, |l| write_marks(&l.rules)));
        if rules.len() + long.len() > room || self.rules.len() > MAX_RULES {
            rules = write_set(&self.rules);
        }
        if rules.len() + long.len() > room {
            long = self.long.as_ref().map_or_else(String::new, |long| write_set(&long.rules));
        }
        (rules, long)
    }

    /// Reads metadata; the error says what is wrong with it.
    ///
    /// `known` are the rules that run now, by lane: a set that was too large to be listed is
    /// recognised by its hash.
    pub(super) fn read(text: &str, known: [&[u32]; 2]) -> Result<Self, String> {
        let mut parts = text.split(';');
        let format = parts.next().unwrap_or("");
        if format != FORMAT && format != FORMAT_WITH_JOURNAL {
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
            journal: 0,
            listen: part("listen").ok().map(read_listen).transpose()?,
        };
        let long = match format {
            FORMAT_WITH_JOURNAL => Some(Long {
                replay: Replay {
                    floor: read_time(part("jt")?)?,
                    safe: read_number(part("js")?)?,
                    start: read_number(part("jr")?)?,
                    clock: PartitionClock::default(),
                    idle: list(part("jidle")?).map(read_idle).collect::<Result<_, _>>()?,
                    journal: read_number(part("j")?)?,
                    listen: None,
                },
                seen_from: read_time(part("jseen")?)?,
                rules: read_marks(part("jrules")?, known[1])?,
            }),
            _ => None,
        };
        Ok(Self {
            cut: read_number(part("cut")?)?,
            owner: part("own")?.to_owned(),
            replay,
            seen_from: read_time(part("seen")?)?,
            rules: read_marks(part("rules")?, known[0])?,
            long,
            windows: match part("win") {
                Ok(text) => suppress::read(text).ok_or_else(|| broken(text))?,
                Err(_) => Vec::new(),
            },
        })
    }
}

fn time(at: Option<EventTime>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.nanos().to_string())
}

fn write_idle(idle: &[Idle]) -> String {
    let pair = |idle: &Idle| format!("{},{}", idle.position, idle.clock.nanos());
    idle.iter().map(pair).collect::<Vec<_>>().join("+")
}

fn write_marks(rules: &[RuleMark]) -> String {
    let mark = |rule: &RuleMark| match rule.start {
        Some(start) => format!("{:x}@{start:x}", rule.hash),
        None => format!("{:x}", rule.hash),
    };
    rules.iter().map(mark).collect::<Vec<_>>().join("+")
}

fn write_set(rules: &[RuleMark]) -> String {
    let hashes: Vec<u32> = rules.iter().map(|rule| rule.hash).collect();
    format!("*{:x}", set_hash(&hashes))
}

fn set_hash(rules: &[u32]) -> u32 {
    rules.iter().fold(0, |sum: u32, rule| sum.rotate_left(5) ^ rule)
}

/// Of a set that is only named, all are known or none is.
fn read_marks(text: &str, known: &[u32]) -> Result<Vec<RuleMark>, String> {
    match text.strip_prefix('*') {
        None => list(text).map(read_mark).collect(),
        Some(hash) if format!("{:x}", set_hash(known)) == hash => {
            Ok(known.iter().map(|hash| RuleMark { hash: *hash, start: None }).collect())
        }
        Some(_) => Ok(Vec::new()),
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
                journal: 0,
                listen: Some(Listen { offset: i64::MAX, newest: Some(at(1_700_000_000)) }),
            },
            seen_from: None,
            rules: (0..rules as u32)
                .map(|n| RuleMark { hash: u32::MAX - n, start: (n % 7 == 0).then_some(1 << 40) })
                .collect(),
            long: None,
            windows: Vec::new(),
        }
    }

    fn with_journal(rules: usize, long: usize) -> Metadata {
        let written = metadata(rules);
        let idle = written.replay.idle[..MAX_IDLE_JOURNAL].to_vec();
        let replay = Replay {
            idle,
            listen: None,
            journal: i64::MAX,
            safe: i64::MAX - 1,
            start: i64::MAX - 2,
            clock: PartitionClock::default(),
            floor: Some(EventTime::MIN),
        };
        let marks = metadata(long).rules;
        let long = Long { replay, seen_from: Some(EventTime::MIN), rules: marks };
        Metadata { long: Some(long), owner: "x".repeat(64), ..written }
    }

    #[test]
    fn metadata_reads_back_what_it_writes() {
        for rules in [0, 1, 100] {
            let written = metadata(rules);
            let text = written.write();
            assert!(text.len() < MAX_METADATA, "{rules} rules: {} bytes", text.len());
            assert_eq!(Metadata::read(&text, [&[], &[]]), Ok(written));
        }
    }

    #[test]
    fn the_long_lane_has_a_format_of_its_own() {
        for (rules, long) in [(0, 1), (1, 0), (70, 50), (0, 120)] {
            let written = with_journal(rules, long);
            let text = written.write();
            assert!(text.len() < MAX_METADATA, "{rules} and {long} rules: {} bytes", text.len());
            assert!(text.starts_with("maxspan2;") && text.is_ascii());
            assert_eq!(Metadata::read(&text, [&[], &[]]), Ok(written));
        }
    }

    #[test]
    fn large_sets_are_named_lane_by_lane() {
        let mut windows: Vec<Window> =
            (0..500).map(|n| Window { group: n, start_ms: 0, forget_ms: 1 }).collect();
        for (rules, long) in [(240, 0), (240, 100), (150, 240), (1_000, 1_000), (0, 1_000)] {
            let mut written = Metadata { windows, ..with_journal(rules, long) };
            let text = written.write();
            assert!(text.len() < MAX_METADATA, "{rules} and {long} rules: {} bytes", text.len());
            let hashes = |marks: &[RuleMark]| marks.iter().map(|m| m.hash).collect::<Vec<_>>();
            let known = [hashes(&written.rules), hashes(&written.long.as_ref().unwrap().rules)];
            let read = Metadata::read(&text, [&known[0], &known[1]]).unwrap();
            assert_eq!(hashes(&read.rules), known[0]);
            assert_eq!(hashes(&read.long.as_ref().unwrap().rules), known[1]);
            windows = std::mem::take(&mut written.windows);
        }
    }

    #[test]
    fn a_flood_of_admitted_events_takes_no_more_room_and_moves_the_safe_offset_back_only() {
        let count = 10 * MAX_ADMISSIONS as i64;
        let mut trail = Trail::of_input();
        let clock = PartitionClock { shows: Some(at(0)), step: None };
        for offset in 0..count {
            trail.note_admission(offset, at(offset / 1_000), at(0), at(0));
            assert!(trail.admissions.len() < MAX_ADMISSIONS);
        }
        for floor in [0, 100, 300, 655] {
            let exact = floor * 1_000;
            let found = trail.replay(Some(at(floor)), count, clock, Needs::default(), 0).safe;
            assert!(found <= exact && found > exact - 64, "{found} for {exact}");
        }
    }

    #[test]
    fn an_event_is_remembered_for_as_long_as_a_rule_may_need_it() {
        let memory = TimeSpan::from_secs(20);
        let safe = |window: i64| {
            let needs = Needs { memory, window: TimeSpan::from_secs(window) };
            let mut trail = Trail::of_input();
            for offset in 0..200 {
                let clock = PartitionClock { shows: Some(at(10 * offset)), step: None };
                trail.note_clock(offset, clock, 0);
                trail.note_admission(offset, at(10 * offset), at(10 * offset), at(10 * offset));
                trail.forget(clock, needs);
            }
            let clock = PartitionClock { shows: Some(at(2_000)), step: None };
            let replay = trail.replay(Some(at(500)), 200, clock, needs, 0);
            (replay.safe, trail.horizon(at(500)).is_some())
        };
        assert_eq!(safe(1_500), (50, false), "what is needed is there");
        // Ten minutes more than the memory, two checkpoints before that: the others are gone, and it says so.
        let (first, is_gone) = safe(20);
        assert!((130..=138).contains(&first) && is_gone, "{first}");
    }

    #[test]
    fn windows_fill_what_room_is_left() {
        let window = |n: i64| Window { group: n as u64, start_ms: 9 - n, forget_ms: n };
        let windows: Vec<Window> = (0..1_000).map(window).collect();
        for rules in [0, 1, 100, 240] {
            let written = Metadata { windows: windows.clone(), ..metadata(rules) };
            let text = written.write();
            assert!(text.len() < MAX_METADATA, "{rules} rules: {} bytes", text.len());
            let read = Metadata::read(&text, [&[], &[]]).unwrap();
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
        assert_eq!(Metadata::read(&text, [&known, &[]]), Ok(written));
        assert_eq!(Metadata::read(&text, [&known[1..], &[]]).map(|read| read.rules), Ok(vec![]));
    }

    #[test]
    fn foreign_and_broken_metadata_says_what_is_wrong() {
        for (text, word) in [
            ("", "foreign"),
            ("hello", "foreign"),
            ("maxspan3;cut=1", "newer"),
            ("maxspan2;cut=1", "lacks"),
            (&with_journal(1, 1).write().replace(";jr=", ";jx="), "lacks"),
            ("maxspan1;cut=1", "lacks"),
            (&metadata(1).write().replace("r=0", "r=zero"), "broken"),
        ] {
            let error = Metadata::read(text, [&[], &[]]).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
