//! What stays the same while a stream runs: its hosts, their clocks, keys and channels.

use std::collections::BTreeMap;

use super::MAX_SKEW;
use super::event::Event;
use crate::random::Random;

/// Times of the world are in the model's unit, before they are rounded to eighths.
pub struct World {
    pub hosts: Vec<char>,
    pub clocks: BTreeMap<char, f64>,
    pub keys: BTreeMap<char, char>,
    /// By tag: the channel of a host that it comes through.
    pub channels: BTreeMap<char, char>,
    /// Percent of the steps that are a silence.
    pub silences: u64,
    /// Percent of the events that satisfy a stage.
    pub density: u64,
    pub lateness: f64,
}

pub const TAGS: [char; 5] = ['A', 'B', 'C', 'D', 'U'];

impl World {
    pub fn random(random: &mut Random, lateness: i64) -> Self {
        let hosts: Vec<char> = random.pick(&["x", "xy", "xyz", "xyz"]).chars().collect();
        let clocks = hosts.iter().map(|&host| (host, clock(random))).collect();
        let is_shared = random.chance(20);
        let key = |random: &mut Random, host: char| match is_shared {
            true => 'u',
            false => *random.pick(&[host, host, host, 'u']),
        };
        let keys = hosts.iter().map(|&host| (host, key(random, host))).collect();
        let channels = TAGS.iter().map(|&tag| (tag, *random.pick(&['1', '2']))).collect();
        Self {
            hosts,
            clocks,
            keys,
            channels,
            silences: *random.pick(&[5, 15, 15, 40]),
            density: *random.pick(&[30, 45]),
            lateness: units(lateness),
        }
    }

    pub fn add_host(&mut self, host: char, key: char) {
        self.clocks.entry(host).or_insert(0.0);
        self.keys.entry(host).or_insert(key);
    }

    /// Returns the keys of an event: mostly one, sometimes a list.
    pub fn keys_of(&self, random: &mut Random, host: char) -> Vec<char> {
        let key = self.keys[&host];
        if random.chance(4) && key != 'u' { vec![key, 'u'] } else { vec![key] }
    }

    /// Returns an event that happened at a true time, as its host states it.
    pub fn event(&self, random: &mut Random, number: i64, happened: &Happened) -> Event {
        Event {
            event_time: eighths(happened.time + self.clocks[&happened.host]),
            number,
            tags: happened.tags.clone(),
            keys: self.keys_of(random, happened.host),
        }
    }
}

/// What happens: when in true time, where, and what it satisfies.
pub struct Happened {
    pub time: f64,
    pub host: char,
    pub tags: String,
}

/// By how much a host's clock is wrong.
fn clock(random: &mut Random) -> f64 {
    if random.chance(25) {
        return *random.pick(&[-400.0, -45.0, 45.0, 700.0]);
    }
    let skew = units(MAX_SKEW) / 2.0;
    let any = uniform(random, -skew, skew);
    *random.pick(&[0.0, 0.0, any])
}

/// Returns a number between two.
pub fn uniform(random: &mut Random, low: f64, high: f64) -> f64 {
    let share = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
    low + (high - low) * share
}

/// Returns a time of the model's unit in eighths.
pub fn eighths(time: f64) -> i64 {
    (time * 8.0).round() as i64
}

/// Returns a time in the model's unit.
pub fn units(time: i64) -> f64 {
    time as f64 / 8.0
}

/// Returns those of some tags that an event satisfies, each with so many percent.
pub fn some_tags(random: &mut Random, tags: &str, percent: u64) -> String {
    tags.chars().filter(|_| random.chance(percent)).collect()
}
