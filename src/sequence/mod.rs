//! Sequence matching over event time: which events of one key, in which order, within which time.
//!
//! Pure state: never sees an expression, a field or a clock. It is told that an event satisfies
//! some terms of some rule under some join key, and what the partition's clock shows; it answers
//! with matches. For each rule and key there is a [machine](machine) that answers as
//! Elasticsearch does on a sorted stream, and around it what an unsorted stream needs: see
//! `speculate` for what is final and what is not, and `key_time` for how a key's time runs.
//!
//! ```text
//!  offer ──> duplicate? ──> late? ──> recent ──(key's now − lateness)──> base ──> exact matches
//!                                       └─────────> head ──> eager matches
//! ```

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::event::{EventTime, Identity, JoinKey, TimeSpan};

pub mod clock;
mod footprint;
mod key_time;
pub mod machine;
pub mod plan;
mod sample;
mod speculate;

pub use clock::PartitionClock;
pub use machine::Candidate;
pub use plan::{Emission, Needs, Plan, PlanTerm, PlanTimes, TermSet};

use footprint::key_bytes;
use speculate::{Context, KeyState, Pace};

/// So many keys are looked at for what a restart needs whenever that is asked.
const FEW_KEYS: usize = 1_000;
/// More are when one in so many has worked.
const LOOK_SHARE: usize = 16;

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
    /// Candidates that came after their place had become final, and were offered all the same.
    pub late: u64,
    /// Late candidates that were too old to be offered.
    pub too_late: u64,
    /// Second deliveries.
    pub duplicates: u64,
    /// Pending sequences freed because maxspan had passed.
    pub expired: u64,
    /// Eager matches that a later arrival showed differently.
    pub contradicted: u64,
    /// Matches of a leading absence for which not enough of the past was seen.
    pub undecidable: u64,
    /// Candidates refused because their key holds as many as it may.
    pub refused_candidates: u64,
    /// Identities not remembered because their key holds as many as it may.
    pub refused_identities: u64,
    /// Candidates refused because there are as many keys as there may be.
    pub refused_keys: u64,
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
            refused_candidates: op(self.refused_candidates, other.refused_candidates),
            refused_identities: op(self.refused_identities, other.refused_identities),
            refused_keys: op(self.refused_keys, other.refused_keys),
        }
    }
}

/// Limits of one partition's sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most keys, over all rules.
    pub max_keys: usize,
    /// Most candidates that are not final yet, per rule and key.
    pub max_candidates_per_key: usize,
}

/// What a candidate may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Everything.
    Match,
    /// Move times and be remembered: it is replayed only for that.
    Remember,
}

/// The rule's sequences in one partition.
#[derive(Debug)]
struct RuleState {
    plan: Arc<Plan>,
    keys: HashMap<JoinKey, Keyed>,
    seen_from: Option<EventTime>,
    counts: Counts,
}

/// A key's state, and the timer under which it is found in [`Sequences::timers`].
#[derive(Debug)]
struct Keyed {
    state: KeyState,
    due: EventTime,
    /// What it counts for in [`Sequences::bytes`].
    bytes: usize,
}

/// All sequences of one partition.
#[derive(Debug)]
pub struct Sequences {
    rules: Vec<RuleState>,
    pace: Pace,
    bounds: Bounds,
    key_count: usize,
    /// About how many bytes of memory all keys take, the events not counted.
    bytes: usize,
    /// (what the clock must be past, rule, key), for every key exactly once.
    timers: BTreeSet<(EventTime, usize, JoinKey)>,
    /// INVARIANT: no later than the floor of any key. A key's own falls only when it works.
    floor: EventTime,
    /// How many keys have worked since all were looked at.
    worked: usize,
    out: Vec<Found>,
}

impl Sequences {
    /// Returns the empty state of these rules.
    pub fn new(plans: impl IntoIterator<Item = Arc<Plan>>, bounds: Bounds) -> Self {
        let rule = |plan| RuleState {
            plan,
            keys: HashMap::new(),
            seen_from: None,
            counts: Counts::default(),
        };
        Self {
            rules: plans.into_iter().map(rule).collect(),
            pace: Pace { clock: EventTime::MIN, slack: TimeSpan::ZERO },
            bounds,
            key_count: 0,
            bytes: 0,
            timers: BTreeSet::new(),
            floor: EventTime::MAX,
            worked: 0,
            out: Vec::new(),
        }
    }

    /// Says since when a rule sees this partition; until then, its beginning is the beginning of
    /// time.
    pub fn set_seen_from(&mut self, rule: usize, clock: EventTime) {
        self.rules[rule].seen_from = Some(clock);
    }

    /// Tells whether it was said since when a rule sees this partition.
    pub fn has_seen_from(&self, rule: usize) -> bool {
        self.rules[rule].seen_from.is_some()
    }

    /// Takes in an event that satisfies terms of a rule under a key.
    pub fn offer(&mut self, rule: usize, key: &JoinKey, candidate: Candidate, offer: Offer) {
        self.offer_at(self.pace.clock, rule, key, candidate, offer);
    }

    /// Takes in an event that may have run ahead of the clock: the key's time takes note of it when
    /// the clock shows `seen_at`.
    pub fn offer_at(
        &mut self,
        seen_at: EventTime,
        rule: usize,
        key: &JoinKey,
        candidate: Candidate,
        offer: Offer,
    ) {
        let pace = self.pace;
        let state = &mut self.rules[rule];
        if !state.keys.contains_key(key) {
            if self.key_count >= self.bounds.max_keys {
                self.refuse_key(rule, key, candidate, offer);
                return;
            }
            self.key_count += 1;
            let new = KeyState::new(&state.plan);
            state.keys.insert(key.clone(), Keyed { state: new, due: EventTime::MIN, bytes: 0 });
        } else {
            self.timers.remove(&(state.keys[key].due, rule, key.clone()));
        }
        self.with_key(rule, key, pace, |key_state, context| {
            context.seen_at = seen_at;
            match offer {
                Offer::Match => key_state.offer(candidate, context),
                Offer::Remember => key_state.remember_only(&candidate, context),
            }
        });
    }

    /// Tells whether there is a state of this rule and key.
    pub fn knows(&self, rule: usize, key: &JoinKey) -> bool {
        self.rules[rule].keys.contains_key(key)
    }

    fn refuse_key(&mut self, rule: usize, key: &JoinKey, candidate: Candidate, offer: Offer) {
        let state = &mut self.rules[rule];
        state.counts.refused_keys += u64::from(!state.plan.is_single());
        self.pass(rule, key, candidate, offer);
    }

    /// Does what can be done for an event without keeping anything: a single event is a match by
    /// itself, only that it will not be known when it comes again.
    pub fn pass(&mut self, rule: usize, key: &JoinKey, candidate: Candidate, offer: Offer) {
        let state = &mut self.rules[rule];
        if !state.plan.is_single() {
            return;
        }
        state.counts.refused_identities += 1;
        if offer == Offer::Match {
            let events = vec![Arc::new(candidate)];
            let found = Match { events, order_adjusted: false, window: None, deadline: None };
            self.out.push(Found { rule, key: key.clone(), found });
        }
    }

    /// Moves the partition's clock and decides what that makes final. `slack` is by how much it may
    /// be wrong for a single host.
    pub fn advance(&mut self, clock: EventTime, slack: TimeSpan) {
        let clock = clock.max(self.pace.clock);
        if slack != self.pace.slack {
            self.worked = usize::MAX;
        }
        self.pace = Pace { clock, slack };
        self.run_timers(self.pace);
    }

    /// Lets time run on to `clock` without moving the partition's clock.
    pub fn advance_idle(&mut self, clock: EventTime) {
        self.run_timers(Pace { clock, ..self.pace });
    }

    /// Ends the stream: everything is final.
    pub fn finish(&mut self) {
        self.run_timers(Pace { clock: EventTime::MAX, slack: TimeSpan::ZERO });
    }

    /// Takes the matches that were found since the last call, in the order in which they were.
    pub fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.out)
    }

    /// Returns an event time below which no event matters after a restart; nothing if none does.
    ///
    /// Of many keys it may be a little lower than needed: all are looked at only when a share of them
    /// has worked, so that a million keys cost a record no more than a few.
    pub fn floor(&mut self) -> Option<EventTime> {
        if self.key_count <= FEW_KEYS || self.worked >= self.key_count / LOOK_SHARE {
            self.floor = self.lowest_floor();
            self.worked = 0;
        }
        (self.key_count > 0).then_some(self.floor)
    }

    fn lowest_floor(&self) -> EventTime {
        let pace = self.pace;
        let floors = self
            .rules
            .iter()
            .flat_map(|rule| rule.keys.values().map(move |key| key.state.floor(&rule.plan, pace)));
        floors.min().unwrap_or(EventTime::MAX)
    }

    /// Returns what the rule has counted.
    pub fn counts(&self, rule: usize) -> Counts {
        self.rules[rule].counts
    }

    /// Returns how many sequences of the rule have started and not finished.
    pub fn pending_count(&self, rule: usize) -> usize {
        let RuleState { plan, keys, .. } = &self.rules[rule];
        keys.values().map(|key| key.state.pending_count(plan)).sum()
    }

    /// Returns of how many keys an event from before `offset` is pending. Looks at every event.
    pub fn keys_holding_before(&self, offset: i64) -> usize {
        let keys = self.rules.iter().flat_map(|rule| rule.keys.values());
        keys.filter(|key| key.state.holds_before(offset)).count()
    }

    /// Returns how many keys are kept, over all rules.
    pub fn key_count(&self) -> usize {
        self.key_count
    }

    /// Returns about how many bytes of memory the keys take: everything but the events, which rules
    /// share.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tells whether letting time run on to `clock` would decide anything.
    pub fn is_due(&self, clock: EventTime) -> bool {
        self.timers.first().is_some_and(|(due, ..)| *due < clock)
    }

    fn run_timers(&mut self, pace: Pace) {
        while self.timers.first().is_some_and(|(due, ..)| *due < pace.clock) {
            let (_, rule, key) = self.timers.pop_first().expect("there is a first timer");
            self.with_key(rule, &key, pace, |key_state, context| key_state.settle(context));
            debug_assert!(
                self.rules[rule].keys.get(&key).is_none_or(|keyed| keyed.due >= pace.clock),
                "a timer must get something done"
            );
        }
    }

    /// Lets a key work, collects its matches, and sets its timer anew or forgets it.
    ///
    /// INVARIANT: the key has no timer while it works.
    fn with_key(
        &mut self,
        rule: usize,
        key: &JoinKey,
        pace: Pace,
        work: impl FnOnce(&mut KeyState, &mut Context<'_>),
    ) {
        let RuleState { plan, keys, seen_from, counts } = &mut self.rules[rule];
        let keyed = keys.get_mut(key).expect("the key exists while it works");
        let mut matches = Vec::new();
        let mut context = Context {
            plan,
            pace,
            seen_at: pace.clock,
            seen_from: *seen_from,
            max_candidates: self.bounds.max_candidates_per_key,
            counts,
            out: &mut matches,
        };
        work(&mut keyed.state, &mut context);
        let is_over = keyed.state.is_over(pace);
        if is_over {
            keyed.state.end(&mut context);
        }
        let found = matches.into_iter().map(|found| Found { rule, key: key.clone(), found });
        self.out.extend(found);
        self.bytes -= keyed.bytes;
        self.worked = self.worked.saturating_add(1);
        if is_over {
            keys.remove(key);
            self.key_count -= 1;
        } else {
            self.floor = self.floor.min(keyed.state.floor(plan, self.pace));
            keyed.due = keyed.state.next_due(plan, self.pace.slack);
            keyed.bytes = key_bytes(key, size_of::<Keyed>()) + keyed.state.heap_bytes();
            self.bytes += keyed.bytes;
            self.timers.insert((keyed.due, rule, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::admitted::Body;
    use crate::event::{Admitted, Ordinal};

    fn at(seconds: i64) -> EventTime {
        EventTime::from_millis(1_000 * seconds)
    }

    fn candidate(number: i64, seconds: i64, term: usize) -> Candidate {
        Candidate {
            ordinal: Ordinal::at(at(seconds), number),
            terms: TermSet::of([term]),
            late: false,
            event: Arc::new(Admitted {
                identity: Identity(number.cast_unsigned().into()),
                event_time: at(seconds),
                offset: number,
                body: Body::default(),
            }),
        }
    }

    #[test]
    fn the_floor_is_no_later_than_any_keys_and_follows_them() {
        let times = PlanTimes {
            maxspan: TimeSpan::from_secs(10),
            order_tolerance: TimeSpan::ZERO,
            allowed_lateness: TimeSpan::from_secs(5),
            hold: TimeSpan::from_secs(20),
            emission: Emission::Eager,
        };
        let terms = [PlanTerm { missing: false, runs: 1 }; 2];
        let plan = Arc::new(Plan::new(&terms, false, times));
        let bounds = Bounds { max_keys: 9_000, max_candidates_per_key: 100 };
        let mut sequences = Sequences::new([Arc::clone(&plan)], bounds);
        assert_eq!(sequences.floor(), None);
        let (mut looks, mut low) = (0, 0);
        for number in 0..40_000_i64 {
            let clock = number / 500;
            sequences.advance(at(clock), TimeSpan::from_secs(clock / 40));
            // Some hosts are far behind.
            let host = number * 7_919 % 5_000;
            let behind = if host % 500 == 0 { 100 } else { number % 4 };
            let key = JoinKey::new([Some(host.to_string().into())]);
            let event = candidate(number, clock - behind, (number % 3 % 2) as usize);
            sequences.offer(0, &key, event, Offer::Match);
            let floor = sequences.floor().unwrap();
            looks += usize::from(sequences.worked == 0 && sequences.key_count > FEW_KEYS);
            if number % 49 == 0 {
                let lowest = sequences.lowest_floor();
                assert!(floor <= lowest, "{number}: {floor} {lowest}");
                low += usize::from(lowest - floor > TimeSpan::from_secs(3));
            }
        }
        assert!(sequences.key_count > 2 * FEW_KEYS, "{}", sequences.key_count);
        assert!((10..1_000).contains(&looks), "all keys were looked at {looks} times");
        assert!(low < 40_000 / 49 / 10, "{low} times it was far too low");
        sequences.finish();
        assert_eq!(sequences.floor(), None);
    }
}
