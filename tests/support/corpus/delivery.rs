//! In which order and how often records come: as Windows writes them, late and out of order.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use super::chance::Random;
use super::event::{Event, Kind};

/// Milliseconds by which Sysmon writes connections late, by per mille of all: 1.2 s in the middle, 10 s at 95 %.
const CONNECTION_DELAYS: [(u64, i64); 8] = [
    (0, 20),
    (100, 230),
    (250, 500),
    (500, 1_200),
    (750, 2_900),
    (900, 6_300),
    (950, 10_000),
    (1_000, 13_000),
];
/// The same of everything else.
const OTHER_DELAYS: [(u64, i64); 7] =
    [(0, 0), (250, 70), (500, 170), (750, 350), (900, 580), (990, 1_150), (1_000, 5_000)];
/// A second delivery comes within this time.
const SECOND_WITHIN_MS: u64 = 3_000;

/// Says how late records are written, and which come twice.
pub(super) struct Lateness {
    pub(super) is_late: bool,
    /// Of a thousand records.
    pub(super) doubled: u64,
    /// Not that of the events: they are the same with and without lateness.
    pub(super) chance: Random,
}

/// One event on its way, perhaps in several records.
pub(super) struct Sent {
    pub(super) event: Event,
    pub(super) written_at: i64,
    /// The record's number; 0 until it was written for the first time.
    pub(super) record: Cell<u64>,
}

/// Records that are not there yet.
#[derive(Default)]
pub(super) struct Queue {
    /// By time of arrival and number; the number keeps the order of equal times.
    heap: BinaryHeap<Reverse<(i64, u64, usize)>>,
    waiting: Vec<Option<Rc<Sent>>>,
    free: Vec<usize>,
    count: u64,
}

impl Queue {
    /// Takes an event that has happened.
    pub(super) fn put(&mut self, event: Event, lateness: &mut Lateness) {
        let written_at = event.at + lateness.delay(event.kind);
        let sent = Rc::new(Sent { event, written_at, record: Cell::new(0) });
        if lateness.doubled > 0 && lateness.chance.below(1_000) < lateness.doubled {
            let later = 1 + lateness.chance.below(SECOND_WITHIN_MS) as i64;
            self.push(written_at + later, Rc::clone(&sent));
        }
        self.push(written_at, sent);
    }

    /// Returns the next record that has arrived at this time.
    pub(super) fn take(&mut self, now: i64) -> Option<Rc<Sent>> {
        let Reverse((arrives_at, _, place)) = *self.heap.peek()?;
        if arrives_at > now {
            return None;
        }
        self.heap.pop();
        self.free.push(place);
        self.waiting[place].take()
    }

    fn push(&mut self, arrives_at: i64, sent: Rc<Sent>) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.waiting.push(None);
            self.waiting.len() - 1
        });
        self.waiting[place] = Some(sent);
        self.count += 1;
        self.heap.push(Reverse((arrives_at, self.count, place)));
    }
}

impl Lateness {
    fn delay(&mut self, kind: Kind) -> i64 {
        if !self.is_late {
            return 0;
        }
        let table: &[(u64, i64)] =
            if kind == Kind::Connection { &CONNECTION_DELAYS } else { &OTHER_DELAYS };
        let at = self.chance.below(1_000);
        let above = table.iter().position(|(share, _)| *share > at).unwrap_or(table.len() - 1);
        let ((from, least), (to, most)) = (table[above - 1], table[above]);
        least + (most - least) * (at - from) as i64 / (to - from) as i64
    }
}
