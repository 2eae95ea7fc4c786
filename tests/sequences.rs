//! The laws of sequence matching on random streams, against the list-based reference.
//!
//! A failing case prints its seed and everything it is made of. `MAXSPAN_CASES=100` runs a hundred
//! times as many.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::ops::Add as _;

use maxspan::sequence::Emission;
use support::random::{Random, seeds, survey};
use support::sequence_cases::Case;

/// Runs `check` on random cases whose stream is within the lateness; a share of them has absences.
fn for_all(ordinary: u64, percent_missing: u64, check: impl Fn(&Case, u64) + Sync) {
    let check_one = |seed| {
        let case = Case::random(&mut Random::new(seed * 2 + percent_missing % 2), percent_missing);
        let exact = case.run(case.tolerance, Emission::Exact, &case.arrivals);
        if exact.late > 0 {
            return 0;
        }
        check(&case, seed);
        exact.found.len()
    };
    let sequences = survey(ordinary, check_one, usize::add);
    let least = seeds(ordinary).count() / 20;
    assert!(sequences > least, "the cases must find something: {sequences}");
}

#[test]
fn exact_equals_the_batch_reference() {
    for percent_missing in [0, 30] {
        for_all(75_000, percent_missing, |case, seed| {
            let exact = case.run(0, Emission::Exact, &case.arrivals);
            assert_eq!(exact.sorted(), case.reference(), "seed {seed}: {case:#?}");
        });
    }
}

#[test]
fn exact_does_not_depend_on_the_order_of_arrival() {
    for_all(20_000, 0, |case, seed| {
        let arrived = case.run(case.tolerance, Emission::Exact, &case.arrivals);
        let sorted = case.run(case.tolerance, Emission::Exact, &case.in_order());
        assert_eq!(arrived.finals(), sorted.finals(), "seed {seed}: {case:#?}");
    });
}

#[test]
fn eager_finds_at_least_what_exact_finds() {
    for_all(20_000, 0, |case, seed| {
        let eager = case.run(case.tolerance, Emission::Eager, &case.arrivals).finals();
        let exact = case.run(case.tolerance, Emission::Exact, &case.arrivals).finals();
        assert!(eager.is_superset(&exact), "seed {seed}: {eager:?} {exact:?} {case:#?}");
    });
}

#[test]
fn eager_equals_exact_on_a_sorted_stream() {
    for_all(10_000, 0, |case, seed| {
        let eager = case.run(0, Emission::Eager, &case.in_order()).sorted();
        assert_eq!(eager, case.reference(), "seed {seed}: {case:#?}");
    });
}

#[test]
fn tolerance_finds_at_least_what_strict_order_finds() {
    for emission in [Emission::Eager, Emission::Exact] {
        for_all(20_000, 0, |case, seed| {
            let tolerant = case.run(2, emission, &case.arrivals).finals();
            let strict = case.run(0, Emission::Exact, &case.arrivals).finals();
            assert!(tolerant.is_superset(&strict), "seed {seed}: {case:#?}");
        });
    }
}

#[test]
fn a_key_depends_on_its_own_records_alone() {
    for percent_missing in [0, 30] {
        for_all(20_000, percent_missing, |case, seed| {
            let all = case.run(case.tolerance, Emission::Exact, &case.arrivals);
            for key in ["x", "y"] {
                let mut alone = case.arrivals.clone();
                alone.retain(|(event, _)| event.keys.iter().any(|other| other == key));
                for (event, _) in &mut alone {
                    event.keys.retain(|other| other == key);
                }
                let alone = case.run(case.tolerance, Emission::Exact, &alone);
                let mut of_key = all.sorted();
                of_key.retain(|(other, _)| other == key);
                assert_eq!(alone.sorted(), of_key, "seed {seed}, key {key}: {case:#?}");
            }
        });
    }
}

#[test]
fn an_event_leaves_a_final_event_once() {
    for percent_missing in [0, 30] {
        for_all(10_000, percent_missing, |case, seed| {
            let eager = case.run(case.tolerance, Emission::Eager, &case.arrivals);
            assert_eq!(eager.finals().len(), eager.found.len(), "seed {seed}: {case:#?}");
            assert!(!case.has_absence() || eager.found.iter().all(|(_, e)| !e.is_empty()));
        });
    }
}

#[test]
fn second_deliveries_change_nothing() {
    for percent_missing in [0, 30] {
        for_all(10_000, percent_missing, |case, seed| {
            let random = &mut Random::new(seed);
            let mut twice = Vec::new();
            for (index, arrival) in case.arrivals.iter().enumerate() {
                twice.push(arrival.clone());
                // A copy counts as one as long as the event is remembered.
                let remembered = arrival.1 - case.maxspan - case.lateness;
                let (event, appended) = random.pick(&case.arrivals[..=index]).clone();
                if random.chance(30) && appended >= remembered {
                    twice.push((event, arrival.1));
                }
            }
            for emission in [Emission::Eager, Emission::Exact] {
                let once = case.run(case.tolerance, emission, &case.arrivals).sorted();
                let again = case.run(case.tolerance, emission, &twice).sorted();
                assert_eq!(once, again, "seed {seed}: {case:#?}");
            }
        });
    }
}
