//! Whether the prefilter is asked about a record: as long as that pays.
//!
//! Only speed depends on it, never what is decided.

use crate::rule::prefilter::Prefilter;

/// Whether records may be rejected by their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefiltering {
    /// Never: each record is decoded.
    Off,
    /// While that pays.
    #[default]
    Adaptive,
    /// Wherever it is sound. For tests.
    Always,
}

/// So many records are decoded before the prefilter is asked for the first time: it does not pay for
/// a few.
const WARM_UP: u32 = 1_024;
/// So many records are asked about between two looks at how many pass.
const TRIAL: u32 = 4_096;
/// For so many records the prefilter is left out if half of them pass.
const PAUSE: u32 = 65_536;

/// Asks the prefilter as long as that pays. Counts records, and nothing else, decide.
#[derive(Debug)]
pub(super) struct Gate {
    prefiltering: Prefiltering,
    /// So many records are not asked about.
    paused: u32,
    asked: u32,
    passed: u32,
}

impl Gate {
    pub(super) fn new(prefiltering: Prefiltering) -> Self {
        Self { prefiltering, paused: WARM_UP, asked: 0, passed: 0 }
    }

    /// Tells that a record satisfies no stage, if the prefilter is asked.
    pub(super) fn rejects(&mut self, prefilter: &Prefilter, record: &[u8]) -> bool {
        match self.prefiltering {
            Prefiltering::Off => false,
            Prefiltering::Always => prefilter.rejects(record),
            Prefiltering::Adaptive if self.paused > 0 => {
                self.paused -= 1;
                false
            }
            Prefiltering::Adaptive => {
                let is_rejected = prefilter.rejects(record);
                self.count(is_rejected);
                is_rejected
            }
        }
    }

    fn count(&mut self, is_rejected: bool) {
        self.asked += 1;
        self.passed += u32::from(!is_rejected);
        if self.asked < TRIAL {
            return;
        }
        if self.passed > TRIAL / 2 {
            self.paused = PAUSE;
        }
        (self.asked, self.passed) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefilter_that_lets_half_pass_is_left_out_for_a_while() {
        let mut gate = Gate::new(Prefiltering::Adaptive);
        gate.paused = 0;
        (0..TRIAL).for_each(|asked| gate.count(asked % 4 != 0));
        assert_eq!(gate.paused, 0, "a quarter has passed");
        (0..TRIAL).for_each(|asked| gate.count(asked % 4 == 0));
        assert_eq!((gate.paused, gate.asked), (PAUSE, 0), "three quarters have passed");
    }
}
