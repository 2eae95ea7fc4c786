//! From what was kept to what is said: chooses keys and hits, and names events by file and line.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::report::{Explanation, Key, KeyCounts, Note, Outcome, RuleReport, StageReport};
use super::subject::Subject;
use super::track::{self, Place, Track};
use super::verdict;
use super::{Explainer, SHOWN_CATEGORIES};
use crate::event::{JoinKey, TimeSpan};
use crate::rule::absence;
use crate::rule::compile::CompiledRule;
use crate::sequence::{Emission, TermSet};

/// How many keys stand as examples.
const EXAMPLES: usize = 5;

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
        ("undecided", stats.rules.iter().map(|rule| rule.undecided).sum()),
        ("max_key_expansion", stats.refused_keys),
        ("max_rule_share", sum(|counts| counts.evicted_of_rule)),
        ("max_candidates_per_key", sum(|counts| counts.evicted_of_key)),
        ("max_total_bytes", sum(|counts| counts.evicted_of_instance)),
    ];
    let reached = limits.into_iter().filter(|(_, count)| *count > 0);
    reached.map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Builds the report of one rule.
pub(super) struct Builder<'e> {
    pub(super) explainer: &'e Explainer,
    pub(super) subject: &'e Subject,
    pub(super) rule: &'e CompiledRule,
}

/// A key and how far it got.
pub(super) struct Standing<'e> {
    pub(super) partition: usize,
    pub(super) key: &'e JoinKey,
    pub(super) track: &'e Track,
    pub(super) reached: usize,
    /// How near the last stage came, where nothing matched.
    nearness: TimeSpan,
}

impl Standing<'_> {
    pub(super) fn outcome(&self) -> Outcome {
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
            nearness: match self.rule.is_sequence && !track.has_match() {
                true => verdict::nearness(&self.subject.shape, track),
                false => TimeSpan::ZERO,
            },
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
            let (reached, terms) = (Reverse(standing.reached), Reverse(terms(standing)));
            (reached, terms, standing.nearness, standing.track.first(), standing.key.clone())
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
        let mut notes = self.notes_on_keys();
        notes.extend(self.absences_at_both_ends());
        notes
    }

    /// Says what absences at both ends forbid, where a key fired that has a hit of one of them.
    fn absences_at_both_ends(&self) -> Option<Note> {
        let absent: Vec<usize> = self.subject.shape.absent().collect();
        let has_absent = |track: &Track| {
            absent.iter().any(|term| track.counts.get(*term).is_some_and(|count| *count > 0))
        };
        let mut tracks = self.subject.tracks.by_key.values();
        let fired_all_the_same = tracks.any(|track| track.has_match() && has_absent(track));
        let meaning = absence::at_both_ends(self.rule).filter(|_| fired_all_the_same)?;
        Some(Note::AbsencesAtBothEnds { meaning })
    }

    fn notes_on_keys(&self) -> Vec<Note> {
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
}

pub(super) fn parts(key: &JoinKey) -> Key {
    key.parts().iter().map(|part| part.as_deref().map(str::to_owned)).collect()
}
