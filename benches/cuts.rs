//! What a cut costs with many join keys, and a record behind it.
//!
//! One event for each of so many hosts begins a sequence; then each round takes in a few hundred more
//! and cuts. Prints medians, of the first cut (which looks at all keys) the one figure.
//!
//! `cargo bench --no-default-features --bench cuts [-- --keys 300000 --rounds 50]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

#[allow(dead_code, unreachable_pub, reason = "the bench needs the streams alone")]
#[path = "../tests/support/random.rs"]
mod random;
#[allow(dead_code, unreachable_pub, reason = "the bench needs a part of them")]
#[path = "../tests/support/streams.rs"]
mod streams;

use std::time::{Duration, Instant};

use maxspan::detect::{Detector, Options, Stamp};
use streams::{Step, apply, at, options, origin, rule_set};

/// Records between two cuts.
const BETWEEN: usize = 500;

fn main() {
    let argument = |name: &str, default: usize| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
        arguments.next().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let (keys, rounds) = (argument("--keys", 300_000), argument("--rounds", 50));
    let options = Options { max_keys: usize::MAX, max_bytes: usize::MAX, ..options() };
    let mut detector = Detector::new(rule_set([0]), origin(), options);
    let records = |from: usize, count: usize| (from..from + count).map(record).collect::<Vec<_>>();
    feed(&mut detector, 0, &records(0, keys));
    let first = cut(&mut detector);
    let (mut cuts, mut fed) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let from = keys + round * BETWEEN;
        fed.push(feed(&mut detector, from, &records(from, BETWEEN)));
        cuts.push(cut(&mut detector));
    }
    println!("{keys} keys, first cut {first:?}; {rounds} rounds of {BETWEEN} records and a cut:");
    println!("{:?} a record, {:?} a cut", median(fed) / BETWEEN as u32, median(cuts));
}

fn record(id: usize) -> Step {
    let payload = format!(
        r#"{{"@timestamp":"{}","event":{{"category":"test","id":"{id}"}},"host":{{"id":"h{id}"}},"tags":["A"]}}"#,
        at(0)
    );
    Step::Record { stamp: Stamp::Append(at(0)), payload }
}

fn feed(detector: &mut Detector, from: usize, records: &[Step]) -> Duration {
    let begun = Instant::now();
    for (offset, record) in (from..).zip(records) {
        apply(detector, offset, record);
    }
    begun.elapsed()
}

fn cut(detector: &mut Detector) -> Duration {
    let begun = Instant::now();
    let cut = detector.cut().unwrap();
    detector.accept(&cut);
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
