//! How much one answer of a broker may unfold to.
//!
//! An answer holds many batches, and the client unpacks all of a partition before anybody can take the first
//! record. A batch that would go beyond what is allowed is refused: the client hands on what it has unpacked so
//! far, and a fault, and fetches the rest anew. The first batch of an answer is always admitted, however large it
//! is, and so is the first one after a refusal: reading never stands still.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Batches of one answer lie one behind the other in memory, with no more than heads between them.
const MOST_BETWEEN: usize = 4 << 10;

/// Most bytes that an answer may unfold to.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);
/// How many refusals nobody has heard of yet.
static REFUSED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// What this thread, one for each broker, unpacks at present.
    static ANSWER: Cell<Answer> = const { Cell::new(Answer::NONE) };
}

/// The answer that is being unpacked.
#[derive(Clone, Copy)]
struct Answer {
    /// Where its last batch ended; 0 if there is none.
    end: usize,
    /// What it has unfolded to so far.
    unfolded: usize,
}

impl Answer {
    const NONE: Self = Self { end: 0, unfolded: 0 };

    /// Tells whether a batch at these addresses may be unpacked to so many bytes.
    fn admits(&mut self, batch: Range<usize>, size: usize, most: usize) -> bool {
        let between = batch.start.checked_sub(self.end);
        let is_next = self.end > 0 && between.is_some_and(|between| between <= MOST_BETWEEN);
        let before = if is_next { self.unfolded } else { 0 };
        let unfolded = before.saturating_add(size);
        let is_admitted = before == 0 || unfolded <= most;
        *self = if is_admitted { Self { end: batch.end, unfolded } } else { Self::NONE };
        is_admitted
    }
}

/// Limits what an answer may unfold to, for all clients of the process.
pub(super) fn limit(most: usize) {
    MOST.store(most, Ordering::Relaxed);
}

/// Tells whether a batch may be unpacked to so many bytes, and counts it if it may.
pub(super) fn admits(packed: &[u8], size: usize) -> bool {
    let batch = packed.as_ptr_range();
    let batch = batch.start.addr()..batch.end.addr();
    let mut answer = ANSWER.get();
    let is_admitted = answer.admits(batch, size, MOST.load(Ordering::Relaxed));
    ANSWER.set(answer);
    if !is_admitted {
        REFUSED.fetch_add(1, Ordering::Relaxed);
    }
    is_admitted
}

/// Tells whether a batch was refused that nobody has been told of, and counts it as told.
///
/// The client calls a refused batch one that cannot be unpacked.
pub(super) fn take_refusal() -> bool {
    let taken = REFUSED
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |refused| refused.checked_sub(1));
    taken.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_one_answer_count_together() {
        let mut answer = Answer::NONE;
        assert!(answer.admits(1_000..1_100, 60, 100));
        assert!(answer.admits(1_161..1_200, 40, 100));
        assert!(!answer.admits(1_261..1_300, 1, 100), "beyond what is allowed");
        assert!(answer.admits(1_261..1_300, 100, 100), "it comes again, alone");
        assert!(answer.admits(9_000_000..9_000_100, 100, 100), "another answer");
        assert!(answer.admits(500..600, 100, 100), "and another one, at a lower address");
    }

    #[test]
    fn first_batch_is_admitted_however_large_it_is() {
        let mut answer = Answer::NONE;
        assert!(answer.admits(1_000..1_100, 1_000, 100));
        assert!(!answer.admits(1_161..1_200, 1_000, 100));
        assert!(answer.admits(1_161..1_200, 1_000, 100));
    }
}
