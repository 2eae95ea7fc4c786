//! What is fuzzed, apart from who drives it: cargo-fuzz's targets, `drive`, or the replay of old crashes in
//! `tests/fuzz_regressions.rs`.

#[path = "../../tests/support/flat.rs"]
mod flat;
#[path = "../../tests/support/grammar.rs"]
mod grammar;
#[path = "../../tests/support/lenient.rs"]
mod lenient;
#[path = "../../tests/support/naive.rs"]
mod naive;
#[path = "../../tests/support/random.rs"]
#[allow(dead_code, reason = "each program uses its own part")]
mod random;
#[path = "../../tests/support/reference.rs"]
mod reference;
#[path = "../../tests/support/sequence_cases.rs"]
#[allow(dead_code, reason = "each program uses its own part")]
mod sequence_cases;
#[path = "../../tests/support/slow_decode.rs"]
mod slow_decode;
#[path = "../../tests/support/slow_regex.rs"]
mod slow_regex;
#[path = "../../tests/support/spanless.rs"]
mod spanless;
#[path = "../../tests/support/twin_decode.rs"]
mod twin_decode;

pub mod targets;
