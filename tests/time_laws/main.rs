//! The laws of time, put to the product from outside: records in, findings out.
//!
//! Random streams with silences, wrong clocks, channels that drain at different pace, copies,
//! floods, restarts and idle time, judged by references that know none of the product's rules (see
//! `tests/model`). A failing law prints how many cases fail, a seed and a case from which nothing
//! can be taken. `MAXSPAN_CASES=10` tries ten times as many, `MAXSPAN_SEEDS=7..8` one alone.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "../support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod random;
#[path = "../support/time/mod.rs"]
mod time;

mod batching;
mod case;
mod end;
mod expected;
mod field;
mod hard;
mod isolation;
mod likeness;
mod minimize;
mod overflow;
mod product;
mod recordings;
mod recovery;
mod reload;
mod samples;
mod stand_in;
mod subject;
mod suppression;
mod survey;
mod tape;
mod timely;
mod trial;

use survey::assert_holds;

#[test]
fn machine_gives_the_batch_answer() {
    assert_holds(&recordings::MACHINE, 6_000, &["matches"]);
}

#[test]
fn law_1_exact_is_the_batch_answer() {
    assert_holds(&timely::EXACT, 10_000, &["keys", "matches"]);
}

#[test]
fn law_1_exact_is_the_batch_answer_at_the_end() {
    assert_holds(&timely::EXACT_AT_END, 6_000, &["keys", "matches"]);
}

#[test]
fn law_2_eager_finds_what_exact_finds() {
    assert_holds(&timely::EAGER, 6_000, &["keys"]);
}

#[test]
fn law_2_eager_is_the_batch_answer_in_order() {
    assert_holds(&timely::IN_ORDER, 6_000, &["in order", "matches"]);
}

#[test]
fn law_3_an_order_tolerance_finds_more() {
    assert_holds(&timely::TOLERANT, 6_000, &["keys", "more"]);
}

#[test]
fn law_4_keys_are_isolated() {
    assert_holds(&isolation::OTHER_CLOCKS, 4_000, &["keys", "matches"]);
}

#[test]
fn law_4_keys_do_not_need_each_other() {
    assert_holds(&isolation::ALONE, 4_000, &["keys", "matches"]);
}

#[test]
fn law_5_restarts_change_nothing() {
    assert_holds(&recovery::USUAL, 8_000, &["outputs after"]);
}

#[test]
fn law_5_restarts_change_nothing_on_long_streams() {
    assert_holds(&recovery::LONG, 4_000, &["outputs after", "not replayed"]);
}

#[test]
fn law_5_restarts_change_nothing_whatever_the_order() {
    assert_holds(&recovery::SCRAMBLED, 8_000, &["outputs after", "not replayed"]);
}

#[test]
fn law_6_batches_change_nothing() {
    assert_holds(&batching::LAW, 6_000, &["outputs"]);
}

#[test]
fn law_7_nothing_is_forgotten_within_hold() {
    assert_holds(&timely::FORGOTTEN, 6_000, &["matches"]);
}

#[test]
fn law_8_a_recording_gives_the_batch_answer() {
    assert_holds(&recordings::LAW, 4_000, &["matches"]);
}

#[test]
fn streams_from_the_field_are_found() {
    field::assert_found();
}

#[test]
fn laws_hold_where_it_is_hard() {
    hard::assert_laws_hold(&[hard::lone_event(), hard::refused_by_a_copy()]);
}

#[test]
fn an_order_tolerance_holds_what_may_have_taken_a_hit() {
    hard::assert_laws_hold(&[hard::taken_before_the_match()]);
}

#[test]
fn the_product_finds_what_the_model_finds() {
    assert_holds(&likeness::LAW, 6_000, &["matches"]);
}

#[test]
fn nothing_is_kept_for_ever() {
    assert_holds(&end::LAW, 2_000, &["keys"]);
}

#[test]
fn law_5_of_samples() {
    assert_holds(&samples::RECOVERY, 4_000, &["outputs after"]);
}

#[test]
fn law_7_of_samples() {
    assert_holds(&samples::FOUND, 4_000, &["windows", "found"]);
}

#[test]
fn law_8_of_samples() {
    assert_holds(&samples::RECORDING, 2_000, &["windows"]);
}

#[test]
fn law_5_where_alerts_are_suppressed() {
    assert_holds(&suppression::RECOVERY, 4_000, &["outputs after"]);
}

#[test]
fn what_is_suppressed_has_an_alert_like_it() {
    assert_holds(&suppression::NEVER_TOO_FEW, 2_000, &["left", "left out"]);
}

#[test]
fn law_5_of_loaded_rules() {
    assert_holds(&reload::RECOVERY, 4_000, &["outputs after"]);
}

#[test]
fn loaded_rules_find_what_they_have_seen() {
    assert_holds(&reload::LAW, 4_000, &["found"]);
}

#[test]
fn law_5_under_limits() {
    assert_holds(&overflow::RECOVERY, 6_000, &["outputs after"]);
}

#[test]
fn law_7_under_limits_what_fits_is_found() {
    assert_holds(&overflow::FITTING, 4_000, &["matches"]);
}

#[test]
fn no_limit_makes_an_absence_alert_that_is_none() {
    assert_holds(&overflow::NO_FALSE_ABSENCE, 4_000, &["found"]);
}

#[test]
fn the_model_satisfies_the_laws() {
    trial::assert_model_satisfies_laws();
}

#[test]
fn rejected_rules_break_the_laws() {
    trial::assert_rejected_rules_break_laws();
}
