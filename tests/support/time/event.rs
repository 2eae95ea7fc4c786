//! Events and deliveries: what a stream consists of.

use std::collections::BTreeMap;
use std::rc::Rc;

/// An event as the data states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub event_time: i64,
    /// Its identity. Of two events of one time the one with the smaller number comes first.
    pub number: i64,
    /// The stages that it satisfies.
    pub tags: String,
    /// Its join keys: several where the key field is a list.
    pub keys: Vec<char>,
}

impl Event {
    pub fn has(&self, tag: char) -> bool {
        self.tags.contains(tag)
    }

    pub fn is_of(&self, key: char) -> bool {
        self.keys.contains(&key)
    }

    pub fn ordinal(&self) -> (i64, i64) {
        (self.event_time, self.number)
    }
}

/// One delivery of an event to a partition.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub host: char,
    pub event: Rc<Event>,
    /// What moves the partition's clock.
    pub stamp: i64,
    /// The true time, which references alone look at.
    pub arrived: i64,
    /// Its place in the stream, kept when others are taken out.
    pub serial: usize,
    /// For how long the partition was seen idle before it came, ascending.
    pub idle_before: Vec<i64>,
    /// Its place in a shuffled recording.
    pub shuffle: u64,
    /// Its size, in some unit.
    pub size: i64,
}

/// Returns each event that satisfies anything, once, by ordinal.
pub fn distinct(deliveries: &[Delivery]) -> Vec<Rc<Event>> {
    let with_tags = deliveries.iter().filter(|delivery| !delivery.event.tags.is_empty());
    let by_number: BTreeMap<i64, Rc<Event>> =
        with_tags.map(|delivery| (delivery.event.number, Rc::clone(&delivery.event))).collect();
    let mut events: Vec<Rc<Event>> = by_number.into_values().collect();
    events.sort_by_key(|event| event.ordinal());
    events
}

/// Returns the true time at which each event came first, by its number.
pub fn first_arrivals(deliveries: &[Delivery]) -> BTreeMap<i64, i64> {
    let mut first = BTreeMap::new();
    for delivery in deliveries {
        first.entry(delivery.event.number).or_insert(delivery.arrived);
    }
    first
}
