//! Law 6: when it is cut, looked at, or shares a thread with others changes nothing.

use maxspan::detect::Detector;

use crate::case::{Case, Counts, Law, count, usual_case};
use crate::product::{origin, span};
use crate::random::Random;
use crate::subject::{Product, Told, feed, told};
use crate::tape::{Found, Tape};
use crate::time::HOLD;
use crate::time::rule::Wanted;
use crate::time::stream::{Shape, stream};

pub(crate) const LAW: Law = Law { name: "6", make: case_in_batches, check: batches_change_nothing };

fn case_in_batches(rules: &mut Random, random: &mut Random) -> Case {
    let mut case = usual_case(rules, random, Wanted::default());
    let serials = case.deliveries.iter().map(|delivery| (delivery.serial, 0));
    case.cuts = serials.filter(|_| random.chance(20)).collect();
    let (lateness, stamps) = (case.rule.allowed_lateness, case.stamps);
    case.other_partition = stream(random, lateness, HOLD, stamps, Shape::Usual);
    case
}

fn batches_change_nothing(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let engine = case.setup(&["eager", "exact"]).engine();
    let tape = case.tape();
    let want = plain(tape.run(&mut Product::new(engine.clone())));
    let other = Tape::new(&case.other_partition, case.stamps);
    let mut neighbour = engine.detector(origin());
    let mut detector = engine.detector(origin());
    let mut found = Vec::new();
    for (place, record) in tape.records.iter().enumerate() {
        if case.cuts.contains(&(record.delivery.serial, 0)) {
            commit(&mut detector, &tape, &mut found);
        }
        if place < other.records.len() {
            feed(&mut neighbour, &other, place);
        }
        for elapsed in tape.idle_before(place) {
            detector.advance_idle(span(*elapsed));
        }
        feed(&mut detector, &tape, place);
    }
    detector.finish();
    commit(&mut detector, &tape, &mut found);
    count(counts, "outputs", want.len());
    match want == found {
        true => Ok(()),
        false => Err(format!("want {want:?}, found {found:?}")),
    }
}

/// Makes what has been found durable, and asks for all there is to ask.
fn commit(detector: &mut Detector, tape: &Tape, found: &mut Vec<Told>) {
    let _ = (detector.take_stats(), detector.held(), detector.has_news(), detector.safe_age());
    let failed = detector.cut();
    let Some(cut) = detector.cut() else { return };
    assert_eq!(failed.map(|cut| cut.outputs), Some(cut.outputs));
    found.extend(told(tape, &detector.outbox()[..cut.outputs]));
    detector.accept(&cut);
}

/// Returns what was found, in its order, but not when.
fn plain(found: Vec<Found>) -> Vec<Told> {
    found.into_iter().map(|found| found.told).collect()
}
