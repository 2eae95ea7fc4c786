//! The configuration: faults with their place and a hint, values on top of the file.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Duration;

use maxspan::config::{Config, ConfigError, Override};
use maxspan::diag::render::{Colour, render};
use maxspan::event::TimeSpan;
use maxspan::kafka::{Delivery, GroupProtocol, LIMITED, OnMissingOffsets, REFUSED};
use maxspan::normalize::{EcsCompat, HostKey, HostNames};
use maxspan::rule::Emit;
use maxspan::text::Text;

fn parse(contents: &str, overrides: &[Override]) -> Result<Config, ConfigError> {
    let text = Text::new("maxspan.toml", contents);
    Config::parse(Some(text), overrides)
}

fn valid(contents: &str) -> Config {
    parse(contents, &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// Asserts that a text is refused, and that what is shown holds all these parts.
fn refused(contents: &str, parts: &[&str]) {
    let error = parse(contents, &[]).expect_err(contents);
    let text = error.text.clone().unwrap();
    let shown = render(&error.diagnostics, &text, Colour::None);
    // A long hint is broken into lines.
    let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(shown.contains(part) || flat.contains(part), "`{part}` is not in:\n{shown}");
    }
}

fn env(pairs: &[(&str, &str)]) -> Vec<Override> {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Override::from_env(pairs).unwrap()
}

fn set(argument: &str) -> Override {
    Override::from_argument(argument).unwrap()
}

#[test]
fn the_shipped_file_says_the_defaults() {
    let shipped = valid(include_str!("../config/maxspan.toml"));
    let mut defaults = Config::default();
    defaults.kafka.brokers = vec!["localhost:9092".to_owned()];
    // The shipped rules stand beside the shipped file.
    defaults.rules.paths = vec!["rules".into()];
    assert_eq!(format!("{shipped:?}"), format!("{defaults:?}"));
}

#[test]
fn every_section_is_listed() {
    let shipped = include_str!("../config/maxspan.toml");
    for section in Config::SECTIONS {
        valid(&format!("[{section}]\n"));
        assert!(shipped.contains(&format!("\n[{section}")), "{section} is not in the shipped file");
    }
    let names = shipped.lines().filter_map(|line| line.strip_prefix('[')?.split(['.', ']']).next());
    let unlisted: Vec<&str> = names.filter(|name| !Config::SECTIONS.contains(name)).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
}

#[test]
fn a_configuration_that_is_not_utf8_is_refused_at_the_byte() {
    let text = Text::from_bytes("maxspan.toml", b"[kafka]\ngroup = \"gr\xfcn\"\n");
    let error = Config::parse(Some(text), &[]).unwrap_err();
    let shown = render(&error.diagnostics, &error.text.unwrap(), Colour::None);
    for part in ["error[E0509]", "maxspan.toml:2:12", "byte 0xfc"] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
    let marked = Text::from_bytes("maxspan.toml", b"\xef\xbb\xbf[kafka]\r\ngroup = \"a\"\r\n");
    assert_eq!(Config::parse(Some(marked), &[]).unwrap().kafka.group, "a");
}

#[test]
fn a_journal_that_is_switched_off_is_none() {
    let config = valid("[kafka.journal]\nenabled = false\n");
    assert_eq!(config.detector_options().journal_beyond, None);
}

#[test]
fn every_section_is_read() {
    let config = valid(
        r#"
        [kafka]
        brokers = "a:9092, b:9092"
        topics = ["one", "two"]
        on_missing_offsets = "fail"
        group_protocol = "consumer"
        group_instance_id = "pod-3"
        replay_budget = "2m"
        warm_resume = "0s"
        commit_interval = "250ms"
        workers = 3
        [kafka.journal]
        topic = "kept"
        beyond = "1h"
        [kafka.properties]
        "session.timeout.ms" = 6000
        "debug" = "cgrp"
        [rules.defaults]
        allowed_lateness = "15s"
        hold = "10m"
        [rules.override."some.rule"]
        emit = "exact"
        hold = "15m"
        severity_when = [{ severity = "high", condition = 'process.name : "a"' }]
        [state]
        max_skew = "1m"
        max_rule_share = 0.5
        default_maxspan = "2h"
        [input]
        ecs_compat = "fixed"
        host_key = "name"
        host_names = "short"
        [input.host_aliases]
        WS1 = "ws1.example.com"
        [log]
        format = "json"
        [shutdown]
        deadline = "10s"
        "#,
    );
    assert_eq!(config.kafka.brokers, ["a:9092", "b:9092"]);
    assert_eq!(config.kafka.on_missing_offsets, OnMissingOffsets::Fail);
    assert_eq!(config.kafka.group_protocol, GroupProtocol::Consumer);
    assert_eq!(config.kafka.group_instance_id.as_deref(), Some("pod-3"));
    assert_eq!(config.kafka.replay_budget, Duration::from_secs(120));
    assert_eq!(config.kafka.warm_resume, Duration::ZERO);
    assert_eq!(config.kafka.commit_interval, Duration::from_millis(250));
    assert_eq!(config.kafka.worker_count(), 3);
    assert_eq!(config.kafka.properties.len(), 2);
    assert_eq!(config.kafka.journal.topic, "kept");
    assert_eq!(config.detector_options().journal_beyond, Some(TimeSpan::from_secs(3_600)));
    let defaults = config.rule_defaults();
    assert_eq!(defaults.settings.allowed_lateness, Some(TimeSpan::from_secs(15)));
    assert_eq!(defaults.settings.hold, Some(TimeSpan::from_secs(600)));
    assert_eq!(defaults.overrides["some.rule"].hold, Some(TimeSpan::from_secs(900)));
    assert_eq!(defaults.overrides["some.rule"].emit, Some(Emit::Exact));
    assert_eq!(defaults.overrides["some.rule"].severity_when.len(), 1);
    assert_eq!(defaults.default_maxspan, TimeSpan::from_secs(7_200));
    assert_eq!(defaults.normalize.host_aliases["ws1"], "ws1.example.com");
    assert_eq!(defaults.normalize.ecs_compat, EcsCompat::Fixed);
    assert_eq!(defaults.normalize.host_key, HostKey::Name);
    assert_eq!(defaults.normalize.host_names, HostNames::Short);
    assert_eq!(config.detector_options().max_skew, TimeSpan::from_secs(60));
    assert_eq!(config.detector_options().max_rule_share_percent, 50);
    assert_eq!(config.shutdown.deadline, Duration::from_secs(10));
}

#[test]
fn unknown_key_is_shown_with_its_nearest_neighbour() {
    refused(
        "[kafka]\ngruop = \"x\"\n",
        &[
            "error[E0902]: unknown key `gruop`",
            "maxspan.toml:2:1",
            "^^^^^",
            "did you mean `group`?",
        ],
    );
    refused("[kafak]\n", &["unknown key `kafak`", "maxspan.toml:1:2", "did you mean `kafka`?"]);
    refused("[state]\nzebra = 1\n", &["unknown key `zebra`", "known here: `max_skew`"]);
}

#[test]
fn wrong_value_is_shown_where_it_stands() {
    refused(
        "[kafka]\ncommit_interval = \"soon\"\n",
        &["`soon` is no length of time", "maxspan.toml:2:19", "^^^^^^"],
    );
    refused("[kafka]\ncommit_interval = \"0s\"\n", &["is too short", "maxspan.toml:2:19"]);
    refused("[kafka]\nworkers = 0\n", &["maxspan.toml:2:11"]);
    refused("[kafka]\ntopics = []\n", &["expected at least one name", "maxspan.toml:2:10"]);
    refused("[http]\nlisten = \"nowhere\"\n", &["maxspan.toml:2:10"]);
    refused("[log]\nlevel = \"lo=ud=er\"\n", &["`er` is no log level", "maxspan.toml:2:9"]);
    refused("[log]\nlevel = \"loud\"\n", &["`loud` is no log level", "maxspan.toml:2:9"]);
    refused("[log]\nlevel = \"inof\"\n", &["`inof` is no log level", "did you mean `info`?"]);
    let filter = "info,maxspan::kafka=dbug";
    refused(&format!("[log]\nlevel = \"{filter}\"\n"), &["did you mean `debug`?"]);
    refused("[rules.defaults]\nemit = \"late\"\n", &["`late` is no way to emit"]);
    refused("[kafka\n", &["maxspan.toml:1"]);
}

#[test]
fn broken_conditions_are_shown_where_they_stand() {
    let text = "[rules.defaults]
exceptions = ['process.name = \"a\"', 'process.name : \"b\"']
[rules.override.\"some.rule\"]
severity_when = [
  { severity = \"high\", condition = \"process.name : \\\"c\\\" and lenght(process.name) > 3\" },
]
exceptions = [
  'user.name == true and',
  '''process.args regex \"(a{1000}){1000}\"''',
]
";
    refused(
        text,
        &[
            "maxspan.toml:2:29",
            "`=` does not compare",
            "maxspan.toml:5:62",
            "there is no function `lenght`",
            "maxspan.toml:8:25",
            "maxspan.toml:9:25",
            "this pattern makes too large an automaton",
        ],
    );
    let error = parse(text, &[]).expect_err("refused");
    assert_eq!(error.diagnostics.len(), 4, "{error}");
}

#[test]
fn broken_condition_that_stands_in_no_file_is_named() {
    let overrides = [set("rules.override.x.exceptions=['lenght(a) > 3']")];
    let error =
        parse("[rules.defaults]\nexceptions = ['a == 1']\n", &overrides).expect_err("refused");
    let [found] = &error.diagnostics[..] else { panic!("{error}") };
    assert_eq!(found.span, None);
    assert_eq!(
        found.message,
        "`lenght(a) > 3` under `rules.override.x`: there is no function `lenght`"
    );
}

#[test]
fn the_share_of_a_rule_is_a_part_of_the_whole() {
    let percent =
        |share: &str| valid(&format!("[state]\nmax_rule_share = {share}\n")).detector_options();
    for (share, expected) in [("0.01", 1), ("0.25", 25), ("0.29", 29), ("1", 100), ("1.0", 100)] {
        assert_eq!(percent(share).max_rule_share_percent, expected, "{share}");
    }
    assert_eq!(valid("").detector_options().max_rule_share_percent, 25);
    for share in ["0", "0.0", "-0.25", "1.01", "25", "0.005", "0.125", "nan", "inf"] {
        let text = format!("[state]\nmax_rule_share = {share}\n");
        refused(&text, &["is no part of a whole: write `0.25`", "maxspan.toml:2:18"]);
    }
    let overrides = env(&[("MAXSPAN_STATE__MAX_RULE_SHARE", "0.5")]);
    assert_eq!(parse("", &overrides).unwrap().state.max_rule_share_percent, 50);
}

#[test]
fn limits_below_which_nothing_works_are_refused() {
    for (section, key, value, least) in [
        ("state", "max_keys", "0", "1"),
        ("state", "max_candidates_per_key", "1", "2"),
        ("state", "max_key_expansion", "0", "1"),
        ("state", "max_bytes", "1", "16384"),
        ("state", "max_total_bytes", "1", "16384"),
        ("memory", "max_bytes", "1000", "67108864"),
    ] {
        let text = format!("[{section}]\n{key} = {value}\n");
        refused(&text, &[&format!("{value} is too little: write at least {least}")]);
        valid(&text.replace(value, least));
    }
    refused("[state]\ndefault_maxspan = \"0s\"\n", &["is too short: write at least `1ms`"]);
}

#[test]
fn delivery_is_exactly_once_unless_it_says_otherwise() {
    refused(
        "[kafka]\ndelivery = \"sometimes\"\n",
        &["`sometimes` is no way to deliver", "exactly_once", "maxspan.toml:2:12"],
    );
    let delivery = |text: &str| valid(text).kafka.delivery;
    assert_eq!(delivery(""), Delivery::ExactlyOnce);
    assert_eq!(delivery("[kafka]\ndelivery = \"exactly_once\"\n"), Delivery::ExactlyOnce);
    assert_eq!(delivery("[kafka]\ndelivery = \"at_least_once\"\n"), Delivery::AtLeastOnce);
}

#[test]
fn all_faults_are_shown_at_once() {
    let text = "[kafka]
gruop = \"x\"
workers = 0
commit_interval = \"soon\"
[kafka.properties]
\"acks\" = 1
\"session.timeout.ms\" = \"long\"
[kafak]
[rules.defaults]
emit = \"late\"
exceptions = ['process.name = \"a\"']
[rules.override.a]
severity_when = [{ severity = \"high\", condition = 'a == 1', x = 1 }, { severity = \"huge\" }]
[log]
level = \"loud\"
";
    let error = parse(text, &[]).expect_err("refused");
    let shown = render(&error.diagnostics, &error.text.clone().unwrap(), Colour::None);
    for (place, part) in [
        ("2:1", "unknown key `gruop`"),
        ("3:11", "nonzero"),
        ("4:19", "`soon` is no length of time"),
        ("6:1", "`acks` cannot be set"),
        ("7:24", "`session.timeout.ms` is a whole number"),
        ("8:2", "unknown key `kafak`"),
        ("10:8", "`late` is no way to emit"),
        ("11:29", "`=` does not compare"),
        ("13:61", "unknown key `x`"),
        ("13:83", "`huge` is no severity"),
        ("15:9", "`loud` is no log level"),
    ] {
        let lines: Vec<&str> = shown.lines().collect();
        let at = lines.iter().position(|line| line.ends_with(&format!("maxspan.toml:{place}")));
        let at = at.unwrap_or_else(|| panic!("{place} is not in:\n{shown}"));
        assert!(lines[at - 1].contains(part), "{place}: `{part}` is not in:\n{shown}");
    }
    assert_eq!(error.diagnostics.len(), 11, "{shown}");
    let caret = shown.lines().filter(|line| line.trim_start_matches([' ', '|']).starts_with('^'));
    assert_eq!(caret.count(), 11, "{shown}");
}

#[test]
fn a_fault_of_the_syntax_hides_no_other() {
    let text = "[kafka]\ngroup = \nworkers = 0\n[log]\nlevel = \"loud\"\nformat = [\n";
    let error = parse(text, &[]).expect_err("refused");
    let shown = render(&error.diagnostics, &error.text.clone().unwrap(), Colour::None);
    for part in
        ["maxspan.toml:2:", "maxspan.toml:3:11", "maxspan.toml:5:9", "`loud` is no log level"]
    {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
}

#[test]
fn all_overrides_that_do_not_fit_are_named() {
    let overrides = [set("kafka.workers=many"), set("kafka.grop=x"), set("log.level=loud")];
    let error = parse("[kafka]\n", &overrides).expect_err("refused");
    assert_eq!(error.diagnostics.len(), 3, "{error}");
}

#[test]
fn a_login_without_tls_has_to_be_asked_for() {
    let sasl = "[kafka.sasl]\nmechanism = \"PLAIN\"\nusername = \"u\"\npassword_file = \"p\"\n";
    refused(
        sasl,
        &[
            "error[E0906]: a login is asked for",
            "maxspan.toml:1:8",
            "write `protocol = \"sasl_ssl\"`",
        ],
    );
    // What the environment adds counts.
    let overrides = env(&[("MAXSPAN_KAFKA__SECURITY__PROTOCOL", "sasl_ssl")]);
    assert_eq!(parse(sasl, &[]).is_err(), parse(sasl, &overrides).is_ok());
    let error = parse("", &[set("kafka.security.protocol=sasl_ssl")]).expect_err("refused");
    assert!(error.to_string().contains("`kafka.security.protocol`: `sasl_ssl` makes a login"));
    refused(
        &sasl.replace("PLAIN", "OAUTHBEARER"),
        &["`OAUTHBEARER` needs an HTTP client", "maxspan.toml:2:13", "SCRAM-SHA-512"],
    );
}

#[test]
fn properties_that_the_engine_depends_on_are_refused() {
    refused(
        "[kafka.properties]\n\"enable.auto.commit\" = true\n",
        &["`enable.auto.commit` cannot be set", "maxspan.toml:2"],
    );
    refused("[kafka.properties]\n\"group.id\" = \"x\"\n", &["use `kafka.group`"]);
    for (name, why) in REFUSED {
        let name = name.replace('*', "location");
        let text = format!("[kafka.properties]\n\"{name}\" = \"MARKER\"\n");
        refused(&text, &[&format!("`{name}` cannot be set"), why, "maxspan.toml:2:1"]);
        let shown = format!("{:?}", parse(&text, &[]).expect_err("refused").diagnostics);
        assert!(!shown.contains("MARKER"), "{shown}");
    }
    for limit in LIMITED {
        // Each of these two has to fit the other.
        let other = match limit.name {
            "heartbeat.interval.ms" => "\"session.timeout.ms\" = 300000\n",
            "session.timeout.ms" => "\"heartbeat.interval.ms\" = 1000\n",
            _ => "",
        };
        let text =
            |value: String| format!("[kafka.properties]\n\"{}\" = {value}\n{other}", limit.name);
        for value in [limit.least, limit.most] {
            assert!(!valid(&text(value.to_string())).kafka.properties.is_empty());
        }
        let above = (limit.most + 1).to_string();
        let below =
            limit.least.checked_sub(1).map_or_else(|| "-1".to_owned(), |least| least.to_string());
        for value in [above, below, "\"many\"".to_owned(), "1.5".to_owned()] {
            let place = format!("maxspan.toml:2:{}", limit.name.len() + 6);
            refused(&text(value), &[&format!("`{}` is a whole", limit.name), limit.why, &place]);
        }
    }
}

/// A name that librdkafka does not know would refuse nothing.
#[test]
fn properties_of_the_tables_are_those_of_librdkafka() {
    let is_known = |name: &str| {
        let mut client = rdkafka::ClientConfig::new();
        match client.set(name, "?").create_native_config().err().map(|error| error.to_string()) {
            Some(error) => !error.contains("No such configuration property"),
            None => true,
        }
    };
    let names = REFUSED.iter().map(|(name, _)| *name).chain(LIMITED.iter().map(|limit| limit.name));
    for name in names.filter(|name| !name.ends_with('*')) {
        assert!(is_known(name), "{name}");
    }
    assert!(!is_known("no.such"));
}

#[test]
fn properties_are_listed_in_the_manual() {
    let page = include_str!("../docs/configuration.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let refused = REFUSED.iter().map(|(name, why)| format!("| `{name}` | {why} |"));
    let limited = LIMITED.iter().map(|limit| {
        format!("| `{}` | {} to {} | {} |", limit.name, limit.least, limit.most, limit.why)
    });
    let expected: Vec<String> = refused.chain(limited).collect();
    assert_eq!(rows, expected, "docs/configuration.md should hold\n{}", expected.join("\n"));
}

#[test]
fn command_line_wins_over_environment_and_environment_over_file() {
    let mut overrides = env(&[
        ("MAXSPAN_KAFKA__BROKERS", "a:1,b:2"),
        ("MAXSPAN_KAFKA__GROUP", "7"),
        ("MAXSPAN_KAFKA__PROPERTIES__SESSION_TIMEOUT_MS", "6000"),
        ("MAXSPAN_INPUT__INDEX_PATTERNS", "false"),
        ("MAXSPAN_KAFKA__TOPICS", "[\"x\", \"y\"]"),
    ]);
    overrides.push(set("kafka.brokers=c:3"));
    overrides.push(set("rules.override.\"a.b\".enabled=false"));
    let config = parse("[kafka]\nbrokers = \"file:9092\"\ngroup = \"g\"\n", &overrides).unwrap();
    assert_eq!(config.kafka.brokers, ["c:3"]);
    assert_eq!(config.kafka.group, "7");
    assert_eq!(config.kafka.topics, ["x", "y"]);
    assert!(!config.input.index_patterns);
    let names: Vec<&str> = config.kafka.properties.keys().map(|name| name.0.as_str()).collect();
    assert_eq!(names, ["session.timeout.ms"]);
    assert_eq!(config.rules.overrides["a.b"].enabled, Some(false));
}

#[test]
fn override_that_does_not_fit_is_named() {
    let message = |overrides: &[Override]| parse("", overrides).expect_err("refused").to_string();
    let unknown = message(&env(&[("MAXSPAN_KAFKA__GRUOP", "x")]));
    assert!(unknown.contains("environment variable `MAXSPAN_KAFKA__GRUOP`"), "{unknown}");
    assert!(unknown.contains("unknown key `gruop`"), "{unknown}");
    let wrong = message(&[set("kafka.workers=many")]);
    assert!(wrong.contains("`--set kafka.workers`"), "{wrong}");
    let into_value = message(&[set("kafka.group=a"), set("kafka.group.b=c")]);
    assert!(into_value.contains("is no section"), "{into_value}");
    assert!(Override::from_argument("kafka.group").is_err());
    assert!(Override::from_env([("MAXSPAN_GROUP".to_owned(), "x".to_owned())]).is_err());
}

#[test]
fn service_needs_brokers() {
    let error = valid("").check_service().expect_err("refused");
    assert!(error.to_string().contains("`kafka.brokers` is missing"));
    assert!(valid("[kafka]\nbrokers = \"a:1\"\n").check_service().is_ok());
}
