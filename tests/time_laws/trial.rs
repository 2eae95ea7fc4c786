//! The laws on trial: the model must satisfy them, and rejected rules must break them, or they prove
//! nothing.

use crate::case::{Law, Whom};
use crate::survey::{assert_breaks, assert_holds_for};
use crate::time::model::policy::Rejected;
use crate::{end, isolation, overflow, recordings, recovery, samples, suppression, timely};

pub(crate) fn assert_model_satisfies_laws() {
    for law in LAWS {
        assert_holds_for(Whom::Model(None), law, 400, &[]);
    }
}

pub(crate) fn assert_rejected_rules_break_laws() {
    for (rejected, law, seed) in REJECTED {
        assert_breaks(*rejected, law, *seed);
    }
}

/// All that does not need the product.
const LAWS: &[&Law] = &[
    &recordings::MACHINE,
    &timely::EXACT,
    &timely::EXACT_AT_END,
    &timely::EAGER,
    &timely::IN_ORDER,
    &timely::TOLERANT,
    &isolation::OTHER_CLOCKS,
    &isolation::ALONE,
    &recovery::USUAL,
    &recovery::LONG,
    &recovery::SCRAMBLED,
    &timely::FORGOTTEN,
    &recordings::LAW,
    &end::LAW,
    &samples::RECOVERY,
    &samples::FOUND,
    &samples::RECORDING,
    &suppression::RECOVERY,
    &suppression::NEVER_TOO_FEW,
    &overflow::RECOVERY,
    &overflow::FITTING,
    &overflow::NO_FALSE_ABSENCE,
];

/// Rejected rules, laws that they break, and a seed with which they do.
const REJECTED: &[(Rejected, &Law, u64)] = &[
    (Rejected::StepElapsed, &timely::FORGOTTEN, 104),
    (Rejected::StepNothing, &end::LAW, 1),
    (Rejected::NothingLeaves, &end::LAW, 0),
    (Rejected::HalfSlack, &timely::EXACT, 24_147),
    (Rejected::ShortHold, &timely::EXACT, 248),
    (Rejected::ShortHold, &timely::EAGER, 2_652),
    (Rejected::BareMinimum, &timely::EXACT, 19_631),
    (Rejected::UndecidedDropped, &timely::EXACT_AT_END, 458_861),
    (Rejected::MatchesLeftBehind, &timely::FORGOTTEN, 42_299),
    (Rejected::TwoSpans, &recovery::SCRAMBLED, 748),
    (Rejected::ThreeSpans, &recovery::SCRAMBLED, 91_566),
    (Rejected::CopiesForgotten, &recovery::SCRAMBLED, 584),
    (Rejected::WindowsNotRenewed, &samples::RECOVERY, 711),
    (Rejected::OneWindow, &samples::FOUND, 54),
    (Rejected::WindowsRebuilt, &suppression::RECOVERY, 37648),
    (Rejected::FirstInLeaves, &overflow::RECOVERY, 2640),
    (Rejected::UnseenForgotten, &overflow::NO_FALSE_ABSENCE, 37),
    (Rejected::StartForgotten, &recovery::USUAL, 315),
    (Rejected::Unbounded, &recordings::LAW, 4),
];
