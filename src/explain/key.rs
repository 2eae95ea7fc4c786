//! What is said of one join key: its matches, what stood in the way of others, its hits.

use std::collections::BTreeSet;

use super::build::{Builder, Standing, file, parts};
use super::report::{
    Elsewhere, EventRef, HitReport, KeyReport, MatchReport, Miss, NearMiss, Reason,
};
use super::text;
use super::track::{self, Bar, Found, Hit, Seen, Track};
use super::verdict::{self, Cause};
use crate::event::{JoinKey, TimeSpan};
use crate::sequence::TermSet;

/// How many near misses of a stage are told.
const NEAR_MISSES: usize = 3;
/// How many matches of a key are told.
const TOLD_MATCHES: usize = 5;

impl Builder<'_> {
    /// Returns what is said of a key.
    pub(super) fn key(&self, standing: &Standing<'_>) -> KeyReport {
        let track = standing.track;
        let judged = match self.rule.is_sequence {
            true => verdict::judge(&self.subject.shape, track),
            false => verdict::Judged { reached: standing.reached, misses: Vec::new() },
        };
        let misses: Vec<Miss> =
            judged.misses.iter().map(|miss| self.miss(standing, miss)).collect();
        let matches: Vec<MatchReport> = track
            .matches
            .iter()
            .take(TOLD_MATCHES)
            .map(|found| self.found(standing.partition, found))
            .collect();
        let (timeline, left_out) = self.timeline(track, &misses, &matches);
        let several = self.explainer.partitions.len() > 1;
        let mut report = KeyReport {
            key: parts(standing.key),
            file: several.then(|| self.explainer.partitions[standing.partition].clone()),
            outcome: standing.outcome(),
            reached: judged.reached,
            of: self.subject.shape.stage_count(),
            text: Vec::new(),
            match_count: track.alerts + track.suppressed,
            matches,
            misses,
            hit_count: track.hit_count,
            timeline,
            left_out,
        };
        report.text = text::verdict(&report, &self.times());
        report
    }

    fn times(&self) -> text::Times {
        let times = &self.rule.plan.times;
        text::Times {
            maxspan: times.maxspan,
            order_tolerance: times.order_tolerance,
            kind_is_event: !self.rule.is_sequence,
            has_one_file: self.explainer.input.files.len() < 2,
        }
    }

    fn found(&self, partition: usize, found: &Found) -> MatchReport {
        let event = |stage: usize, (offset, time): &(i64, String), hit: &Option<Hit>| {
            let term = self.subject.shape.term_of(stage);
            let label = term.map_or_else(String::new, |t| self.subject.label(TermSet::of([t])));
            match hit {
                Some(hit) => EventRef { stage: label, ..self.event(&hit.event, hit.terms) },
                None => EventRef {
                    stage: label,
                    event_time: time.clone(),
                    file: self.explainer.partitions[partition].clone(),
                    line: *offset,
                    event_id: None,
                },
            }
        };
        let events = found.events.iter().zip(&found.hits).enumerate();
        MatchReport {
            alert_id: found.alert_id.clone(),
            suppressed: found.suppressed,
            severity: found.severity.clone(),
            events: events.map(|(stage, (at, hit))| event(stage, at, hit)).collect(),
            span_ms: found.span_ms,
            order_adjusted: found.order_adjusted,
            late: found.late,
            rests_on: found.rests_on,
        }
    }

    fn miss(&self, standing: &Standing<'_>, miss: &verdict::Miss) -> Miss {
        Miss {
            event: miss.event.as_ref().map(|hit| self.hit(hit)),
            reasons: miss.causes.iter().map(|cause| self.reason(standing, cause)).collect(),
            would_match_with: miss.changes.clone(),
        }
    }

    fn reason(&self, standing: &Standing<'_>, cause: &Cause) -> Reason {
        let label = |term: &usize| self.subject.label(TermSet::of([*term]));
        match cause {
            Cause::NoHit { term } => Reason::NoHit {
                stage: label(term),
                without_key: self.subject.watches[*term].without_key,
                near_misses: self.near_misses(standing.track, *term),
                elsewhere: self.elsewhere(standing, *term),
            },
            Cause::TooFew { term, needed, hits } => {
                Reason::TooFew { stage: label(term), needed: *needed, hits: *hits }
            }
            Cause::TooFewEvents { needed, events } => {
                Reason::TooFewEvents { needed: *needed, events: *events }
            }
            Cause::OverMaxspan { span, first, last } => Reason::OverMaxspan {
                span_ms: span.millis(),
                over_ms: (*span - self.rule.plan.times.maxspan).millis(),
                first: self.hit(first),
                last: self.hit(last),
            },
            Cause::OutOfOrder { early, event, follows } => Reason::OutOfOrder {
                early_ms: early.millis(),
                event: self.hit(event),
                follows: self.hit(follows),
            },
            Cause::Until(hit) => Reason::Until { event: self.hit(hit) },
            Cause::Forbidden(hit) => Reason::Forbidden { event: self.hit(hit) },
            Cause::Exception(hit, number) => Reason::Exception {
                event: self.hit(hit),
                number: number + 1,
                condition: self.rule.exception_texts.get(*number).cloned().unwrap_or_default(),
            },
            Cause::NotCovered(hit) => Reason::NotCovered { event: self.hit(hit) },
            Cause::Taken(hit) => Reason::Taken { by: self.hit(hit) },
            Cause::SameEvent(hit) => Reason::SameEvent { event: self.hit(hit) },
            Cause::NotFound(hits) => self.not_found(hits),
            Cause::NoFit => Reason::NoFit,
        }
    }

    /// Returns why the detector did not find a match that there is by event time. Where the input is
    /// bounded, order and lateness have no part in it.
    fn not_found(&self, hits: &[Hit]) -> Reason {
        let in_stream = self.let_go(hits).or_else(|| self.too_late(hits));
        let in_stream = in_stream.filter(|_| self.explainer.is_stream());
        let is_limited = !self.explainer.input.limits.is_empty();
        in_stream.unwrap_or(if is_limited { Reason::Limit } else { Reason::NoFit })
    }

    fn let_go(&self, hits: &[Hit]) -> Option<Reason> {
        let first = hits.iter().min_by_key(|hit| hit.event.ordinal.offset)?;
        let last = hits.iter().max_by_key(|hit| hit.event.ordinal.offset)?;
        let apart = last.event.arrived? - first.event.arrived?;
        // The clock of a recording goes by the times of its events.
        let slack = self.explainer.engine.options().max_skew.times(2);
        let held = self.rule.plan.held_for(slack) + slack;
        (apart > held).then(|| Reason::LetGo {
            event: self.hit(first),
            before: self.hit(last),
            apart_ms: apart.millis(),
            held_ms: held.millis(),
        })
    }

    fn too_late(&self, hits: &[Hit]) -> Option<Reason> {
        let counts = &self.explainer.stats.rules[self.subject.rule].sequences;
        let behind = |hit: &Hit| {
            let of_partition = hit.event.arrived.map(|arrived| arrived - hit.time());
            of_partition.map_or(hit.behind, |behind| behind.max(hit.behind))
        };
        let furthest = hits.iter().max_by_key(|hit| behind(hit)).filter(|_| counts.too_late > 0)?;
        let behind_ms = behind(furthest).millis();
        Some(Reason::TooLate { event: self.hit(furthest), behind_ms })
    }

    /// Returns the events that came nearest to being hits: those of rarely failing conditions.
    fn near_misses(&self, track: &Track, term: usize) -> Vec<NearMiss> {
        let watch = &self.subject.watches[term];
        let distance = |miss: &track::NearMiss| {
            let apart = |hit: &Hit| (hit.time() - miss.time()).max(miss.time() - hit.time());
            track.hits.iter().map(apart).min().unwrap_or(TimeSpan::MAX)
        };
        let mut misses: Vec<_> = track.misses.iter().filter(|miss| miss.term == term).collect();
        misses.sort_by_key(|miss| {
            (watch.alone(miss.condition), distance(miss), miss.event.ordinal.clone())
        });
        let near_miss = |miss: &&std::sync::Arc<track::NearMiss>| NearMiss {
            event: self.event(&miss.event, TermSet::of([term])),
            condition: watch.condition(miss.condition).to_owned(),
            has: miss.has.clone(),
        };
        misses.iter().take(NEAR_MISSES).map(near_miss).collect()
    }

    /// Returns the nearest hit of a term on another key.
    fn elsewhere(&self, standing: &Standing<'_>, term: usize) -> Option<Elsewhere> {
        let reach = self.rule.plan.times.maxspan + self.rule.plan.times.order_tolerance;
        let here = &standing.track.hits;
        let mut nearest: Option<(TimeSpan, &JoinKey, &Hit)> = None;
        for ((partition, key), track) in &self.subject.tracks.by_key {
            if *partition != standing.partition || key == standing.key {
                continue;
            }
            for hit in track.hits.iter().filter(|hit| hit.terms.has(term)) {
                let behind = here.partition_point(|other| other.time() < hit.time());
                let before = behind.checked_sub(1).map(|index| hit.time() - here[index].time());
                let behind = here.get(behind).map(|other| other.time() - hit.time());
                let Some(apart) = before.into_iter().chain(behind).min() else { continue };
                if apart <= reach && nearest.is_none_or(|(least, ..)| apart < least) {
                    nearest = Some((apart, key, hit));
                }
            }
        }
        nearest.map(|(apart, key, hit)| Elsewhere {
            key: parts(key),
            event: EventRef {
                stage: self.subject.label(TermSet::of([term])),
                ..self.event(&hit.event, hit.terms)
            },
            apart_ms: apart.millis(),
        })
    }

    /// Returns the hits and near misses that matter most, and how many others there are.
    fn timeline(
        &self,
        track: &Track,
        misses: &[Miss],
        matches: &[MatchReport],
    ) -> (Vec<HitReport>, u64) {
        let told = told(misses, matches);
        let mut lines: Vec<(bool, &crate::event::Ordinal, HitReport)> = Vec::new();
        for (index, hit) in track.hits.iter().enumerate() {
            let event = self.hit(hit);
            let is_told = told.contains(&event.place());
            let not_counted = match hit.event.barred {
                Some(Bar::Exception(number)) => Some(format!("exception {}", number + 1)),
                Some(Bar::NotCovered) => Some("not covered".to_owned()),
                None => verdict::is_repeated(&track.hits, index).then(|| "repeated".to_owned()),
            };
            let line = HitReport {
                event,
                fields: hit.event.fields.clone(),
                behind_ms: hit.behind.millis(),
                not_counted,
                left_out_before: 0,
            };
            lines.push((is_told, &hit.event.ordinal, line));
        }
        for miss in &track.misses {
            let event = self.event(&miss.event, TermSet::of([miss.term]));
            let is_hit = lines.iter().any(|(_, ordinal, _)| **ordinal == miss.event.ordinal);
            if !is_hit && told.contains(&event.place()) {
                let line = HitReport {
                    event,
                    fields: miss.event.fields.clone(),
                    behind_ms: 0,
                    not_counted: Some("near miss".to_owned()),
                    left_out_before: 0,
                };
                lines.push((true, &miss.event.ordinal, line));
            }
        }
        lines.sort_by_key(|(_, ordinal, _)| *ordinal);
        let unkept = track.hit_count - track.hits.len() as u64;
        let (lines, left_out) = thinned(lines, self.explainer.limits.hits);
        (lines, left_out + unkept)
    }

    fn hit(&self, hit: &Hit) -> EventRef {
        self.event(&hit.event, hit.terms)
    }

    fn event(&self, event: &Seen, terms: TermSet) -> EventRef {
        EventRef {
            stage: self.subject.label(terms),
            event_time: event.ordinal.event_time.to_string(),
            file: file(&self.explainer.input.files, event.place).to_owned(),
            line: event.place.line,
            event_id: event.event_id.clone(),
        }
    }
}

/// Returns where the events stand that matches and reasons name.
fn told(misses: &[Miss], matches: &[MatchReport]) -> BTreeSet<(String, i64)> {
    let mut told: BTreeSet<(String, i64)> = BTreeSet::new();
    let events = matches.iter().flat_map(|found| &found.events);
    told.extend(events.chain(misses.iter().filter_map(|m| m.event.as_ref())).map(EventRef::place));
    for reason in misses.iter().flat_map(|miss| &miss.reasons) {
        match reason {
            Reason::OverMaxspan { first, last, .. } => {
                told.extend([first.place(), last.place()]);
            }
            Reason::OutOfOrder { event, follows, .. } => {
                told.extend([event.place(), follows.place()]);
            }
            Reason::NoHit { near_misses, .. } => {
                told.extend(near_misses.iter().map(|miss| miss.event.place()));
            }
            Reason::Until { event }
            | Reason::Forbidden { event }
            | Reason::Exception { event, .. }
            | Reason::NotCovered { event }
            | Reason::Taken { by: event }
            | Reason::SameEvent { event }
            | Reason::TooLate { event, .. } => {
                told.insert(event.place());
            }
            Reason::LetGo { event, before, .. } => told.extend([event.place(), before.place()]),
            Reason::TooFew { .. } | Reason::TooFewEvents { .. } | Reason::Limit | Reason::NoFit => {
            }
        }
    }
    told
}

/// Keeps at most `limit` lines, those that are told of before others; the gaps are counted.
fn thinned<T>(lines: Vec<(bool, T, HitReport)>, limit: usize) -> (Vec<HitReport>, u64) {
    let told = lines.iter().filter(|(is_told, ..)| *is_told).count().min(limit);
    let (mut of_told, mut of_others) = (told, limit - told);
    let (mut kept, mut gap, mut left_out) = (Vec::new(), 0, 0);
    for (is_told, _, mut line) in lines {
        let room = if is_told { &mut of_told } else { &mut of_others };
        if *room == 0 {
            gap += 1;
            left_out += 1;
            continue;
        }
        *room -= 1;
        line.left_out_before = std::mem::take(&mut gap);
        kept.push(line);
    }
    (kept, left_out)
}
