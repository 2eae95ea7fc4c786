//! A candidate that is all that its key holds.
//!
//! Alone it matches nothing where a plan has two stages or more: so the machine need not be run, and what
//! is known of it fits beside it.

use super::block::{Block, HeldEvent};
use super::many::Many;
use crate::event::{EventTime, TimeSpan};
use crate::sequence::candidate::Candidate;
use crate::sequence::plan::Plan;
use crate::sequence::watermark::Newest;

/// A candidate that is all that its key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sequence) struct Lone {
    pub(super) event: HeldEvent,
    /// The watermark must be past this for it to be done; nothing if nothing waits for that.
    pub(super) next_limit: Option<EventTime>,
    /// How many sequences were pending as of the last refresh.
    pub(super) pending: u32,
    /// Whether it has been found to be done.
    pub(super) is_known_as_done: bool,
    /// Whether the machine has yet to be run over it.
    pub(super) is_stale: bool,
}

impl Lone {
    /// Tells whether a single candidate of a plan can be held so.
    pub(super) fn is_enough_for(plan: &Plan) -> bool {
        plan.stages.len() > 1
    }

    pub(super) fn new(event: HeldEvent, pending: u32) -> Self {
        Self { event, next_limit: None, pending, is_known_as_done: false, is_stale: true }
    }

    /// Takes the only candidate out of many, if there is one and nothing else to know.
    pub(super) fn take_from(many: &mut Many) -> Option<Self> {
        let [block] = many.blocks.make_contiguous() else { return None };
        let is_plain = block.completed.is_empty()
            && block.known.is_empty()
            && block.end.is_none()
            && !block.has_appended
            && (block.is_stale || many.stale.end == 0);
        if block.held.len() != 1 || !is_plain {
            return None;
        }
        Some(Self {
            pending: u32::try_from(many.pending).ok()?,
            event: block.held.pop()?,
            next_limit: block.next_limit,
            is_known_as_done: block.done_until.is_some(),
            is_stale: block.is_stale,
        })
    }

    /// Returns the same in the form that can hold many.
    pub(super) fn into_many(self, plan: &Plan) -> Many {
        let done_until = self.done_until();
        let Self { event, next_limit, pending, is_stale, .. } = self;
        let block = Block { next_limit, done_until, is_stale, ..Block::of(vec![event]) };
        Many::of_block(plan, block, pending)
    }

    /// Tells whether it is this one.
    pub(super) fn is(&self, candidate: &Candidate) -> bool {
        self.event.candidate.ordinal == candidate.ordinal
    }

    pub(super) fn newest(&self) -> Option<Newest> {
        self.event.arrival.map(|arrival| Newest::of(self.event.time(), arrival))
    }

    pub(super) fn done_until(&self) -> Option<EventTime> {
        self.is_known_as_done.then(|| self.event.time())
    }

    /// Does what running the machine over it would do: it may begin a sequence, and end all.
    pub(super) fn refresh(&mut self, plan: &Plan, keeps_completed: bool) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        let has = |term: usize| self.event.candidate.terms.has(term);
        let begins = has(plan.stages[0].term) && !plan.until.is_some_and(has);
        self.pending = u32::from(begins && !self.event.fate.is_refused);
        if keeps_completed {
            self.next_limit = Some(EventTime::MIN);
        }
    }

    /// Marks it as done if it is below a limit, or notes what the limit must be past.
    pub(super) fn decide(&mut self, limit: EventTime, forbids_for: TimeSpan) {
        if self.next_limit.is_none_or(|next| next >= limit) {
            return;
        }
        let until = self.event.time() + forbids_for;
        self.event.fate.is_done |= until < limit;
        self.is_known_as_done = self.event.fate.is_done;
        self.next_limit = (!self.is_known_as_done).then_some(until);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Held;
    use super::*;
    use crate::event::admitted::Body;
    use crate::event::{Admitted, Identity, Ordinal};
    use crate::sequence::pace::Pace;
    use crate::sequence::plan::{Emission, PlanTerm, PlanTimes, TermSet};

    const LIMITS: [i64; 6] = [-100, 0, 1, 9, 11, 100];

    fn at(seconds: i64) -> EventTime {
        EventTime::from_millis(1_000 * (1_000_000 + seconds))
    }

    fn plan(missing: &[bool], has_until: bool, tolerance: i64) -> Plan {
        let terms: Vec<PlanTerm> =
            missing.iter().map(|missing| PlanTerm { missing: *missing, runs: 1 }).collect();
        let times = PlanTimes {
            maxspan: TimeSpan::from_secs(10),
            order_tolerance: TimeSpan::from_secs(tolerance),
            allowed_lateness: TimeSpan::from_secs(3),
            hold: TimeSpan::from_secs(60),
            emission: Emission::Exact,
        };
        Plan::new(&terms, has_until, times)
    }

    fn event(terms: u64, offset: i64, arrival: Option<Pace>, is_refused: bool) -> HeldEvent {
        let event_time = at(0);
        let identity = Identity(offset as u128);
        let event = Admitted { identity, event_time, offset, body: Body::default() };
        let (ordinal, event) = (Ordinal::at(event_time, offset), Arc::new(event));
        let candidate = Candidate { ordinal, terms: TermSet(terms), late: false, event };
        let mut event = HeldEvent::new(Arc::new(candidate), arrival, 7);
        (event.fate.is_refused, event.fate.is_done) = (is_refused, is_refused);
        event
    }

    /// Both forms must be told the same, and know the same.
    struct Twins<'p> {
        plan: &'p Plan,
        held: Held,
        many: Many,
    }

    impl Twins<'_> {
        fn check(&self, context: &str) {
            let of_held = match &self.held {
                Held::One(lone) => format!("{:?}", lone.clone().into_many(self.plan)),
                Held::Nothing(pending) => format!("{:?}", Many::with_pending(*pending)),
                Held::Many(many) => format!("{many:?}"),
            };
            // What is stale of nothing is nothing.
            let mut many = format!("{:?}", self.many);
            if self.many.is_empty() {
                many = format!("{:?}", Many::with_pending(self.many.pending_count() as u32));
            }
            // An absence of which nothing is held any more is one that was never seen.
            let plain = |text: &str| text.replace("seen: [{}]", "seen: []");
            assert_eq!(plain(&of_held), plain(&many), "{context}");
            assert_eq!(self.held.newest(), self.many.newest(), "{context}");
            assert_eq!(self.held.done_until(), self.many.done_until(), "{context}");
            assert_eq!(self.held.next_limit(), self.many.next_limit(), "{context}");
            assert_eq!(self.held.pending_count(), self.many.pending_count(), "{context}");
        }

        fn refresh(&mut self, inserted: Option<&Arc<Candidate>>, keeps_completed: bool) {
            let held = self.held.refresh(self.plan, inserted, keeps_completed);
            let many = self.many.refresh(self.plan, inserted, keeps_completed);
            assert_eq!(format!("{held:?}"), format!("{many:?}"));
        }

        fn decide(&mut self) {
            for limit in LIMITS {
                let forbids_for = self.plan.forbids_for();
                let held = self.held.decide(self.plan, at(limit), forbids_for);
                let many = self.many.decide(self.plan, at(limit), forbids_for);
                assert_eq!(format!("{held:?}"), format!("{many:?}"));
                self.check("decided");
            }
        }
    }

    fn run(plan: &Plan, terms: u64, arrival: Option<Pace>, is_refused: bool, keeps: bool) {
        let context = format!("{plan:?}, terms {terms:b}, {arrival:?}, {is_refused}, {keeps}");
        let mut twins = Twins { plan, held: Held::default(), many: Many::default() };
        let first = event(terms, 1, arrival, is_refused);
        twins.held.insert(plan, event(terms, 1, arrival, is_refused));
        twins.many.insert(plan, event(terms, 1, arrival, is_refused));
        twins.check(&context);
        twins.refresh(Some(&first.candidate), keeps);
        assert!(matches!(twins.held, Held::One(_)), "{context}");
        twins.check(&context);
        twins.decide();
        twins.held.arrive(&first.candidate, Pace::from_nanos(5));
        twins.many.arrive(&first.candidate, Pace::from_nanos(5));
        twins.check(&context);
        // A second one comes, and either of them leaves.
        let second = event(terms.rotate_left(1), 2, arrival, false);
        twins.held.insert(plan, event(terms.rotate_left(1), 2, arrival, false));
        twins.many.insert(plan, event(terms.rotate_left(1), 2, arrival, false));
        twins.refresh(Some(&second.candidate), keeps);
        twins.check(&context);
        twins.decide();
        let leaving = if terms.is_multiple_of(2) { &first } else { &second };
        let staying = if terms.is_multiple_of(2) { &second } else { &first };
        for event in [leaving, staying] {
            twins.held.remove(plan, &event.candidate);
            twins.many.remove(plan, &event.candidate);
            twins.refresh(None, keeps);
            twins.check(&context);
            twins.decide();
        }
        assert!(matches!(twins.held, Held::Nothing(0)), "{context}");
    }

    #[test]
    fn a_lone_candidate_knows_what_many_would() {
        let shapes: [&[bool]; 5] = [
            &[false, false],
            &[false, false, false],
            &[true, false, false],
            &[false, true, false],
            &[false, false, true],
        ];
        for shape in shapes {
            for (has_until, tolerance) in [(false, 0), (true, 0), (false, 2), (true, 2)] {
                let plan = plan(shape, has_until, tolerance);
                for terms in 1..1 << (shape.len() + usize::from(has_until)) {
                    for arrival in [None, Some(Pace::from_nanos(3))] {
                        for (is_refused, keeps) in
                            [(false, false), (false, true), (true, false), (true, true)]
                        {
                            run(&plan, terms, arrival, is_refused, keeps);
                        }
                    }
                }
            }
        }
    }
}
