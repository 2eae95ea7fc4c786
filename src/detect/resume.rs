//! Resuming: how a detector gets from committed metadata back to the state of its cut.

use super::recovery::{Idle, Metadata, Replay};
use super::suppress::Windows;
use super::{Detector, LONG, SHORT, Suppress};
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
        let lane = &mut self.lanes[SHORT];
        lane.set_starts(&self.rules, &metadata.rules, position);
        lane.set_seen_from(metadata.seen_from);
        self.restore_long(metadata.long, position);
        self.cuts = metadata.cut;
        self.windows = Windows::of(metadata.windows);
        self.clock = metadata.replay.clock;
        self.position = Some(metadata.replay.start.min(position));
        let idle = metadata.replay.idle.clone();
        for pair in &idle {
            self.lanes[SHORT].trail.note_idle(pair.position, pair.clock);
        }
        let idle = idle.into_iter();
        self.replaying = Some(Replaying { replay: metadata.replay, until: position, idle });
        if let Some(shows) = self.clock.shows {
            self.lanes[SHORT].sequences.advance(shows, self.slack);
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
            self.lanes[SHORT].sequences.advance_idle(idle.clock);
        }
        self.collect(Suppress::Everything);
        if offset >= replaying.until {
            let position = self.position.unwrap_or(replaying.until);
            self.position = Some(position.max(replaying.until));
            self.catch_up();
            self.start_new_rules(replaying.until);
        } else {
            self.replaying = Some(replaying);
        }
    }

    /// Notes since when the rules that start here see the partition.
    pub(super) fn start_new_rules(&mut self, offset: i64) {
        for lane in &mut self.lanes {
            lane.start_new_rules(offset, self.clock.shows);
        }
    }

    /// Tells what an event may do at this offset of a lane.
    pub(super) fn offer_mode(&self, lane: usize, offset: i64, event_time: EventTime) -> Offer {
        match (&self.restoring, &self.replaying) {
            (Some(restoring), _) if lane == LONG => restoring.offer_mode(offset, event_time),
            (_, Some(replaying)) if !replaying.replay.counts(offset, event_time) => Offer::Remember,
            _ => Offer::Match,
        }
    }
}
