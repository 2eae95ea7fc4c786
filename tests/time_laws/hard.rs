//! Cases that random streams come to once in tens of thousands.

use std::rc::Rc;

use crate::case::{Case, Counts, Law, Whom};
use crate::minimize::failure;
use crate::recovery;
use crate::time::UNIT;
use crate::time::clock::Stamps;
use crate::time::event::{Delivery, Event};
use crate::time::model::policy::Rejected;
use crate::time::rule::Rule;
use crate::timely;

/// Asserts that laws hold there for the product and the model, and not for the rejected rule.
pub(crate) fn assert_laws_hold(cases: &[(&Law, Case, Rejected)]) {
    for (law, case, rejected) in cases {
        let failure = |whom| failure(law, &Case { whom, ..case.clone() }, &mut Counts::new());
        assert_eq!(failure(Whom::Model(None)), None, "the model, law {}", law.name);
        assert_ne!(failure(Whom::Model(Some(*rejected))), None, "{rejected:?}, law {}", law.name);
        assert_eq!(failure(Whom::Product), None, "law {}: {case}", law.name);
    }
}

/// The second event is too far ahead of the first to count, and both leave at one moment of a silence:
/// the watermark is between it and its deadline then.
pub(crate) fn lone_event() -> (&'static Law, Case, Rejected) {
    let lines = "x x 6 AB 1046.625 1546.125
        x x 9 ABC 1100.625 1546.125
        x x 10 - 4100.625 4100.625";
    let rule = Rule { allowed_lateness: 0, until: Some('U'), ..Rule::new("B !C", 8) };
    let mut case = Case::new(floored(rule), Stamps::Create, deliveries(lines));
    case.deliveries[2].idle_before = vec![1_258 * UNIT + 3];
    (&timely::EXACT_AT_END, case, Rejected::UndecidedDropped)
}

/// Whether the second delivery of #1 is a copy decides whether it is held when #4 comes, and that
/// whether #4 is refused, and that whether #10 has sent a match: four spans of 28 before the cut.
pub(crate) fn refused_by_a_copy() -> (&'static Law, Case, Rejected) {
    let lines = "x k 1 B 5002 6002.75
        x k 1 B 5002 6029.375
        x k 4 A 5001.25 6056.75
        x k 9 B 5001 6059.375
        x k 6 C 5001.5 6070.125
        x k 10 AB 5001.625 6081.75
        x k 8 A 5000.625 6083.25
        x k 8 A 5000.625 6091.625
        x k 6 C 5001.5 6096.75
        x k 2 AB 5001.125 6103.25";
    let rule = Rule { allowed_lateness: 2 * UNIT, ..Rule::new("!C A B", 2) }.holding(28 * UNIT);
    let mut case = Case::new(rule, Stamps::Append, deliveries(lines));
    case.cuts = vec![(8, 0)];
    (&recovery::SCRAMBLED, case, Rejected::ThreeSpans)
}

/// #11 extends nothing but what #10 has begun. Had #10 left before #22 is final, #15 would find #11 through
/// the order tolerance, and a match would be made up. A hold that is too short for that is raised.
pub(crate) fn taken_before_the_match() -> (&'static Law, Case, Rejected) {
    let lines = "x x 10 ABC 782.75 1184.5
        x x 11 B 784.75 1186
        x x 18 D 788.25 1189.125
        x x 15 C 785.25 1189.5
        x x 22 ABCD 792.75 1197.75
        y y 6 C 1090.5 1212";
    let tolerance = 2 * UNIT;
    let rule = Rule { order_tolerance: tolerance, ..Rule::new("C B D D", 8) }.holding(26 * UNIT);
    let case = Case::new(rule, Stamps::Append, deliveries(lines));
    (&timely::EXACT, case, Rejected::WithinOneSpan)
}

fn floored(rule: Rule) -> Rule {
    let floor = rule.floor();
    rule.holding(floor)
}

/// Reads lines: host, key, number, tags, event time, arrival, which is the stamp as well.
fn deliveries(lines: &str) -> Vec<Delivery> {
    let delivery = |(serial, line): (usize, &str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let time = |word: &str| (word.parse::<f64>().unwrap() * UNIT as f64) as i64;
        let letter = |word: &str| word.chars().next().unwrap();
        let (event_time, arrived) = (time(words[4]), time(words[5]));
        let (number, tags) = (words[2].parse().unwrap(), words[3].replace('-', ""));
        Delivery {
            host: letter(words[0]),
            event: Rc::new(Event { event_time, number, tags, keys: vec![letter(words[1])] }),
            stamp: arrived,
            arrived,
            serial,
            idle_before: Vec::new(),
            shuffle: 0,
            size: 1,
        }
    };
    lines.lines().enumerate().map(delivery).collect()
}
