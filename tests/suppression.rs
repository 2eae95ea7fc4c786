//! Alert suppression, and what alerts take over from their events, as a rule's author sees them.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::sync::Arc;

use maxspan::detect::{Detector, Options, Origin, Past, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleReport, RuleSet, Status};
use maxspan::rule::{Emit, MissingFields, Suppression};
use maxspan::text::Text;
use serde_json::{Value, json};
use support::alerts::documents;

const RUNS: &str =
    "sequence by host.id with maxspan=1m [any where event.outcome == `failure`] with runs=3";
const SINGLE: &str = "any where event.outcome == `failure`";

fn contents(query: &str, more: &str) -> String {
    format!(
        "[rule]\nname = \"Rule\"\nrule_id = \"r\"\nseverity = \"low\"\nrisk_score = 21\n\
         language = \"eql\"\nquery = '''{}'''\n{more}\n",
        query.replace('`', "\"")
    )
}

fn rules(query: &str, more: &str, defaults: &Defaults) -> Arc<RuleSet> {
    let text = Arc::new(Text::new("r.toml", contents(query, more)));
    let (set, reports) = RuleSet::compile(vec![text], defaults);
    assert!(reports.iter().all(|r| r.status != Status::Refused), "{reports:#?}");
    Arc::new(set)
}

fn report(query: &str, more: &str, defaults: &Defaults) -> RuleReport {
    let text = Arc::new(Text::new("r.toml", contents(query, more)));
    RuleSet::compile(vec![text], defaults).1.remove(0)
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_nanos(0) + TimeSpan::from_secs(1_700_000_000 + seconds)
}

/// A failure on a host, with further fields.
fn failure(seconds: i64, host: &str, more: &Value) -> Value {
    let mut event = json!({
        "@timestamp": at(seconds).to_string(),
        "event.id": format!("{host}-{seconds}"),
        "event.outcome": "failure",
        "host.id": host,
    });
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

struct Run {
    alerts: Vec<Value>,
    suppressed: u64,
    matches: u64,
}

fn run(rules: &Arc<RuleSet>, events: &[Value]) -> Run {
    let origin = Origin { topic: "input".into(), partition: 0 };
    let options = Options { past: Past::Nothing, ..Options::default() };
    let mut detector = Detector::new(Arc::clone(rules), origin.clone(), options);
    for (offset, event) in (0..).zip(events) {
        let payload = event.to_string();
        let payload = Some(payload.as_bytes());
        detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
    }
    detector.finish();
    let alerts = documents(rules, &origin, &detector.take_outbox());
    let stats = detector.take_stats();
    Run { alerts, suppressed: stats.rules[0].suppressed, matches: stats.rules[0].matches }
}

/// The times of the alerts, in seconds.
fn times(run: &Run) -> Vec<i64> {
    let time = |alert: &Value| {
        let text = alert["@timestamp"].as_str().unwrap();
        (EventTime::parse(text).unwrap() - at(0)).millis() / 1_000
    };
    run.alerts.iter().map(time).collect()
}

fn failures(seconds: std::ops::Range<i64>) -> Vec<Value> {
    seconds.map(|second| failure(second, "h", &json!({}))).collect()
}

#[test]
fn runs_give_one_alert_for_each_key_and_maxspan() {
    let run = run(&rules(RUNS, "", &Defaults::default()), &failures(0..100));
    assert_eq!(times(&run), [2, 62]);
    assert_eq!((run.matches, run.suppressed), (98, 96));
    let suppression = &run.alerts[0]["maxspan"]["suppression"];
    assert_eq!(
        *suppression,
        json!({
            "docs_count": 0,
            "start": at(2).to_string(),
            "terms": [{ "field": "host.id", "value": ["h"] }],
        })
    );
}

#[test]
fn another_key_is_another_matter() {
    let mut events = failures(0..4);
    events.extend((0..4).map(|second| failure(second, "other", &json!({}))));
    assert_eq!(times(&run(&rules(RUNS, "", &Defaults::default()), &events)), [2, 2]);
}

#[test]
fn what_a_batch_engine_finds_is_never_suppressed() {
    let mut forced = Defaults::default();
    forced.force(Some(Emit::Exact), None, None);
    let asked = "[rule.maxspan.suppression]\nduration = \"1h\"";
    for more in ["", asked] {
        let run = run(&rules(RUNS, more, &forced), &failures(0..6));
        assert_eq!(times(&run), [2, 3, 4, 5], "{more}");
        assert!(run.alerts[0]["maxspan"].get("suppression").is_none());
    }
    // A rule that emits exactly is suppressed only if somebody asks for it.
    let exact = "[rule.maxspan]\nemit = \"exact\"";
    let defaults = Defaults::default();
    assert_eq!(run(&rules(RUNS, exact, &defaults), &failures(0..6)).alerts.len(), 4);
    let both = format!("{exact}\nsuppression.duration = \"1h\"");
    assert_eq!(run(&rules(RUNS, &both, &defaults), &failures(0..6)).alerts.len(), 1);
}

#[test]
fn it_can_be_switched_off() {
    let off = "[rule.maxspan.suppression]\nenabled = false";
    assert_eq!(run(&rules(RUNS, off, &Defaults::default()), &failures(0..6)).alerts.len(), 4);
}

#[test]
fn elastics_table_groups_single_events_by_their_fields() {
    let table = "[rule.alert_suppression]\ngroup_by = [\"user.name\"]\n\
                 duration = { value = 1, unit = \"m\" }\n";
    let user = |seconds, name: Value| failure(seconds, "h", &json!({ "user.name": name }));
    let events = [
        user(0, json!("a")),
        user(1, json!("b")),
        user(2, json!("a")),
        user(3, json!(null)),
        user(4, json!(null)),
        user(61, json!("a")),
        user(62, json!(["b", "a"])),
    ];
    let defaults = Defaults::default();
    assert_eq!(times(&run(&rules(SINGLE, table, &defaults), &events)), [0, 1, 3, 61, 62]);
    let strict = format!("{table}missing_fields_strategy = \"doNotSuppress\"\n");
    assert_eq!(times(&run(&rules(SINGLE, &strict, &defaults), &events)), [0, 1, 3, 4, 61, 62]);
}

/// A form without letter case groups, and maps, without letter case.
#[test]
fn caseless_fields_group_and_map_without_letter_case() {
    let user = |seconds, name: &str| failure(seconds, "h", &json!({ "user.name": name }));
    let events = [user(0, "ADMIN"), user(1, "admin"), user(2, "Administrator")];
    let grouped = |field: &str| {
        let table = format!("[rule.maxspan.suppression]\ngroup_by = [\"{field}\"]\n");
        times(&run(&rules(SINGLE, &table, &Defaults::default()), &events))
    };
    assert_eq!(grouped("user.name"), [0, 1, 2]);
    assert_eq!(grouped("user.name.caseless"), [0, 2]);
    let mapped = |field: &str| {
        let table = format!(
            "[[rule.severity_mapping]]\nfield = \"{field}\"\noperator = \"equals\"\n\
             value = \"Admin\"\nseverity = \"critical\"\n"
        );
        let run = run(&rules(SINGLE, &table, &Defaults::default()), &events);
        run.alerts.iter().map(|alert| alert["maxspan"]["severity"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(mapped("user.name"), ["\"low\"", "\"low\"", "\"low\""]);
    assert_eq!(mapped("user.name.caseless"), ["\"critical\"", "\"critical\"", "\"low\""]);
}

#[test]
fn terms_are_what_all_events_of_a_match_have_in_common() {
    let table = "[rule.maxspan.suppression]\ngroup_by = [\"user.name\"]\nduration = \"10m\"\n";
    let query = "sequence by host.id with maxspan=1m [any where event.outcome == `failure`] \
                 [any where event.outcome == `failure`]";
    let user = |seconds, names: Value| failure(seconds, "h", &json!({ "user.name": names }));
    let events = [
        user(0, json!("a")),
        user(1, json!(["a", "b"])),
        user(2, json!("b")),
        user(3, json!("b")),
        user(4, json!("c")),
    ];
    let run = run(&rules(query, table, &Defaults::default()), &events);
    // a; b, at 2 and again at 3; and at 4 nothing in common.
    assert_eq!(times(&run), [1, 2, 4]);
    let terms = |alert: &Value| alert["maxspan"]["suppression"]["terms"][0]["value"].clone();
    assert_eq!(
        run.alerts.iter().map(terms).collect::<Vec<_>>(),
        [json!(["a"]), json!(["b"]), json!(null)]
    );
}

#[test]
fn the_configuration_stands_above_the_file() {
    let mut defaults = Defaults::default();
    defaults.settings.suppression = Suppression {
        group_by: Some(vec!["host.id".to_owned()]),
        duration: Some(TimeSpan::from_secs(10)),
        ..Suppression::default()
    };
    assert_eq!(times(&run(&rules(SINGLE, "", &defaults), &failures(0..12))), [0, 10]);
    let file = "[rule.maxspan.suppression]\nduration = \"4s\"";
    assert_eq!(times(&run(&rules(SINGLE, file, &defaults), &failures(0..12))), [0, 4, 8]);
    let off = Suppression { enabled: Some(false), ..Suppression::default() };
    let settings = maxspan::rule::Settings { suppression: off, ..Default::default() };
    defaults.overrides.insert("r".to_owned(), settings);
    assert_eq!(run(&rules(SINGLE, file, &defaults), &failures(0..12)).alerts.len(), 12);
    let words = [MissingFields::parse("suppress"), MissingFields::parse("never")];
    assert_eq!(words, [Some(MissingFields::Suppress), None]);
}

/// A table without `group_by` made alerts of different hosts alike.
#[test]
fn nothing_is_suppressed_for_want_of_a_group() {
    let hosts = ["h1", "h2", "h3"].map(|host| failure(0, host, &json!({})));
    let table = "[rule.maxspan.suppression]\nduration = \"10m\"\n";
    let mut all = Defaults::default();
    all.settings.suppression.enabled = Some(true);
    let mut own = Defaults::default();
    let asked = Suppression { enabled: Some(true), ..Suppression::default() };
    let asked = maxspan::rule::Settings { suppression: asked, ..Default::default() };
    own.overrides.insert("r".to_owned(), asked);
    for (more, defaults, is_told) in [
        (table, &Defaults::default(), true),
        ("[rule.maxspan.suppression]\ngroup_by = []\n", &Defaults::default(), true),
        ("", &own, true),
        // What is set for all rules is meant for those that have a key.
        ("", &all, false),
        ("[rule.maxspan.suppression]\nenabled = false\n", &Defaults::default(), false),
    ] {
        assert_eq!(run(&rules(SINGLE, more, defaults), &hosts).alerts.len(), 3, "{more}");
        let report = report(SINGLE, more, defaults);
        let told = report.diagnostics.iter().any(|found| found.code == "W0608");
        assert_eq!(told, is_told, "{more}: {:?}", report.diagnostics);
        let status = if is_told { Status::Caveat } else { Status::Runs };
        assert_eq!(report.status, status, "{more}");
    }
    let grouped = format!("{table}group_by = [\"host.id\"]\n");
    assert_eq!(report(SINGLE, &grouped, &Defaults::default()).status, Status::Runs);
    let elastics = "[rule.alert_suppression]\ngroupBy = [\"host.id\"]\n\
                    missingFieldsStrategy = \"doNotSuppress\"\n\
                    duration = { value = 10, unit = \"m\" }\n";
    assert_eq!(report(SINGLE, elastics, &Defaults::default()).status, Status::Refused);
}

#[test]
fn single_events_take_over_severity_score_and_name() {
    let mappings = "rule_name_override = \"message\"\n\
                    [[rule.severity_mapping]]\nfield = \"event.severity\"\noperator = \"equals\"\n\
                    value = \"73\"\nseverity = \"high\"\n\
                    [[rule.risk_score_mapping]]\nfield = \"event.risk_score\"\nvalue = \"\"\n\
                    operator = \"equals\"\n";
    let more = json!({ "event.severity": 73, "event.risk_score": 88, "message": "It burns" });
    let events = [failure(0, "h", &more), failure(1, "h", &json!({}))];
    let found = run(&rules(SINGLE, mappings, &Defaults::default()), &events);
    let of = |alert: &Value| {
        (
            alert["rule"]["name"].clone(),
            alert["event"]["risk_score"].clone(),
            alert["maxspan"]["severity"].clone(),
        )
    };
    assert_eq!(of(&found.alerts[0]), (json!("It burns"), json!(88), json!("high")));
    assert_eq!(of(&found.alerts[1]), (json!("Rule"), json!(21), json!("low")));
    // As in Elastic's engine, alerts of sequences take nothing over.
    let off = format!("{mappings}[rule.maxspan.suppression]\nenabled = false\n");
    let events: Vec<Value> = (0..3).map(|second| failure(second, "h", &more)).collect();
    let found = run(&rules(RUNS, &off, &Defaults::default()), &events);
    assert_eq!(of(&found.alerts[0]), (json!("Rule"), json!(21), json!("low")));
}

#[test]
fn an_excepted_event_is_no_hit_and_a_condition_raises_the_severity() {
    let more = "[rule.maxspan]\nexceptions = ['user.name == \"scanner\"']\n\
                [[rule.maxspan.severity_when]]\nseverity = \"critical\"\n\
                condition = 'user.name == \"root\"'\n";
    let user = |seconds, name: &str| failure(seconds, "h", &json!({ "user.name": name }));
    let events = [user(0, "a"), user(1, "scanner"), user(2, "root"), user(3, "a")];
    let found = run(&rules(RUNS, more, &Defaults::default()), &events);
    assert_eq!(times(&found), [3], "the scanner's failure does not count");
    assert_eq!(found.alerts[0]["maxspan"]["severity"], "critical");
    assert_eq!(found.alerts[0]["event"]["severity"], 99);
}
