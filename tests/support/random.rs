//! A small seeded generator, so that a failing case can be named by a number.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state, every seed is good. Or, for a fuzzer,
/// a tape of bytes that it may change one choice at a time; behind its end a seed goes on.
pub struct Random {
    tape: std::vec::IntoIter<u8>,
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { tape: Vec::new().into_iter(), state: seed }
    }

    pub fn tape(bytes: &[u8]) -> Self {
        Self { tape: Vec::from(bytes).into_iter(), state: 0 }
    }

    pub fn next(&mut self) -> u64 {
        if let Some(byte) = self.tape.next() {
            return byte.into();
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number from `start` to `end`, both included.
    pub fn between(&mut self, start: i64, end: i64) -> i64 {
        start + self.below((end - start + 1) as u64) as i64
    }

    /// True with a probability of `percent` %.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// How many cases to run: `MAXSPAN_CASES` multiplies what a test asks for.
pub fn cases(ordinary: u64) -> u64 {
    let factor = std::env::var("MAXSPAN_CASES").ok().and_then(|text| text.parse().ok());
    ordinary * factor.unwrap_or(1u64)
}

/// Which seeds to try: `MAXSPAN_SEEDS=7..9` asks for these alone, whatever the test asks for.
pub fn seeds(ordinary: u64) -> Range<u64> {
    let named = std::env::var("MAXSPAN_SEEDS").ok();
    let range = named.map(|text| {
        let (first, end) = text.split_once("..").expect("MAXSPAN_SEEDS is like 7..9");
        first.parse().unwrap()..end.parse().unwrap()
    });
    range.unwrap_or_else(|| 0..cases(ordinary))
}

/// Calls `check` with each seed, on all cores, and puts together what it returns. A seed that fails
/// keeps no other from being tried; in the end all that have failed are named.
pub fn survey<T: Default + Send>(
    ordinary: u64,
    check: impl Fn(u64) -> T + Sync,
    add: impl Fn(T, T) -> T + Sync,
) -> T {
    let next = AtomicU64::new(seeds(ordinary).start);
    let failed = Mutex::new(BTreeSet::new());
    let work = || {
        let mut sum = T::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds(ordinary).end {
                return sum;
            }
            match catch_unwind(AssertUnwindSafe(|| check(seed))) {
                Ok(one) => sum = add(sum, one),
                Err(_) => drop(failed.lock().unwrap().insert(seed)),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let sum = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let sums = running.into_iter().map(|thread| thread.join().unwrap());
        sums.fold(T::default(), &add)
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} seeds failed: {failed:?}", failed.len());
    sum
}
