//! Why the hits of one key made no match: tried out by changing one thing after the other, until
//! the production sequences find one.
//!
//! Never says that there was a match: the detector alone does.

use super::report::Change;
use super::track::{Bar, Hit, Track};
use super::trial::{FOR_EVER, Shape, Trial};
use crate::event::{EventTime, TimeSpan};
use crate::sequence::TermSet;

/// Most final events of a key that are looked into.
const MAX_FINALS: usize = 24;
/// Most hits before and behind a final event that are looked at.
const MAX_AROUND: usize = 200;
/// Most misses of a key that are told.
const MAX_TOLD: usize = 3;

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

/// Why a final event, or a stage, gave no match: hits stand for events.
#[derive(Clone, Debug)]
pub(super) struct Miss {
    pub(super) event: Option<Hit>,
    pub(super) causes: Vec<Cause>,
    pub(super) changes: Vec<Change>,
}

/// What stood in the way.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    NoHit {
        term: usize,
    },
    TooFew {
        term: usize,
        needed: u64,
        hits: u64,
    },
    OverMaxspan {
        span: TimeSpan,
        first: Hit,
        last: Hit,
    },
    OutOfOrder {
        early: TimeSpan,
        event: Hit,
        follows: Hit,
    },
    Until(Hit),
    Forbidden(Hit),
    Exception(Hit, usize),
    NotCovered(Hit),
    Taken(Hit),
    SameEvent(Hit),
    /// Each stage needs an event of its own.
    TooFewEvents {
        needed: usize,
        events: usize,
    },
    /// In the order of event time there is a match.
    Arrival(Hit),
    NoFit,
}

/// What is known of a key's hits.
pub(super) struct Judged {
    /// How many stages they reached one after the other.
    pub(super) reached: usize,
    pub(super) misses: Vec<Miss>,
}

/// Returns how many stages the hits of a key reached; the stages of a sample that it has hits of.
pub(super) fn reached(shape: &Shape, track: &Track) -> usize {
    let has_hit = |term: usize| track.counts.get(term).is_some_and(|count| *count > 0);
    if track.has_match() {
        return shape.stage_count();
    }
    if shape.is_sample {
        return shape.positive().filter(|(term, _)| has_hit(*term)).count();
    }
    if !(0..shape.terms.len()).any(has_hit) {
        return 0;
    }
    let counted = || track.hits.iter().filter(|hit| hit.event.barred.is_none());
    let whole = shape.whole();
    if !shape.run(&whole, counted()).is_empty() {
        return whole.stages;
    }
    let prefixes = (1..whole.stages).rev();
    let is_reached =
        |stages: &usize| !shape.run(&Trial { stages: *stages, ..whole }, counted()).is_empty();
    prefixes.into_iter().find(is_reached).unwrap_or(0)
}

/// Looks into the hits of a key.
pub(super) fn judge(shape: &Shape, track: &Track) -> Judged {
    let reached = reached(shape, track);
    let judge = Judge { shape, track };
    let misses = if track.has_match() { judge.further() } else { judge.none(reached) };
    Judged { reached, misses }
}

struct Judge<'a> {
    shape: &'a Shape,
    track: &'a Track,
}

impl Judge<'_> {
    /// Why there was no match at all.
    fn none(&self, reached: usize) -> Vec<Miss> {
        let whole = self.shape.whole();
        // Where hits were dropped, a match may be one only because of that.
        if reached == whole.stages
            && self.track.dropped == 0
            && let Some(found) = self.shape.run(&whole, self.counted()).first()
        {
            return vec![self.arrival(found)];
        }
        let without: Vec<usize> = self.terms_without_hit();
        if without.is_empty() {
            let misses = self.finals(whole.stages);
            if !misses.is_empty() {
                return misses;
            }
        }
        let mut misses = Vec::new();
        let causes: Vec<Cause> =
            without.iter().map(|term| Cause::NoHit { term: *term }).chain(self.too_few()).collect();
        // Before the first stage without any hit, hits of others may already not fit together.
        let next = self.shape.term_of(reached).filter(|term| !without.contains(term));
        if next.is_some() && !self.shape.is_sample {
            misses.extend(self.finals(reached + 1).into_iter().take(1));
        }
        if !causes.is_empty() {
            misses.push(Miss { event: None, causes, changes: Vec::new() });
        }
        if misses.is_empty() {
            let events = self.assignable();
            let cause = match events < whole.stages {
                true => Cause::TooFewEvents { needed: whole.stages, events },
                false => Cause::NoFit,
            };
            misses.push(Miss { event: None, causes: vec![cause], changes: Vec::new() });
        }
        misses
    }

    /// Why further final events of a key that has matches gave none.
    fn further(&self) -> Vec<Miss> {
        if self.shape.is_sample || self.shape.terms.is_empty() {
            return Vec::new();
        }
        // Of more matches than are kept, it is not known which events ended them.
        if self.track.alerts + self.track.suppressed > self.track.matches.len() as u64 {
            return Vec::new();
        }
        self.finals(self.shape.stage_count())
    }

    /// Looks into the events that might have ended a sequence of this many stages: the nearest
    /// misses first.
    fn finals(&self, stages: usize) -> Vec<Miss> {
        let Some(term) = self.shape.term_of(stages - 1) else { return Vec::new() };
        if self.shape.is_sample {
            return self.attempt(stages, None).into_iter().collect();
        }
        let ended = |hit: &&Hit| {
            let last = |offset: i64| offset == hit.event.ordinal.offset;
            self.track.matches.iter().any(|m| m.events.last().is_some_and(|(at, _)| last(*at)))
        };
        let previous = stages.checked_sub(2).and_then(|stage| self.shape.term_of(stage));
        let mut finals: Vec<(TimeSpan, usize)> = Vec::new();
        for (index, hit) in self.track.hits.iter().enumerate() {
            if hit.terms.has(term) && !ended(&hit) && !self.is_repeated(index) {
                finals.push((self.distance(index, previous), index));
            }
        }
        finals.sort();
        finals.truncate(MAX_FINALS);
        let mut misses: Vec<(usize, TimeSpan, usize, Miss)> = Vec::new();
        for (distance, index) in finals {
            if let Some(miss) = self.attempt(stages, Some(index)) {
                // That an event cannot follow itself says least.
                let alone = matches!(miss.causes[..], [Cause::SameEvent(_)]);
                let causes = if alone { usize::MAX } else { miss.causes.len() };
                misses.push((causes, distance, index, miss));
            }
        }
        misses.sort_by_key(|(causes, distance, index, _)| (*causes, *distance, *index));
        misses.into_iter().map(|(.., miss)| miss).take(MAX_TOLD).collect()
    }

    /// Relaxes the rule, one thing and then more, until a match ends with this event.
    fn attempt(&self, stages: usize, end: Option<usize>) -> Option<Miss> {
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

    /// A match in the order of event time that the detector did not find: what came last of it?
    fn arrival(&self, found: &[&Hit]) -> Miss {
        let furthest = found.iter().max_by_key(|hit| (hit.behind, hit.event.ordinal.offset));
        let cause = furthest.map_or(Cause::NoFit, |hit| Cause::Arrival((*hit).clone()));
        let event = found.last().map(|hit| (*hit).clone());
        Miss { event, causes: vec![cause], changes: Vec::new() }
    }

    /// Returns the positive terms of which the key has no hit, barred ones included.
    fn terms_without_hit(&self) -> Vec<usize> {
        let has = |term: usize| self.track.hits.iter().any(|hit| hit.terms.has(term));
        let counted =
            |term: usize| self.track.counts.get(term).is_some_and(|count| *count > 0) || has(term);
        self.shape.positive().map(|(term, _)| term).filter(|term| !counted(*term)).collect()
    }

    fn too_few(&self) -> impl Iterator<Item = Cause> {
        self.shape.positive().filter_map(|(term, plan)| {
            let hits = *self.track.counts.get(term)?;
            let needed = u64::from(plan.runs);
            (hits > 0 && hits < needed).then_some(Cause::TooFew { term, needed, hits })
        })
    }

    /// Returns how many stages can have an event each that no other stage has.
    fn assignable(&self) -> usize {
        let mut taken: Vec<Option<usize>> = vec![None; self.track.hits.len()];
        let stages = self.shape.stage_count();
        (0..stages).filter(|stage| self.assign(*stage, &mut taken, &mut Vec::new())).count()
    }

    /// Finds an event for a stage, if need be by finding another one for the stage that has it.
    fn assign(&self, stage: usize, taken: &mut [Option<usize>], tried: &mut Vec<usize>) -> bool {
        let Some(term) = self.shape.term_of(stage) else { return false };
        for (index, hit) in self.track.hits.iter().enumerate() {
            if !hit.terms.has(term) || tried.contains(&index) || self.is_repeated(index) {
                continue;
            }
            tried.push(index);
            if taken[index].is_none_or(|other| self.assign(other, taken, tried)) {
                taken[index] = Some(stage);
                return true;
            }
        }
        false
    }

    fn counted(&self) -> impl Iterator<Item = &Hit> {
        self.track.hits.iter().filter(|hit| hit.event.barred.is_none())
    }

    /// Returns the hits around one of them, all if there are few.
    fn around(&self, index: Option<usize>) -> Vec<Hit> {
        let hits = &self.track.hits;
        let Some(index) = index else { return hits.clone() };
        let start = index.saturating_sub(MAX_AROUND);
        hits[start..(index + MAX_AROUND).min(hits.len())].to_vec()
    }

    /// Returns how far the nearest hit of a term is from a hit.
    fn distance(&self, index: usize, term: Option<usize>) -> TimeSpan {
        let Some(term) = term else { return TimeSpan::ZERO };
        let here = self.track.hits[index].time();
        let near = |hit: &&Hit| hit.terms.has(term);
        let before = self.track.hits[..index].iter().rev().find(near);
        let behind = self.track.hits[index + 1..].iter().find(near);
        let before = before.map(|hit| here - hit.time());
        let behind = behind.map(|hit| hit.time() - here);
        before.into_iter().chain(behind).min().unwrap_or(TimeSpan::MAX)
    }

    /// Tells whether a hit is the second delivery of one before it.
    fn is_repeated(&self, index: usize) -> bool {
        is_repeated(&self.track.hits, index)
    }
}

/// Tells whether a hit is a later delivery of another one.
pub(super) fn is_repeated(hits: &[Hit], index: usize) -> bool {
    let hit = &hits[index];
    let same_time = hits.iter().filter(|other| other.time() == hit.time());
    let mut same = same_time.filter(|other| other.event.identity == hit.event.identity);
    same.any(|other| other.event.ordinal.offset < hit.event.ordinal.offset)
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
