//! Nothing is kept for ever, however seldom records come.

use std::rc::Rc;

use crate::case::{Case, Counts, Law, count, usual_case};
use crate::tape::Tape;
use crate::time::event::{Delivery, Event};
use crate::time::rule::Wanted;
use crate::time::{MAX_SKEW, UNIT};

pub(crate) const LAW: Law = Law {
    name: "end",
    make: |rules, random| usual_case(rules, random, Wanted::default()),
    check: all_leaves,
};

fn all_leaves(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let mut subject = case.live(&["eager", "exact"]);
    let tape = case.tape();
    (0..tape.records.len()).for_each(|place| subject.record(&tape, place));
    count(counts, "keys", subject.keys());
    if let keys @ 1.. = after_a_quiet_day(case, &tape) {
        return Err(format!("{keys} keys are still held after a day without records"));
    }
    let end = case.deliveries.len();
    let mut deliveries = case.deliveries.clone();
    deliveries.extend(quiet_hosts(end, subject.shows()));
    let tape = Tape::new(&deliveries, case.stamps);
    (end..deliveries.len()).for_each(|place| subject.record(&tape, place));
    match subject.keys() {
        0 => Ok(()),
        keys => Err(format!("{keys} keys are still held")),
    }
}

/// Returns how many keys are held a day after the last record.
fn after_a_quiet_day(case: &Case, tape: &Tape) -> usize {
    let mut subject = case.live(&["eager", "exact"]);
    tape.run(&mut *subject);
    subject.idle(14_400 * UNIT);
    subject.keys()
}

/// Two hosts, each record of which is a step that the other has to confirm.
fn quiet_hosts(serial: usize, begin: i64) -> impl Iterator<Item = Delivery> {
    (1..=60).map(move |place| {
        let (time, number) = (begin + place * (MAX_SKEW + 5 * UNIT), 1_000_000 + place);
        let (tags, keys) = (String::new(), vec!['p']);
        Delivery {
            host: if place % 2 == 0 { 'p' } else { 'q' },
            event: Rc::new(Event { event_time: time, number, tags, keys }),
            stamp: time,
            arrived: 0,
            serial: serial + place as usize,
            idle_before: Vec::new(),
            shuffle: 0,
            size: 1,
        }
    })
}
