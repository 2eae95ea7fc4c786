//! Makes a failing case small: takes out what can be taken out while the case still fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::case::{Case, Counts, Law};

/// Returns what is wrong with a case, if anything; a panic of the product is.
pub(crate) fn failure(law: &Law, case: &Case, counts: &mut Counts) -> Option<String> {
    let checked = catch_unwind(AssertUnwindSafe(|| (law.check)(case, counts)));
    match checked {
        Ok(checked) => checked.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Some(format!("panics: {}", text.unwrap_or_default()))
        }
    }
}

/// Returns a case that fails from which no delivery can be taken.
pub(crate) fn minimal(law: &Law, mut case: Case) -> Case {
    let mut size = (case.deliveries.len() / 2).max(1);
    while size > 0 {
        let is_smaller = without_runs(law, &mut case, size);
        size = if is_smaller && size == 1 { 1 } else { size / 2 };
    }
    try_without(law, &mut case, |case| &mut case.other_partition);
    try_without(law, &mut case, |case| &mut case.cuts);
    for place in 0..case.deliveries.len() {
        try_without(law, &mut case, |case| &mut case.deliveries[place].idle_before);
    }
    case
}

fn without_runs(law: &Law, case: &mut Case, size: usize) -> bool {
    let (mut place, mut is_smaller) = (0, false);
    while place < case.deliveries.len() {
        let mut smaller = case.clone();
        let end = smaller.deliveries.len().min(place + size);
        smaller.deliveries.drain(place..end);
        if !smaller.deliveries.is_empty() && fails(law, &smaller) {
            (*case, is_smaller) = (smaller, true);
        } else {
            place += size;
        }
    }
    is_smaller
}

/// Takes out single entries of a list.
fn try_without<T>(law: &Law, case: &mut Case, list: impl Fn(&mut Case) -> &mut Vec<T>) {
    for place in (0..list(case).len()).rev() {
        let mut smaller = case.clone();
        list(&mut smaller).remove(place);
        if fails(law, &smaller) {
            *case = smaller;
        }
    }
}

fn fails(law: &Law, case: &Case) -> bool {
    failure(law, case, &mut Counts::new()).is_some()
}
