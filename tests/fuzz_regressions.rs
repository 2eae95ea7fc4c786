//! Inputs that once failed under the fuzzer, one a file under `fuzz/regressions/<target>/`, and the
//! fuzzer's own corpora: nothing of it may fail again.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::{Path, PathBuf};

#[path = "support/flat.rs"]
mod flat;
#[path = "support/grammar.rs"]
mod grammar;
#[path = "support/lenient.rs"]
mod lenient;
#[path = "support/naive.rs"]
mod naive;
#[path = "support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod random;
#[path = "support/reference.rs"]
#[allow(unreachable_pub, reason = "each test program uses its own part")]
mod reference;
#[path = "support/sequence_cases.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod sequence_cases;
#[path = "support/slow_decode.rs"]
mod slow_decode;
#[path = "support/slow_regex.rs"]
mod slow_regex;
#[path = "support/spanless.rs"]
mod spanless;
#[path = "../fuzz/src/targets/mod.rs"]
#[allow(unreachable_pub, reason = "public in the package of the fuzzer")]
mod targets;
#[path = "support/twin_decode.rs"]
mod twin_decode;

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder).join(target);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn what_once_failed_under_the_fuzzer_does_not_fail_again() {
    for (name, run) in targets::TARGETS {
        for path in inputs("regressions", name) {
            // Printed only if the test fails: then the last line names the input.
            println!("{}", path.display());
            run(&std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn every_target_has_a_corpus_that_passes() {
    for (name, run) in targets::TARGETS {
        let paths = inputs("corpus", name);
        assert!(paths.len() >= 5, "{name} has {} inputs", paths.len());
        for path in paths {
            println!("{}", path.display());
            run(&std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn every_target_can_be_fuzzed() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest: toml::Table =
        std::fs::read_to_string(package.join("Cargo.toml")).unwrap().parse().unwrap();
    let bins = manifest["bin"].as_array().unwrap();
    for (name, _) in targets::TARGETS {
        assert!(bins.iter().any(|bin| bin["name"].as_str() == Some(name)), "{name}");
        assert!(package.join(format!("fuzz_targets/{name}.rs")).exists(), "{name}");
    }
}
