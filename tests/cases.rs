//! The cases that stand beside the shipped rules.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxspan::detect::{Options, case};
use maxspan::rule::case::{Case, parse};
use maxspan::rule::set::Defaults;
use maxspan::text::Text;

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.to_string_lossy().ends_with(".cases.toml")).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Arc<Text> {
    Arc::new(Text::new(path.display().to_string(), std::fs::read_to_string(path).unwrap()))
}

#[test]
fn shipped_rules_pass_their_cases() {
    let mut wrong = Vec::new();
    for path in shipped() {
        let rule = read(Path::new(&path.display().to_string().replace(".cases.toml", ".toml")));
        let cases = parse(&read(&path)).unwrap_or_else(|found| panic!("{found:#?}"));
        for case in &cases {
            let faults = case::run(&rule, case, &Defaults::default(), &Options::default())
                .unwrap_or_else(|found| panic!("{found:#?}"));
            let told = |fault| format!("{}: {}: {fault}", rule.name, case.name);
            wrong.extend(faults.into_iter().map(told));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A rule that never fires passes every near miss, and one that always does every hit.
#[test]
fn every_shipped_rule_has_hits_near_misses_and_both_shapes() {
    for path in shipped() {
        let cases = parse(&read(&path)).unwrap();
        let is_raw = |case: &Case| case.events.iter().any(|event| event.contains("event_data"));
        let hits: Vec<&Case> = cases.iter().filter(|case| !case.alerts.is_empty()).collect();
        let name = path.display();
        assert!(hits.iter().any(|case| is_raw(case)), "{name}: no hit in Winlogbeat's raw shape");
        assert!(hits.iter().any(|case| !is_raw(case)), "{name}: no hit in ECS");
        assert!(cases.len() - hits.len() >= 5, "{name}: fewer than five near misses");
    }
    assert!(shipped().len() >= 3);
}
