//! Resuming: how a detector gets from a committed checkpoint back to the state of its cut.

use std::collections::VecDeque;

use super::lanes::LaneName;
use super::suppress::Windows;
use super::{Detector, Occasion};
use crate::recovery::checkpoint::Checkpoint;
use crate::recovery::replay::Idle;

/// A replay under way.
pub(super) struct Replaying {
    /// The first record that is read for the state; what lies before is listened to.
    pub(super) start: i64,
    /// Output that a record before this triggers has left already.
    pub(super) until: i64,
    /// Idle time that is still to be applied, oldest first.
    pub(super) idle: VecDeque<Idle>,
}

impl Detector {
    /// Prepares for the records from the start of the replay on.
    pub(super) fn restore(&mut self, checkpoint: Checkpoint, position: i64) {
        let start = checkpoint.input.start;
        // New rules see what is read again as well: they need no past of their own.
        let new_rules = self.lanes.input.set_starts(&checkpoint.input.rules, start.offset);
        self.noticed.new_rules = new_rules + self.restore_journal(checkpoint.journal, position);
        self.cuts.count = checkpoint.cut;
        self.windows = Windows::of(checkpoint.windows, self.options.input);
        self.clock = start.clock;
        let mut from = start.offset;
        if let (Some(listen), true) = (checkpoint.listen, self.is_receiver()) {
            self.rekeyed.sources.restore(listen, self.clock.shows.is_some());
            from = from.min(listen.offset);
        }
        self.position = Some(from.min(position));
        start.idle.iter().for_each(|idle| self.lanes.input.trail.take_up(*idle));
        self.phase.replay(Replaying {
            start: start.offset,
            until: position,
            idle: start.idle.into(),
        });
        self.show_time(LaneName::Input);
        self.end_replay_of_nothing();
    }

    /// Ends a replay that has nothing to read, once the journal has been read.
    pub(super) fn end_replay_of_nothing(&mut self) {
        let is_read = |until: i64| self.position.is_none_or(|position| position >= until);
        if !self.awaits_journal() && self.phase.replaying().is_some_and(|r| is_read(r.until)) {
            self.run_idle_before(i64::MAX);
        }
    }

    /// Tells that the partition begins only at `offset`: whatever is wanted before it is gone.
    ///
    /// What is left of a replay is replayed. Rules have not seen what is gone: an absence that looks
    /// back to it is undecidable.
    pub fn begin_at(&mut self, offset: i64) {
        if self.position.is_none_or(|position| position >= offset) {
            return;
        }
        self.position = Some(offset);
        let is_whole = self.phase.replaying().is_some_and(|replaying| offset <= replaying.start);
        if is_whole {
            // Re-keyed events are listened to before that, for how far their sources have come.
            return;
        }
        if let Some(replaying) = self.phase.replaying_mut() {
            replaying.start = offset;
        }
        self.noticed.has_gap = true;
        for lane in self.lanes.iter_mut() {
            lane.start_at(offset);
        }
        self.end_replay_of_nothing();
    }

    /// Returns how many rules are new since the cut that is being resumed.
    pub fn new_rules(&self) -> usize {
        self.noticed.new_rules
    }

    /// Applies the idle time that ran before the record at `offset`, and ends the replay there if
    /// it is over.
    pub(super) fn run_idle_before(&mut self, offset: i64) {
        let Some(until) = self.phase.replays_until() else { return };
        while let Some(idle) = self.phase.take_idle(offset.min(until)) {
            let reached = idle.reached.pace(&self.clock);
            self.wait_for_nobody();
            self.lanes.input.trail.note_lent(self.clock.pace);
            self.lanes.input.sequences.lend(reached);
        }
        self.collect(Occasion::Replay);
        if offset >= until {
            self.position = self.position.max(Some(until));
            self.phase.go_live();
            self.catch_up();
        }
    }
}
