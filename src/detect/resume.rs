//! Resuming: how a detector gets from committed metadata back to the state of its cut.

use std::sync::Arc;

use super::recovery::{Idle, Metadata, Replay};
use super::suppress::Windows;
use super::{Detector, Suppress};
use crate::event::{EventTime, TimeSpan};
use crate::rule::compile::CompiledRule;
use crate::sequence::Offer;

/// A replay under way.
pub(super) struct Replaying {
    pub(super) replay: Replay,
    /// P: output that a record before it triggers has left already.
    pub(super) until: i64,
    /// Idle time that is still to be applied.
    pub(super) idle: std::vec::IntoIter<Idle>,
    /// What is gone of the records to replay, until the first one of those left is there.
    pub(super) gone: Option<Gone>,
}

/// What is gone of the records that a replay wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// Records whose hits would only have moved times.
    BeforeSafe,
    /// Records that pending sequences may have begun with.
    BehindSafe,
}

impl Detector {
    pub(super) fn restore(&mut self, metadata: Metadata, position: i64) {
        let known = |hash: u32| metadata.rules.iter().find(|mark| mark.hash == hash);
        for (rule, start) in self.rules.rules().iter().zip(&mut self.rule_starts) {
            // A rule that is new since the cut has seen nothing before it.
            *start = known(rule.hash).map_or(Some(position), |mark| mark.start);
        }
        self.cuts = metadata.cut;
        self.windows = Windows::of(metadata.windows);
        self.clock = metadata.replay.clock;
        self.set_seen_from(metadata.seen_from);
        self.position = Some(metadata.replay.start.min(position));
        let idle = metadata.replay.idle.clone();
        for pair in &idle {
            self.trail.note_idle(pair.position, pair.clock);
        }
        let idle = idle.into_iter();
        let replay = metadata.replay;
        self.replaying = Some(Replaying { replay, until: position, idle, gone: None });
        if let Some(shows) = self.clock.shows {
            self.sequences.advance(shows, self.slack);
        }
    }

    /// Tells that the partition begins only at `offset`: whatever is wanted before it is gone.
    ///
    /// What is left of a replay is replayed. Without any left, a state that was to be rebuilt starts
    /// empty; one that runs goes on. In either case absences cannot look back beyond `offset`.
    pub fn begin_at(&mut self, offset: i64) {
        if self.position.is_none_or(|position| position >= offset) {
            return;
        }
        self.position = Some(offset);
        if let Some(replaying) = self.replaying.as_mut().filter(|r| offset < r.until) {
            let replay = &mut replaying.replay;
            let is_safe = replay.safe >= offset;
            replaying.gone = Some(if is_safe { Gone::BeforeSafe } else { Gone::BehindSafe });
            (replay.start, replay.safe) = (offset, replay.safe.max(offset));
            return;
        }
        if self.replaying.is_some() {
            // Nothing is left but what the metadata itself holds.
            let (rules, origin) = (Arc::clone(&self.rules), self.origin.clone());
            let mut empty = Self::new(rules, origin, self.options.clone());
            (empty.cuts, empty.position) = (self.cuts, Some(offset));
            empty.windows = std::mem::take(&mut self.windows);
            empty.room = std::mem::take(&mut self.room);
            *self = empty;
        } else {
            self.forget_past(offset);
        }
    }

    /// Takes note of what the clock shows at the first record behind what is gone of a replay.
    pub(super) fn after_gap(&mut self, recorded: Option<EventTime>, shows: EventTime) {
        let Some(replaying) = &mut self.replaying else { return };
        let Some(gone) = replaying.gone.take() else { return };
        let shows = recorded.map_or(shows, |recorded| recorded.max(shows));
        self.clock.shows = Some(shows);
        if gone == Gone::BeforeSafe {
            return;
        }
        // What is gone arrived before, and so happened before this, or was late.
        let lateness = |rule: &CompiledRule| rule.plan.times.allowed_lateness;
        let lateness = self.rules.rules().iter().map(lateness).max().unwrap_or(TimeSpan::ZERO);
        let floor = shows + lateness + self.slack;
        let replay = &mut replaying.replay;
        replay.floor = replay.floor.map(|recorded| recorded.max(floor));
        self.blind_before = Some(floor);
        let start = replay.start;
        self.forget_past(start);
        self.set_seen_from(Some(floor));
    }

    /// Makes every rule see the partition from `offset` on at the earliest.
    fn forget_past(&mut self, offset: i64) {
        for start in &mut self.rule_starts {
            *start = start.filter(|start| *start > offset);
        }
        self.seen_from = None;
    }

    /// Returns how many rules are new since the cut that is being resumed.
    pub fn new_rules(&self) -> usize {
        let until = self.replaying.as_ref().map(|replaying| replaying.until);
        self.rule_starts.iter().filter(|start| until.is_some() && **start == until).count()
    }

    pub(super) fn set_seen_from(&mut self, clock: Option<EventTime>) {
        self.seen_from = clock;
        for rule in 0..self.rule_starts.len() {
            if let (Some(clock), None) = (clock, self.rule_starts[rule]) {
                self.sequences.set_seen_from(rule, clock);
            }
        }
    }

    /// Applies the idle time that ran before the record at `offset`, and ends the replay there if
    /// it is over.
    pub(super) fn run_idle_before(&mut self, offset: i64) {
        let Some(mut replaying) = self.replaying.take() else { return };
        while let Some(idle) = replaying.idle.as_slice().first().copied()
            && idle.position <= offset.min(replaying.until)
        {
            replaying.idle.next();
            self.sequences.advance_idle(idle.clock);
        }
        self.collect(Suppress::Everything);
        if offset >= replaying.until {
            let position = self.position.unwrap_or(replaying.until);
            self.position = Some(position.max(replaying.until));
            self.start_new_rules(replaying.until);
        } else {
            self.replaying = Some(replaying);
        }
    }

    /// Notes since when the rules that start here see the partition.
    pub(super) fn start_new_rules(&mut self, offset: i64) {
        let Some(clock) = self.clock.shows else { return };
        for rule in 0..self.rule_starts.len() {
            if self.rule_starts[rule] == Some(offset) {
                self.sequences.set_seen_from(rule, clock);
            }
        }
    }

    pub(super) fn offer_mode(&self, offset: i64, event_time: EventTime) -> Offer {
        let is_blind = self.blind_before.is_some_and(|whole| event_time < whole);
        let Some(replaying) = &self.replaying else {
            return if is_blind { Offer::Remember } else { Offer::Match };
        };
        let counts = replaying.replay.floor.is_some_and(|floor| event_time >= floor);
        if counts && offset >= replaying.replay.safe { Offer::Match } else { Offer::Remember }
    }
}
