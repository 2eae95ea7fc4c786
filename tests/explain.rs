//! Rules as states: a rule, and the lines that explain it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::rule::explain::explain;
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;

fn explained(query: &str, more: &str) -> String {
    let contents = format!(
        "[rule]\nname = \"Rule\"\nrule_id = \"r\"\nversion = 3\nseverity = \"low\"\nrisk_score = 21\n\
         language = \"eql\"\nquery = '''{query}'''\n{more}\n"
    );
    let text = Arc::new(Text::new("r.toml", contents));
    let (set, reports) = RuleSet::compile(vec![text], &Defaults::default());
    assert_eq!(set.rules().len(), 1, "{reports:#?}");
    explain(&set.rules()[0])
}

#[test]
fn a_sequence_is_explained_stage_by_stage() {
    let query = r#"
        sequence by host.id with maxspan=1m
          [authentication where event.outcome == "failure"] by user.name with runs=3
          ![process where true] by user.name
          [any where user.id : "a*"] by user.target.name
        until [any where event.action == "end"] by user.name"#;
    let more = "[rule.maxspan]\norder_tolerance = \"1s\"\nexceptions = ['user.name == \"x\"']";
    let expected = "\
Rule
  rule r, version 3
  one after the other with the same host.id, within 1m
  1-3. event of category authentication where event.outcome == \"failure\" by user.name, 3 times -> pending
       and no event of category process by user.name
    4. event where user.id : \"a*\" by user.target.name -> match
  until event where event.action == \"end\" by user.name: forgets what is pending
  alerts leave when it is final that the missing event is missing
  an event may come 30s late
  a stage's event may be 1s earlier than the one before it
  exceptions: 1
  no further alert with the same host.id, user.name for 1m";
    assert_eq!(explained(query, more), expected);
}

#[test]
fn single_events_and_samples_are_explained() {
    let more = "[rule.maxspan.suppression]\ngroup_by = [\"host.id\"]\nduration = \"5m\"";
    assert_eq!(
        explained("process where process.name == \"a\"", more),
        "Rule\n  rule r, version 3\n  alert on each event of category process where process.name == \
         \"a\"\n  no further alert with the same host.id for 5m"
    );
    let sample = explained("sample by host.id [a where true] [b where x == 1]", "");
    for line in ["events in any order with the same host.id", "- event of category b where x == 1"]
    {
        assert!(sample.contains(line), "{sample}");
    }
}
