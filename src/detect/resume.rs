//! Resuming: how a detector gets from committed metadata back to the state of its cut.

use std::sync::Arc;

use super::lanes::LaneName;
use super::recovery::{Idle, Metadata, Replay};
use super::suppress::Windows;
use super::{Detector, Occasion};
use crate::event::EventTime;
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
        let lane = &mut self.lanes.input;
        lane.set_starts(&self.rules, &metadata.rules, position);
        lane.set_seen_from(metadata.seen_from);
        self.restore_long(metadata.long, position);
        self.cuts.count = metadata.cut;
        self.windows = Windows::of(metadata.windows);
        self.clock = metadata.replay.clock;
        let mut start = metadata.replay.start;
        if let (Some(listen), true) = (metadata.replay.listen, self.is_receiver()) {
            self.rekeyed.sources.restore(listen, self.clock.shows.is_some());
            start = start.min(listen.offset);
        }
        self.position = Some(start.min(position));
        let idle = metadata.replay.idle.clone();
        for pair in &idle {
            self.lanes.input.trail.note_idle(pair.position, pair.clock);
        }
        let idle = idle.into_iter();
        let replay = metadata.replay;
        self.phase.replay(Replaying { replay, until: position, idle, gone: None });
        if let Some(shows) = self.clock.shows {
            self.lanes.input.sequences.advance(shows, self.slack);
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
        if let Some(replaying) = self.phase.replaying_mut().filter(|r| offset < r.until) {
            let replay = &mut replaying.replay;
            // Re-keyed events are listened to before that, for how far their sources have come.
            if offset <= replay.start {
                return;
            }
            let is_safe = replay.safe >= offset;
            replaying.gone = Some(if is_safe { Gone::BeforeSafe } else { Gone::BehindSafe });
            (replay.start, replay.safe) = (offset, replay.safe.max(offset));
            return;
        }
        if self.phase.replaying().is_some() {
            // Nothing is left but what the metadata itself holds.
            let (rules, origin) = (Arc::clone(&self.rules), self.origin.clone());
            let mut empty = Self::new(rules, origin, self.options.clone());
            (empty.cuts.count, empty.position) = (self.cuts.count, Some(offset));
            empty.windows = std::mem::take(&mut self.windows);
            empty.room = std::mem::take(&mut self.room);
            *self = empty;
        } else {
            for lane in self.lanes.iter_mut() {
                lane.start_behind(offset);
            }
        }
    }

    /// Takes note of what the clock shows at the first record behind what is gone of a replay.
    pub(super) fn after_gap(&mut self, recorded: Option<EventTime>, shows: EventTime) {
        let Some(replaying) = self.phase.replaying_mut() else { return };
        let Some(gone) = replaying.gone.take() else { return };
        let shows = recorded.map_or(shows, |recorded| recorded.max(shows));
        self.clock.shows = Some(shows);
        if gone == Gone::BeforeSafe {
            return;
        }
        // What is gone arrived before, and so happened before this, or was late.
        let lane = &mut self.lanes.input;
        let floor = shows + lane.longest_lateness() + self.slack;
        let replay = &mut replaying.replay;
        replay.floor = replay.floor.map(|recorded| recorded.max(floor));
        lane.go_blind_before(floor);
        lane.start_behind(replay.start);
        lane.set_seen_from(Some(floor));
    }

    /// Returns how many rules are new since the cut that is being resumed.
    pub fn new_rules(&self) -> usize {
        let Some(replaying) = self.phase.replaying() else { return 0 };
        self.lanes.iter().map(|lane| lane.starting_at(replaying.until)).sum()
    }

    /// Applies the idle time that ran before the record at `offset`, and ends the replay there if
    /// it is over.
    pub(super) fn run_idle_before(&mut self, offset: i64) {
        let Some(mut replaying) = self.phase.take_replaying() else { return };
        while let Some(idle) = replaying.idle.as_slice().first().copied()
            && idle.position <= offset.min(replaying.until)
        {
            replaying.idle.next();
            self.lanes.input.sequences.advance_idle(idle.clock);
        }
        self.collect(Occasion::Replay);
        if offset >= replaying.until {
            let position = self.position.unwrap_or(replaying.until);
            self.position = Some(position.max(replaying.until));
            self.catch_up();
            self.start_new_rules(replaying.until);
        } else {
            self.phase.go_on(replaying);
        }
    }

    /// Notes since when the rules see the partition that were new to an earlier life.
    pub(super) fn start_rules_in_replay(&mut self, offset: i64) {
        let is_within = self.phase.replaying().is_some_and(|r| offset >= r.replay.start);
        if is_within && self.lanes.input.has_unseen_start() {
            let clock = self.sees_all_from();
            if clock.is_some() {
                self.lanes.input.start_new_rules(offset, clock);
            }
        }
    }

    /// Notes since when the rules that start here see the partition.
    pub(super) fn start_new_rules(&mut self, offset: i64) {
        let clock = self.sees_all_from();
        for lane in self.lanes.iter_mut() {
            lane.start_new_rules(offset, clock);
        }
    }

    /// Tells what an event may do at this offset of a lane.
    pub(super) fn offer_mode(&self, lane: LaneName, offset: i64, event_time: EventTime) -> Offer {
        match (self.phase.restoring(), self.phase.replaying()) {
            (Some(restoring), _) if lane == LaneName::Journal => {
                restoring.offer_mode(offset, event_time)
            }
            (_, Some(replaying)) if !replaying.replay.counts(offset, event_time) => Offer::Remember,
            (_, None) if self.lanes[lane].is_blind(event_time) => Offer::Remember,
            _ => Offer::Match,
        }
    }
}
