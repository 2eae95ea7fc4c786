//! The product finds what the model finds, whatever comes and however late.

use std::rc::Rc;

use crate::case::{Case, Counts, Law, Whom, count, usual_case};
use crate::random::Random;
use crate::tape::{AT_END, Found};
use crate::time::batch::{Match, keys_of};
use crate::time::event::{Event, distinct};
use crate::time::rule::Wanted;
use crate::timely::live;

/// Laws are silent about keys whose events come too late or a clock that is pulled; the model is not.
pub(crate) const LAW: Law = Law { name: "as the model", make, check: finds_the_same };

fn make(rules: &mut Random, random: &mut Random) -> Case {
    let mut case = usual_case(rules, random, Wanted { absences: None, tolerances: &[0] });
    // What satisfies no stage is never seen by the product, and moves a key's now in the model.
    let letters: String = case.rule.stages.iter().map(|s| s.tag).chain(case.rule.until).collect();
    for delivery in &mut case.deliveries {
        let tags: String = delivery.event.tags.chars().filter(|t| letters.contains(*t)).collect();
        delivery.event = Rc::new(Event { tags, ..(*delivery.event).clone() });
    }
    case
}

fn finds_the_same(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let emits = ["eager", "exact"];
    let found = live(case, &emits);
    let model = live(&Case { whom: Whom::Model(None), ..case.clone() }, &emits);
    // Of an eager rule the model shows at the end what is held, for other laws.
    let is_eager = |rule: usize| emits[rule] == "eager" && !case.rule.has_absence();
    let is_shown = |found: &Found| is_eager(found.told.rule) && found.at == AT_END;
    for (rule, emit) in emits.into_iter().enumerate() {
        for key in keys_of(&distinct(&case.deliveries)) {
            let of_key = |found: &[Found]| -> Vec<Match> {
                let is_told = |found: &&Found| {
                    let told = &found.told;
                    told.rule == rule && told.found.key == key && !is_shown(found)
                };
                found.iter().filter(is_told).map(|found| found.told.found.clone()).collect()
            };
            let (want, found) = (of_key(&model), of_key(&found));
            count(counts, "matches", want.len());
            // Of several keys that are due at one moment each may be looked at when it is touched.
            if want != found {
                return Err(format!("{emit}, key {key}: the model {want:?}, found {found:?}"));
            }
        }
    }
    Ok(())
}
