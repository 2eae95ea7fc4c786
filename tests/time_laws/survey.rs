//! Tries a law on many cases, on all cores, and tells how it fares.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::case::{Case, Counts, Law, Whom};
use crate::minimize::{failure, minimal};
use crate::random::{Random, cases, seeds};
use crate::time::model::policy::Rejected;

/// Cases in a row that share a rule, as compiling one costs more than running it.
const CASES_A_RULE: u64 = 12;

/// Asserts that a law holds for the product, and that there was enough of some things to judge by.
pub(crate) fn assert_holds(law: &Law, ordinary: u64, wanted: &[&str]) {
    assert_holds_for(Whom::Product, law, ordinary, wanted);
}

pub(crate) fn assert_holds_for(whom: Whom, law: &Law, ordinary: u64, wanted: &[&str]) {
    let range = seeds(ordinary);
    let next = AtomicU64::new(range.start);
    let result = Mutex::new((Counts::new(), Vec::new()));
    let work = || {
        let (mut counts, mut failed) = (Counts::new(), Vec::new());
        loop {
            let block = next.fetch_add(CASES_A_RULE, Ordering::Relaxed);
            if block >= range.end {
                break;
            }
            for seed in block..range.end.min(block + CASES_A_RULE) {
                if failure(law, &make(whom, law, seed), &mut counts).is_some() {
                    failed.push(seed);
                }
            }
        }
        let mut result = result.lock().unwrap();
        counts.into_iter().for_each(|(what, count)| *result.0.entry(what).or_default() += count);
        result.1.extend(failed);
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let (counts, mut failed) = result.into_inner().unwrap();
    failed.sort_unstable();
    let tried = range.end - range.start;
    let looked_at = format!("law {}: {tried} cases, {counts:?}", law.name);
    if let Some(&seed) = failed.first() {
        let count = failed.len();
        failed.truncate(5);
        let story = story(whom, law, seed);
        panic!("{looked_at}\n{count} cases fail, such as {failed:?}\n{story}");
    }
    // A law that speaks of nothing would hold as well. One case alone may have little to say.
    let least = tried / 20;
    for what in wanted {
        let count = counts.get(what).copied().unwrap_or_default();
        assert!(tried < 100 || count >= least, "{looked_at}: too few {what} to judge by");
    }
}

/// Asserts that a rejected rule breaks a law with a seed; if it does not, tells of another one.
pub(crate) fn assert_breaks(rejected: Rejected, law: &Law, seed: u64) {
    let whom = Whom::Model(Some(rejected));
    let fails = |seed| failure(law, &make(whom, law, seed), &mut Counts::new()).is_some();
    if !fails(seed) {
        let first = (0..cases(50_000)).find(|&seed| fails(seed));
        panic!("{rejected:?} does not break law {} with seed {seed}, but {first:?}", law.name);
    }
}

/// Makes a case from nothing but the law's name and a seed.
fn make(whom: Whom, law: &Law, seed: u64) -> Case {
    let name =
        law.name.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let rules = Random::new(name ^ (seed / CASES_A_RULE + 1) << 32);
    let stream = Random::new((name << 20) ^ seed);
    Case { whom, ..(law.make)(&mut { rules }, &mut { stream }) }
}

/// Returns a minimal case, and what is wrong with it.
fn story(whom: Whom, law: &Law, seed: u64) -> String {
    let case = minimal(law, make(whom, law, seed));
    let wrong = failure(law, &case, &mut Counts::new()).unwrap_or_default();
    format!("seed {seed}, as small as can be: {case}\n{wrong}")
}
