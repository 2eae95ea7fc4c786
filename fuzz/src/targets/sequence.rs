//! The machine, fed in any order within the lateness, answers as the list-based reference does on the sorted stream.

use maxspan::sequence::Emission;

use crate::random::Random;
use crate::sequence_cases::Case;

/// Takes a tape of choices: query, times, stream.
pub fn run(data: &[u8]) {
    let random = &mut Random::tape(data);
    let percent_missing = if random.chance(50) { 30 } else { 0 };
    let case = Case::random(random, percent_missing);
    let exact = case.run(0, Emission::Exact, &case.arrivals);
    // What came too late is no part of the law.
    if exact.late > 0 {
        return;
    }
    assert_eq!(exact.sorted(), case.reference(), "{case:#?}");
    if !case.has_absence() {
        let eager = case.run(0, Emission::Eager, &case.arrivals);
        assert!(eager.finals().is_superset(&exact.finals()), "{case:#?}");
        let tolerant = case.run(2, Emission::Eager, &case.arrivals);
        assert!(tolerant.finals().is_superset(&exact.finals()), "{case:#?}");
        assert_eq!(
            case.run(0, Emission::Eager, &case.in_order()).sorted(),
            case.reference(),
            "{case:#?}"
        );
    }
}
