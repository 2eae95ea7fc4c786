//! From what was kept to what is said: chooses keys and hits, and names events by file and line.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{
    Elsewhere, EventRef, Explanation, HitReport, Key, KeyCounts, KeyReport, MatchReport, Miss,
    NearMiss, Note, Outcome, Reason, RuleReport, StageReport,
};
use super::subject::Subject;
use super::track::{self, Bar, Found, Hit, Place, Seen, Track};
use super::verdict::{self, Cause};
use super::{Explainer, SHOWN_CATEGORIES, text};
use crate::event::{JoinKey, TimeSpan};
use crate::rule::compile::CompiledRule;
use crate::sequence::{Emission, TermSet};

/// How many keys stand as examples.
const EXAMPLES: usize = 5;
/// How many near misses of a stage are told.
const NEAR_MISSES: usize = 3;
/// How many matches of a key are told.
const TOLD_MATCHES: usize = 5;

/// Builds the explanation.
pub(super) fn explanation(explainer: &mut Explainer) -> Explanation {
    let mut input = std::mem::take(&mut explainer.input);
    input.no_event_time = explainer.stats.no_event_time;
    input.no_host = explainer.stats.no_host;
    input.categories = explainer.categories.top(SHOWN_CATEGORIES);
    input.limits = limits(explainer);
    explainer.input = input.clone();
    explainer.subjects.iter_mut().for_each(|subject| subject.tracks.seal());
    let rules = explainer.subjects.iter().map(|s| Builder::new(explainer, s).rule()).collect();
    Explanation { input, rules }
}

/// Returns the name of a file.
pub(super) fn file(files: &[String], place: Place) -> &str {
    files.get(place.file).map_or("input", String::as_str)
}

fn limits(explainer: &Explainer) -> BTreeMap<String, u64> {
    let stats = &explainer.stats;
    let sum = |of: fn(&crate::sequence::Counts) -> u64| -> u64 {
        stats.rules.iter().map(|rule| of(&rule.sequences)).sum()
    };
    let limits = [
        ("max_bytes", stats.refused_bytes),
        ("max_key_expansion", stats.refused_keys),
        ("max_keys", sum(|counts| counts.refused_keys)),
        ("max_candidates_per_key", sum(|counts| counts.refused_candidates)),
    ];
    let reached = limits.into_iter().filter(|(_, count)| *count > 0);
    reached.map(|(name, count)| (name.to_owned(), count)).collect()
}

struct Builder<'e> {
    explainer: &'e Explainer,
    subject: &'e Subject,
    rule: &'e CompiledRule,
}

/// A key and how far it got.
struct Standing<'e> {
    partition: usize,
    key: &'e JoinKey,
    track: &'e Track,
    reached: usize,
}

impl Standing<'_> {
    fn outcome(&self) -> Outcome {
        match (self.track.alerts, self.track.suppressed) {
            (0, 0) => Outcome::NotFired,
            (0, _) => Outcome::Suppressed,
            _ => Outcome::Fired,
        }
    }
}

impl<'e> Builder<'e> {
    fn new(explainer: &'e Explainer, subject: &'e Subject) -> Self {
        Self { explainer, subject, rule: &explainer.rules.rules()[subject.rule] }
    }

    fn rule(&self) -> RuleReport {
        let Self { subject, rule, .. } = self;
        let times = &rule.plan.times;
        let standings = self.standings();
        RuleReport {
            rule_id: rule.metadata.id.clone(),
            name: rule.metadata.name.clone(),
            version: rule.version.clone(),
            kind: match (rule.is_sequence, subject.shape.is_sample) {
                (false, _) => "event",
                (true, true) => "sample",
                (true, false) => "sequence",
            },
            maxspan_ms: times.maxspan.millis(),
            order_tolerance_ms: times.order_tolerance.millis(),
            allowed_lateness_ms: times.allowed_lateness.millis(),
            emit: match times.emission {
                Emission::Eager => "eager",
                Emission::Exact => "exact",
            },
            covered: subject.covered,
            not_covered: subject.not_covered,
            not_covered_indices: subject.not_covered_indices(),
            stages: self.stages(),
            fields_without_value: subject.fields_without_value(self.explainer.rules.fields()),
            key_fields: rule.key_fields.clone(),
            keys: self.counts(&standings),
            alerts: subject.alerts,
            suppressed: subject.suppressed,
            notes: self.notes(),
            by_key: self.chosen(standings).iter().map(|standing| self.key(standing)).collect(),
        }
    }

    /// How far each key got.
    fn standings(&self) -> Vec<Standing<'e>> {
        let standing = |((partition, key), track): (&'e (usize, JoinKey), &'e Track)| Standing {
            partition: *partition,
            key,
            track,
            reached: self.reached(track),
        };
        self.subject.tracks.by_key.iter().map(standing).collect()
    }

    fn reached(&self, track: &Track) -> usize {
        match self.rule.is_sequence {
            true => verdict::reached(&self.subject.shape, track),
            false => usize::from(track.has_match()),
        }
    }

    fn counts(&self, standings: &[Standing<'_>]) -> KeyCounts {
        let with = |outcome| standings.iter().filter(|s| s.outcome() == outcome).count() as u64;
        let mut reached = vec![0; self.subject.shape.stage_count() + 1];
        for standing in standings.iter().filter(|s| s.outcome() == Outcome::NotFired) {
            reached[standing.reached] += 1;
        }
        KeyCounts {
            seen: self.subject.tracks.seen(),
            more: self.subject.tracks.more,
            fired: with(Outcome::Fired),
            suppressed: with(Outcome::Suppressed),
            reached,
            not_kept: self.subject.tracks.not_kept(),
        }
    }

    /// Chooses the keys that say most, half of them such as fired, in the order of their events.
    fn chosen(&self, mut standings: Vec<Standing<'e>>) -> Vec<Standing<'e>> {
        let limits = &self.explainer.limits;
        if !limits.wanted.is_empty() && self.rule.is_sequence {
            standings.retain(|standing| track::is_wanted(&limits.wanted, standing.key));
        }
        let terms = |standing: &Standing<'_>| {
            standing.track.counts.iter().filter(|count| **count > 0).count()
        };
        standings.sort_by_key(|standing| {
            let (reached, terms) = (standing.reached, terms(standing));
            let first = standing.track.first();
            std::cmp::Reverse((reached, terms, std::cmp::Reverse((first, standing.key.clone()))))
        });
        let (fired, others): (Vec<_>, Vec<_>) =
            standings.into_iter().partition(|s| s.outcome() != Outcome::NotFired);
        let of_others = others.len().min(limits.keys - (limits.keys / 2).min(fired.len()));
        let of_fired = limits.keys - of_others;
        let mut chosen: Vec<Standing<'e>> =
            fired.into_iter().take(of_fired).chain(others.into_iter().take(of_others)).collect();
        chosen.sort_by_key(|s| (s.track.first(), s.key.clone(), s.partition));
        chosen
    }

    fn stages(&self) -> Vec<StageReport> {
        let tracks = &self.subject.tracks;
        let stage = |(term, watch): (usize, &super::condition::Watch)| {
            let has = |track: &&Track| track.counts.get(term).is_some_and(|count| *count > 0);
            let keys = tracks.by_key.iter().filter(|(_, track)| has(track));
            let examples: BTreeSet<&JoinKey> = keys.map(|((_, key), _)| key).collect();
            let mut report = watch.report();
            if self.rule.is_sequence {
                report.keys = tracks.seen_of(term);
                report.example_keys = examples.into_iter().take(EXAMPLES).map(parts).collect();
            }
            report
        };
        self.subject.watches.iter().enumerate().map(stage).collect()
    }

    fn notes(&self) -> Vec<Note> {
        if !self.rule.is_sequence || self.rule.key_fields.is_empty() {
            return Vec::new();
        }
        let positive: Vec<usize> = self.subject.shape.positive().map(|(term, _)| term).collect();
        let has = |track: &Track, term: usize| track.counts.get(term).is_some_and(|c| *c > 0);
        let tracks = &self.subject.tracks;
        let all_hit = positive.iter().all(|term| tracks.seen_of(*term) > 0);
        let has_all = |track: &Track| positive.iter().all(|term| has(track, *term));
        let mut notes = Vec::new();
        if positive.len() > 1 && all_hit && !tracks.by_key.values().any(has_all) {
            notes.push(Note::NoCommonKey);
        }
        notes.extend(self.alike_keys().into_iter().take(EXAMPLES));
        notes.extend(self.split_keys().into_iter().take(EXAMPLES));
        notes
    }

    /// Finds keys that differ in letter case or in the domain of a name only, where they have hits
    /// of different stages.
    fn alike_keys(&self) -> Vec<Note> {
        let mut alike: BTreeMap<Vec<Option<String>>, BTreeMap<&JoinKey, TermSet>> = BTreeMap::new();
        for ((_, key), track) in &self.subject.tracks.by_key {
            let fold = |part: &Option<Box<str>>| {
                let lower = part.as_deref()?.to_lowercase();
                let is_name = lower.starts_with(|c: char| c.is_alphabetic());
                let short = lower.split('.').next().filter(|_| is_name);
                Some(short.unwrap_or(&lower).to_owned())
            };
            let folded = key.parts().iter().map(fold).collect();
            let terms = alike.entry(folded).or_default().entry(key).or_default();
            track.hits.iter().for_each(|hit| terms.0 |= hit.terms.0);
        }
        let differ = |keys: &BTreeMap<&JoinKey, TermSet>| {
            keys.len() > 1 && keys.values().collect::<BTreeSet<_>>().len() > 1
        };
        let note = |keys: BTreeMap<&JoinKey, TermSet>| Note::AlikeKeys {
            keys: keys.into_keys().take(EXAMPLES).map(parts).collect(),
        };
        alike.into_values().filter(differ).map(note).collect()
    }

    /// Finds keys whose stages stand in several partitions, none of which has them all.
    fn split_keys(&self) -> Vec<Note> {
        let mut split: BTreeMap<&JoinKey, Vec<(usize, &Track)>> = BTreeMap::new();
        for ((partition, key), track) in &self.subject.tracks.by_key {
            split.entry(key).or_default().push((*partition, track));
        }
        split.retain(|_, tracks| {
            tracks.len() > 1 && tracks.iter().all(|(_, track)| !track.has_match())
        });
        let note = |(key, tracks): (&JoinKey, Vec<(usize, &Track)>)| Note::SplitKey {
            key: parts(key),
            files: tracks.iter().map(|(at, _)| self.explainer.partitions[*at].clone()).collect(),
        };
        split.into_iter().map(note).collect()
    }

    fn key(&self, standing: &Standing<'_>) -> KeyReport {
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
            allowed_lateness: times.allowed_lateness,
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
            Cause::Arrival(hit) => {
                let is_late = hit.behind > self.rule.plan.times.allowed_lateness;
                match !is_late && !self.explainer.input.limits.is_empty() {
                    true => Reason::Limit,
                    false => Reason::Late { event: self.hit(hit), behind_ms: hit.behind.millis() },
                }
            }
            Cause::NoFit => Reason::NoFit,
        }
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
            | Reason::Late { event, .. } => {
                told.insert(event.place());
            }
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

fn parts(key: &JoinKey) -> Key {
    key.parts().iter().map(|part| part.as_deref().map(str::to_owned)).collect()
}
