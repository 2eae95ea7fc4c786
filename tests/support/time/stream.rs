//! Random streams: what hosts, channels, clocks and brokers do, and what nobody thought of.
//!
//! True time runs. What comes out is in the order of arrival.

use super::clock::Stamps;
use super::deliveries::{self, Outage};
use super::event::Delivery;
use super::world::{Happened, TAGS, World, eighths, some_tags, uniform, units};
use crate::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Usual,
    /// Long beside what is held.
    Long,
    /// Many events of one stage within a short time.
    Flood,
    /// Long, with deliveries again and again.
    Copies,
    /// One host's backlog reaches beyond the clock.
    Pulled,
    /// Events of one moment that come over several times `hold`, in any order.
    Scrambled,
}

impl Shape {
    pub fn random(random: &mut Random) -> Self {
        match random.below(100) {
            0..3 => Self::Pulled,
            3..6 => Self::Long,
            6..12 => Self::Flood,
            _ => Self::Usual,
        }
    }
}

impl Stamps {
    pub fn random(random: &mut Random) -> Self {
        *random.pick(&[Self::Append, Self::Append, Self::Create, Self::Create, Self::None])
    }
}

/// Returns the deliveries of a stream for a rule with this lateness and hold.
pub fn stream(
    random: &mut Random,
    lateness: i64,
    hold: i64,
    stamps: Stamps,
    shape: Shape,
) -> Vec<Delivery> {
    if shape == Shape::Scrambled {
        let arrivals = deliveries::scrambled(random, units(hold));
        return deliveries::in_order_of_arrival(random, arrivals, stamps);
    }
    let mut world = World::random(random, lateness);
    let mut happened = background(random, &world, shape);
    let mut outage = Outage::random(random, &world, &happened);
    if shape == Shape::Pulled {
        outage = Some(backlog_beyond_the_clock(random, &mut world, &mut happened));
    }
    if shape == Shape::Flood {
        flood(random, &world, &mut happened);
    }
    let arrivals = deliveries::arrivals(random, &world, &happened, outage, shape, units(hold));
    deliveries::in_order_of_arrival(random, arrivals, stamps)
}

fn background(random: &mut Random, world: &World, shape: Shape) -> Vec<Happened> {
    let is_long = matches!(shape, Shape::Long | Shape::Copies);
    let silences = if is_long { 3 } else { world.silences };
    let density = if is_long { *random.pick(&[10, 20, 30, 45]) } else { world.density };
    let count = if is_long { random.between(25, 60) } else { random.between(4, 26) };
    let mut time = 1_000.0;
    let mut happened = Vec::new();
    for _ in 0..count {
        time += match random.chance(silences) {
            true => *random.pick(&[10.0, 22.0, 30.0, 45.0, 90.0, 300.0, 3_000.0]),
            false => *random.pick(&[0.0, 0.1, 0.3, 0.5, 1.0, 1.0, 2.0, 3.0]),
        };
        let satisfies = random.chance(80);
        let likely = |tag: &char| if *tag == 'U' { 10 } else { density };
        let tags = TAGS.iter().filter(|tag| random.chance(likely(tag)) && satisfies).collect();
        happened.push(Happened { time, host: *random.pick(&world.hosts), tags });
    }
    happened
}

/// A partition that slept, then a backlog of one host that reaches beyond its clock while another
/// host is at work.
fn backlog_beyond_the_clock(
    random: &mut Random,
    world: &mut World,
    happened: &mut Vec<Happened>,
) -> Outage {
    let slept_from = happened[happened.len() - 1].time;
    let mut end = slept_from + *random.pick(&[100.0, 600.0, 3_000.0]);
    let key = *random.pick(&['z', 'u']);
    world.add_host('z', key);
    world.add_host('x', 'x');
    let mut time = slept_from.max(end - *random.pick(&[50.0, 90.0, 500.0]));
    while time < end {
        happened.push(Happened { time, host: 'z', tags: some_tags(random, "ABCD", 30) });
        time += *random.pick(&[1.0, 8.0, 15.0, 19.0, 30.0]);
    }
    for _ in 0..6 {
        happened.push(Happened { time: end, host: 'x', tags: some_tags(random, "ABCD", 50) });
        end += *random.pick(&[0.1, 0.3, 1.0]);
    }
    Outage { hosts: vec!['z'], begin: 0.0, end, pace_1: 0.01, pace_2: 0.01 }
}

fn flood(random: &mut Random, world: &World, happened: &mut Vec<Happened>) {
    let mut time = random.pick(happened).time;
    let tag = *random.pick(&['A', 'B', 'C', 'D']);
    let hosts = if random.chance(50) { &world.hosts[..] } else { &world.hosts[..1] };
    for _ in 0..random.between(8, 40) {
        time += *random.pick(&[0.0, 0.1, 0.1, 0.5, 1.0]);
        let other = *random.pick(&TAGS);
        let tags = match random.chance(20) {
            true if other != tag => [tag, other].iter().collect(),
            _ => tag.to_string(),
        };
        happened.push(Happened { time, host: *random.pick(hosts), tags });
    }
    happened.sort_by(|before, after| before.time.total_cmp(&after.time));
}

/// The partition is seen idle between records, never for longer than it was.
pub fn with_true_idle_time(random: &mut Random, deliveries: &mut [Delivery]) {
    for place in 1..deliveries.len() {
        let gap = units(deliveries[place].arrived - deliveries[place - 1].arrived);
        if gap > 2.0 && random.chance(60) {
            let count = random.between(1, 2);
            let mut idle: Vec<i64> =
                (0..count).map(|_| eighths(uniform(random, 0.0, gap))).collect();
            idle.sort_unstable();
            deliveries[place].idle_before = idle;
        }
    }
}

/// The partition is seen idle for any time, whatever the stamps say.
pub fn with_any_idle_time(random: &mut Random, deliveries: &mut [Delivery]) {
    for _ in 0..*random.pick(&[0, 0, 1, 2, 5]) {
        let place = random.below(deliveries.len() as u64) as usize;
        let elapsed = *random.pick(&[3.0, 8.0, 30.0, 50.0, 70.0, 200.0]);
        let idle = &mut deliveries[place].idle_before;
        idle.push(eighths(elapsed));
        idle.sort_unstable();
        idle.dedup();
    }
}
