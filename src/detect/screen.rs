//! Screening: judging records ahead of their detector, in as many threads as there are.
//!
//! Most records satisfy no stage. Of these a detector needs to know little, and that little can be told
//! apart from all other records: each thread has a screen of its own. The few others are judged once
//! more by the detector, in their order.

use super::judge::{Judge, Judged};
use super::stats::Stats;
use crate::normalize::Envelope;
use crate::rule::set::TermRef;

/// Judges records by the rules of an engine, for [`on_screened`](super::Detector::on_screened).
///
/// Made by [`Engine::screen`](super::Engine::screen).
pub struct Screen {
    judge: Judge,
}

/// What a screen has found of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screened {
    /// It satisfies a stage.
    Hit,
    /// It satisfies none.
    Missed(Missed),
    /// It satisfies none, by its bytes: nothing else is known of it.
    Rejected,
    /// It cannot be read: why, as dead letters say it.
    Unreadable(&'static str),
}

/// What a detector needs to know of a record that satisfies no stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    pub(super) envelope: Envelope,
    /// Terms that would have taken too much work to decide.
    pub(super) undecided: Vec<TermRef>,
}

impl Screen {
    pub(super) fn new(judge: Judge) -> Self {
        Self { judge }
    }

    /// Adds to `stats` what the rules have cost since the last call.
    pub fn take_costs(&mut self, stats: &mut Stats) {
        stats.add_costs(&self.judge.take_costs());
    }

    /// Judges a record.
    pub fn screen(&mut self, payload: &[u8]) -> Screened {
        if self.judge.rejects(Some(payload)) {
            return Screened::Rejected;
        }
        let arena = self.judge.arena();
        let screened = match self.judge.judge(Some(payload), &arena) {
            Ok(judged) => self.screened(judged),
            Err(reason) => Screened::Unreadable(reason),
        };
        self.judge.keep(arena);
        screened
    }

    fn screened(&mut self, mut judged: Judged<'_>) -> Screened {
        let screened = match judged.hits.is_empty() {
            false => Screened::Hit,
            true => {
                let undecided = std::mem::take(&mut judged.undecided);
                Screened::Missed(Missed { envelope: judged.envelope, undecided })
            }
        };
        self.judge.recycle(judged);
        screened
    }
}
