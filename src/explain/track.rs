//! What is kept of each join key: its hits, near misses and matches, in bounded memory.
//!
//! Counts stay exact; what is thinned out first are hits in the middle of a row of hits of the
//! same stages, which change nothing about what matches.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::detect::InputEnd;
use crate::event::{EventTime, Identity, JoinKey, Ordinal, TimeSpan};
use crate::sequence::TermSet;

/// Most hits that are kept of one key, to begin with.
const MAX_HITS: usize = 512;
/// Least that the limit shrinks to when all keys together hold too many.
const MIN_HITS: usize = 8;
/// Most hits that are kept of all keys of a rule.
const MAX_ALL_HITS: usize = 100_000;
/// Most keys of a rule that are kept.
const MAX_KEYS: usize = 10_000;
/// Most keys of a rule that are told apart for their number.
const MAX_COUNTED_KEYS: usize = 1_000_000;
/// Most matches of a key that are kept.
const MAX_MATCHES: usize = 64;
/// Most near misses of a key and condition that are kept.
const MAX_MISSES: usize = 4;
/// Most near misses of a term that wait for a hit of their key.
const MAX_WAITING: usize = 256;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index of the file.
    pub file: usize,
    /// Number of the line, from 1.
    pub line: i64,
}

/// Why an event that satisfies a condition is no hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    /// This exception, from 0, leaves it out.
    Exception(usize),
    /// The index patterns do not cover it.
    NotCovered,
}

/// An event that satisfies conditions of a rule.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) ordinal: Ordinal,
    /// What the partition's clock showed when it came; nothing of bounded input.
    pub(super) arrived: Option<EventTime>,
    pub(super) identity: Identity,
    pub(super) place: Place,
    pub(super) event_id: Option<String>,
    pub(super) barred: Option<Bar>,
    /// Fields that the conditions name, and their values.
    pub(super) fields: BTreeMap<String, String>,
}

/// Such an event under one join key.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) event: Arc<Seen>,
    pub(super) terms: TermSet,
    /// How far it arrived behind the newest event of its key.
    pub(super) behind: TimeSpan,
}

impl Hit {
    pub(super) fn time(&self) -> EventTime {
        self.event.ordinal.event_time
    }
}

/// An event that one condition of a term alone kept from being a hit.
#[derive(Debug)]
pub(super) struct NearMiss {
    pub(super) event: Seen,
    pub(super) term: usize,
    /// Index of the condition.
    pub(super) condition: usize,
    /// What the condition's fields hold.
    pub(super) has: String,
}

impl NearMiss {
    pub(super) fn time(&self) -> EventTime {
        self.event.ordinal.event_time
    }
}

/// A match that the detector found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) alert_id: String,
    pub(super) suppressed: bool,
    pub(super) severity: String,
    /// In stage order: offset and time.
    pub(super) events: Vec<(i64, String)>,
    /// The same as hits, as far as they are kept.
    pub(super) hits: Vec<Option<Hit>>,
    pub(super) span_ms: i64,
    pub(super) order_adjusted: bool,
    pub(super) late: bool,
    /// Which end of the input an absence of it rests on.
    pub(super) rests_on: Option<InputEnd>,
}

/// One join key in one partition.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// INVARIANT once sealed: sorted by ordinal.
    pub(super) hits: Vec<Hit>,
    /// How many hits it has by term, kept or not; without those that are barred.
    pub(super) counts: Vec<u64>,
    /// How many hits it has, barred ones included.
    pub(super) hit_count: u64,
    /// How many of them were dropped although they may matter.
    pub(super) dropped: u64,
    pub(super) misses: Vec<Arc<NearMiss>>,
    pub(super) matches: Vec<Found>,
    pub(super) alerts: u64,
    pub(super) suppressed: u64,
    first: Option<EventTime>,
    newest: Option<EventTime>,
}

impl Track {
    /// Returns the time of its first hit.
    pub(super) fn first(&self) -> EventTime {
        self.first.unwrap_or(EventTime::MAX)
    }

    /// Tells whether the detector has found a match.
    pub(super) fn has_match(&self) -> bool {
        self.alerts + self.suppressed > 0
    }

    /// Returns the hit at an offset.
    pub(super) fn at(&self, offset: i64) -> Option<&Hit> {
        // The wanted one is mostly among the latest.
        self.hits.iter().rev().find(|hit| hit.event.ordinal.offset == offset)
    }

    fn push(&mut self, event: &Arc<Seen>, terms: TermSet, term_count: usize) {
        let time = event.ordinal.event_time;
        let behind = self.newest.map_or(TimeSpan::ZERO, |newest| newest - time);
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.newest = Some(self.newest.map_or(time, |newest| newest.max(time)));
        self.hit_count += 1;
        self.counts.resize(term_count, 0);
        if event.barred.is_none() {
            for (term, count) in self.counts.iter_mut().enumerate() {
                *count += u64::from(terms.has(term));
            }
        }
        let behind = behind.max(TimeSpan::ZERO);
        self.hits.push(Hit { event: Arc::clone(event), terms, behind });
    }

    fn add_miss(&mut self, miss: &Arc<NearMiss>) {
        let condition = (miss.term, miss.condition);
        let alike = self.misses.iter().filter(|known| (known.term, known.condition) == condition);
        if alike.count() < MAX_MISSES {
            self.misses.push(Arc::clone(miss));
        }
    }

    fn add_match(&mut self, mut found: Found) {
        if self.matches.len() < MAX_MATCHES {
            found.hits = found.events.iter().map(|(at, _)| self.at(*at).cloned()).collect();
            self.matches.push(found);
        }
    }

    /// Sorts the hits, and keeps at most `limit`: of each row of hits of the same terms the ends,
    /// `ends` on either side; then the latest.
    fn thin(&mut self, limit: usize, ends: usize) {
        self.sort();
        if self.hits.len() <= limit {
            return;
        }
        let hits = std::mem::take(&mut self.hits);
        for row in hits.chunk_by(|a, b| a.terms == b.terms && a.event.barred == b.event.barred) {
            if row.len() <= ends * 2 {
                self.hits.extend_from_slice(row);
            } else {
                self.hits.extend_from_slice(&row[..ends]);
                self.hits.extend_from_slice(&row[row.len() - ends..]);
            }
        }
        // More than half of what may stay is left to grow into, or each hit would come here.
        let target = limit / 2;
        if self.hits.len() > target {
            let beyond = self.hits.len() - target;
            self.dropped += beyond as u64;
            self.hits.drain(..beyond);
        }
    }

    fn sort(&mut self) {
        self.hits.sort_by(|a, b| a.event.ordinal.cmp(&b.event.ordinal));
    }
}

/// A near miss that waits for a hit of one of its keys.
#[derive(Debug)]
struct Waiting {
    partition: usize,
    keys: Vec<JoinKey>,
    miss: Arc<NearMiss>,
}

/// The join keys of one rule, in all partitions.
#[derive(Debug)]
pub(super) struct Tracks {
    term_count: usize,
    /// How many hits at either end of a row matter: as many as `runs` asks for.
    ends: usize,
    /// How far apart events of one sequence may lie.
    reach: TimeSpan,
    limit: usize,
    /// Parts of keys that are always kept.
    wanted: Vec<String>,
    pub(super) by_key: BTreeMap<(usize, JoinKey), Track>,
    kept: usize,
    counted: HashSet<u64>,
    counted_by_term: Vec<HashSet<u64>>,
    /// Whether there are more keys than were counted.
    pub(super) more: bool,
    /// Keys that were given up, or never kept.
    not_kept: HashSet<u64>,
    /// By term: the latest near misses, for hits of their keys that are yet to come.
    waiting: Vec<VecDeque<Waiting>>,
}

impl Tracks {
    pub(super) fn new(
        term_count: usize,
        runs: usize,
        reach: TimeSpan,
        wanted: Vec<String>,
    ) -> Self {
        Self {
            term_count,
            ends: runs.max(2),
            reach,
            limit: MAX_HITS.max(runs * 8),
            wanted,
            by_key: BTreeMap::new(),
            kept: 0,
            counted: HashSet::new(),
            counted_by_term: vec![HashSet::new(); term_count],
            more: false,
            not_kept: HashSet::new(),
            waiting: (0..term_count).map(|_| VecDeque::new()).collect(),
        }
    }

    /// Returns how many keys there are.
    pub(super) fn seen(&self) -> u64 {
        self.counted.len() as u64
    }

    /// Returns on how many keys there are hits of a term.
    pub(super) fn seen_of(&self, term: usize) -> u64 {
        self.counted_by_term[term].len() as u64
    }

    /// Returns how many keys nothing is kept of.
    pub(super) fn not_kept(&self) -> u64 {
        self.not_kept.len() as u64
    }

    /// Takes in an event under a key.
    pub(super) fn hit(
        &mut self,
        partition: usize,
        key: &JoinKey,
        event: &Arc<Seen>,
        terms: TermSet,
    ) {
        self.count_key(key, event, terms);
        let (limit, ends, reach) = (self.limit, self.ends, self.reach);
        let term_count = self.term_count;
        if self.track(partition, key).is_none() {
            return;
        }
        let Some(track) = self.by_key.get_mut(&(partition, key.clone())) else { return };
        let before = track.hits.len();
        track.push(event, terms, term_count);
        if track.hits.len() > limit {
            track.thin(limit, ends);
        }
        let time = event.ordinal.event_time;
        for Waiting { partition: of, keys, miss } in self.waiting.iter().flatten() {
            let is_near = (miss.time() - time).max(time - miss.time()) <= reach;
            let is_known = track.misses.iter().any(|known| Arc::ptr_eq(known, miss));
            if *of == partition && is_near && !is_known && keys.contains(key) {
                track.add_miss(miss);
            }
        }
        self.kept = self.kept + track.hits.len() - before;
        if self.kept > MAX_ALL_HITS {
            self.shrink();
        }
    }

    /// Takes in a near miss.
    pub(super) fn near_miss(&mut self, partition: usize, keys: &[JoinKey], miss: NearMiss) {
        let (term, miss) = (miss.term, Arc::new(miss));
        for key in keys {
            let Some(track) = self.by_key.get_mut(&(partition, key.clone())) else { continue };
            let newest = track.newest.unwrap_or(EventTime::MIN);
            if (newest - miss.time()).max(miss.time() - newest) <= self.reach {
                track.add_miss(&miss);
            }
        }
        let waiting = &mut self.waiting[term];
        if waiting.len() == MAX_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(Waiting { partition, keys: keys.to_vec(), miss });
    }

    /// Takes in a match of the detector.
    pub(super) fn found(&mut self, partition: usize, key: &JoinKey, found: Found) {
        let Some(track) = self.track(partition, key) else { return };
        match found.suppressed {
            true => track.suppressed += 1,
            false => track.alerts += 1,
        }
        track.add_match(found);
    }

    /// Sorts the hits of all keys.
    pub(super) fn seal(&mut self) {
        self.by_key.values_mut().for_each(Track::sort);
    }

    fn count_key(&mut self, key: &JoinKey, event: &Seen, terms: TermSet) {
        let hash = hash_of(key);
        if self.counted.len() >= MAX_COUNTED_KEYS && !self.counted.contains(&hash) {
            self.more = true;
            return;
        }
        self.counted.insert(hash);
        if event.barred.is_none() {
            let of_terms = self.counted_by_term.iter_mut().enumerate();
            for (_, counted) in of_terms.filter(|(term, _)| terms.has(*term)) {
                counted.insert(hash);
            }
        }
    }

    /// Returns what is kept of a key; nothing if there is no room for it.
    fn track(&mut self, partition: usize, key: &JoinKey) -> Option<&mut Track> {
        let at = (partition, key.clone());
        if !self.by_key.contains_key(&at) && self.by_key.len() >= MAX_KEYS && !self.is_wanted(key) {
            self.give_up_some();
            if self.by_key.len() >= MAX_KEYS {
                if self.not_kept.len() < MAX_COUNTED_KEYS {
                    self.not_kept.insert(hash_of(key));
                }
                return None;
            }
        }
        if !self.not_kept.is_empty() {
            self.not_kept.remove(&hash_of(key));
        }
        Some(self.by_key.entry(at).or_default())
    }

    fn is_wanted(&self, key: &JoinKey) -> bool {
        is_wanted(&self.wanted, key)
    }

    /// Gives up the older half of the keys that have nothing but hits of the commonest terms.
    fn give_up_some(&mut self) {
        let mut plain: Vec<(EventTime, (usize, JoinKey))> = Vec::new();
        let mut rows: BTreeMap<TermSet, usize> = BTreeMap::new();
        let only = |track: &Track| {
            let first = track.hits.first()?.terms;
            let is_plain = !track.has_match() && track.hits.iter().all(|hit| hit.terms == first);
            is_plain.then_some(first)
        };
        for terms in self.by_key.values().filter_map(only) {
            *rows.entry(terms).or_default() += 1;
        }
        let Some((commonest, _)) = rows.into_iter().max_by_key(|(_, count)| *count) else { return };
        for (at, track) in &self.by_key {
            if only(track) == Some(commonest) && !self.is_wanted(&at.1) {
                plain.push((track.newest.unwrap_or(EventTime::MIN), at.clone()));
            }
        }
        plain.sort();
        for (_, at) in plain.iter().take(plain.len().div_ceil(2)) {
            if let Some(track) = self.by_key.remove(at) {
                self.kept -= track.hits.len();
                self.not_kept.insert(hash_of(&at.1));
            }
        }
    }

    /// Keeps fewer hits of every key.
    fn shrink(&mut self) {
        let least = MIN_HITS.max(self.ends * 4);
        while self.kept > MAX_ALL_HITS / 2 && self.limit > least {
            self.limit = (self.limit / 2).max(least);
            for track in self.by_key.values_mut() {
                track.thin(self.limit, self.ends);
            }
            self.kept = self.by_key.values().map(|track| track.hits.len()).sum();
        }
    }
}

/// Tells whether the key was asked for: whether all of these, at least one, are parts of it.
pub(super) fn is_wanted(wanted: &[String], key: &JoinKey) -> bool {
    let is_part = |text: &String| key.parts().iter().any(|part| part.as_deref() == Some(text));
    !wanted.is_empty() && wanted.iter().all(is_part)
}

fn hash_of(key: &JoinKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
