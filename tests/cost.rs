//! Work that data could multiply stays bounded: long texts in functions and patterns, long lists in
//! functions of several fields.
//!
//! Nothing is timed here: at these sizes a search that begins anew at each place would take minutes.
//! `cargo bench --no-default-features --bench functions` measures.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::detect::{Detector, Options, Origin, Output, Past, Record, Stamp};
use maxspan::eql;
use maxspan::event::{Arena, FieldTable, Fields, Value};
use maxspan::predicate::{Doubt, Judgement, Predicate};
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;

/// Tells whether an event of the fields `a` and `b` satisfies a condition.
fn holds(condition: &str, a: &[Value<'_>], b: &[Value<'_>]) -> bool {
    match judge(condition, a, b) {
        Judgement::Undecided => panic!("undecided: {condition}"),
        judgement => judgement == Judgement::Holds,
    }
}

fn judge(condition: &str, a: &[Value<'_>], b: &[Value<'_>]) -> Judgement {
    let (parsed, findings) = eql::parse_condition(condition);
    let parsed = parsed.unwrap_or_else(|| panic!("{findings:?}"));
    let mut table = FieldTable::default();
    let (id_of_a, id_of_b) = (table.intern("a"), table.intern("b"));
    let predicate = Predicate::compile(&parsed, &mut table).unwrap();
    let arena = Arena::new();
    let mut fields = Fields::new(table.len(), &arena);
    a.iter().for_each(|value| fields.push(id_of_a, *value));
    b.iter().for_each(|value| fields.push(id_of_b, *value));
    predicate.judge(&fields)
}

/// Texts that contain almost what is looked for, everywhere.
fn adversary() -> (String, String) {
    ("a".repeat(2_000_000), format!("{}b", "a".repeat(1_000_000)))
}

#[test]
fn functions_search_long_texts_for_long_texts() {
    let (text, part) = adversary();
    let (a, b) = ([Value::from(&*text)], [Value::from(&*part)]);
    for tilde in ["", "~"] {
        for absent in ["indexOf{}(a, b) == null", "between{}(a, b, \"x\") == \"\""] {
            assert!(holds(&absent.replace("{}", tilde), &a, &b), "{absent}");
        }
        assert!(holds(&format!("not stringContains{tilde}(a, b)"), &a, &b));
        assert!(holds(&format!("between{tilde}(a, \"a\", b, true) == \"\""), &a, &b));
    }
    let found = [Value::from(&*format!("{text}B").leak())];
    assert!(holds("indexOf~(a, b) == 1000000", &found, &b));
    assert!(holds("stringContains~(a, b)", &found, &b));
    assert!(holds("length(between~(a, \"a\", b, true)) == 999999", &found, &b));
}

#[test]
fn constant_texts_are_as_long() {
    let (text, part) = adversary();
    let upper = part.to_uppercase();
    let (absent, found) = ([Value::from(&*text)], [Value::from(&*format!("{text}b").leak())]);
    for condition in [
        format!("indexOf(a, \"{part}\") >= 0"),
        format!("indexOf~(a, \"{upper}\") >= 0"),
        format!("between(a, \"a\", \"{part}\") != \"\""),
        format!("between~(a, \"A\", \"{upper}\", true) != \"\""),
        format!("stringContains(a, \"{part}\")"),
        format!("stringContains~(a, \"{upper}\")"),
    ] {
        assert!(!holds(&condition, &absent, &[]), "{}", &condition[..20]);
        assert!(holds(&condition, &found, &[]), "{}", &condition[..20]);
    }
}

#[test]
fn other_alphabets_are_searched_as_far() {
    let text = "Ж".repeat(2_000_000);
    let part = format!("{}b", "ж".repeat(1_000_000));
    let (a, b) = ([Value::from(&*text)], [Value::from(&*part)]);
    assert!(holds("indexOf~(a, b) == null and indexOf(a, b) == null", &a, &b));
    let found = [Value::from(&*format!("😀{text}B").leak())];
    assert!(holds("indexOf~(a, b) == 1000002", &found, &b));
    assert!(holds("length(between~(a, \"😀\", b)) == 1000000", &found, &b));
}

#[test]
fn wildcards_search_as_far() {
    let (text, part) = adversary();
    let half = "a".repeat(500_000);
    let (absent, found) = ([Value::from(&*text)], [Value::from(&*format!("{text}bxbx").leak())]);
    for pattern in [
        format!("*{part}*"),
        format!("*{half}?{half}b*"),
        format!("*{half}*{half}*b*"),
        format!("*a{}b*", "?".repeat(1_000_000)),
        format!("*a?a?a?{half}*b?b?"),
    ] {
        for operator in ["like", "like~", ":"] {
            let condition = format!("a {operator} \"{pattern}\"");
            assert!(!holds(&condition, &absent, &[]), "{}", &condition[..12]);
            assert!(holds(&condition, &found, &[]), "{}", &condition[..12]);
        }
    }
}

#[test]
fn intervals_of_many_digits_are_no_larger_than_their_digits() {
    let widest = format!("<0-{}>", "9".repeat(64));
    for (pattern, inside, outside) in [
        ("<0-9999999999999>", "9999999999999", "10000000000000"),
        ("<999999999999999999-0>", "999999999999999999", "1000000000000000000"),
        ("<123456789012345678-876543210987654321>", "500000000000000000", "876543210987654322"),
        (&widest, "12345678901234567890", "-1"),
    ] {
        let condition = format!("a regex \"{pattern}\"");
        assert!(holds(&condition, &[Value::from(inside)], &[]), "{pattern}");
        assert!(!holds(&condition, &[Value::from(outside)], &[]), "{pattern}");
    }
    // Many of them stand in one pattern, and each is read once.
    let many = format!("a regex \"{}\"", "<0-9>|".repeat(1_000) + "x");
    assert!(holds(&many, &[Value::from("7")], &[]));
}

/// Values `a0`, `a1`, …
fn numbered(letter: &str, count: usize) -> Vec<Value<'static>> {
    (0..count).map(|number| Value::from(&*format!("{letter}{number}").leak())).collect()
}

#[test]
fn a_function_of_one_field_sees_every_item() {
    let mut items = numbered("x", 70_000);
    items.push(Value::from("seventh"));
    assert!(holds("length(a) == 7", &items, &[]));
    assert!(!holds("length(a) == 8", &items, &[]));
    assert!(holds("(length(a) == 7 and startsWith(a, \"seven\")) == true", &items, &[]));
    // Another field with one value changes nothing about that.
    let b = [Value::from("b")];
    assert!(holds("length(a) + length(b) == 8", &items, &b));
    assert!(holds("substring(a, length(b)) == \"eventh\"", &items, &b));
    assert!(holds("indexOf(a, \"nth\") + length(b) == 5", &items, &b));
    let many: Vec<Value<'_>> = numbered("x", 300_000);
    assert!(holds(
        "indexOf(a, b) == null and number(substring(a, length(b))) == 299999",
        &many,
        &b
    ));
}

#[test]
fn two_long_lists_are_joined_without_trying_all_pairs() {
    let (a, b) = (numbered("a", 70_000), numbered("b", 70_000));
    let numbers: Vec<Value<'_>> = (0..70_000).map(Value::Int).collect();
    let mut dotted = b.clone();
    dotted.push(Value::from("69999"));
    for (condition, a, b, expected) in [
        ("concat(a, \":\", b) == \"a69999:b69999\"", &a, &b, true),
        ("concat(a, \":\", b) == \"a69999:b70000\"", &a, &b, false),
        ("length(a) + length(b) == 12", &a, &b, true),
        ("length(a) + length(b) > 12", &a, &b, false),
        ("a - b == -69999", &numbers, &numbers, true),
        ("a - b == 70000", &numbers, &numbers, false),
        ("a + b > 139997", &numbers, &numbers, true),
        ("a + b > 139998", &numbers, &numbers, false),
        ("a - b < -69999", &numbers, &numbers, false),
        ("startsWith(a, b)", &a, &b, false),
        ("endsWith(a, b)", &a, &dotted, true),
        ("stringContains~(a, b)", &a, &b, false),
        ("(startsWith(a, b) or concat(a, b) == \"a1b1\") == true", &a, &b, true),
        ("(length(a) == 6 and length(b) == 7) == true", &a, &b, false),
    ] {
        assert_eq!(holds(condition, a, b), expected, "{condition}");
    }
}

#[test]
fn what_would_take_too_much_work_is_not_answered() {
    let (a, b) = (numbered("a", 2_000), numbered("b", 2_000));
    for condition in [
        "indexOf(a, b) == 1",
        "not (indexOf(a, b) == 1)",
        "indexOf(a, b) == 1 and length(a) == 5",
        "indexOf(a, b) == 1 or length(a) == 9",
    ] {
        assert_eq!(judge(condition, &a, &b), Judgement::Undecided, "{condition}");
        assert!(judge(condition, &a, &b).counts(Doubt::For));
        assert!(!judge(condition, &a, &b).counts(Doubt::Against));
    }
    // A field that is named twice: the other is looked at for each of its values.
    let (long_a, long_b) = (numbered("a", 70_000), numbered("b", 70_000));
    let twice = "length(b) + length(a) - length(a) == 9";
    assert_eq!(judge(twice, &long_a, &long_b), Judgement::Undecided);
    // What else is asked may decide.
    assert!(!holds("indexOf(a, b) == 1 and length(a) == 9", &a, &b));
    assert!(holds("indexOf(a, b) == 1 or length(a) == 5", &a, &b));
    assert!(holds("indexOf(a, \"a1\") == 0", &a, &b));
    // Each condition has its own limit, and less is tried out.
    let few = numbered("b", 100);
    assert!(!holds("indexOf(a, b) == 1 or indexOf(a, b) == 2", &a, &few));
}

/// Returns how many alerts the events give, and how many conditions were not decided.
fn alerts(query: &str, more: &str, events: &[String]) -> (usize, u64) {
    let rule = format!(
        "[rule]\nrule_id = \"r\"\nname = \"r\"\ndescription = \"d\"\nseverity = \"low\"\n\
         risk_score = 21\nlanguage = \"eql\"\ntype = \"eql\"\nquery = '''\n{query}\n'''\n{more}"
    );
    let rule = Arc::new(Text::new("r.toml".to_owned(), rule));
    let (rules, reports) = RuleSet::compile(vec![rule], &Defaults::default());
    assert_eq!(rules.rules().len(), 1, "{:?}", reports[0].diagnostics);
    let origin = Origin { topic: "t".into(), partition: 0 };
    let options = Options { past: Past::Nothing, ..Options::default() };
    let mut detector = Detector::new(Arc::new(rules), origin, options);
    for (offset, event) in (0..).zip(events) {
        let payload = Some(event.as_bytes());
        detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
    }
    detector.finish();
    let outputs = detector.take_outbox();
    let alerts = outputs.iter().filter(|output| matches!(output, Output::Finding(_))).count();
    (alerts, detector.take_stats().rules[0].undecided)
}

#[test]
fn undecided_conditions_are_counted_and_lead_to_alerts() {
    let texts = |letter: &str| (0..2_000).map(|n| format!("{letter}{n}")).collect::<Vec<String>>();
    let event = |second: u32, a: &[String], b: &[String]| {
        serde_json::json!({
            "@timestamp": format!("2024-05-05T12:00:{second:02}Z"),
            "event": {"category": "process"}, "host": {"id": "h1"}, "a": a, "b": b, "n": second,
        })
        .to_string()
    };
    let wide = |second: u32| event(second, &texts("a"), &texts("b"));
    let plain = |second: u32| event(second, &[], &[]);
    let costly = "indexOf(a, b) == 1";
    let single = format!("process where {costly}");
    assert_eq!(alerts(&single, "", &[plain(1), wide(2)]), (1, 1));
    let excepted = format!("[rule.maxspan]\nexceptions = ['{costly}']\n");
    assert_eq!(alerts("process where n > 0", &excepted, &[plain(1), wide(2)]), (2, 1));
    let stages =
        "sequence by host.id with maxspan=1m [process where n == 1] [process where n == 3]";
    let until = format!("{stages} until [process where {costly}]");
    assert_eq!(alerts(&until, "", &[plain(1), wide(2), plain(3)]), (1, 1));
    let absent = format!(
        "sequence by host.id with maxspan=1m [process where n == 1] ![process where {costly}] \
         [process where n == 3]"
    );
    assert_eq!(alerts(&absent, "", &[plain(1), wide(2), plain(3)]), (1, 1));
}
