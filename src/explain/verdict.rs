//! Why the hits of one key made no match: which of its events to ask about, and what is missing
//! altogether.
//!
//! Never says that there was a match: the detector alone does.

use super::report::Change;
use super::track::{Hit, Track};
use super::trial::{Shape, Trial};
use crate::event::TimeSpan;

/// Most final events of a key that are looked into.
const MAX_FINALS: usize = 24;
/// Most hits before and behind a final event that are looked at.
const MAX_AROUND: usize = 200;
/// Most misses of a key that are told.
const MAX_TOLD: usize = 3;

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
    /// By event time these are a match.
    NotFound(Vec<Hit>),
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

/// Returns how near the hits of the last stage are to those of the stage before it.
pub(super) fn nearness(shape: &Shape, track: &Track) -> TimeSpan {
    let stages = shape.stage_count();
    let Some(last) = shape.term_of(stages - 1) else { return TimeSpan::MAX };
    let Some(previous) = stages.checked_sub(2) else { return TimeSpan::MAX };
    let judge = Judge { shape, track };
    let of_last = (0..track.hits.len()).filter(|index| track.hits[*index].terms.has(last));
    let previous = shape.term_of(previous);
    of_last.map(|index| judge.distance(index, previous)).min().unwrap_or(TimeSpan::MAX)
}

/// Looks into the hits of a key.
pub(super) fn judge(shape: &Shape, track: &Track) -> Judged {
    let reached = reached(shape, track);
    let judge = Judge { shape, track };
    let misses = if track.has_match() { judge.further() } else { judge.none(reached) };
    Judged { reached, misses }
}

/// Looks into one key.
pub(super) struct Judge<'a> {
    pub(super) shape: &'a Shape,
    pub(super) track: &'a Track,
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
            return vec![not_found(found)];
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
        // Where nothing matched, what comes nearest is the answer; the others are other questions.
        let fewest = misses.first().map_or(0, |(causes, ..)| *causes);
        misses.retain(|(causes, ..)| self.track.has_match() || *causes == fewest);
        misses.into_iter().map(|(.., miss)| miss).take(MAX_TOLD).collect()
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
    pub(super) fn around(&self, index: Option<usize>) -> Vec<Hit> {
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

/// Returns what is said of a match by event time that the detector did not find.
fn not_found(found: &[&Hit]) -> Miss {
    let hits: Vec<Hit> = found.iter().map(|hit| (*hit).clone()).collect();
    Miss { event: hits.last().cloned(), causes: vec![Cause::NotFound(hits)], changes: Vec::new() }
}

/// Tells whether a hit is a later delivery of another one.
pub(super) fn is_repeated(hits: &[Hit], index: usize) -> bool {
    let hit = &hits[index];
    let same_time = hits.iter().filter(|other| other.time() == hit.time());
    let mut same = same_time.filter(|other| other.event.identity == hit.event.identity);
    same.any(|other| other.event.ordinal.offset < hit.event.ordinal.offset)
}
