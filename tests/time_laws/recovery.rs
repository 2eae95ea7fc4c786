//! Law 5: after a restart at any point the output is that of an uninterrupted run.

use crate::case::{Case, Counts, Law, count};
use crate::random::Random;
use crate::tape::{Found, Tape};
use crate::time::UNIT;
use crate::time::clock::Stamps;
use crate::time::rule::{Rule, Wanted, random_rule};
use crate::time::stream::{Shape, stream, with_any_idle_time};

pub(crate) const USUAL: Law =
    Law { name: "5", make: usual_restart, check: restarts_change_nothing };

/// Streams that are long beside what is held, with copies again and again: here the depth of the
/// replay matters.
pub(crate) const LONG: Law =
    Law { name: "5 long", make: long_restart, check: restarts_change_nothing };

/// The order of arrival has nothing to do with time.
pub(crate) const SCRAMBLED: Law =
    Law { name: "5 scrambled", make: scrambled_restart, check: restarts_change_nothing };

pub(crate) fn usual_restart(rules: &mut Random, random: &mut Random) -> Case {
    let rule = random_rule(rules, Wanted::default());
    let (stamps, shape) = (Stamps::random(random), Shape::random(random));
    restart_case(random, rule, stamps, shape)
}

fn long_restart(rules: &mut Random, random: &mut Random) -> Case {
    let rule = random_rule(rules, Wanted { absences: None, tolerances: &[0] });
    let rule = Rule {
        maxspan: rule.maxspan.min(3 * UNIT),
        allowed_lateness: rule.allowed_lateness.min(2 * UNIT),
        ..rule
    };
    let hold = rule.floor() + *rules.pick(&[0, 0, 1]) * UNIT;
    let shape = *random.pick(&[Shape::Long, Shape::Copies]);
    let stamps = *random.pick(&[Stamps::Append, Stamps::Append, Stamps::Create]);
    restart_case(random, rule.holding(hold), stamps, shape)
}

pub(crate) fn scrambled_restart(rules: &mut Random, random: &mut Random) -> Case {
    let stages: [&str; 7] = ["A B", "A B", "A B C", "A !C B", "!C A B", "A !B", "A B !C"];
    let stages = *rules.pick(&stages);
    let rule = Rule {
        until: *rules.pick(&[None, None, Some('C')]),
        allowed_lateness: *rules.pick(&[0, 0, 2]) * UNIT,
        ..Rule::new(stages, *rules.pick(&[2, 3, 5]))
    };
    let hold = rule.floor() + *rules.pick(&[0, 4, 20]) * UNIT;
    restart_case(random, rule.holding(hold), Stamps::Append, Shape::Scrambled)
}

/// Returns a case with restarts anywhere, between two idle advances too.
pub(crate) fn restart_case(random: &mut Random, rule: Rule, stamps: Stamps, shape: Shape) -> Case {
    let mut deliveries = stream(random, rule.allowed_lateness, rule.hold, stamps, shape);
    with_any_idle_time(random, &mut deliveries);
    let mut cuts = Vec::new();
    for _ in 0..*random.pick(&[1, 1, 1, 2, 3]) {
        let delivery = random.pick(&deliveries);
        cuts.push((delivery.serial, random.between(0, delivery.idle_before.len() as i64) as usize));
    }
    Case { cuts, is_past_unseen: random.chance(30), ..Case::new(rule, stamps, deliveries) }
}

pub(crate) fn restarts_change_nothing(case: &Case, counts: &mut Counts) -> Result<(), String> {
    check_restarts(case, &["eager", "exact"], counts)
}

pub(crate) fn check_restarts(
    case: &Case,
    emits: &[&'static str],
    counts: &mut Counts,
) -> Result<(), String> {
    let tape = case.tape();
    let want = tape.run(&mut *case.live(emits));
    let found = with_restarts(case, emits, &tape, counts)?;
    let first_cut = case.cuts.iter().map(|cut| cut.0).min().unwrap_or_default();
    count(counts, "outputs after", want.iter().filter(|found| found.at.0 >= first_cut).count());
    match want == found {
        true => Ok(()),
        false => Err(difference(&want, &found)),
    }
}

fn difference(want: &[Found], found: &[Found]) -> String {
    let missing: Vec<_> = want.iter().filter(|one| !found.contains(one)).collect();
    let more: Vec<_> = found.iter().filter(|one| !want.contains(one)).collect();
    match (missing.is_empty(), more.is_empty()) {
        (true, true) => format!("in another order: want {want:?}, found {found:?}"),
        _ => format!("missing {missing:?}, too many {more:?}"),
    }
}

fn with_restarts(
    case: &Case,
    emits: &[&'static str],
    tape: &Tape,
    counts: &mut Counts,
) -> Result<Vec<Found>, String> {
    let mut subject = case.live(emits);
    let mut found = Vec::new();
    for (place, record) in tape.records.iter().enumerate() {
        let (serial, idles) = (record.delivery.serial, tape.idle_before(place).len());
        for idle in 0..=idles {
            if case.cuts.contains(&(serial, idle)) {
                subject.restart(tape, place, counts)?;
            }
            if idle < idles {
                tape.idle(&mut *subject, place, idle, &mut found);
            }
        }
        tape.record(&mut *subject, place, &mut found);
    }
    tape.end(&mut *subject, &mut found);
    Ok(found)
}
