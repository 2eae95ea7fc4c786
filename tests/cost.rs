//! Work that data could multiply stays bounded: long texts in functions and patterns, long lists in
//! functions of several fields.
//!
//! Nothing is timed here: at these sizes a search that begins anew at each place would take minutes.
//! `cargo bench --no-default-features --bench functions` measures.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use maxspan::eql;
use maxspan::event::{FieldTable, Fields, Value};
use maxspan::predicate::Predicate;

/// Tells whether an event of the fields `a` and `b` satisfies a condition.
fn holds(condition: &str, a: &[Value<'_>], b: &[Value<'_>]) -> bool {
    let (parsed, findings) = eql::parse_condition(condition);
    let parsed = parsed.unwrap_or_else(|| panic!("{findings:?}"));
    let mut table = FieldTable::default();
    let (id_of_a, id_of_b) = (table.intern("a"), table.intern("b"));
    let predicate = Predicate::compile(&parsed, &mut table).unwrap();
    let mut fields = Fields::new(table.len());
    a.iter().for_each(|value| fields.push(id_of_a, value.clone()));
    b.iter().for_each(|value| fields.push(id_of_b, value.clone()));
    predicate.matches(&fields)
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
    let found = [Value::from(format!("{text}B"))];
    assert!(holds("indexOf~(a, b) == 1000000", &found, &b));
    assert!(holds("stringContains~(a, b)", &found, &b));
    assert!(holds("length(between~(a, \"a\", b, true)) == 999999", &found, &b));
}

#[test]
fn constant_texts_are_as_long() {
    let (text, part) = adversary();
    let upper = part.to_uppercase();
    let (absent, found) = ([Value::from(&*text)], [Value::from(format!("{text}b"))]);
    for condition in [
        format!("indexOf(a, \"{part}\") >= 0"),
        format!("indexOf~(a, \"{upper}\") >= 0"),
        format!("between(a, \"\", \"{part}\") != \"\""),
        format!("between~(a, \"\", \"{upper}\", true) != \"\""),
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
    let found = [Value::from(format!("😀{text}B"))];
    assert!(holds("indexOf~(a, b) == 1000002", &found, &b));
    assert!(holds("length(between~(a, \"\", b)) == 1000002", &found, &b));
}

#[test]
fn wildcards_search_as_far() {
    let (text, part) = adversary();
    let half = "a".repeat(500_000);
    let (absent, found) = ([Value::from(&*text)], [Value::from(format!("{text}bxbx"))]);
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
