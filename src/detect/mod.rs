//! The detector of one partition: normalize, predicates, sequences, alerts.
//!
//! Pure: never reads a clock, a file or the network. Whoever owns the partition feeds it records
//! in offset order, makes its output durable, and only then tells it so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use crate::alert::AlertRecord;
use crate::event::admitted::Body;
use crate::event::{Admitted, EventTime, Fields, JoinKey, TimeSpan};
use crate::normalize::{Documents, Envelope};
use crate::rule::set::{RuleSet, TermRef};
use crate::sequence::{Bounds, Candidate, Counts, Offer, PartitionClock, Sequences, TermSet};

mod recovery;
mod render;
pub mod stats;

pub use stats::{Held, RuleStats, Stats};

use recovery::{Idle, Metadata, Replay, RuleMark, Trail};

/// The topic and partition that a detector reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Topic, or path of a file.
    pub topic: Arc<str>,
    /// Partition; 0 for a file.
    pub partition: i32,
}

/// The broker's timestamp of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The broker's own time of appending: the clock of the partition.
    Append(EventTime),
    /// A time that the producer chose.
    Create(EventTime),
    /// None, as in a file: the event time takes its place.
    None,
}

/// One record of the input.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Offset in the partition, or number of the line in a file.
    pub offset: i64,
    /// The broker's timestamp.
    pub stamp: Stamp,
    /// The value; nothing for a tombstone.
    pub payload: Option<&'a [u8]>,
}

/// What lies before the first record that a detector is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Nothing: the input begins here, as a file does.
    Nothing,
    /// Records that it does not see: an absence that looks back into them is undecidable.
    Unseen,
}

/// Limits and switches of a detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Step of the partition's clock (and lag of a key's) that needs a second host's word.
    pub max_skew: TimeSpan,
    /// Largest record in bytes; a larger one is a dead letter.
    pub max_record_bytes: usize,
    /// Deepest nesting of a record's JSON; a deeper one is a dead letter.
    pub max_nesting: usize,
    /// Most keys that are kept per partition, over all rules.
    pub max_keys: usize,
    /// Most candidates that are kept per rule and key.
    pub max_candidates_per_key: usize,
    /// Most join keys that one event's lists may expand to.
    pub max_key_expansion: usize,
    /// Most bytes of records that are kept per partition.
    pub max_bytes: usize,
    /// Largest alert in bytes; a larger one leaves event bodies out.
    pub max_alert_bytes: usize,
    /// What lies before the first record.
    pub past: Past,
    /// Who runs it: a name that stands in the metadata.
    pub owner: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_skew: TimeSpan::from_secs(120),
            max_record_bytes: 8 << 20,
            max_nesting: 64,
            max_keys: 200_000,
            max_candidates_per_key: 4_096,
            max_key_expansion: 64,
            max_bytes: 256 << 20,
            max_alert_bytes: 900_000,
            past: Past::Unseen,
            owner: "maxspan".to_owned(),
        }
    }
}

/// A record that could not be read, for the dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why, as one of a few constant words: `invalid_json`, `too_large`, `null_payload`, `too_deep`.
    pub reason: &'static str,
    /// Where it stood.
    pub offset: i64,
    /// Its size in bytes.
    pub original_size: usize,
    /// The first 256 KiB of it.
    pub value: Vec<u8>,
}

/// Something that must be made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A match.
    Alert(AlertRecord),
    /// An unreadable record.
    DeadLetter(DeadLetter),
}

/// A point up to which everything is done once its output is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The offset to commit: the next record to process.
    pub position: i64,
    /// The metadata to commit with it: how to rebuild the state.
    pub metadata: String,
    /// How many items of the outbox belong to it.
    pub outputs: usize,
}

/// One partition's detector.
pub struct Detector {
    rules: Arc<RuleSet>,
    origin: Origin,
    options: Options,
    sequences: Sequences,
    clock: PartitionClock,
    /// How far one host's word may be from the clock: nothing where the broker stamps records.
    slack: TimeSpan,
    trail: Trail,
    /// Offset of the next record.
    position: Option<i64>,
    replaying: Option<Replaying>,
    /// By rule: the offset from which it sees records, if not from the start.
    rule_starts: Vec<Option<i64>>,
    seen_from: Option<EventTime>,
    cuts: u64,
    outbox: Vec<Output>,
    last_cut: Option<Cut>,
    idle_changed: bool,
    ledger: Arc<AtomicUsize>,
    documents: Arc<Documents>,
    stats: Stats,
    reported: Vec<Counts>,
    hits: Vec<TermRef>,
}

/// A replay under way.
struct Replaying {
    replay: Replay,
    /// P: output that a record before it triggers has left already.
    until: i64,
    /// Idle time that is still to be applied.
    idle: std::vec::IntoIter<Idle>,
}

impl Detector {
    /// Returns a detector without any state that starts with the next record it is given.
    pub fn new(rules: Arc<RuleSet>, origin: Origin, options: Options) -> Self {
        let plans = rules.rules().iter().map(|rule| Arc::clone(&rule.plan));
        let bounds = Bounds {
            max_keys: options.max_keys,
            max_candidates_per_key: options.max_candidates_per_key,
        };
        let count = rules.rules().len();
        Self {
            sequences: Sequences::new(plans, bounds),
            clock: PartitionClock::default(),
            slack: TimeSpan::ZERO,
            trail: Trail::default(),
            position: None,
            replaying: None,
            rule_starts: vec![None; count],
            seen_from: None,
            cuts: 0,
            outbox: Vec::new(),
            last_cut: None,
            idle_changed: false,
            ledger: Arc::default(),
            documents: Arc::clone(rules.documents()),
            stats: Stats { rules: vec![RuleStats::default(); count], ..Stats::default() },
            reported: vec![Counts::default(); count],
            hits: Vec::new(),
            rules,
            origin,
            options,
        }
    }

    /// Returns a detector that rebuilds the state of a committed cut: its owner then feeds it the
    /// records from [`read_from`](Self::read_from) on, and it gives no output before `position`.
    ///
    /// Foreign, broken or future metadata counts as none: the state starts empty at `position`,
    /// and the second value says why.
    pub fn resume(
        rules: Arc<RuleSet>,
        origin: Origin,
        options: Options,
        position: i64,
        metadata: &str,
    ) -> (Self, Option<String>) {
        let mut detector = Self::new(rules, origin, options);
        detector.position = Some(position);
        let hashes: Vec<u32> = detector.rules.rules().iter().map(|rule| rule.hash).collect();
        match Metadata::read(metadata, &hashes) {
            Ok(metadata) => {
                detector.restore(metadata, position);
                (detector, None)
            }
            Err(_) if metadata.is_empty() => (detector, None),
            Err(reason) => (detector, Some(reason)),
        }
    }

    /// Returns the offset of the first record that the detector wants; nothing if any will do.
    pub fn read_from(&self) -> Option<i64> {
        self.position
    }

    /// Tells whether records before the committed position are still being replayed.
    pub fn is_replaying(&self) -> bool {
        self.replaying.is_some()
    }

    /// Returns how many offsets are left to replay.
    pub fn replay_remaining(&self) -> i64 {
        let until = self.replaying.as_ref().map(|replaying| replaying.until);
        until.zip(self.position).map_or(0, |(until, position)| until - position)
    }

    /// Takes in the next record. One that was taken in before is left out.
    pub fn on_record(&mut self, record: &Record<'_>) {
        if self.position.is_some_and(|position| record.offset < position) {
            return;
        }
        self.run_idle_before(record.offset);
        self.stats.records += 1;
        self.stats.bytes += record.payload.map_or(0, <[u8]>::len) as u64;
        self.stats.replayed += u64::from(self.is_replaying());
        self.trail.note_clock(record.offset, self.clock);
        self.read(record);
        self.position = Some(record.offset + 1);
        // A quiet partition's replay ends with its last record, not with the next one.
        if self.replaying.as_ref().is_some_and(|replaying| record.offset + 1 >= replaying.until) {
            self.run_idle_before(record.offset + 1);
        }
    }

    /// Lets time run on while the partition is idle: `elapsed` is how long the owner has waited at
    /// the end of the partition since the last record (or since it first found itself there).
    ///
    /// At the end of the partition nothing is left to replay.
    pub fn advance_idle(&mut self, elapsed: TimeSpan) {
        self.run_idle_before(i64::MAX);
        let (Some(shows), Some(position)) = (self.clock.shows, self.position) else { return };
        let reached = shows + elapsed;
        if !self.sequences.is_due(reached) {
            return;
        }
        if !self.trail.note_idle(position, reached) {
            self.stats.idle_refused += 1;
            return;
        }
        self.idle_changed = true;
        self.sequences.advance_idle(reached);
        self.collect(Suppress::Nothing);
    }

    /// Ends the input: closes every window, as a batch engine would.
    pub fn finish(&mut self) {
        self.run_idle_before(i64::MAX);
        self.sequences.finish();
        self.collect(Suppress::Nothing);
    }

    /// Returns the output that has not been accepted yet, oldest first.
    pub fn outbox(&self) -> &[Output] {
        &self.outbox
    }

    /// Takes the output, for a use that needs no cuts: it is done as soon as it is written.
    pub fn take_outbox(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outbox)
    }

    /// Tells whether a cut now would differ from the last one that was accepted.
    pub fn has_news(&self) -> bool {
        let accepted = self.last_cut.as_ref().map(|cut| cut.position);
        !self.is_replaying()
            && (!self.outbox.is_empty() || self.idle_changed || accepted != self.position)
    }

    /// Returns the cut at the present position; nothing before the first record and while records
    /// are replayed, when the last cut still holds.
    pub fn cut(&mut self) -> Option<Cut> {
        let position = self.position.filter(|_| !self.is_replaying())?;
        self.cuts += 1;
        // A key is forgotten F after its last event by a clock that may be off by the slack.
        let memory = self.sequences.longest_memory() + self.slack;
        let floor = self.sequences.floor();
        let replay = self.trail.replay(floor, position, self.clock, memory);
        let mark = |(rule, start): (u32, &Option<i64>)| RuleMark {
            hash: rule,
            start: start.filter(|start| *start > replay.start),
        };
        let hashes = self.rules.rules().iter().map(|rule| rule.hash);
        let rules = hashes.zip(&self.rule_starts).map(mark).collect();
        let metadata = Metadata {
            cut: self.cuts,
            owner: self.owner(),
            replay,
            seen_from: self.seen_from,
            rules,
        };
        let cut = Cut { position, metadata: metadata.write(), outputs: self.outbox.len() };
        self.idle_changed = false;
        Some(cut)
    }

    /// Forgets the output of a cut: it is durable.
    pub fn accept(&mut self, cut: &Cut) {
        self.outbox.drain(..cut.outputs.min(self.outbox.len()));
        self.last_cut = Some(cut.clone());
    }

    /// Returns what was counted since the last call, and starts counting anew.
    pub fn take_stats(&mut self) -> Stats {
        let count = self.reported.len();
        for rule in 0..count {
            let counts = self.sequences.counts(rule);
            self.stats.rules[rule].sequences = counts.since(self.reported[rule]);
            self.reported[rule] = counts;
        }
        let empty = Stats { rules: vec![RuleStats::default(); count], ..Stats::default() };
        std::mem::replace(&mut self.stats, empty)
    }

    /// Returns what it holds now. Looks at every key: once a second, not once a record.
    pub fn held(&self) -> Held {
        Held {
            keys: self.sequences.key_count(),
            bytes: self.ledger.load(Ordering::Relaxed),
            pending: (0..self.reported.len()).map(|r| self.sequences.pending_count(r)).collect(),
        }
    }

    /// Returns what the partition's clock shows.
    pub fn clock(&self) -> Option<EventTime> {
        self.clock.shows
    }

    /// Returns the offset of the next record.
    pub fn position(&self) -> Option<i64> {
        self.position
    }

    /// Returns the metadata's name of the owner: short and plain ASCII, whatever it was given.
    fn owner(&self) -> String {
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        self.options.owner.chars().filter(plain).take(64).collect()
    }

    fn restore(&mut self, metadata: Metadata, position: i64) {
        let known = |hash: u32| metadata.rules.iter().find(|mark| mark.hash == hash);
        for (rule, start) in self.rules.rules().iter().zip(&mut self.rule_starts) {
            // A rule that is new since the cut has seen nothing before it.
            *start = known(rule.hash).map_or(Some(position), |mark| mark.start);
        }
        self.cuts = metadata.cut;
        self.clock = metadata.replay.clock;
        self.set_seen_from(metadata.seen_from);
        self.position = Some(metadata.replay.start.min(position));
        let idle = metadata.replay.idle.clone();
        for pair in &idle {
            self.trail.note_idle(pair.position, pair.clock);
        }
        let idle = idle.into_iter();
        self.replaying = Some(Replaying { replay: metadata.replay, until: position, idle });
        if let Some(shows) = self.clock.shows {
            self.sequences.advance(shows, self.slack);
        }
    }

    fn set_seen_from(&mut self, clock: Option<EventTime>) {
        self.seen_from = clock;
        for rule in 0..self.rule_starts.len() {
            if let (Some(clock), None) = (clock, self.rule_starts[rule]) {
                self.sequences.set_seen_from(rule, clock);
            }
        }
    }

    /// Applies the idle time that ran before the record at `offset`, and ends the replay there if
    /// it is over.
    fn run_idle_before(&mut self, offset: i64) {
        let Some(mut replaying) = self.replaying.take() else { return };
        while let Some(idle) = replaying.idle.as_slice().first().copied()
            && idle.position <= offset.min(replaying.until)
        {
            replaying.idle.next();
            self.sequences.advance_idle(idle.clock);
        }
        self.collect(Suppress::Everything);
        if offset >= replaying.until {
            let position = self.position.unwrap_or(replaying.until);
            self.position = Some(position.max(replaying.until));
            self.start_new_rules(replaying.until);
        } else {
            self.replaying = Some(replaying);
        }
    }

    /// Notes since when the rules that start here see the partition.
    fn start_new_rules(&mut self, offset: i64) {
        let Some(clock) = self.clock.shows else { return };
        for rule in 0..self.rule_starts.len() {
            if self.rule_starts[rule] == Some(offset) {
                self.sequences.set_seen_from(rule, clock);
            }
        }
    }

    fn read(&mut self, record: &Record<'_>) {
        let rules = Arc::clone(&self.rules);
        let payload = match record.payload {
            None => return self.dead_letter(record, "null_payload"),
            Some(payload) if payload.len() > self.options.max_record_bytes => {
                return self.dead_letter(record, "too_large");
            }
            Some(payload) => payload,
        };
        let mut fields = Fields::new(rules.fields().len());
        if let Err(error) = rules.decoder().decode(payload, &mut fields) {
            return self.dead_letter(record, error.reason());
        }
        let envelope = rules.normalizer().normalize(&mut fields);
        self.stats.count_shape(envelope.shape);
        self.stats.no_host += u64::from(envelope.host.is_none());
        self.move_clock(record.stamp, &envelope);
        if envelope.event_time.is_none() {
            self.stats.no_event_time += 1;
            return;
        }
        let mut hits = std::mem::take(&mut self.hits);
        rules.hits(&fields, &mut hits);
        if !hits.is_empty() {
            self.admit(record.offset, payload, &fields, &envelope, &hits);
        }
        self.hits = hits;
    }

    fn dead_letter(&mut self, record: &Record<'_>, reason: &'static str) {
        if let Stamp::Append(appended) = record.stamp {
            self.clock.append(appended);
            self.tick();
        }
        if self.is_replaying() {
            return;
        }
        self.stats.count_dead_letter(reason);
        let payload = record.payload.unwrap_or_default();
        self.outbox.push(Output::DeadLetter(DeadLetter {
            reason,
            offset: record.offset,
            original_size: payload.len(),
            value: payload[..payload.len().min(MAX_DEAD_LETTER)].to_vec(),
        }));
    }

    /// Moves the partition's clock by a record: by the broker's word if there is one, else by the
    /// producer's, else by the event's own.
    fn move_clock(&mut self, stamp: Stamp, envelope: &Envelope) {
        let host = envelope.host.map_or(0, |host| host.0);
        match (stamp, envelope.event_time) {
            (Stamp::Append(appended), _) => {
                self.slack = TimeSpan::ZERO;
                self.clock.append(appended);
            }
            (Stamp::Create(stated), _) | (Stamp::None, Some(stated)) => {
                self.slack = self.options.max_skew;
                self.clock.create(stated, host, self.options.max_skew);
            }
            (Stamp::None, None) => {}
        }
        self.tick();
    }

    /// Decides what the clock has made final.
    fn tick(&mut self) {
        let Some(shows) = self.clock.shows else { return };
        if self.seen_from.is_none() && self.options.past == Past::Unseen {
            self.set_seen_from(Some(shows));
        }
        self.sequences.advance(shows, self.slack);
        self.collect(self.suppression());
    }

    fn suppression(&self) -> Suppress {
        if self.is_replaying() { Suppress::Everything } else { Suppress::Nothing }
    }

    /// Offers an event to the sequences of each rule whose terms it satisfies.
    fn admit(
        &mut self,
        offset: i64,
        payload: &[u8],
        fields: &Fields<'_>,
        envelope: &Envelope,
        hits: &[TermRef],
    ) {
        let rules = Arc::clone(&self.rules);
        let Some(event_time) = envelope.event_time else { return };
        let clock = self.clock.shows.unwrap_or(event_time);
        let mode = self.offer_mode(offset, event_time);
        let mut event: Option<Arc<Admitted>> = None;
        for of_rule in hits.chunk_by(|a, b| a.rule == b.rule) {
            let index = of_rule[0].rule as usize;
            let rule = &rules.rules()[index];
            let before_start = self.rule_starts[index].is_some_and(|start| offset < start);
            let uncovered =
                rule.index.as_ref().is_some_and(|index| !index.covers(rules.normalizer(), fields));
            let excepted = || rule.exceptions.iter().any(|exception| exception.matches(fields));
            if before_start || uncovered || excepted() {
                continue;
            }
            let keys = self.keys(&rules, of_rule, fields, envelope);
            if keys.is_empty() {
                continue;
            }
            if event.is_none() {
                event = self.keep(offset, payload, fields, envelope, event_time);
            }
            let Some(event) = &event else { return };
            let ordinal = rules.normalizer().ordinal(fields, envelope, offset, rule.tiebreaker);
            for (key, terms) in keys {
                let candidate = Candidate {
                    ordinal: ordinal.clone(),
                    terms,
                    late: false,
                    event: Arc::clone(event),
                };
                self.sequences.offer(index, &key, candidate, mode);
            }
        }
        if event.is_some() {
            self.stats.admitted += 1;
            self.trail.note_admission(offset, event_time, clock);
        }
        self.collect(self.suppression());
    }

    fn offer_mode(&self, offset: i64, event_time: EventTime) -> Offer {
        let Some(replaying) = &self.replaying else { return Offer::Match };
        let counts = replaying.replay.floor.is_some_and(|floor| event_time >= floor);
        if counts && offset >= replaying.replay.safe { Offer::Match } else { Offer::Remember }
    }

    /// Returns the join keys of a rule's hits, each with the terms that the event satisfies there.
    fn keys(
        &mut self,
        rules: &RuleSet,
        hits: &[TermRef],
        fields: &Fields<'_>,
        envelope: &Envelope,
    ) -> BTreeMap<JoinKey, TermSet> {
        let rule = &rules.rules()[hits[0].rule as usize];
        let mut keys: BTreeMap<JoinKey, TermSet> = BTreeMap::new();
        if !rule.is_sequence {
            // Single events are only remembered, each host's apart from the others'.
            let host = envelope.host.map(|host| format!("{:016x}", host.0).into());
            keys.insert(JoinKey::new([host]), TermSet::of([0]));
            return keys;
        }
        for hit in hits {
            let expansion =
                rule.terms[hit.term as usize].key.expand(fields, self.options.max_key_expansion);
            self.stats.refused_keys += expansion.refused as u64;
            for key in expansion.keys {
                keys.entry(key).or_default().insert(hit.term as usize);
            }
        }
        keys
    }

    /// Keeps a copy of the record, as long as there is room.
    fn keep(
        &mut self,
        offset: i64,
        payload: &[u8],
        fields: &Fields<'_>,
        envelope: &Envelope,
        event_time: EventTime,
    ) -> Option<Arc<Admitted>> {
        if self.ledger.load(Ordering::Relaxed) + payload.len() > self.options.max_bytes {
            self.stats.refused_bytes += 1;
            return None;
        }
        let Origin { topic, partition } = &self.origin;
        let normalizer = self.rules.normalizer();
        Some(Arc::new(Admitted {
            identity: normalizer.identity(fields, envelope, topic, *partition, offset),
            event_time,
            offset,
            body: Body::counted(payload, &self.ledger),
        }))
    }

    /// Turns what the sequences have found into alerts.
    fn collect(&mut self, suppress: Suppress) {
        for found in self.sequences.take_found() {
            if suppress == Suppress::Everything {
                continue;
            }
            self.stats.rules[found.rule].matches += 1;
            let alert = self.alert(&found);
            self.outbox.push(Output::Alert(alert));
        }
    }
}

/// What of the output has left in an earlier life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suppress {
    Everything,
    Nothing,
}

/// Most bytes of a record that a dead letter carries.
const MAX_DEAD_LETTER: usize = 256 << 10;
