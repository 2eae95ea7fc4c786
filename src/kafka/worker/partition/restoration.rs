//! A detector on its way back: what the journal brings of its long rules.

use std::sync::atomic::Ordering;

use super::super::turn::Turn;
use super::Partition;
use crate::detect::Origin;
use crate::kafka::journal::{Batch, Reader, Reading};
use crate::kafka::state::Shared;
use crate::kafka::state::clock::now_millis;

/// The journal on its way into a detector.
pub(super) struct Restoration {
    reading: Reading,
    began: u64,
    entries: usize,
    bytes: usize,
}

impl Restoration {
    fn finish(&self, origin: &Origin, shared: &Shared) {
        let Self { began, entries, bytes, .. } = self;
        let millis = now_millis().saturating_sub(*began);
        shared.metrics.kafka.journal_restore_seconds.set(millis as f64 / 1_000.0);
        tracing::info!(topic = %origin.topic, partition = origin.partition, entries, bytes, millis,
            "the journal is read");
    }
}

impl Partition {
    /// Asks for what the detector wants of the journal.
    pub(in crate::kafka::worker) fn read_journal(&mut self, reader: Option<&Reader>) {
        if !self.detector.awaits_journal() {
            return;
        }
        let began = now_millis();
        self.state.replay_began.store(began, Ordering::Relaxed);
        let from = self.detector.journal_from();
        let reading = reader.map(|reader| reader.read(&self.origin, from));
        self.journal = reading.map(|reading| Restoration { reading, began, entries: 0, bytes: 0 });
    }

    /// Gives the detector what has been read of the journal; returns how many entries that were.
    pub(in crate::kafka::worker) fn restore(&mut self, turn: &Turn<'_>, shared: &Shared) -> usize {
        let Some(journal) = &mut self.journal else { return 0 };
        let mut taken = 0;
        while taken == 0 || !turn.is_over() {
            let Ok(batch) = journal.reading.batches.try_recv() else { break };
            taken += 1;
            match batch {
                Batch::Lost => self.detector.on_journal_lost(),
                Batch::Entries(entries) => {
                    for (at, value) in &entries {
                        taken += 1;
                        journal.entries += 1;
                        journal.bytes += value.len();
                        self.detector.on_journal(*at, value);
                    }
                }
                Batch::End(end) => {
                    self.detector.on_journal_end(end);
                    journal.finish(&self.origin, shared);
                    self.journal = None;
                    return taken;
                }
            }
        }
        taken
    }
}
