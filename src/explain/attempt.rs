//! Why an event ended no match: tried out by changing one thing about the rule after the other,
//! until the production sequences find a match that it ends.
//!
//! Never says that there was a match: the detector alone does.

use super::report::Change;
use super::track::{Bar, Hit};
use super::trial::{FOR_EVER, Trial};
use super::verdict::{Cause, Judge, Miss};
use crate::event::{EventTime, TimeSpan};
use crate::sequence::TermSet;

/// Something about the rule that can be otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relaxed {
    Maxspan,
    Order,
    Until,
    Absences,
    Exceptions,
    Index,
    /// Other events of the final stage take nothing.
    Others,
}

impl Judge<'_> {
    /// Relaxes the rule, one thing and then more, until a match ends with this event.
    pub(super) fn attempt(&self, stages: usize, end: Option<usize>) -> Option<Miss> {
        let event = end.map(|index| self.track.hits[index].clone());
        let hits = self.around(end);
        let applicable = self.applicable(stages, &hits);
        for size in 1..=applicable.len() {
            let mut tried: Vec<(TimeSpan, Vec<Cause>, Option<Change>)> = Vec::new();
            for relaxed in subsets(&applicable, size) {
                let Some(found) = self.found(stages, &relaxed, &hits, event.as_ref()) else {
                    continue;
                };
                let causes = self.causes(&relaxed, &found, &hits);
                if causes.is_empty() {
                    continue;
                }
                let change = self.change(&relaxed, &found, &hits, event.as_ref());
                tried.push((excess(&causes), causes, change));
            }
            tried.sort_by_key(|(excess, ..)| *excess);
            let mut changes: Vec<Change> = tried.iter().filter_map(|(.., c)| c.clone()).collect();
            changes.dedup();
            if let Some((_, causes, _)) = tried.into_iter().next() {
                return Some(Miss { event, causes, changes });
            }
        }
        let hit = event?;
        let earlier = stages.checked_sub(2).and_then(|stage| self.shape.term_of(stage))?;
        let is_other = |other: &&Hit| other.event.identity != hit.event.identity;
        let has_other = self.track.hits.iter().filter(is_other).any(|o| o.terms.has(earlier));
        let alone = hit.terms.has(earlier) && !has_other;
        alone.then(|| Miss {
            event: Some(hit.clone()),
            causes: vec![Cause::SameEvent(hit)],
            changes: Vec::new(),
        })
    }

    /// Returns what can be relaxed, the likeliest first.
    fn applicable(&self, stages: usize, hits: &[Hit]) -> Vec<Relaxed> {
        let has = |term: usize| hits.iter().any(|hit| hit.terms.has(term));
        let barred =
            |wanted: fn(Bar) -> bool| hits.iter().any(|hit| hit.event.barred.is_some_and(wanted));
        let is_sequence = !self.shape.is_sample;
        let is_long = stages > 1;
        let mut relaxed = Vec::new();
        let mut add = |change, applies: bool| relaxed.extend(applies.then_some(change));
        add(Relaxed::Maxspan, is_long);
        add(Relaxed::Order, is_sequence && is_long);
        add(Relaxed::Until, self.shape.has_until && has(self.shape.terms.len()));
        add(Relaxed::Absences, self.shape.absent().any(has));
        add(Relaxed::Exceptions, barred(|bar| matches!(bar, Bar::Exception(_))));
        add(Relaxed::Index, barred(|bar| bar == Bar::NotCovered));
        let end = self.shape.term_of(stages - 1);
        let copies = (0..stages).filter(|stage| self.shape.term_of(*stage) == end).count();
        add(Relaxed::Others, is_sequence && is_long && copies == 1);
        relaxed
    }

    /// Returns the first match of the relaxed rule that ends with the event.
    fn found(
        &self,
        stages: usize,
        relaxed: &[Relaxed],
        hits: &[Hit],
        end: Option<&Hit>,
    ) -> Option<Vec<Hit>> {
        let is = |what| relaxed.contains(&what);
        let whole = self.shape.whole();
        let maxspan = if is(Relaxed::Maxspan) { FOR_EVER } else { whole.maxspan };
        let trial = Trial {
            stages,
            maxspan,
            order_tolerance: if is(Relaxed::Order) { maxspan } else { whole.order_tolerance },
            until: !is(Relaxed::Until),
            absences: !is(Relaxed::Absences),
        };
        self.run(&trial, relaxed, hits, end)
    }

    fn run(
        &self,
        trial: &Trial,
        relaxed: &[Relaxed],
        hits: &[Hit],
        end: Option<&Hit>,
    ) -> Option<Vec<Hit>> {
        let is = |what| relaxed.contains(&what);
        let taken = |hit: &Hit| match hit.event.barred {
            None => true,
            Some(Bar::Exception(_)) => is(Relaxed::Exceptions),
            Some(Bar::NotCovered) => is(Relaxed::Index),
        };
        let last = self.shape.term_of(trial.stages - 1).filter(|_| is(Relaxed::Others));
        let is_end = |hit: &Hit| end.is_some_and(|end| end.event.ordinal == hit.event.ordinal);
        let bare = |hit: &Hit| {
            let mut hit = hit.clone();
            if let Some(last) = last.filter(|_| !is_end(&hit)) {
                hit.terms = TermSet(hit.terms.0 & !(1 << last));
            }
            hit
        };
        let hits: Vec<Hit> = hits.iter().filter(|hit| taken(hit)).map(bare).collect();
        let ends = |found: &Vec<&Hit>| end.is_none() || found.last().is_some_and(|h| is_end(h));
        let found = self.shape.run(trial, &hits).into_iter().find(ends)?;
        Some(found.into_iter().cloned().collect())
    }

    /// Names what was relaxed by the events of the match.
    fn causes(&self, relaxed: &[Relaxed], events: &[Hit], hits: &[Hit]) -> Vec<Cause> {
        let mut causes = Vec::new();
        for relaxed in relaxed {
            match relaxed {
                Relaxed::Maxspan => causes.extend(self.over_maxspan(events)),
                Relaxed::Order => causes.extend(self.out_of_order(events)),
                Relaxed::Until => causes.extend(self.until(events, hits).map(Cause::Until)),
                Relaxed::Absences => causes.extend(self.forbidden(events, hits)),
                Relaxed::Exceptions => causes.extend(events.iter().find_map(|hit| {
                    let Some(Bar::Exception(number)) = hit.event.barred else { return None };
                    Some(Cause::Exception(hit.clone(), number))
                })),
                Relaxed::Index => causes.extend(
                    events
                        .iter()
                        .find(|hit| hit.event.barred == Some(Bar::NotCovered))
                        .map(|hit| Cause::NotCovered(hit.clone())),
                ),
                Relaxed::Others => causes.extend(self.taken(events, hits)),
            }
        }
        // What needs no relaxing explains nothing.
        if causes.len() == relaxed.len() { causes } else { Vec::new() }
    }

    fn over_maxspan(&self, events: &[Hit]) -> Option<Cause> {
        let first = events.iter().min_by_key(|hit| hit.time())?;
        let last = events.iter().max_by_key(|hit| hit.time())?;
        let span = last.time() - first.time();
        (span > self.shape.times.maxspan).then(|| Cause::OverMaxspan {
            span,
            first: first.clone(),
            last: last.clone(),
        })
    }

    fn out_of_order(&self, events: &[Hit]) -> Option<Cause> {
        let pairs = events.windows(2).map(|pair| (pair[0].time() - pair[1].time(), pair));
        let (early, pair) = pairs.max_by_key(|(early, _)| *early)?;
        let (event, follows) = (pair[1].clone(), pair[0].clone());
        (early > TimeSpan::ZERO || event.event.ordinal < follows.event.ordinal)
            .then_some(Cause::OutOfOrder { early, event, follows })
    }

    fn until(&self, events: &[Hit], hits: &[Hit]) -> Option<Hit> {
        let first = events.iter().map(|hit| &hit.event.ordinal).min()?;
        let last = events.iter().map(|hit| &hit.event.ordinal).max()?;
        let ends = |hit: &&Hit| {
            hit.event.barred.is_none()
                && hit.terms.has(self.shape.terms.len())
                && hit.event.ordinal >= *first
                && hit.event.ordinal <= *last
        };
        hits.iter().find(ends).cloned()
    }

    /// Returns the event of an absent stage that lies nearest to the match.
    fn forbidden(&self, events: &[Hit], hits: &[Hit]) -> Option<Cause> {
        let first = events.iter().map(|hit| hit.time()).min()?;
        let last = events.iter().map(|hit| hit.time()).max()?;
        let is_absent = |hit: &&Hit| {
            hit.event.barred.is_none() && self.shape.absent().any(|term| hit.terms.has(term))
        };
        let outside = |time: EventTime| (first - time).max(time - last).max(TimeSpan::ZERO);
        let near = hits.iter().filter(is_absent).min_by_key(|hit| outside(hit.time()));
        near.map(|hit| Cause::Forbidden(hit.clone()))
    }

    /// Returns the event that took what the last one could have completed.
    fn taken(&self, events: &[Hit], hits: &[Hit]) -> Option<Cause> {
        let (last, before) = events.split_last()?;
        let before = &before.last()?.event.ordinal;
        let term = self.shape.term_of(events.len() - 1)?;
        let took = |hit: &&Hit| {
            hit.terms.has(term)
                && hit.event.ordinal > *before
                && hit.event.ordinal < last.event.ordinal
        };
        hits.iter().find(took).map(|hit| Cause::Taken(hit.clone()))
    }

    /// Returns the smallest change that was tried out and makes the whole rule match.
    fn change(
        &self,
        relaxed: &[Relaxed],
        found: &[Hit],
        hits: &[Hit],
        end: Option<&Hit>,
    ) -> Option<Change> {
        let is = |what| relaxed.contains(&what);
        if is(Relaxed::Others) || found.len() != self.shape.stage_count() {
            return None;
        }
        let times = || found.iter().map(Hit::time);
        let span = times().max()? - times().min()?;
        let early = found.windows(2).map(|pair| pair[0].time() - pair[1].time()).max();
        let (span, early) = (in_millis(span), in_millis(early.unwrap_or(TimeSpan::ZERO)));
        // A tolerance of nothing is none: events of the same time need one as well.
        let early = early.max(TimeSpan::from_millis(1));
        let whole = self.shape.whole();
        let trial = Trial {
            maxspan: if is(Relaxed::Maxspan) { span } else { whole.maxspan },
            order_tolerance: if is(Relaxed::Order) { early } else { whole.order_tolerance },
            until: !is(Relaxed::Until),
            absences: !is(Relaxed::Absences),
            ..whole
        };
        self.run(&trial, relaxed, hits, end)?;
        let left_away = [
            (Relaxed::Until, "until"),
            (Relaxed::Absences, "absent"),
            (Relaxed::Exceptions, "exceptions"),
            (Relaxed::Index, "index"),
        ];
        Some(Change {
            maxspan_ms: is(Relaxed::Maxspan).then(|| span.millis()),
            order_tolerance_ms: is(Relaxed::Order).then(|| early.millis()),
            without: left_away.into_iter().filter(|(r, _)| is(*r)).map(|(_, name)| name).collect(),
        })
    }
}

/// Returns by how much times are exceeded, which makes one explanation nearer than another.
fn excess(causes: &[Cause]) -> TimeSpan {
    let of = |cause: &Cause| match cause {
        Cause::OverMaxspan { span, .. } => *span,
        Cause::OutOfOrder { early, .. } => *early,
        _ => TimeSpan::ZERO,
    };
    causes.iter().map(of).fold(TimeSpan::ZERO, |sum, span| sum + span)
}

/// Returns a span in whole milliseconds, rounded up.
fn in_millis(span: TimeSpan) -> TimeSpan {
    let down = TimeSpan::from_millis(span.millis());
    if down < span { down + TimeSpan::from_millis(1) } else { down }
}

/// Returns all choices of `size` items, in order.
fn subsets<T: Copy>(items: &[T], size: usize) -> Vec<Vec<T>> {
    let chosen = (0_u32..1 << items.len()).filter(|bits| bits.count_ones() as usize == size);
    let pick = |bits: u32| -> Vec<T> {
        (0..items.len()).filter(|index| bits >> index & 1 == 1).map(|index| items[index]).collect()
    };
    chosen.map(pick).collect()
}
