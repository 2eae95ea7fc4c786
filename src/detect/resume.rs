//! Resuming: how a detector gets from committed metadata back to the state of its cut.

use super::recovery::{Idle, Metadata, Replay};
use super::suppress::Windows;
use super::{Detector, Suppress};
use crate::event::EventTime;
use crate::sequence::Offer;

/// A replay under way.
pub(super) struct Replaying {
    pub(super) replay: Replay,
    /// P: output that a record before it triggers has left already.
    pub(super) until: i64,
    /// Idle time that is still to be applied.
    pub(super) idle: std::vec::IntoIter<Idle>,
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
        let mut start = metadata.replay.start;
        if let (Some(listen), true) = (metadata.replay.listen, self.is_receiver()) {
            self.sources.restore(listen, self.clock.shows.is_some());
            start = start.min(listen.offset);
        }
        self.position = Some(start.min(position));
        let idle = metadata.replay.idle.clone();
        for pair in &idle {
            self.trail.note_idle(pair.position, pair.clock);
        }
        let idle = idle.into_iter();
        self.replaying = Some(Replaying { replay: metadata.replay, until: position, idle });
        if let Some(shows) = self.clock.shows {
            self.sequences.advance(shows, self.slack);
        }
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
        let Some(clock) = self.sees_all_from() else { return };
        for rule in 0..self.rule_starts.len() {
            if self.rule_starts[rule] == Some(offset) {
                self.sequences.set_seen_from(rule, clock);
            }
        }
    }

    pub(super) fn offer_mode(&self, offset: i64, event_time: EventTime) -> Offer {
        let Some(replaying) = &self.replaying else { return Offer::Match };
        let counts = replaying.replay.floor.is_some_and(|floor| event_time >= floor);
        if counts && offset >= replaying.replay.safe { Offer::Match } else { Offer::Remember }
    }
}
