//! How long events are held: the settings, and the least that a rule needs.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::event::TimeSpan;
use maxspan::rule::Settings;
use maxspan::rule::set::{Defaults, RuleReport, RuleSet, Status};
use maxspan::sequence::Plan;
use maxspan::text::Text;

fn span(text: &str) -> TimeSpan {
    TimeSpan::parse(text).unwrap()
}

fn compiled(query: &str, settings: &str, defaults: &Defaults) -> (Arc<Plan>, RuleReport) {
    let contents = format!(
        "[rule]\nname = \"Rule\"\nrule_id = \"r\"\nseverity = \"low\"\nrisk_score = 21\n\
         language = \"eql\"\nquery = '''{query}'''\n[rule.maxspan]\n{settings}\n"
    );
    let text = Arc::new(Text::new("r.toml", contents));
    let (rules, mut reports) = RuleSet::compile(vec![text], defaults);
    assert_eq!(rules.rules().len(), 1, "{reports:#?}");
    (Arc::clone(&rules.rules()[0].plan), reports.remove(0))
}

fn held(hold: &str) -> Settings {
    Settings { hold: Some(span(hold)), ..Settings::default() }
}

const PAIR: &str = "sequence by host.id with maxspan=2s [process where true] [network where true]";

/// Query, settings, the least hold: maxspan, twice with an absence or an order tolerance, twice the
/// lateness, and the order tolerance once for each stage that has to happen.
const LEAST: &[(&str, &str, &str)] = &[
    (PAIR, "", "62s"),
    (PAIR, "allowed_lateness = '5s'\norder_tolerance = '1s'", "16s"),
    (
        "sequence by host.id with maxspan=1m ![process where true] [network where true]",
        "allowed_lateness = '10s'\norder_tolerance = '2s'",
        "142s",
    ),
    (
        "sequence by host.id with maxspan=1m [process where true] ![file where true] \
         [network where true] ![file where true]",
        "allowed_lateness = '10s'\norder_tolerance = '2s'",
        "144s",
    ),
    (
        "sequence by host.id with maxspan=1m [process where true] with runs=9 [network where true] \
         until [file where true]",
        "allowed_lateness = '10s'\norder_tolerance = '2s'",
        "144s",
    ),
    ("process where true", "allowed_lateness = '10s'\norder_tolerance = '2s'", "20s"),
];

#[test]
fn the_least_hold_follows_from_what_decides_about_a_match() {
    for (query, settings, least) in LEAST {
        let (plan, _) = compiled(query, settings, &Defaults::default());
        assert_eq!(plan.least_hold(TimeSpan::ZERO), span(least), "{query}\n{settings}");
        let with_slack = span(least) + span("4m");
        assert_eq!(plan.least_hold(span("4m")), with_slack, "{query}\n{settings}");
    }
}

#[test]
fn a_sample_is_held_for_its_window() {
    let query = "sample by host.id [process where true] [network where true]";
    let defaults = Defaults { default_maxspan: span("10m"), ..Defaults::default() };
    assert_eq!(compiled(query, "", &defaults).0.least_hold(TimeSpan::ZERO), span("11m"));
}

#[test]
fn events_are_held_as_the_settings_say_and_no_shorter_than_needed() {
    let plan = |settings: &str| compiled(PAIR, settings, &Defaults::default()).0;
    assert_eq!(plan("").held_for(TimeSpan::ZERO), span("5m"));
    assert_eq!(plan("").held_for(span("4m")), span("302s"));
    assert_eq!(plan("hold = '1h'").held_for(span("4m")), span("1h"));
    assert_eq!(plan("hold = '10s'").held_for(TimeSpan::ZERO), span("62s"));
}

#[test]
fn the_override_wins_over_the_file_and_the_file_over_the_defaults() {
    let mut defaults = Defaults { settings: held("7m"), ..Defaults::default() };
    let hold =
        |settings: &str, defaults: &Defaults| compiled(PAIR, settings, defaults).0.times.hold;
    assert_eq!(hold("", &defaults), span("7m"));
    assert_eq!(hold("hold = '8m'", &defaults), span("8m"));
    defaults.overrides.insert("r".to_owned(), held("9m"));
    assert_eq!(hold("hold = '8m'", &defaults), span("9m"));
}

#[test]
fn a_hold_that_is_too_short_is_a_caveat_of_who_states_it() {
    let said = |settings: &str, defaults: &Defaults| {
        let (_, report) = compiled(PAIR, settings, defaults);
        let found = report.diagnostics.iter().find(|found| found.code == "W0610");
        assert_eq!(found.is_some(), report.status == Status::Caveat);
        found.map(|found| (found.message.clone(), found.help.clone().unwrap(), found.span))
    };
    let defaults = Defaults::default();
    let (message, help, place) = said("hold = '10s'", &defaults).unwrap();
    assert_eq!(message, "events cannot be held for 10s only: 62s is used");
    assert_eq!(help, "write `hold = \"62s\"`, or leave it out");
    assert!(place.is_some());
    assert_eq!(said("hold = '62s'", &defaults), None);
    let overrides = [("r".to_owned(), held("10s"))].into();
    let own = Defaults { overrides, ..Defaults::default() };
    let (message, _, place) = said("hold = '1h'", &own).unwrap();
    let expected =
        "`hold` of `[rules.override.\"r\"]`: events cannot be held for 10s only: 62s is used";
    assert_eq!((message.as_str(), place), (expected, None));
    // What is said for all rules is for those whose maxspan is short.
    assert_eq!(said("", &Defaults { settings: held("10s"), ..defaults }), None);
}
