//! Rebuilding the long lane from the journal, before the input is replayed for the others.

use super::boundary::{Record, Stamp};
use super::journal::{Entry, Placed, Sorter};
use super::recovery::{Long, Replay};
use super::{Detector, Output};
use crate::event::{EventTime, TimeSpan};
use crate::sequence::{Offer, PartitionClock};

/// The journal is being read, or it is not known yet where it ends.
pub(super) struct Restoring {
    /// What the cut says of the long lane, if it knew it.
    replay: Option<Replay>,
    /// P: entries from here on belong to no cut.
    until: i64,
    sorter: Sorter,
    /// Entries that were asked for are gone.
    is_truncated: bool,
    /// Whether an entry has been given to the rules.
    has_begun: bool,
}

impl Restoring {
    /// Returns the restoration of a lane that has no past.
    pub(super) fn of_nothing() -> Self {
        Self {
            replay: None,
            until: i64::MAX,
            sorter: Sorter::default(),
            is_truncated: false,
            has_begun: false,
        }
    }

    /// Tells what an event of the past may do.
    pub(super) fn offer_mode(&self, offset: i64, event_time: EventTime) -> Offer {
        match &self.replay {
            Some(replay) if replay.counts(offset, event_time) => Offer::Match,
            _ => Offer::Remember,
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
        self.phase.restoring()?.replay.as_ref().map(|replay| replay.journal)
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
        if restoring.is_truncated && !restoring.has_begun {
            self.lanes.journal.forget_past(restoring.until);
        }
        let lane = &mut self.lanes.journal;
        for idle in restoring.replay.into_iter().flat_map(|replay| replay.idle) {
            lane.sequences.advance_idle(idle.clock);
            // Until an entry carries it.
            lane.trail.note_idle(idle.position, idle.clock);
        }
        // All of it has left before the cut.
        drop(lane.take_found());
    }

    /// Notes that whatever is written from now on stands in the journal at `next` or later.
    pub fn on_journal_reached(&mut self, next: i64) {
        self.journal_next = self.journal_next.max(next);
    }

    /// Prepares the long lane for its journal.
    pub(super) fn restore_long(&mut self, long: Option<Long>, position: i64) {
        let Some(restoring) = self.phase.restoring_mut() else { return };
        let lane = &mut self.lanes.journal;
        let known = long.as_ref().map_or(&[][..], |long| &long.rules);
        lane.set_starts(&self.rules, known, position);
        restoring.until = position;
        if let Some(long) = long {
            lane.set_seen_from(long.seen_from);
            restoring.replay = Some(long.replay);
        }
    }

    /// Gives an entry to the rules as its record was given to them.
    fn restore_entry(&mut self, placed: Placed) {
        let Placed { at, entry } = placed;
        let Some(restoring) = self.phase.restoring_mut() else { return };
        let Some(replay) = &mut restoring.replay else { return };
        if entry.offset < replay.start || entry.offset >= restoring.until {
            return;
        }
        let lane = &mut self.lanes.journal;
        if restoring.is_truncated && !restoring.has_begun {
            // What came before is not known: as if the partition had been seen from here on.
            let floor = entry.clock + lane.longest_lateness();
            replay.floor = replay.floor.map(|known| known.max(floor));
            lane.set_seen_from(Some(entry.clock));
        }
        restoring.has_begun = true;
        self.stats.restored += 1;
        for idle in &entry.idle {
            lane.sequences.advance_idle(idle.clock);
        }
        // Without a record nothing is offered, and the next entry moves the clock as far.
        if let Some(payload) = &entry.payload {
            let clock = PartitionClock { shows: Some(entry.clock), step: None };
            if lane.trail.wants_clock(clock) {
                let lowest = restoring.sorter.lowest().map_or(at, |lowest| lowest.min(at));
                lane.trail.note_clock(entry.offset, clock, lowest);
            }
            self.slack = match entry.stamp {
                Stamp::Append(_) => TimeSpan::ZERO,
                Stamp::Create(_) | Stamp::None => self.options.max_skew,
            };
            // The clock may have shown less there: an absence that looks back is in doubt for longer.
            if lane.has_unseen_start() {
                lane.start_new_rules(entry.offset, Some(entry.clock));
            }
            lane.sequences.advance(entry.clock, self.slack);
            let before = std::mem::replace(&mut self.clock, clock);
            let (offset, stamp) = (entry.offset, entry.stamp);
            self.restore_record(&Record { offset, stamp, payload: Some(payload), source: None });
            self.clock = before;
        }
        drop(self.lanes.journal.take_found());
    }

    fn restore_record(&mut self, record: &Record<'_>) {
        let Ok(judged) = self.judge.judge(record.payload) else {
            // Limits are lower than they were: the record would not be read today.
            self.stats.unreadable_entries += 1;
            return;
        };
        if !judged.hits.is_empty() {
            self.admit(record, &judged);
        }
        self.judge.recycle(judged);
    }

    /// Writes a record down that the long lane has admitted.
    pub(super) fn keep_in_journal(&mut self, record: &Record<'_>) {
        let (Some(clock), Some(payload)) = (self.clock.shows, record.payload) else { return };
        let lane = &mut self.lanes.journal;
        lane.trail.note_clock(record.offset, self.clock, self.journal_next);
        let idle = lane.trail.take_idle();
        // Topics have the same limit for it as for alerts.
        let fits = payload.len() <= self.options.max_alert_bytes;
        self.stats.unkept_entries += u64::from(!fits);
        let kept = fits.then_some(payload);
        let entry = Entry::write(record.offset, clock, record.stamp, &idle, kept);
        self.outbox.push(Output::Journal(entry));
    }

    /// Writes down that idle time ran on, since there is no room for it elsewhere.
    pub(super) fn keep_idle_in_journal(&mut self) {
        let Some(clock) = self.clock.shows else { return };
        let idle = self.lanes.journal.trail.take_idle();
        let Some(last) = idle.last() else { return };
        let entry = Entry::write(last.position, clock, Stamp::None, &idle, None);
        self.outbox.push(Output::Journal(entry));
    }

    /// Moves the long lane over the records behind its last entry, when the input has been replayed.
    pub(super) fn catch_up(&mut self) {
        if let Some(shows) = self.clock.shows {
            self.lanes.journal.sequences.advance(shows, self.slack);
            drop(self.lanes.journal.take_found());
        }
    }
}
