//! How the cost of an event grows with how much a key holds, for inputs that an attacker would choose.
//!
//! Each case is run with 1,000 to 100,000 events of one key, exact answers required. Prints the median
//! time of an event, which must stay about the same: what grows with what is held would show.
//!
//! `cargo bench --no-default-features --bench growth [-- --rounds 3]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use maxspan::event::admitted::Body;
use maxspan::event::{Admitted, EventTime, Identity, JoinKey, Ordinal, TimeSpan};
use maxspan::sequence::{
    Candidate, Delivery, Emission, Input, Limits, Moment, Pace, Plan, PlanTerm, PlanTimes,
    Sequences, TermSet,
};

const SIZES: [i64; 3] = [1_000, 10_000, 100_000];

/// An event: its time and its arrival in milliseconds, and the terms that it satisfies.
type Event = (i64, i64, TermSet);

struct Case {
    name: &'static str,
    plan: Plan,
    input: Input,
    /// Returns the events of a case of this size, in the order of arrival.
    events: fn(i64) -> Vec<Event>,
    /// Returns how many matches they have.
    matches: fn(i64) -> usize,
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--rounds").skip(1);
    let rounds = arguments.next().and_then(|value| value.parse().ok()).unwrap_or(3);
    println!(
        "medians of {rounds} rounds, one key, one thread; microseconds an event, and the whole"
    );
    for case in cases() {
        let mut line = format!("{:46}", case.name);
        for size in SIZES {
            let events = (case.events)(size);
            let mut times: Vec<Duration> = (0..rounds).map(|_| run(&case, size, &events)).collect();
            times.sort();
            let whole = times[times.len() / 2];
            let each = whole.as_secs_f64() * 1e6 / events.len() as f64;
            line.push_str(&format!(
                "  {size:>7}: {each:7.2} us {:8.1} ms",
                whole.as_secs_f64() * 1e3
            ));
        }
        println!("{line}");
    }
}

fn run(case: &Case, size: i64, events: &[Event]) -> Duration {
    let limits = Limits { max_keys: 10, max_bytes: usize::MAX, max_candidates_per_key: usize::MAX };
    let mut sequences = Sequences::new([Arc::new(case.plan.clone())], limits, case.input);
    let key = JoinKey::none();
    let begun = Instant::now();
    for (number, (time, arrival, terms)) in (0..).zip(events) {
        let pace = Pace::from_nanos(at(*arrival).nanos());
        sequences.advance(Moment { pace, slack: TimeSpan::ZERO }, None);
        let candidate = candidate(number, at(*time), *terms);
        sequences.deliver(0, &key, Delivery { candidate, event_bytes: 0, ahead_until: None });
    }
    sequences.finish();
    let found = sequences.take_found().len();
    let elapsed = begun.elapsed();
    assert_eq!(found, (case.matches)(size), "{}, {size} events", case.name);
    elapsed
}

fn at(millis: i64) -> EventTime {
    EventTime::from_millis(1_700_000_000_000 + millis)
}

fn candidate(number: i64, event_time: EventTime, terms: TermSet) -> Candidate {
    // Identities are digests: spread over all bits.
    let identity =
        Identity((number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let event = Admitted { identity, event_time, offset: number, body: Body::default() };
    Candidate {
        ordinal: Ordinal::at(event_time, number),
        terms,
        late: false,
        event: Arc::new(event),
    }
}

fn times(maxspan: i64, tolerance: i64, emission: Emission) -> PlanTimes {
    PlanTimes {
        maxspan: TimeSpan::from_secs(maxspan),
        order_tolerance: TimeSpan::from_secs(tolerance),
        allowed_lateness: TimeSpan::from_secs(30),
        hold: TimeSpan::from_secs(300),
        emission,
    }
}

fn sequence(missing: &[bool], times: PlanTimes) -> Plan {
    let terms: Vec<PlanTerm> =
        missing.iter().map(|missing| PlanTerm { missing: *missing, runs: 1 }).collect();
    Plan::new(&terms, false, times)
}

fn first() -> TermSet {
    TermSet::of([0])
}

fn second() -> TermSet {
    TermSet::of([1])
}

/// Spreads numbers over a range, the same in each run.
fn scattered(number: i64, range: i64) -> i64 {
    (number.wrapping_mul(7_919) + 13).rem_euclid(range.max(1))
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "in order, eager",
            plan: sequence(&[false, false], times(60, 0, Emission::Eager)),
            input: Input::Stream,
            events: |n| {
                (0..n).map(|e| (e, e, if e % 10 == 9 { second() } else { first() })).collect()
            },
            matches: |n| (n / 10) as usize,
        },
        Case {
            name: "out of order within half a minute, eager",
            plan: sequence(&[false, false], times(60, 0, Emission::Eager)),
            input: Input::Stream,
            events: |n| (0..n).map(|e| (e - scattered(e, 30_000), e, first())).collect(),
            matches: |_| 0,
        },
        Case {
            name: "first stages, then second ones, with tolerance",
            plan: sequence(&[false, false], times(60, 1, Emission::Eager)),
            input: Input::Stream,
            events: |n| {
                let first = (0..n).map(|e| (e * 900 / n, e * 900 / n, first()));
                first.chain((0..n / 20).map(|e| (901 + e * 50 / n, 951, second()))).collect()
            },
            matches: |_| 1,
        },
        Case {
            name: "second stages, then first ones, with tolerance",
            plan: sequence(&[false, false], times(60, 1, Emission::Exact)),
            input: Input::Stream,
            events: |n| {
                let second = (0..n).map(|e| (e * 900 / n, e * 900 / n, second()));
                second.chain((0..n / 20).map(|e| (901 + e * 50 / n, 951, first()))).collect()
            },
            matches: |n| n as usize,
        },
        Case {
            name: "sample, nine terms alike and one never",
            plan: Plan::sample(10, times(60, 0, Emission::Eager)),
            input: Input::Stream,
            events: |n| (0..n).map(|e| (e, e, TermSet::of(0..9))).collect(),
            matches: |_| 0,
        },
        Case {
            name: "sample, nine terms alike and one at the end",
            plan: Plan::sample(10, times(60, 0, Emission::Eager)),
            input: Input::Bounded,
            events: |n| {
                let alike = (0..n).map(|e| (e * 59_000 / n, e, TermSet::of(0..9)));
                alike.chain([(59_000, n, TermSet::of([9]))]).collect()
            },
            matches: |_| 1,
        },
        Case {
            name: "trailing absence, all waiting",
            plan: sequence(&[false, true], times(3_600, 0, Emission::Exact)),
            input: Input::Stream,
            events: |n| (0..n).map(|e| (e * 50, e * 50, first())).collect(),
            matches: |n| n as usize,
        },
        Case {
            name: "trailing absence, broken at the end",
            plan: sequence(&[false, true], times(3_600, 0, Emission::Exact)),
            input: Input::Stream,
            events: |n| {
                let first = (0..n).map(|e| (e * 3_000_000 / n, e * 3_000_000 / n, first()));
                first.chain([(3_000_001, 3_000_001, second())]).collect()
            },
            matches: |_| 0,
        },
        Case {
            name: "a recording, newest first",
            plan: sequence(&[false, false], times(60, 0, Emission::Eager)),
            input: Input::Bounded,
            events: |n| {
                let newest_first = (0..n).rev();
                newest_first.map(|e| (e, 0, if e % 10 == 9 { second() } else { first() })).collect()
            },
            matches: |n| (n / 10) as usize,
        },
    ]
}
