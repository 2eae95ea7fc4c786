//! How events come to a partition: through channels, after outages, more than once, stamped.

use std::rc::Rc;

use super::MAX_SKEW;
use super::clock::Stamps;
use super::event::{Delivery, Event};
use super::stream::Shape;
use super::world::{Happened, World, eighths, uniform, units};
use crate::random::Random;

/// One arrival: its true time, what decides between two of one time, and what comes.
pub struct Arrival {
    time: f64,
    tie: i64,
    host: char,
    event: Rc<Event>,
}

/// Some hosts are cut off; then their channels drain at different pace.
pub struct Outage {
    pub hosts: Vec<char>,
    pub begin: f64,
    pub end: f64,
    pub pace_1: f64,
    pub pace_2: f64,
}

impl Outage {
    pub fn random(random: &mut Random, world: &World, happened: &[Happened]) -> Option<Self> {
        if random.chance(50) {
            return None;
        }
        let mut around = || random.pick(happened).time + uniform(random, -1.0, 1.0);
        let (one, other) = (around(), around());
        let end = one.max(other) + *random.pick(&[0.0, 5.0, 60.0, 500.0]);
        let newest = *world.hosts.last().unwrap();
        let hosts = match random.below(3) {
            0 => vec!['x'],
            1 => vec![newest],
            _ => world.hosts.clone(),
        };
        let mut pace = || *random.pick(&[0.0, 0.01, 0.05, 0.3]);
        Some(Self { hosts, begin: one.min(other), end, pace_1: pace(), pace_2: pace() })
    }

    /// Returns when an event comes that is held up; nothing if it is not.
    fn holds_up(&self, happened: &Happened, channel: char) -> Option<f64> {
        let pace = if channel == '1' { self.pace_1 } else { self.pace_2 };
        let is_cut_off = (self.begin..=self.end).contains(&happened.time);
        let is_held = is_cut_off && self.hosts.contains(&happened.host);
        is_held.then_some(self.end + (happened.time - self.begin) * pace)
    }
}

/// Copies come behind everything of the same moment.
const SECOND_DELIVERIES: i64 = 100_000;

pub fn arrivals(
    random: &mut Random,
    world: &World,
    happened: &[Happened],
    outage: Option<Outage>,
    shape: Shape,
    hold: f64,
) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    for (number, happened) in (1..).zip(happened) {
        let channel = happened.tags.chars().next().map_or('1', |tag| world.channels[&tag]);
        let on_the_way = uniform(random, 0.0, world.lateness);
        let held_up = outage.as_ref().and_then(|outage| outage.holds_up(happened, channel));
        let event = Rc::new(world.event(random, number, happened));
        let mut time = held_up.unwrap_or(happened.time + on_the_way);
        let host = happened.host;
        arrivals.push(Arrival { time, tie: number, host, event: Rc::clone(&event) });
        for copy in copies(random, shape, hold) {
            time += copy;
            let (tie, event) = (number + SECOND_DELIVERIES, Rc::clone(&event));
            arrivals.push(Arrival { time, tie, host, event });
        }
    }
    arrivals
}

/// Returns after how long an event is delivered once more, and once more after that.
fn copies(random: &mut Random, shape: Shape, hold: f64) -> Vec<f64> {
    let is_often = shape == Shape::Copies;
    if !random.chance(if is_often { 25 } else { 8 }) {
        return Vec::new();
    }
    if !is_often && !random.chance(20) {
        return vec![*random.pick(&[0.0, 1.0, 30.0, 60.0, 100.0])];
    }
    let every = hold * *random.pick(&[0.4, 0.6, 0.9, 0.95]);
    let count = random.between(1, 8);
    (0..count).map(|_| every + *random.pick(&[0.0, 0.0, 0.0, 1.0, 3.0])).collect()
}

/// Events of one moment over several times `hold`, in any order and with copies, others in between.
pub fn scrambled(random: &mut Random, hold: f64) -> Vec<Arrival> {
    let spread = *random.pick(&[2.0, 4.0, 8.0]);
    let mut arrivals = Vec::new();
    for number in 1..random.between(6, 18) {
        let event_time = eighths(5_000.0 + uniform(random, 0.0, spread));
        let tags = (*random.pick(&["A", "B", "B", "AB", "C"])).to_owned();
        let event = Rc::new(Event { event_time, number, tags, keys: vec!['k'] });
        let mut time = 6_000.0 + uniform(random, 0.0, 5.0 * hold);
        arrivals.push(Arrival { time, tie: number, host: 'x', event: Rc::clone(&event) });
        while random.chance(50) {
            time += hold * *random.pick(&[0.3, 0.6, 0.9, 0.95, 1.0]);
            let (tie, event) = (number + SECOND_DELIVERIES, Rc::clone(&event));
            arrivals.push(Arrival { time, tie, host: 'x', event });
        }
    }
    for number in 0..*random.pick(&[0, 4, 12]) {
        let (time, number) =
            (6_000.0 + uniform(random, 0.0, 6.0 * hold), SECOND_DELIVERIES + number);
        let (event_time, tags) = (eighths(time), String::new());
        let event = Rc::new(Event { event_time, number, tags, keys: vec!['k'] });
        arrivals.push(Arrival { time, tie: number, host: 'y', event });
    }
    arrivals
}

/// Returns the deliveries, stamped by the broker, by producers, or not at all.
pub fn in_order_of_arrival(
    random: &mut Random,
    mut arrivals: Vec<Arrival>,
    stamps: Stamps,
) -> Vec<Delivery> {
    let sends_event_time = random.chance(60);
    arrivals.sort_by(|one, other| one.time.total_cmp(&other.time).then(one.tie.cmp(&other.tie)));
    let stamped = arrivals.into_iter().enumerate().map(|(serial, arrival)| {
        let arrived = eighths(arrival.time);
        let skew = units(MAX_SKEW) / 4.0;
        let stated = eighths(units(arrived) + *random.pick(&[0.0, 0.0, -skew, skew]));
        let stamp = match stamps {
            Stamps::Append => arrived,
            Stamps::Create if !sends_event_time => stated,
            Stamps::Create | Stamps::None => arrival.event.event_time,
        };
        Delivery {
            host: arrival.host,
            event: arrival.event,
            stamp,
            arrived,
            serial,
            idle_before: Vec::new(),
            shuffle: random.next(),
            size: *random.pick(&[1, 1, 1, 2, 5]),
        }
    });
    stamped.collect()
}
