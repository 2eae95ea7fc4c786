//! A stream as it is read, and what is found there.

use std::collections::BTreeSet;

use maxspan::detect::Stamp;
use maxspan::event::EventTime;

use crate::product::EIGHTH;
use crate::subject::{Subject, Told};
use crate::time::batch::{Final, Match, finals};
use crate::time::clock::Stamps;
use crate::time::event::Delivery;

/// Deliveries as records; the offset of each is its place here.
pub(crate) struct Tape {
    pub(crate) records: Vec<Taped>,
}

pub(crate) struct Taped {
    pub(crate) delivery: Delivery,
    pub(crate) stamp: Stamp,
    pub(crate) payload: String,
}

/// A finding, and at which record and idle advance before it it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) at: (usize, usize),
    pub(crate) told: Told,
}

/// When the input ends.
pub(crate) const AT_END: (usize, usize) = (usize::MAX, 0);

impl Tape {
    pub(crate) fn new(deliveries: &[Delivery], stamps: Stamps) -> Self {
        Self::padded(deliveries, stamps, 0)
    }

    /// Returns records that are larger by so many bytes for each unit of a delivery's size.
    pub(crate) fn padded(deliveries: &[Delivery], stamps: Stamps, padding: usize) -> Self {
        let taped = |delivery: &Delivery| Taped {
            delivery: delivery.clone(),
            stamp: match stamps {
                Stamps::Append => Stamp::Append(at(delivery.stamp)),
                Stamps::Create => Stamp::Create(at(delivery.stamp)),
                Stamps::None => Stamp::None,
            },
            payload: payload(delivery, padding * delivery.size as usize),
        };
        Self { records: deliveries.iter().map(taped).collect() }
    }

    /// Runs all records and idle time, and ends the input.
    pub(crate) fn run(&self, subject: &mut dyn Subject) -> Vec<Found> {
        let mut found = Vec::new();
        for place in 0..self.records.len() {
            for idle in 0..self.idle_before(place).len() {
                self.idle(subject, place, idle, &mut found);
            }
            self.record(subject, place, &mut found);
        }
        self.end(subject, &mut found);
        found
    }

    pub(crate) fn idle_before(&self, place: usize) -> &[i64] {
        &self.records[place].delivery.idle_before
    }

    pub(crate) fn record(&self, subject: &mut dyn Subject, place: usize, found: &mut Vec<Found>) {
        subject.record(self, place);
        self.take(subject, (self.records[place].delivery.serial, usize::MAX), found);
    }

    pub(crate) fn idle(
        &self,
        subject: &mut dyn Subject,
        place: usize,
        idle: usize,
        found: &mut Vec<Found>,
    ) {
        subject.idle(self.idle_before(place)[idle]);
        self.take(subject, (self.records[place].delivery.serial, idle), found);
    }

    pub(crate) fn end(&self, subject: &mut dyn Subject, found: &mut Vec<Found>) {
        subject.finish();
        self.take(subject, AT_END, found);
    }

    fn take(&self, subject: &mut dyn Subject, at: (usize, usize), found: &mut Vec<Found>) {
        found.extend(subject.take(self).into_iter().map(|told| Found { at, told }));
    }
}

/// Returns the matches of a rule.
pub(crate) fn of_rule(found: &[Found], rule: usize) -> Vec<Match> {
    let of_rule = found.iter().filter(|found| found.told.rule == rule);
    of_rule.map(|found| found.told.found.clone()).collect()
}

/// Returns the final events of a rule's matches.
pub(crate) fn finals_of_rule(found: &[Found], rule: usize) -> BTreeSet<Final> {
    finals(&of_rule(found, rule))
}

/// Where the model's time is zero: a multiple of all spans, so that windows of samples agree.
const ZERO: i64 = 2_361_111 * 720_000;

/// Returns a time of the model.
pub(crate) fn at(time: i64) -> EventTime {
    EventTime::from_millis(ZERO + time * EIGHTH)
}

/// Returns a time in the model.
pub(crate) fn model_time(time: EventTime) -> i64 {
    (time.millis() - ZERO).div_euclid(EIGHTH)
}

fn payload(delivery: &Delivery, padding: usize) -> String {
    let event = &delivery.event;
    let listed = |letters: &mut dyn Iterator<Item = char>| -> String {
        letters.map(|letter| format!("\"{letter}\"")).collect::<Vec<_>>().join(",")
    };
    let (time, number, host) = (at(event.event_time), event.number, delivery.host);
    let keys = listed(&mut event.keys.iter().copied());
    let tags = listed(&mut event.tags.chars());
    let (third, padding) = (number % 3, "x".repeat(padding));
    format!(
        "{{\"@timestamp\":\"{time}\",\"event\":{{\"id\":\"e{number}\",\"sequence\":{number},\
         \"category\":\"process\"}},\"host\":{{\"id\":\"{host}\"}},\"user\":{{\"name\":[{keys}]}},\
         \"process\":{{\"name\":\"p{third}\"}},\"tags\":[{tags}],\"message\":\"{padding}\"}}"
    )
}
