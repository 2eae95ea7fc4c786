//! The detector of one partition: normalize, predicates, sequences, findings.
//!
//! Pure: never reads a clock, a file or the network. Whoever owns the partition feeds it records
//! in offset order, makes its output durable, and only then tells it so.

use std::sync::Arc;

use crate::event::{EventTime, TimeSpan};
use crate::normalize::{Envelope, HostHash, Shape};
use crate::rule::compile::CompiledRule;
use crate::rule::set::RuleSet;
use crate::sequence::{Bounds, Needs, PartitionClock};

mod admit;
mod boundary;
pub mod case;
mod engine;
pub mod finding;
pub mod forward;
mod journal;
mod judge;
mod lane;
mod lanes;
mod machines;
mod phase;
mod recovery;
mod rekeyed;
mod restore;
mod resume;
mod room;
mod sources;
pub mod stats;
mod suppress;

pub use boundary::{Cut, DeadLetter, JournalRecord, Options, Origin, Output, Past, Record, Stamp};
pub use engine::Engine;
pub use finding::{Finding, FindingEvent, InputEnd};
pub use forward::{Forward, Rekey, Source};
pub use room::Budget;
pub use stats::{Held, RuleStats, Stats};

use forward::Role;
use judge::{Judge, Judged};
use lane::Lane;
use lanes::{ByLane, LaneName, Lanes, Place};
use machines::Machines;
use phase::Phase;
use recovery::{Long, Metadata};
use rekeyed::Rekeyed;
use restore::Restoring;
use room::Room;
use sources::Sources;
use suppress::Windows;

/// One partition's detector, made by an [`Engine`].
///
/// Its owner calls, in this order:
///
/// 1. while it [`awaits_journal`](Self::awaits_journal): [`on_journal`](Self::on_journal) with what stands there
///    from [`journal_from`](Self::journal_from) on, then [`on_journal_end`](Self::on_journal_end);
/// 2. [`on_record`](Self::on_record) with each record from [`read_from`](Self::read_from) on, and
///    [`advance_idle`](Self::advance_idle) while the partition is idle at its end;
/// 3. [`cut`](Self::cut) when something is to be committed: the cut's metadata and its part of the
///    [`outbox`](Self::outbox) become durable together; then [`accept`](Self::accept).
///
/// Bounded input ends with [`finish`](Self::finish), and [`take_outbox`](Self::take_outbox) is enough for it.
pub struct Detector {
    rules: Arc<RuleSet>,
    origin: Origin,
    options: Options,
    lanes: Lanes,
    /// By rule: where it runs.
    places: Vec<Place>,
    clock: PartitionClock,
    /// How far one host's word may be from the clock: nothing where the broker stamps records.
    slack: TimeSpan,
    /// Offset of the next record.
    position: Option<i64>,
    phase: Phase,
    /// Where in the journal what is written next stands, or later.
    journal_next: i64,
    cuts: Cuts,
    outbox: Vec<Output>,
    room: Room,
    noticed: Noticed,
    stats: Stats,
    windows: Windows,
    rekeyed: Rekeyed,
    judge: Judge,
}

/// What cuts were made, and what has changed since the last one.
#[derive(Default)]
struct Cuts {
    /// How many, in all lives.
    count: u64,
    /// The last one that was accepted.
    accepted: Option<Cut>,
    /// Events before this do not matter to a restart at the last one.
    floor: Option<EventTime>,
    /// Whether idle time has decided something since the last one.
    has_idle_news: bool,
}

/// What is noticed of the records beside their hits.
#[derive(Default)]
struct Noticed {
    /// The host of the latest record.
    host: Option<HostHash>,
    /// Offset of the last record of unknown shape, until somebody asks.
    unknown: Option<i64>,
    /// Which machines share a `host.id`.
    machines: Machines,
    /// Time of the earliest event.
    first_event: Option<EventTime>,
    /// Time of the latest event.
    last_event: Option<EventTime>,
}

impl Noticed {
    fn note(&mut self, record: &Record<'_>, envelope: &Envelope) {
        self.host = envelope.host;
        if envelope.shape == Shape::Unknown {
            self.unknown = Some(record.offset);
        }
        self.first_event = self.first_event.into_iter().chain(envelope.event_time).min();
        self.last_event = self.last_event.max(envelope.event_time);
    }
}

impl Detector {
    /// Returns a detector without any state that starts with the next record it is given.
    pub fn new(rules: Arc<RuleSet>, origin: Origin, options: Options) -> Self {
        let bounds = Bounds {
            max_keys: options.max_keys,
            max_candidates_per_key: options.max_candidates_per_key,
        };
        let count = rules.rules().len();
        let idle_timeout = options.rekey.as_ref().map_or(TimeSpan::ZERO, |r| r.idle_timeout);
        let role = Role::of(&options, &origin);
        let mut of_lane = ByLane::<Vec<usize>>::default();
        let mut places = Vec::with_capacity(count);
        for rule in 0..count {
            let lane = lane_of(&rules.rules()[rule], &options, &role);
            places.push(Place { lane, index: of_lane[lane].len() });
            of_lane[lane].push(rule);
        }
        let ByLane { input, journal } = of_lane;
        let restoring = (!journal.is_empty()).then(Restoring::of_nothing);
        Self {
            lanes: Lanes {
                input: Lane::new(&rules, input, bounds, &role),
                journal: Lane::with_journal(&rules, journal, bounds, &role),
            },
            places,
            clock: PartitionClock::default(),
            slack: TimeSpan::ZERO,
            position: None,
            phase: Phase::new(restoring),
            journal_next: 0,
            cuts: Cuts::default(),
            outbox: Vec::new(),
            room: Room::default(),
            noticed: Noticed::default(),
            stats: Stats { rules: vec![RuleStats::default(); count], ..Stats::default() },
            windows: Windows::default(),
            rekeyed: Rekeyed::new(role, Sources::new(idle_timeout, options.max_skew)),
            judge: Judge::new(Arc::clone(&rules), options.max_record_bytes),
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
        let hashes = LaneName::BOTH.map(|name| detector.lanes[name].hashes(&detector.rules));
        match Metadata::read(metadata, hashes.each_ref().map(Vec::as_slice)) {
            Ok(read) => {
                detector.restore(read, position);
                // There is no news before the first record beyond it.
                let metadata = metadata.to_owned();
                detector.cuts.accepted = Some(Cut { position, metadata, outputs: 0 });
                (detector, None)
            }
            Err(_) if metadata.is_empty() => (detector, None),
            Err(reason) => (detector, Some(reason)),
        }
    }

    /// Shares a budget of memory with other partitions.
    pub fn share(&mut self, budget: Arc<Budget>) {
        self.room.share(budget);
    }

    /// Returns about how many bytes of memory the state takes.
    fn bytes(&self) -> usize {
        let lanes = self.lanes.iter().map(Lane::heap_bytes).sum::<usize>();
        self.room.kept_bytes() + lanes
    }

    /// Returns the offset of the first record that the detector wants; nothing if any will do.
    pub fn read_from(&self) -> Option<i64> {
        self.position
    }

    /// Tells whether records before the committed position are still being replayed.
    pub fn is_replaying(&self) -> bool {
        !self.phase.is_live()
    }

    /// Returns how many offsets are left to replay.
    pub fn replay_remaining(&self) -> i64 {
        let until = self.phase.replaying().map(|replaying| replaying.until);
        until.zip(self.position).map_or(0, |(until, position)| until - position)
    }

    /// Takes in the next record. One that was taken in before is left out.
    ///
    /// None may come while it [`awaits_journal`](Self::awaits_journal).
    pub fn on_record(&mut self, record: &Record<'_>) {
        debug_assert!(!self.awaits_journal(), "the journal comes first");
        if self.position.is_some_and(|position| record.offset < position) {
            return;
        }
        self.run_idle_before(record.offset);
        self.stats.records += 1;
        self.stats.bytes += record.payload.map_or(0, <[u8]>::len) as u64;
        self.stats.replayed += u64::from(self.is_replaying());
        self.rekeyed.last_stamp = record.stamp;
        self.start_rules_in_replay(record.offset);
        if self.is_receiver() {
            self.receive(record);
        } else {
            self.lanes.input.trail.note_clock(record.offset, self.clock, 0);
            self.read(record);
        }
        self.position = Some(record.offset + 1);
        // A quiet partition's replay ends with its last record, not with the next one.
        if self.phase.replaying().is_some_and(|replaying| record.offset + 1 >= replaying.until) {
            self.run_idle_before(record.offset + 1);
        }
    }

    /// Lets time run on while the partition is idle: `elapsed` is how long the owner has waited at
    /// the end of the partition since the last record (or since it first found itself there).
    ///
    /// At the end of the partition nothing is left to replay.
    pub fn advance_idle(&mut self, elapsed: TimeSpan) {
        debug_assert!(!self.awaits_journal(), "the journal comes first");
        self.run_idle_before(i64::MAX);
        let reached = match self.is_receiver() {
            false => self.clock.shows.map(|shows| shows + elapsed),
            true => self.rekeyed.sources.idle_clock(elapsed).max(self.clock.shows),
        };
        let (Some(reached), Some(position)) = (reached, self.position) else { return };
        for lane in LaneName::BOTH {
            if !self.lanes[lane].sequences.is_due(reached) {
                continue;
            }
            if lane == LaneName::Journal && !self.lanes.journal.trail.note_idle(position, reached) {
                self.keep_idle_in_journal();
            }
            if !self.lanes[lane].trail.note_idle(position, reached) {
                self.stats.idle_refused += 1;
                continue;
            }
            self.cuts.has_idle_news = true;
            self.note_sight();
            self.lanes[lane].sequences.advance_idle(reached);
        }
        self.collect(Occasion::Live);
    }

    /// Ends the input: closes every window, as a batch engine would.
    pub fn finish(&mut self) {
        self.run_idle_before(i64::MAX);
        for lane in self.lanes.iter_mut() {
            lane.sequences.finish();
        }
        self.collect(Occasion::Live);
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
        let accepted = self.cuts.accepted.as_ref().map(|cut| cut.position);
        !self.is_replaying()
            && (!self.outbox.is_empty() || self.cuts.has_idle_news || accepted != self.position)
    }

    /// Returns the cut at the present position; nothing before the first record and while records
    /// are replayed, when the last cut still holds.
    pub fn cut(&mut self) -> Option<Cut> {
        let position = self.position.filter(|_| !self.is_replaying())?;
        self.cuts.count += 1;
        self.beat(position);
        let Lanes { input: short, journal: long } = &mut self.lanes;
        let mut replay = short.replay(position, self.clock, self.slack, 0);
        if matches!(self.rekeyed.role, Role::Receiver) {
            replay.listen = self.rekeyed.sources.listen_from(replay.start, short.trail.earliest());
        }
        self.cuts.floor = replay.floor;
        let rules = short.marks(&self.rules, replay.start);
        let seen_from = short.seen_from();
        let long = (!long.is_empty()).then(|| {
            let replay = long.replay(position, self.clock, self.slack, self.journal_next);
            let rules = long.marks(&self.rules, replay.start);
            Long { replay, seen_from: long.seen_from(), rules }
        });
        let metadata = Metadata {
            cut: self.cuts.count,
            owner: self.owner(),
            replay,
            seen_from,
            rules,
            long,
            windows: self.windows.list(self.clock.shows),
        };
        let cut = Cut { position, metadata: metadata.write(), outputs: self.outbox.len() };
        self.cuts.has_idle_news = false;
        Some(cut)
    }

    /// Forgets the output of a cut: it is durable.
    pub fn accept(&mut self, cut: &Cut) {
        self.outbox.drain(..cut.outputs.min(self.outbox.len()));
        self.cuts.accepted = Some(cut.clone());
    }

    /// Returns what was counted since the last call, and starts counting anew.
    pub fn take_stats(&mut self) -> Stats {
        let count = self.places.len();
        for (place, rule) in self.places.iter().zip(&mut self.stats.rules) {
            rule.sequences = self.lanes[place.lane].take_counts(place.index);
        }
        let empty = Stats { rules: vec![RuleStats::default(); count], ..Stats::default() };
        std::mem::replace(&mut self.stats, empty)
    }

    /// Returns the host of the latest record; nothing if it named none, or could not be read.
    pub fn last_host(&self) -> Option<HostHash> {
        self.noticed.host
    }

    /// Returns the offset of the latest record of unknown shape since the last call.
    pub fn take_unknown(&mut self) -> Option<i64> {
        self.noticed.unknown.take()
    }

    /// Returns what it holds now. Looks at every key: once a second, not once a record.
    pub fn held(&self) -> Held {
        let pending = |place: &Place| self.lanes[place.lane].sequences.pending_count(place.index);
        Held {
            keys: self.lanes.iter().map(|lane| lane.sequences.key_count()).sum(),
            bytes: self.bytes(),
            pending: self.places.iter().map(pending).collect(),
            // Re-keyed events have the offsets of where they stood first.
            unrecoverable_keys: match self.is_receiver() {
                false => self.lanes.iter().map(Lane::unrecoverable_keys).sum(),
                true => 0,
            },
        }
    }

    /// Returns what the partition's clock shows.
    pub fn clock(&self) -> Option<EventTime> {
        self.clock.shows
    }

    /// Returns how far back, by the partition's clock, a restart would need events; nothing if it
    /// would need none.
    pub fn safe_age(&self) -> Option<TimeSpan> {
        self.clock.shows.zip(self.cuts.floor).map(|(shows, floor)| shows - floor)
    }

    /// Returns the rules that it runs.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
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

    fn read(&mut self, record: &Record<'_>) {
        self.noticed.host = None;
        match self.judge.judge(record.payload) {
            Ok(judged) => {
                self.take_in(record, &judged);
                self.judge.recycle(judged);
            }
            Err(reason) => self.dead_letter(record, reason),
        }
    }

    /// Offers a record to the rules whose terms it satisfies.
    fn take_in(&mut self, record: &Record<'_>, judged: &Judged<'_>) {
        let envelope = &judged.envelope;
        self.stats.count_envelope(envelope);
        self.noticed.note(record, envelope);
        if let Some(machine) = envelope.machine {
            self.stats.shared_ids += u64::from(self.noticed.machines.is_news_of_sharing(machine));
        }
        if self.rekeyed.arrival.is_none() {
            self.move_clock(record.stamp, envelope);
        }
        self.stats.no_event_time += u64::from(envelope.event_time.is_none());
        for undecided in judged.undecided.iter().filter(|_| self.phase.is_live()) {
            self.stats.rules[undecided.rule as usize].undecided += 1;
        }
        if !judged.hits.is_empty() && self.admit(record, judged).journal {
            self.keep_in_journal(record);
        }
    }

    fn dead_letter(&mut self, record: &Record<'_>, reason: &'static str) {
        if let (Stamp::Append(appended), false) = (record.stamp, self.is_receiver()) {
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
            place: self.rekeyed.arrival.as_ref().map(|arrival| Arc::clone(&arrival.place)),
            offset: self.rekeyed.arrival.as_ref().map_or(record.offset, |arrival| arrival.offset),
            original_size: payload.len(),
            value: payload[..payload.len().min(MAX_DEAD_LETTER)].to_vec(),
        }));
    }

    /// Moves the partition's clock by a record: by the broker's word if there is one, else by the
    /// producer's, else by the event's own.
    fn move_clock(&mut self, stamp: Stamp, envelope: &Envelope) {
        let host = envelope.host.map_or(0, |host| host.0);
        let recorded = self.clock.shows;
        if self.phase.replaying().is_some_and(|replaying| replaying.gone.is_some()) {
            // However far it is: nothing of what lies between is left to confirm a step.
            self.clock = PartitionClock::default();
        }
        match (stamp.plausible(), envelope.event_time) {
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
        match self.clock.shows {
            Some(shows) => self.after_gap(recorded, shows),
            None => self.clock.shows = recorded,
        }
        self.tick();
    }

    /// Decides what the clock has made final.
    fn tick(&mut self) {
        let Some(shows) = self.clock.shows else { return };
        self.note_sight();
        for lane in LaneName::BOTH {
            if self.phase.shows_to(lane) {
                self.lanes[lane].sequences.advance(shows, self.slack);
            }
        }
        self.collect(self.occasion());
        self.room.settle(self.bytes());
    }

    /// Notes from when on all that happens is seen.
    fn note_sight(&mut self) {
        let sight = self.sees_all_from();
        for lane in LaneName::BOTH {
            let is_blind = self.lanes[lane].seen_from().is_none() && self.phase.shows_to(lane);
            if is_blind && self.options.past == Past::Unseen {
                self.lanes[lane].set_seen_from(sight);
            }
        }
    }

    /// Returns from when on all that happens from now on is seen.
    fn sees_all_from(&self) -> Option<EventTime> {
        if self.is_receiver() { self.rekeyed.sources.newest_clock() } else { self.clock.shows }
    }

    fn is_receiver(&self) -> bool {
        matches!(self.rekeyed.role, Role::Receiver)
    }

    fn occasion(&self) -> Occasion {
        if self.is_replaying() { Occasion::Replay } else { Occasion::Live }
    }

    /// Hands out what the sequences have found.
    fn collect(&mut self, occasion: Occasion) {
        let found: Vec<_> = self.lanes.iter_mut().flat_map(Lane::take_found).collect();
        for found in found.into_iter().filter(|_| occasion != Occasion::Replay) {
            let finding = self.finding(&found);
            self.outbox.extend(finding.map(|finding| Output::Finding(Arc::new(finding))));
        }
    }
}

/// When matches are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// While records are read again: an earlier life has handed these matches out.
    Replay,
    /// As records come, time passes, or a bounded input ends.
    Live,
}

/// Returns how far back the journal is read for these rules; nothing if none of them uses it.
pub fn journal_memory(rules: &RuleSet, options: &Options) -> Option<TimeSpan> {
    let long = rules.rules().iter().filter(|rule| is_long(rule, options));
    let plans: Vec<_> = long.map(|rule| &*rule.plan).collect();
    let needs = Needs::of(plans.iter().copied()).with_slack(options.max_skew);
    (!plans.is_empty()).then(|| needs.reach())
}

/// Returns the lane that a rule runs in.
fn lane_of(rule: &CompiledRule, options: &Options, role: &Role) -> LaneName {
    // Where re-keyed events are evaluated, their topic is as good as a journal.
    let is_long = !matches!(role, Role::Receiver) && is_long(rule, options);
    if is_long { LaneName::Journal } else { LaneName::Input }
}

fn is_long(rule: &CompiledRule, options: &Options) -> bool {
    let is_beyond = options.journal_beyond.is_some_and(|beyond| rule.plan.times.maxspan > beyond);
    is_beyond && !rule.is_rekeyed
}

/// Most bytes of a record that a dead letter carries.
const MAX_DEAD_LETTER: usize = 256 << 10;
