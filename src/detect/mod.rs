//! The detector of one partition: normalize, predicates, sequences, findings.
//!
//! Pure: never reads a clock, a file or the network. Whoever owns the partition feeds it records
//! in offset order, makes its output durable, and only then tells it so.

use std::sync::Arc;

use crate::event::{EventTime, TimeSpan};
use crate::normalize::{Envelope, HostHash, Shape};
use crate::recovery;
use crate::recovery::checkpoint::{Checkpoint, LanePart, ROOM_OF_INPUT, ROOM_OF_JOURNAL};
use crate::recovery::replay::{SPANS, SPANS_WITHOUT_ABSENCE};
use crate::rule::compile::CompiledRule;
use crate::rule::cost::NanoClock;
use crate::rule::set::{RuleSet, TermRef};
use crate::sequence::{Limits, Moment, Move, PartitionClock, Stamps};

mod admit;
mod boundary;
pub mod case;
mod engine;
pub mod finding;
pub mod forward;
mod gate;
mod judge;
mod lane;
mod lanes;
mod machines;
mod phase;
mod prefilter;
mod rekeyed;
mod restore;
mod resume;
mod room;
pub mod screen;
mod sources;
pub mod stats;
mod suppress;

pub use boundary::{
    Cut, DeadLetter, Input, JournalRecord, Options, Origin, Output, Past, Record, Stamp,
};
pub use engine::Engine;
pub use finding::{Finding, FindingEvent, InputEnd};
pub use forward::{Forward, Rekey, Source};
pub use gate::Prefiltering;
pub use room::Budget;
pub use stats::{Held, RuleStats, Stats};

use forward::Role;
use judge::{INTERNAL, Judge, Judged};
use lane::Lane;
use lanes::{ByLane, LaneName, Lanes, Place};
use machines::Machines;
use phase::Phase;
use rekeyed::Rekeyed;
use restore::Restoring;
use room::Room;
use screen::Screened;
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
    /// What the clock first showed.
    first_shown: Option<EventTime>,
    /// What the clock showed where a restart at the last one begins to read.
    replays_from: Option<EventTime>,
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
    /// Whether records are gone that would have come before the next one.
    has_gap: bool,
    /// How many rules the checkpoint did not know from which the detector was resumed.
    new_rules: usize,
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
        let limits = limits_of_rule(&options);
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
        let gate = prefilter::gate(&rules, &options).filter(|_| !matches!(role, Role::Receiver));
        let restoring = (!journal.is_empty()).then(Restoring::of_nothing);
        Self {
            lanes: Lanes {
                input: Lane::new(&rules, input, limits, options.input, &role),
                journal: Lane::new(&rules, journal, limits, options.input, &role).of_journal(),
            },
            places,
            clock: PartitionClock::default(),
            position: None,
            phase: Phase::new(restoring),
            journal_next: 0,
            cuts: Cuts::default(),
            outbox: Vec::new(),
            room: Room::default(),
            noticed: Noticed::default(),
            stats: Stats { rules: vec![RuleStats::default(); count], ..Stats::default() },
            windows: Windows::of(Vec::new(), options.input),
            rekeyed: Rekeyed::new(role, Sources::new(idle_timeout)),
            judge: Judge::new(Arc::clone(&rules), options.max_record_bytes, gate),
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
        match recovery::read(metadata) {
            Ok(read) => {
                detector.restore(read, position);
                // There is no news before the first record beyond it.
                let metadata = metadata.to_owned();
                detector.cuts.accepted = Some(Cut { position, metadata, outputs: 0 });
                (detector, None)
            }
            Err(reason) => {
                detector.begin_unseen(position);
                (detector, Some(reason).filter(|_| !metadata.is_empty()))
            }
        }
    }

    /// Begins at a record whose past is not known, unless there is none.
    fn begin_unseen(&mut self, offset: i64) {
        if self.options.past == Past::Unseen {
            self.lanes.iter_mut().for_each(|lane| lane.start_at(offset));
        }
    }

    /// Shares a budget of memory with other partitions.
    pub fn share(&mut self, budget: Arc<Budget>) {
        self.room.share(budget);
    }

    /// Counts from now on what each rule costs, by a clock that is read now and then.
    pub fn profile(&mut self, clock: NanoClock) {
        self.judge.profile(clock);
    }

    /// Returns about how many bytes of memory the state takes.
    fn bytes(&self) -> usize {
        let lanes = self.lanes.iter().map(Lane::heap_bytes).sum::<usize>();
        self.room.kept_bytes() + lanes
    }

    /// Returns about how many bytes what is held takes.
    fn held_bytes(&self) -> usize {
        let beside = self.lanes.iter().map(|lane| lane.sequences.bytes_beside_events());
        self.room.kept_bytes() + beside.sum::<usize>()
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
        self.step(record, |detector| match detector.is_receiver() {
            true => detector.receive(record),
            false => {
                detector.note_mark(record.offset);
                match detector.rejects(record) {
                    true => detector.note_rejected(record),
                    false => detector.read(record),
                }
            }
        });
    }

    /// Takes in the next record as [`on_record`](Self::on_record) does, and judges it again only if the
    /// screen of this detector's engine has found that it satisfies a stage.
    pub fn on_screened(&mut self, record: &Record<'_>, screened: &Screened) {
        if self.is_receiver() {
            // It judges what the record holds, not the record.
            return self.on_record(record);
        }
        self.step(record, |detector| {
            detector.note_mark(record.offset);
            match screened {
                Screened::Rejected if !detector.must_be_decoded(record) => {
                    detector.note_rejected(record);
                }
                Screened::Rejected => detector.read(record),
                Screened::Hit => {
                    // What judging it costs has been counted where it was screened.
                    let profile = detector.judge.set_profile(None);
                    detector.read(record);
                    detector.judge.set_profile(profile);
                }
                Screened::Missed(missed) => {
                    detector.note_read(record, &missed.envelope, &missed.undecided);
                }
                Screened::Unreadable(reason) => {
                    detector.noticed.host = None;
                    detector.dead_letter(record, reason);
                }
            }
        });
    }

    /// Takes a record that a detector of this partition has failed on: it becomes a dead letter, and
    /// nothing else looks at it.
    pub fn on_poisoned(&mut self, record: &Record<'_>) {
        self.step(record, |detector| {
            if !detector.is_receiver() {
                detector.note_mark(record.offset);
            }
            detector.dead_letter(record, INTERNAL);
        });
    }

    fn step(&mut self, record: &Record<'_>, take: impl FnOnce(&mut Self)) {
        debug_assert!(!self.awaits_journal(), "the journal comes first");
        if self.position.is_some_and(|position| record.offset < position) {
            return;
        }
        self.run_idle_before(record.offset);
        self.stats.records += 1;
        self.stats.bytes += record.payload.map_or(0, <[u8]>::len) as u64;
        self.stats.replayed += u64::from(self.is_replaying());
        self.rekeyed.last_stamp = record.stamp;
        if self.position.is_none() {
            self.begin_unseen(record.offset);
        }
        take(self);
        self.cuts.first_shown = self.cuts.first_shown.or(self.clock.shows);
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
        let has_clock = self.clock.shows.is_some() || self.is_receiver();
        let Some(position) = self.position.filter(|_| has_clock) else { return };
        if self.is_receiver() && !self.rekeyed.sources.are_all_silent(elapsed) {
            return;
        }
        for lane in LaneName::BOTH {
            self.lend(lane, position, elapsed);
        }
        self.collect(Occasion::Live);
    }

    fn lend(&mut self, name: LaneName, position: i64, elapsed: TimeSpan) {
        let slack = self.slack();
        let behind = self.clock_when_nobody_is_waited_for();
        let reached = behind.pace + elapsed;
        let moves = behind.shows > self.clock.shows;
        let lane = &mut self.lanes[name];
        let is_due = lane.sequences.is_due(reached) || moves && !lane.sequences.is_empty();
        if !is_due {
            return;
        }
        let span = lane.span(slack);
        if !lane.trail.lend(position, &self.clock, reached, span) {
            self.stats.idle_refused += 1;
            return;
        }
        self.wait_for_nobody();
        self.lanes[name].sequences.lend(reached);
        self.cuts.has_idle_news = true;
        let lane = &mut self.lanes[name];
        if lane.sequences.is_empty() {
            lane.trail.begin_anew();
        }
        if name == LaneName::Journal && self.lanes.journal.trail.is_full() {
            self.keep_idle_in_journal();
        }
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
        let (clock, slack, journal_next) = (self.clock, self.slack(), self.journal_next);
        let part = |lane: &mut Lane, room| {
            let start = lane.replay_start(position, clock, slack, journal_next);
            LanePart { start, rules: lane.known_rules(room) }
        };
        let Lanes { input, journal } = &mut self.lanes;
        let input = part(input, ROOM_OF_INPUT);
        let journal = (!journal.is_empty()).then(|| part(journal, ROOM_OF_JOURNAL));
        // Before the first record of all the clock shows nothing.
        self.cuts.replays_from = input.start.clock.shows.or(self.cuts.first_shown);
        let checkpoint = Checkpoint {
            cut: self.cuts.count,
            owner: self.owner(),
            listen: self.listen_from(input.start.offset),
            input,
            journal,
            windows: self.windows.list(),
        };
        let cut = Cut { position, metadata: checkpoint.write(), outputs: self.outbox.len() };
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
        self.stats.add_costs(&self.judge.take_costs());
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
            bytes_beside_events: self.bytes() - self.room.kept_bytes(),
            pending: self.places.iter().map(pending).collect(),
        }
    }

    /// Returns what the partition's clock shows.
    pub fn clock(&self) -> Option<EventTime> {
        self.clock.shows
    }

    /// Returns how far back, by the partition's clock, a restart would begin to read.
    pub fn safe_age(&self) -> Option<TimeSpan> {
        self.clock.shows.zip(self.cuts.replays_from).map(|(shows, from)| shows - from)
    }

    /// Returns the rule that takes most memory if all that is held takes more than it may; of a bounded
    /// input, whose answer would not be whole without it.
    pub fn overfull_rule(&self) -> Option<usize> {
        let is_bounded = self.options.input == Input::Bounded;
        let is_over = || self.bytes() > self.room.allowed(self.options.max_total_bytes);
        (is_bounded && is_over()).then(|| self.lanes.input.largest_rule()).flatten()
    }

    /// Returns the partition that it is for; of a recording its file.
    pub fn origin(&self) -> &Origin {
        &self.origin
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
        let arena = self.judge.arena();
        match self.judge.judge(record.payload, &arena) {
            Ok(judged) => {
                self.take_in(record, &judged);
                self.judge.recycle(judged);
            }
            Err(reason) => self.dead_letter(record, reason),
        }
        self.judge.keep(arena);
    }

    /// Offers a record to the rules whose terms it satisfies.
    fn take_in(&mut self, record: &Record<'_>, judged: &Judged<'_>) {
        self.note_read(record, &judged.envelope, &judged.undecided);
        if !judged.hits.is_empty() && self.admit(record, judged).journal {
            self.keep_in_journal(record);
        }
    }

    /// Takes note of a record that could be read, whatever it satisfies.
    fn note_read(&mut self, record: &Record<'_>, envelope: &Envelope, undecided: &[TermRef]) {
        self.stats.count_envelope(envelope);
        self.noticed.note(record, envelope);
        if let Some(machine) = envelope.machine {
            self.stats.shared_ids += u64::from(self.noticed.machines.is_news_of_sharing(machine));
        }
        if self.rekeyed.arrival.is_none() {
            self.move_clock(record, envelope);
        }
        self.stats.no_event_time += u64::from(envelope.event_time.is_none());
        for undecided in undecided.iter().filter(|_| self.phase.is_live()) {
            self.stats.rules[undecided.rule as usize].undecided += 1;
        }
    }

    fn dead_letter(&mut self, record: &Record<'_>, reason: &'static str) {
        // As if the prefilter had rejected it: nobody would know then that it is not valid.
        if !self.is_receiver() && self.moves_clock_by_stamp(record) {
            self.move_clock_by_stamp(record);
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
            value: payload[..payload.len().min(MAX_DEAD_LETTER)].into(),
        }));
    }

    /// Moves the partition's clock by a record: by the broker's word if there is one, else by the
    /// producer's, else by the event's own.
    fn move_clock(&mut self, record: &Record<'_>, envelope: &Envelope) {
        let stamp = match (record.stamp.plausible(), envelope.event_time) {
            (Stamp::None, Some(stated)) => Stamp::Create(stated),
            (stamp, _) => stamp,
        };
        self.move_clock_to(record.offset, stamp, envelope.host.map_or(0, |host| host.0));
    }

    /// Moves it by a record's stamp, for which its host need not be known.
    fn move_clock_by_stamp(&mut self, record: &Record<'_>) {
        self.move_clock_to(record.offset, record.stamp.plausible(), 0);
    }

    fn move_clock_to(&mut self, offset: i64, stamp: Stamp, host: u64) {
        let before = self.clock;
        let max_skew = self.options.max_skew;
        match stamp {
            _ if self.options.input == Input::Bounded => {}
            Stamp::Append(appended) => self.clock.append(appended, max_skew),
            Stamp::Create(stated) => self.clock.create(stated, host, max_skew),
            Stamp::None => {}
        }
        self.note_pace(offset, before);
        self.tick(None);
    }

    /// Decides and lets go what time has come for.
    ///
    /// `moved` is the movement of a clock that sources of re-keyed events may be ahead of.
    fn tick(&mut self, moved: Option<Move>) {
        if self.clock.shows.is_none() {
            return;
        }
        let mut has_acted = false;
        for lane in LaneName::BOTH {
            if self.phase.shows_to(lane) {
                has_acted |= self.show_time_moved(lane, moved);
            }
        }
        if has_acted {
            self.collect(self.occasion());
            self.keep_within_room();
        }
    }

    /// Moves the time of a lane on to where the partition's is.
    fn show_time(&mut self, lane: LaneName) {
        self.show_time_moved(lane, None);
    }

    /// The same; tells whether that decided anything, or let anything go.
    fn show_time_moved(&mut self, lane: LaneName, moved: Option<Move>) -> bool {
        let moment = Moment { pace: self.clock.pace, slack: self.slack() };
        self.lanes[lane].sequences.advance(moment, moved)
    }

    /// Notes from which pace on rules have seen the partition that start at this record, given the clock
    /// before it.
    fn note_pace(&mut self, offset: i64, before: PartitionClock) {
        if self.clock.shows.is_none() {
            return;
        }
        let is_whole = before.shows.is_some() && !std::mem::take(&mut self.noticed.has_gap);
        let pace = if is_whole { before.pace } else { self.clock.pace };
        for lane in LaneName::BOTH {
            if self.phase.shows_to(lane) {
                self.lanes[lane].note_pace(offset, pace);
            }
        }
    }

    /// Notes the record as one at which a replay of the input may begin.
    fn note_mark(&mut self, offset: i64) {
        let slack = self.slack();
        let span = self.lanes.input.span(slack);
        let sources = self.is_receiver().then_some(&mut self.rekeyed.sources);
        let oldest_held = || sources.map(|sources| sources.oldest_held(offset));
        self.lanes.input.trail.note(offset, self.clock, span, 0, oldest_held);
    }

    /// Returns how far one host's word may be from the clock.
    fn slack(&self) -> TimeSpan {
        let slack = self.clock.slack(self.options.max_skew);
        match (&self.rekeyed.role, self.clock.stamps) {
            // After a silence of everything the sources step one after the other.
            (Role::Receiver, Stamps::Producers) => slack + self.rekeyed.sources.idle_timeout(),
            _ => slack,
        }
    }

    /// Lets go of what was delivered the longest ago if the partition takes more memory than it may.
    fn keep_within_room(&mut self) {
        if self.options.input == Input::Bounded {
            return;
        }
        let allowed = self.room.allowed(self.options.max_bytes);
        for lane in LaneName::BOTH {
            let excess = self.held_bytes().saturating_sub(allowed);
            if excess > 0 {
                let sequences = &mut self.lanes[lane].sequences;
                sequences.shrink_to(sequences.bytes().saturating_sub(excess));
            }
        }
        self.room.settle(self.bytes());
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
    let reaches = rules.rules().iter().filter(|rule| is_long(rule, options));
    reaches.map(|rule| replay_reach(rule, options)).max()
}

/// Returns how far back the input is read for these rules, by its clock, and the rule that makes it so
/// far; nothing if there are none.
pub fn input_memory(rules: &RuleSet, options: &Options) -> Option<(usize, TimeSpan)> {
    let short = rules.rules().iter().enumerate().filter(|(_, rule)| !is_long(rule, options));
    short.map(|(index, rule)| (index, replay_reach(rule, options))).max_by_key(|(_, reach)| *reach)
}

/// With producers' times, of which a replay reads more.
fn replay_reach(rule: &CompiledRule, options: &Options) -> TimeSpan {
    let slack = options.max_skew.times(2);
    let spans = if rule.plan.has_absence() { SPANS } else { SPANS_WITHOUT_ABSENCE };
    (rule.plan.held_for(slack) + slack).times(spans)
}

/// Returns what one rule may hold in a partition.
fn limits_of_rule(options: &Options) -> Limits {
    let percent = u128::from(options.max_rule_share_percent);
    let share = |whole: usize| (whole as u128 * percent / 100) as usize;
    Limits {
        max_keys: share(options.max_keys).max(1),
        max_bytes: share(options.max_bytes),
        max_candidates_per_key: options.max_candidates_per_key,
    }
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
