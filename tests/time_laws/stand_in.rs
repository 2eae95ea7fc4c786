//! The model in the product's place: the laws must hold for it, and fail for rejected rules.

use std::collections::BTreeMap;

use crate::case::{Case, Counts, SIZE, count};
use crate::product::Suppression;
use crate::subject::{Subject, Told};
use crate::suppression::group_of;
use crate::tape::Tape;
use crate::time::batch::Match;
use crate::time::clock::Clock;
use crate::time::model::partition::{Emit, Partition, Quotas};
use crate::time::model::policy::Rejected;
use crate::time::model::windows::Windows;

/// Rules over one partition, and what they would have committed on their way.
pub(crate) struct StandIn {
    partitions: Vec<Partition>,
    rejected: Option<Rejected>,
    suppression: Option<Suppression>,
    shows_suppressed: bool,
    windows: Windows,
    told: Vec<Told>,
    /// By place: the clock before that record.
    clocks: BTreeMap<usize, Clock>,
    /// (place of the next record, elapsed) of each idle advance that did something.
    pairs: Vec<(usize, i64)>,
    next: usize,
}

impl StandIn {
    pub(crate) fn new(
        case: &Case,
        emits: &[&str],
        is_bounded: bool,
        rejected: Option<Rejected>,
    ) -> Self {
        let emit = |emit: &&str| match *emit {
            _ if is_bounded && rejected == Some(Rejected::Unbounded) => Emit::Eager,
            _ if is_bounded => Emit::Bounded,
            "eager" => Emit::Eager,
            _ => Emit::Exact,
        };
        let quotas = Quotas {
            size: case.limits.bytes.map(|bytes| (bytes / SIZE) as i64),
            of_key: case.limits.of_key,
        };
        let mut clock = Clock::new(case.stamps);
        match rejected {
            Some(Rejected::StepElapsed) => clock.most_of_step = i64::MAX,
            Some(Rejected::StepNothing) => clock.most_of_step = 0,
            _ => {}
        }
        let partition = |asked: &&str| {
            let mut partition =
                Partition::new(&case.rule, emit(asked), quotas, clock.clone(), rejected);
            partition.seen_from_place = case.is_past_unseen.then_some(0);
            partition
        };
        Self {
            partitions: emits.iter().map(partition).collect(),
            rejected,
            suppression: case.suppression.clone(),
            shows_suppressed: false,
            windows: Windows::default(),
            told: Vec::new(),
            clocks: BTreeMap::new(),
            pairs: Vec::new(),
            next: 0,
        }
    }

    pub(crate) fn showing_suppressed(self) -> Self {
        Self { shows_suppressed: true, ..self }
    }

    /// Returns the place at which a replay starts that is to rebuild the present state.
    fn replay_start(&self) -> usize {
        let partition = &self.partitions[0];
        let spans = match self.rejected {
            Some(Rejected::TwoSpans) => 2,
            Some(Rejected::ThreeSpans) => 3,
            _ if partition.has_absence() => 4,
            _ => 3,
        };
        let limit = partition.clock.pace - spans * (partition.hold + partition.slack());
        let is_before = |clock: &Clock| clock.shows.is_some() && clock.pace < limit;
        let mut known = self.clocks.iter();
        let first = known.clone().next().map_or(0, |(place, _)| *place);
        known.rfind(|(_, clock)| is_before(clock)).map_or(first, |(place, _)| *place)
    }

    /// Forgets all but what is committed.
    fn begin_at(&mut self, start: usize) {
        self.clocks.retain(|place, _| *place >= start);
        self.pairs.retain(|(place, _)| *place >= start);
        let is_forgotten = self.rejected == Some(Rejected::StartForgotten) || start > 0;
        for partition in &mut self.partitions {
            *partition = partition.emptied();
            if let Some(clock) = self.clocks.get(&start) {
                partition.clock = clock.clone();
            }
            if is_forgotten {
                partition.seen_from_place = None;
            }
        }
    }

    fn advance_by_pairs(&mut self, place: usize) {
        for (_, elapsed) in self.pairs.clone().into_iter().filter(|(at, _)| *at == place) {
            for partition in &mut self.partitions {
                partition.idle(elapsed);
            }
        }
    }

    /// Moves what the rules have found to what is told.
    fn collect(&mut self, tape: &Tape) {
        for rule in 0..self.partitions.len() {
            let partition = &mut self.partitions[rule];
            let (pace, hold) = (partition.clock.pace, partition.hold + partition.slack());
            for found in std::mem::take(&mut partition.outputs) {
                let is_suppressed = self.suppresses(tape, rule, &found, pace, hold);
                if !is_suppressed || self.shows_suppressed {
                    self.told.push(Told { rule, found, is_suppressed });
                }
            }
        }
    }

    fn suppresses(
        &mut self,
        tape: &Tape,
        rule: usize,
        found: &Match,
        pace: i64,
        hold: i64,
    ) -> bool {
        let Some(suppression) = &self.suppression else { return false };
        let deliveries = tape.records.iter().map(|taped| &taped.delivery);
        let events = deliveries.filter(|delivery| found.events.contains(&delivery.event.number));
        let newest = events.map(|delivery| delivery.event.event_time).max().unwrap();
        let group = format!("{rule} {:?}", group_of(suppression, found));
        let duration = suppression.duration;
        self.windows.begun.retain(|(_, _, begun)| pace - begun <= hold + duration);
        self.windows.suppresses(&group, newest, pace, duration)
    }
}

impl Subject for StandIn {
    fn record(&mut self, tape: &Tape, place: usize) {
        self.clocks.insert(place, self.partitions[0].clock.clone());
        for partition in &mut self.partitions {
            partition.record(place, &tape.records[place].delivery);
        }
        self.next = place + 1;
        self.collect(tape);
    }

    fn idle(&mut self, elapsed: i64) {
        let acted = self.partitions.iter_mut().map(|partition| partition.idle(elapsed));
        if acted.fold(false, |any, acted| any | acted) {
            self.pairs.push((self.next, elapsed));
        }
    }

    fn finish(&mut self) {
        self.partitions.iter_mut().for_each(Partition::finish);
    }

    fn take(&mut self, tape: &Tape) -> Vec<Told> {
        self.collect(tape);
        std::mem::take(&mut self.told)
    }

    fn restart(&mut self, tape: &Tape, place: usize, counts: &mut Counts) -> Result<(), String> {
        let committed = self.windows.clone();
        let start = self.replay_start();
        count(counts, "replayed", place - start);
        count(counts, "not replayed", start);
        self.begin_at(start);
        for place in start..place {
            self.advance_by_pairs(place);
            for partition in &mut self.partitions {
                partition.record(place, &tape.records[place].delivery);
            }
            self.collect(tape);
        }
        self.advance_by_pairs(place);
        self.collect(tape);
        self.told.clear();
        if self.rejected != Some(Rejected::WindowsRebuilt) {
            self.windows = committed;
        }
        Ok(())
    }

    fn keys(&self) -> usize {
        self.partitions.iter().map(|partition| partition.keys.len()).sum()
    }

    fn shows(&self) -> i64 {
        self.partitions[0].clock.shows.unwrap()
    }
}
