//! Rebuilding the journal's lane, before the input is replayed for the other one.

use super::boundary::{Record, Stamp};
use super::lanes::LaneName;
use super::{Detector, Output};
use crate::recovery::checkpoint::{KnownRules, LanePart};
use crate::recovery::journal::{Entry, Placed, Sorter};
use crate::recovery::replay::Start;
use crate::sequence::{Moment, PartitionClock, Stamps};

/// The journal is being read, or it is not known yet where it ends.
pub(super) struct Restoring {
    /// From where the lane is rebuilt, if the checkpoint knew it.
    start: Option<Start>,
    /// Entries from here on belong to no cut.
    until: i64,
    sorter: Sorter,
    /// Entries that were asked for are gone.
    is_truncated: bool,
    /// The clock as the last entry left it.
    clock: PartitionClock,
}

impl Restoring {
    /// Returns the restoration of a lane that has no past.
    pub(super) fn of_nothing() -> Self {
        Self {
            start: None,
            until: i64::MAX,
            sorter: Sorter::default(),
            is_truncated: false,
            clock: PartitionClock::default(),
        }
    }
}

impl Detector {
    /// Tells whether it waits for the journal: to be read from [`journal_from`](Self::journal_from)
    /// on, or only for the place where it ends.
    pub fn awaits_journal(&self) -> bool {
        self.phase.restoring().is_some()
    }

    /// Returns where in its partition of the journal to begin; nothing if no entry is wanted.
    pub fn journal_from(&self) -> Option<i64> {
        self.phase.restoring()?.start.as_ref().map(|start| start.journal)
    }

    /// Notes that entries which were asked for are gone from the journal.
    pub fn on_journal_lost(&mut self) {
        if let Some(restoring) = self.phase.restoring_mut() {
            restoring.is_truncated = true;
        }
    }

    /// Takes the entry that stands in the journal at `at`. What is no entry is counted and passed.
    pub fn on_journal(&mut self, at: i64, value: &[u8]) {
        let Some(restoring) = self.phase.restoring_mut() else { return };
        let Some(entry) = Entry::read(value) else {
            self.stats.unreadable_entries += 1;
            return;
        };
        if let Some(placed) = restoring.sorter.push(Placed { at, entry }) {
            self.restore_entry(placed);
        }
    }

    /// Ends the reading of the journal; what comes next stands there at `next` or later.
    pub fn on_journal_end(&mut self, next: i64) {
        while let Some(placed) = self.phase.restoring_mut().and_then(|r| r.sorter.pop()) {
            self.restore_entry(placed);
        }
        let Some(restoring) = self.phase.end_restoring() else { return };
        self.journal_next = next;
        let lane = &mut self.lanes.journal;
        if restoring.is_truncated {
            // Nothing was left.
            lane.start_at(restoring.until);
        }
        for idle in restoring.start.into_iter().flat_map(|start| start.idle) {
            lane.sequences.lend(idle.reached.pace(&restoring.clock));
            // Until an entry carries it.
            lane.trail.take_up(idle);
            lane.trail.note_lent(restoring.clock.pace);
        }
        // All of it has left before the cut.
        drop(lane.take_found());
        self.end_replay_of_nothing();
    }

    /// Notes that whatever is written from now on stands in the journal at `next` or later.
    pub fn on_journal_reached(&mut self, next: i64) {
        self.journal_next = self.journal_next.max(next);
    }

    /// Prepares the lane for its journal; returns how many of its rules the checkpoint did not know.
    pub(super) fn restore_journal(&mut self, part: Option<LanePart>, position: i64) -> usize {
        let Some(restoring) = self.phase.restoring_mut() else { return 0 };
        let known = part.as_ref().map_or(KnownRules::Each(Vec::new()), |part| part.rules.clone());
        restoring.until = position;
        restoring.start = part.map(|part| part.start);
        // What was not theirs is not in the journal: new rules start behind it.
        self.lanes.journal.set_starts(&known, position)
    }

    /// Gives an entry to the rules as its record was given to them.
    fn restore_entry(&mut self, placed: Placed) {
        let Placed { at, entry } = placed;
        let Some(restoring) = self.phase.restoring_mut() else { return };
        let Some(start) = &restoring.start else { return };
        if entry.offset < start.offset || entry.offset >= restoring.until {
            return;
        }
        let lane = &mut self.lanes.journal;
        if std::mem::take(&mut restoring.is_truncated) {
            // What came before is not known: as if the partition had been seen from here on.
            lane.start_at(entry.offset);
        }
        self.stats.restored += 1;
        for idle in &entry.idle {
            lane.sequences.lend(idle.reached.pace(&restoring.clock));
        }
        // Without a record nothing is offered, and the next entry moves the pace as far.
        if let Some(payload) = &entry.payload {
            let clock = &mut restoring.clock;
            if !matches!(entry.stamp, Stamp::Append(_)) {
                clock.stamps = Stamps::Producers;
            }
            let slack = clock.slack(self.options.max_skew);
            let before = *clock;
            clock.pace = clock.pace.max(entry.pace);
            let lowest = restoring.sorter.lowest().map_or(at, |lowest| lowest.min(at));
            let span = lane.span(slack);
            lane.trail.note(entry.offset, before, span, lowest, || None);
            lane.note_pace(entry.offset, entry.pace);
            lane.sequences.advance(Moment { pace: clock.pace, slack }, None);
            let (offset, stamp) = (entry.offset, entry.stamp);
            self.restore_record(&Record { offset, stamp, payload: Some(payload), source: None });
        }
        drop(self.lanes.journal.take_found());
    }

    fn restore_record(&mut self, record: &Record<'_>) {
        let arena = self.judge.arena();
        match self.judge.judge(record.payload, &arena) {
            Ok(judged) => {
                if !judged.hits.is_empty() {
                    self.admit(record, &judged);
                }
                self.judge.recycle(judged);
            }
            // Limits are lower than they were: the record would not be read today.
            Err(_) => self.stats.unreadable_entries += 1,
        }
        self.judge.keep(arena);
    }

    /// Writes a record down that the journal's lane has admitted.
    pub(super) fn keep_in_journal(&mut self, record: &Record<'_>) {
        let Some(payload) = record.payload else { return };
        let slack = self.slack();
        let lane = &mut self.lanes.journal;
        let span = lane.span(slack);
        lane.trail.note(record.offset, self.clock, span, self.journal_next, || None);
        let idle = lane.trail.take_idle();
        // Topics have the same limit for it as for alerts.
        let fits = payload.len() <= self.options.max_alert_bytes;
        self.stats.unkept_entries += u64::from(!fits);
        let kept = fits.then_some(payload);
        let entry = Entry::write(record.offset, self.clock.pace, record.stamp, &idle, kept);
        self.outbox.push(Output::Journal(entry));
    }

    /// Writes down that idle time ran on, since there is no room for it elsewhere.
    pub(super) fn keep_idle_in_journal(&mut self) {
        let idle = self.lanes.journal.trail.take_idle();
        let Some(last) = idle.last() else { return };
        let entry = Entry::write(last.position, self.clock.pace, Stamp::None, &idle, None);
        self.outbox.push(Output::Journal(entry));
    }

    /// Moves the journal's lane over the records behind its last entry, when the input has been
    /// replayed.
    pub(super) fn catch_up(&mut self) {
        self.show_time(LaneName::Journal);
        drop(self.lanes.journal.take_found());
    }
}
