//! Sequence matching over event time: which events of one key, in which order, within which time.
//!
//! Pure state: never sees an expression, a field or the wall clock. It is told that an event
//! satisfies some terms of some rule under some join key, and what the partition's pace is; it answers
//! with matches.
//!
//! ```text
//!  deliver ──> copy? ──> held, by arrival and by ordinal ──> one-slot machine ──> eager matches
//!                             └── watermark of the key ──────────┴──────────────> exact matches
//! ```
//!
//! - `pace` is the partition's clock, and how much time it has seen pass.
//! - `entries` remembers what was delivered; `store` says what is decided and what leaves when.
//! - `matcher` says what the held candidates match; `absences` and `watermark` what may be decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::event::{EventTime, Identity, JoinKey, TimeSpan};

mod absences;
mod candidate;
mod entries;
mod footprint;
mod matcher;
pub mod pace;
pub mod plan;
mod store;
mod watermark;

pub use candidate::Candidate;
pub use pace::{Pace, PartitionClock, Stamps};
pub use plan::{Emission, Plan, PlanTerm, PlanTimes, TermSet};

use store::Store;

/// A complete sequence, or a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its events, in the order of the stages.
    pub events: Vec<Arc<Candidate>>,
    /// Whether it was found only through the order tolerance.
    pub order_adjusted: bool,
    /// The number of the window of maxspan that identifies a `sample`.
    pub window: Option<i64>,
    /// Until when a last absence had to last; nothing without one, or where it decides nothing.
    pub deadline: Option<EventTime>,
}

impl Match {
    /// Returns the match of a single event.
    fn of_one(event: Arc<Candidate>) -> Self {
        Self { events: vec![event], order_adjusted: false, window: None, deadline: None }
    }

    /// Returns the event of the last positive stage.
    pub fn final_event(&self) -> &Candidate {
        self.events.last().expect("a match has events")
    }

    /// Returns what tells the match from others of its rule and key: its final event, or the window
    /// of a sample.
    pub fn identity(&self) -> Identity {
        match self.window {
            Some(window) => Identity(u128::from(window.cast_unsigned())),
            None => self.final_event().event.identity,
        }
    }

    /// Returns by which time it stands among the matches of a bounded input.
    fn time(&self) -> EventTime {
        match self.window {
            Some(_) => self.events.iter().map(|event| event.event_time()).max(),
            None => Some(self.final_event().event_time()),
        }
        .unwrap_or(EventTime::MIN)
    }
}

/// A match on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the rule.
    pub rule: usize,
    /// The join key.
    pub key: JoinKey,
    /// The match.
    pub found: Match,
}

/// What a rule's sequences have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Candidates that arrived behind a younger one and were put in their place.
    pub reordered: u64,
    /// Candidates that came below the watermark that exact emission has.
    pub late: u64,
    /// Of these, candidates of rules with absences that came so late that what forbids their matches
    /// may be gone: they match nothing.
    pub too_late: u64,
    /// Second deliveries.
    pub duplicates: u64,
    /// Pending sequences whose events have been held for long enough.
    pub expired: u64,
    /// Eager matches that a later arrival showed differently.
    pub contradicted: u64,
    /// Matches with an absence for which not enough of the past was seen.
    pub undecidable: u64,
    /// Candidates that the limit of a key has driven out.
    pub evicted_of_key: u64,
    /// Candidates that the rule's quota of keys or bytes has driven out.
    pub evicted_of_rule: u64,
    /// Candidates driven out because the whole instance was short of memory.
    pub evicted_of_instance: u64,
    /// Pending sequences that have ended because a limit drove out an event of theirs.
    pub evicted_pending: u64,
}

impl Counts {
    /// Returns the sums.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.combine(other, u64::wrapping_add)
    }

    /// Returns what was counted since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.combine(earlier, u64::wrapping_sub)
    }

    fn combine(self, other: Self, op: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            reordered: op(self.reordered, other.reordered),
            late: op(self.late, other.late),
            too_late: op(self.too_late, other.too_late),
            duplicates: op(self.duplicates, other.duplicates),
            expired: op(self.expired, other.expired),
            contradicted: op(self.contradicted, other.contradicted),
            undecidable: op(self.undecidable, other.undecidable),
            evicted_of_key: op(self.evicted_of_key, other.evicted_of_key),
            evicted_of_rule: op(self.evicted_of_rule, other.evicted_of_rule),
            evicted_of_instance: op(self.evicted_of_instance, other.evicted_of_instance),
            evicted_pending: op(self.evicted_pending, other.evicted_pending),
        }
    }
}

/// Limits of what one rule may hold in one partition.
///
/// Where one is reached, those leave whose last delivery is the longest ago; the newest never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most join keys.
    pub max_keys: usize,
    /// Most bytes.
    pub max_bytes: usize,
    /// Most events of one key.
    pub max_candidates_per_key: usize,
}

/// What input the sequences see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A stream: what is held leaves, and is decided, by the pace.
    Stream,
    /// One that ends: everything is held, and decided at the end, whatever the order.
    Bounded,
}

/// The pace of a partition, and by how much one host's word may be wrong there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The pace.
    pub pace: Pace,
    /// The slack.
    pub slack: TimeSpan,
}

/// A movement of a clock that others are ahead of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Up to what it shows now.
    pub until: EventTime,
    /// The pace behind it.
    pub pace: Pace,
    /// What the pace has gained by it.
    pub gained: TimeSpan,
}

impl Move {
    /// Returns the pace at which the clock came to a time; nothing if it has not.
    pub fn pace_at(&self, time: EventTime) -> Option<Pace> {
        (time <= self.until).then(|| self.pace - (self.until - time).min(self.gained))
    }
}

/// An event on its way to a rule's sequences.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The event, and the terms that it satisfies.
    pub candidate: Candidate,
    /// What keeping its event takes, in bytes: several rules may share it.
    pub event_bytes: usize,
    /// What the clock of its source showed, if that is ahead of the others.
    pub ahead_until: Option<EventTime>,
}

/// All sequences of one partition.
///
/// Call [`advance`](Self::advance) with each movement of the clock, then
/// [`deliver`](Self::deliver) what the record brings, then [`take_found`](Self::take_found).
#[derive(Debug)]
pub struct Sequences {
    stores: Vec<Store>,
    now: Moment,
    /// INVARIANT: the least pace at which a store has something to do, each once.
    due: BTreeSet<(Pace, usize)>,
    due_of: Vec<Option<Pace>>,
    key_count: usize,
    bytes: usize,
    /// What of these the events take.
    event_bytes: usize,
    found: Vec<Found>,
}

impl Sequences {
    /// Returns the empty state of these rules.
    pub fn new(plans: impl IntoIterator<Item = Arc<Plan>>, limits: Limits, input: Input) -> Self {
        let stores: Vec<Store> =
            plans.into_iter().map(|plan| Store::new(plan, limits, input)).collect();
        Self {
            now: Moment::default(),
            due: BTreeSet::new(),
            due_of: vec![None; stores.len()],
            key_count: 0,
            bytes: 0,
            event_bytes: 0,
            found: Vec::new(),
            stores,
        }
    }

    /// Says from which pace on a rule sees this partition; until then, it has seen all of it.
    pub fn set_seen_from(&mut self, rule: usize, pace: Pace) {
        self.stores[rule].set_seen_from(pace);
    }

    /// Moves time on to a moment: decides, and lets go. Tells whether there was anything.
    ///
    /// `moved` is the movement of a clock that some sources may be ahead of.
    pub fn advance(&mut self, to: Moment, moved: Option<Move>) -> bool {
        let has_new_slack = to.slack != self.now.slack;
        self.now = to;
        if has_new_slack || moved.is_some() {
            let all = 0..self.stores.len();
            all.fold(false, |has_acted, rule| self.advance_rule(rule, to, moved) | has_acted)
        } else {
            self.run_due(to)
        }
    }

    /// Lends pace to a partition that is idle, up to `reached`: what that decides or lets go stays so,
    /// and the loan ends here. Tells whether there was anything.
    pub fn lend(&mut self, reached: Pace) -> bool {
        let to = Moment { pace: reached, ..self.now };
        let has_acted = self.run_due(to);
        for store in &mut self.stores {
            store.end_loan(self.now);
        }
        has_acted
    }

    /// Tells whether a loan up to `reached` would decide anything, or let anything go.
    pub fn is_due(&self, reached: Pace) -> bool {
        self.due.first().is_some_and(|(due, _)| *due <= reached)
    }

    fn run_due(&mut self, to: Moment) -> bool {
        let mut has_acted = false;
        while let Some((_, rule)) = self.due.first().filter(|(due, _)| *due <= to.pace) {
            has_acted |= self.advance_rule(*rule, to, None);
        }
        has_acted
    }

    fn advance_rule(&mut self, rule: usize, to: Moment, moved: Option<Move>) -> bool {
        self.with_store(rule, |store| store.advance(to, moved))
    }

    /// Takes in an event that satisfies terms of a rule under a key.
    pub fn deliver(&mut self, rule: usize, key: &JoinKey, delivery: Delivery) {
        let now = self.now;
        let Delivery { candidate, event_bytes, ahead_until } = delivery;
        self.with_store(rule, |store| {
            store.advance(now, None);
            store.deliver(key, candidate, event_bytes, ahead_until);
        });
    }

    /// Ends the stream: everything is decided, in the order of time.
    pub fn finish(&mut self) {
        for rule in 0..self.stores.len() {
            self.with_store(rule, Store::finish);
        }
        self.found.sort_by(|a, b| {
            let place = |found: &Found| (found.found.time(), found.rule);
            place(a).cmp(&place(b)).then_with(|| a.key.cmp(&b.key))
        });
    }

    /// Takes the matches that were found since the last call, in the order in which they were.
    pub fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }

    /// Lets go of what was delivered the longest ago until all takes at most so many bytes, the rule
    /// that takes most first.
    pub fn shrink_to(&mut self, bytes: usize) {
        while self.bytes > bytes {
            let excess = self.bytes - bytes;
            let Some(rule) = self.largest_rule() else { break };
            let of_rule = self.stores[rule].bytes();
            let left = of_rule.saturating_sub(excess.max(of_rule / 16));
            self.with_store(rule, |store| store.shrink_to(left));
            if self.stores[rule].bytes() == of_rule {
                break;
            }
        }
    }

    /// Returns the rule that takes most memory.
    pub fn largest_rule(&self) -> Option<usize> {
        (0..self.stores.len()).max_by_key(|rule| self.stores[*rule].bytes())
    }

    /// Returns what the rule has counted.
    pub fn counts(&self, rule: usize) -> Counts {
        self.stores[rule].counts
    }

    /// Returns how many sequences of the rule have started and not finished.
    pub fn pending_count(&self, rule: usize) -> usize {
        self.stores[rule].pending_count()
    }

    /// Returns how many keys are kept, over all rules.
    pub fn key_count(&self) -> usize {
        self.key_count
    }

    /// Tells whether nothing is held or remembered.
    pub fn is_empty(&self) -> bool {
        self.key_count == 0
    }

    /// Returns about how many bytes of memory everything takes that is held. An event that several
    /// rules hold counts for each of them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the same without the events.
    pub fn bytes_beside_events(&self) -> usize {
        self.bytes - self.event_bytes
    }

    /// Lets a rule work, collects its matches, and notes when it has something to do again.
    fn with_store<T>(&mut self, rule: usize, work: impl FnOnce(&mut Store) -> T) -> T {
        let store = &mut self.stores[rule];
        let (keys, bytes, events) = (store.key_count(), store.bytes(), store.event_bytes());
        let answer = work(store);
        self.key_count = self.key_count + store.key_count() - keys;
        self.bytes = self.bytes + store.bytes() - bytes;
        self.event_bytes = self.event_bytes + store.event_bytes() - events;
        let found = store.found.drain(..).map(|(key, found)| Found { rule, key, found });
        self.found.extend(found);
        let due = store.next_due();
        if due != self.due_of[rule] {
            if let Some(before) = std::mem::replace(&mut self.due_of[rule], due) {
                self.due.remove(&(before, rule));
            }
            self.due.extend(due.map(|due| (due, rule)));
        }
        answer
    }
}
