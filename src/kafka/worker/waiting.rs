//! What a worker knows about the items of a detector's outbox, item by item.
//!
//! Never holds the output itself: that stays with the detector until it is accepted.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::alert::Renderer;
use crate::detect::Output;
use crate::kafka::state::OutputRoom;

/// A partition stops being drained while more than this waits, or more bytes of all partitions together
/// than there is room for.
const MAX_OUTPUTS: usize = 10_000;
/// Dead letters alone ask for a commit when they are this many bytes.
const MANY_BYTES: usize = 1 << 20;

/// One entry for each item of the outbox.
#[derive(Debug)]
pub(super) struct Waiting {
    room: Arc<OutputRoom>,
    items: VecDeque<Item>,
    bytes: usize,
    urgent: usize,
}

#[derive(Debug)]
struct Item {
    bytes: usize,
    is_urgent: bool,
    triggered_at: Option<i64>,
    /// When it was noted, by the process's clock in milliseconds.
    noted: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

impl Waiting {
    /// Returns nothing that waits; what will wait counts in this room.
    pub(super) fn new(room: &Arc<OutputRoom>) -> Self {
        Self { room: Arc::clone(room), items: VecDeque::new(), bytes: 0, urgent: 0 }
    }

    /// Notes what the outbox has gained.
    ///
    /// What counts is how much it will take once it is rendered: that happens when a cut is made.
    pub(super) fn note(
        &mut self,
        outbox: &[Output],
        renderer: &Renderer,
        triggered_at: Option<i64>,
        now: u64,
    ) {
        for output in &outbox[self.items.len().min(outbox.len())..] {
            let bytes = renderer.estimated_bytes(output);
            let is_urgent = match output {
                Output::Finding(_) => true,
                Output::DeadLetter(_) | Output::Journal(_) => false,
                // Somewhere an alert may hang on it; on how far a clock has come, it does not.
                Output::Forward(forward) => forward.value.is_some(),
            };
            self.bytes += bytes;
            self.room.take(bytes);
            self.urgent += usize::from(is_urgent);
            self.items.push_back(Item { bytes, is_urgent, triggered_at, noted: now });
        }
    }

    /// Forgets the oldest items.
    pub(super) fn accept(&mut self, count: usize) {
        for item in self.items.drain(..count.min(self.items.len())) {
            self.bytes -= item.bytes;
            self.room.give_back(item.bytes);
            self.urgent -= usize::from(item.is_urgent);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.accept(self.items.len());
    }

    /// Returns, item by item, the Kafka timestamp of the record that triggered it.
    pub(super) fn triggers(&self) -> impl Iterator<Item = Option<i64>> + '_ {
        self.items.iter().map(|item| item.triggered_at)
    }

    /// Returns since when the oldest item waits.
    pub(super) fn since(&self) -> Option<u64> {
        self.items.front().map(|item| item.noted)
    }

    /// Returns how many items wait.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Tells whether waiting for the next regular commit would be too long.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent > 0 || self.bytes > MANY_BYTES
    }

    /// Tells whether no more records should be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.items.len() > MAX_OUTPUTS || self.room.is_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::alert::Format;
    use crate::detect::DeadLetter;
    use crate::rule::set::{Defaults, RuleSet};

    fn renderer() -> Renderer {
        let (rules, _) = RuleSet::compile(Vec::new(), &Defaults::default());
        Renderer::new(Arc::new(rules), Format::Ecs, usize::MAX)
    }

    fn letter(offset: i64) -> Output {
        let value = [0; 10].into();
        Output::DeadLetter(DeadLetter {
            reason: "invalid_json",
            place: None,
            offset,
            original_size: 10,
            value,
        })
    }

    #[test]
    fn gained_output_is_noted_once() {
        let room = Arc::<OutputRoom>::default();
        let mut waiting = Waiting::new(&room);
        let mut outbox = vec![letter(1)];
        waiting.note(&outbox, &renderer(), Some(7), 100);
        outbox.push(letter(2));
        waiting.note(&outbox, &renderer(), None, 200);
        assert_eq!(waiting.since(), Some(100));
        assert_eq!(waiting.triggers().collect::<Vec<_>>(), [Some(7), None]);
        waiting.accept(1);
        assert_eq!((waiting.len(), waiting.bytes, waiting.since()), (1, 10, Some(200)));
        assert!(!waiting.is_urgent() && !waiting.is_full());
        assert_eq!(room.used(), 10);
    }

    #[test]
    fn output_of_one_partition_takes_the_room_of_all() {
        let room = Arc::<OutputRoom>::default();
        let [mut one, other] = [Waiting::new(&room), Waiting::new(&room)];
        let outbox: Vec<Output> = (0..10).map(letter).collect();
        one.note(&outbox, &renderer(), None, 1);
        assert!(one.is_full() && other.is_full());
        one.accept(1);
        assert!(!other.is_full());
        drop(one);
        assert_eq!(room.used(), 0);
    }
}
