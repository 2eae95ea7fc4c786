//! Compiled conditions answer as the naive interpreter does, on random conditions and events; and
//! they are compiled, and asked, quickly enough.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use maxspan::eql;
use maxspan::event::{Arena, FieldTable, Fields, Value};
use maxspan::predicate::index::{Entry, Index};
use maxspan::predicate::{Judgement, Predicate};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

#[path = "support/flat.rs"]
mod flat;
#[path = "support/naive.rs"]
mod naive;
#[path = "support/own_values.rs"]
mod own_values;
#[path = "support/published_rules.rs"]
mod published_rules;
#[path = "support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
mod random;
#[path = "support/slow_regex.rs"]
mod slow_regex;

const FIELDS: &[&str] = &[
    "a",
    "b",
    "c.d",
    "?a",
    "?c.d",
    "source.ip",
    "process.pid",
    "process.interactive",
    "event.created",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "ab",
    "AB",
    "b",
    "ba",
    "abc",
    "aab",
    "ABBA",
    "5",
    "05",
    "5.0",
    "-1",
    "1e1",
    "true",
    "::1",
    "0:0:0:0:0:0:0:1",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "10.0.0.20",
    "fe80::1",
    "K",
    "k",
    "ſ",
    "S",
    "s",
    "ä",
    "Ä",
    "a\nb",
    "2024-06-11T11:33:24Z",
    "2024-06-11T13:33:24+02:00",
    "2024-06-11 13:33:24 +0200",
    "2024-06-11",
    "2024",
    "1718105604000",
    "1718105604",
    "😀a",
    "0xff",
    "ff",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "5",
    "5.0",
    "2.5",
    "10",
    "255",
    "1718105604",
    "1718105604000",
    "1718064000.0",
    "9999999999999",
    "3",
];

fn texts() -> impl Strategy<Value = String> {
    select(TEXTS).prop_map(eql_string)
}

fn eql_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn numbers() -> impl Strategy<Value = String> {
    select(NUMBERS).prop_map(str::to_owned)
}

fn fields() -> impl Strategy<Value = String> {
    select(FIELDS).prop_map(str::to_owned)
}

fn constants() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => texts(),
        3 => numbers(),
        1 => select(&["true", "false", "null"][..]).prop_map(str::to_owned),
        1 => (numbers(), select(&["+", "-", "*", "/", "%"][..]), numbers())
            .prop_map(|(left, op, right)| format!("{left} {op} {right}")),
    ]
}

/// Values: fields, and functions of them.
fn values() -> impl Strategy<Value = String> {
    let text = prop_oneof![3 => fields(), 1 => texts()];
    let functions = (select(FUNCTIONS), prop::collection::vec(text, 4), numbers(), numbers());
    let call = functions.prop_map(|(function, args, start, end)| {
        let mut written = function.to_owned();
        for (place, arg) in ["$1", "$2", "$3", "$4"].iter().zip(&args) {
            written = written.replace(place, arg);
        }
        written.replace("#1", &start).replace("#2", &end)
    });
    prop_oneof![3 => fields(), 2 => call]
}

/// `$n` is a text, `#n` a number.
const FUNCTIONS: &[&str] = &[
    "startsWith($1, $2)",
    "startsWith~($1, $2)",
    "endsWith($1, $2)",
    "endsWith~($1, $2)",
    "stringContains($1, $2)",
    "stringContains~($1, $2)",
    "length($1)",
    "string($1)",
    "concat($1, $2)",
    "concat($1, #1, $2)",
    "indexOf($1, $2)",
    "indexOf~($1, $2, #1)",
    "substring($1, #1)",
    "substring($1, #1, #2)",
    "between($1, $2, $3)",
    "between~($1, $2, $3, true)",
    "number($1)",
    "number($1, 16)",
    "add(#1, #2)",
    "modulo(process.pid, #2)",
    "divide(a, #1)",
    "process.pid + #1",
    "a * #1",
    "-a",
    "a - b",
    "length($1) + length($2)",
    "cidrMatch(source.ip, \"10.0.0.0/28\", \"::1\")",
    "cidrMatch(a, \"fe80::/10\", \"10.0.0.1\")",
];

fn globs() -> impl Strategy<Value = String> {
    let piece = select(&["*", "?", "a", "b", "A", "K", "5", "s", ":", "."][..]);
    prop_oneof![
        3 => prop::collection::vec(piece, 0..5).prop_map(|pieces| eql_string(&pieces.concat())),
        1 => texts(),
    ]
}

fn regexes() -> impl Strategy<Value = String> {
    let atoms = [
        "a", "b", "A", ".", "@", "[a-c]", "[^b5]", "(a|b)", "(ab|())", "#", "\\.", "k", "\\d",
        "<4-12>", "a.&.b",
    ];
    let quantifiers = ["", "", "*", "+", "?", "*?", "+?", "{2}", "{1,2}", "{2,}?"];
    let piece = (select(atoms.to_vec()), select(quantifiers.to_vec()));
    prop::collection::vec(piece, 1..4).prop_map(|pieces| {
        let pattern: String = pieces
            .into_iter()
            .map(|(atom, quantifier)| {
                // Only the last atom of the intersection can be repeated.
                if atom.contains('&') { atom.to_owned() } else { format!("{atom}{quantifier}") }
            })
            .collect();
        eql_string(&pattern)
    })
}

fn list(items: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(items, 1..12).prop_map(|items| format!("({})", items.join(", ")))
}

fn atoms() -> impl Strategy<Value = String> {
    let compare = select(&["==", "!=", "<", "<=", ">", ">="][..]);
    let like = select(&[":", "like", "like~"][..]);
    let member = select(&["in", "in~", "not in", "not in~"][..]);
    let regex = select(&["regex", "regex~"][..]);
    Union::new_weighted(vec![
        (
            4,
            (values(), compare.clone(), constants())
                .prop_map(|(v, op, c)| format!("{v} {op} {c}"))
                .boxed(),
        ),
        (
            1,
            (constants(), compare, values()).prop_map(|(c, op, v)| format!("{c} {op} {v}")).boxed(),
        ),
        (
            3,
            (values(), like.clone(), globs())
                .prop_map(|(v, op, p)| format!("{} {op} {p}", operand(&v)))
                .boxed(),
        ),
        (
            2,
            (values(), like, list(globs()))
                .prop_map(|(v, op, p)| format!("{} {op} {p}", operand(&v)))
                .boxed(),
        ),
        (
            3,
            (values(), member, list(constants()))
                .prop_map(|(v, op, l)| format!("{} {op} {l}", operand(&v)))
                .boxed(),
        ),
        (
            2,
            (values(), regex, regexes())
                .prop_map(|(v, op, p)| format!("{} {op} {p}", operand(&v)))
                .boxed(),
        ),
        (1, values().boxed()),
    ])
}

/// A predicate binds to what is directly before it.
fn operand(value: &str) -> String {
    format!("({value})")
}

fn conditions() -> impl Strategy<Value = String> {
    atoms().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("not ({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.clone().prop_map(|a| format!("({a}) == true")),
            inner.clone().prop_map(|a| format!("({a}) != false")),
            inner.clone().prop_map(|a| format!("null == ({a})")),
        ]
    })
}

fn json_values() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        5 => select(TEXTS).prop_map(serde_json::Value::from),
        3 => select(NUMBERS).prop_map(|number| serde_json::from_str(number).unwrap()),
        1 => any::<bool>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::Null),
        1 => Just(serde_json::json!({"x": 1})),
    ]
}

fn events() -> impl Strategy<Value = String> {
    let values = prop::collection::vec(json_values(), 0..4);
    let names =
        ["a", "b", "c.d", "source.ip", "process.pid", "process.interactive", "event.created"];
    prop::collection::vec((select(names.to_vec()), values), 0..8).prop_map(|members| {
        let members = members.into_iter().map(|(name, values)| (name.to_owned(), values.into()));
        serde_json::Value::Object(members.collect()).to_string()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_conditions_answer_as_the_naive_interpreter(
        text in conditions(),
        events in prop::collection::vec(events(), 6),
    ) {
        let (condition, _) = eql::parse_condition(&text);
        // Random types do not always fit together; what the checker refuses is not run.
        if let Some(condition) = condition {
            let mut table = FieldTable::default();
            let predicate = Predicate::compile(&condition, &mut table).unwrap();
            let index = index(&predicate, &mut table);
            for json in events {
                let event = flat::flatten(&json);
                let fields = flat::fields(&event, &table);
                let compiled = predicate.matches(&fields);
                let mut found = false;
                index.candidates(&fields, |(), _| found = true);
                prop_assert!(found || !compiled, "not in the index: {} on {}", text, json);
                prop_assert_eq!(compiled, naive::matches(&condition, &event), "{} on {}", text, json);
            }
        }
    }

    #[test]
    fn conditions_print_as_themselves(text in conditions()) {
        if let (Some(condition), _) = eql::parse_condition(&text) {
            let printed = eql::print::condition(&condition);
            let again = eql::parse_condition(&printed).0;
            prop_assert!(again.is_some(), "{} from {}", printed, text);
            prop_assert_eq!(eql::print::condition(&again.unwrap()), printed);
        }
    }
}

/// Values of several fields, some of which are named twice.
fn joint_values() -> impl Strategy<Value = String> {
    let fields = select(&["a", "b", "c.d", "source.ip", "process.pid", "?a", "\"a\"", "5"][..]);
    let fields = prop::collection::vec(fields.prop_map(str::to_owned), 4);
    let call = (select(JOINT_FUNCTIONS), fields).prop_map(|(function, args)| {
        let mut written = function.to_owned();
        for (place, arg) in ["$1", "$2", "$3", "$4"].iter().zip(&args) {
            written = written.replace(place, arg);
        }
        written
    });
    prop_oneof![3 => call, 1 => values()]
}

const JOINT_FUNCTIONS: &[&str] = &[
    "startsWith($1, $2)",
    "startsWith~($1, $2)",
    "endsWith($1, $2)",
    "endsWith~($1, concat($2, $3))",
    "stringContains($1, $2)",
    "stringContains~(concat($1, $2), $3)",
    "concat($1, $2)",
    "concat($1, \":\", $2, $3)",
    "length(concat($1, $2))",
    "indexOf($1, $2)",
    "indexOf~($1, $2, length($3))",
    "between($1, $2, $3)",
    "substring($1, number($2))",
    "number($1) + number($2)",
    "number($1) - length($2)",
    "$1 + $2",
    "$1 - $2",
    "$1 * $2",
    "-$1 - ($2 + $3)",
    "length($1) + length($2)",
    "length($1) - length($1) - number($2)",
    "(startsWith($1, $2) and length($3) > 1)",
    "(startsWith($1, $2) or endsWith~($3, $4))",
    "(not startsWith($1, $2) and $1 != \"a\")",
    "(concat($1, $2) == null or $3 == null)",
];

/// A condition on what several fields have together.
fn joint_atoms() -> impl Strategy<Value = String> {
    let compare = select(&["==", "!=", "<", "<=", ">", ">="][..]);
    let like = select(&[":", "like", "like~"][..]);
    prop_oneof![
        4 => (joint_values(), compare, constants()).prop_map(|(v, op, c)| format!("{v} {op} {c}")),
        2 => (joint_values(), like, globs()).prop_map(|(v, op, p)| format!("({v}) {op} {p}")),
        1 => (joint_values(), list(constants())).prop_map(|(v, l)| format!("({v}) in {l}")),
        2 => joint_values(),
        1 => joint_values().prop_map(|v| format!("not ({v})")),
    ]
}

/// Events with so many values that combinations are not tried one by one.
fn wide_events() -> impl Strategy<Value = String> {
    let values = || prop::collection::vec(json_values(), 0..18);
    (values(), values(), values(), values()).prop_map(|(a, b, d, pid)| {
        serde_json::json!({"a": a, "b": b, "c.d": d, "process.pid": pid, "source.ip": "::1"})
            .to_string()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_combinations_are_judged_as_one_by_one(
        text in joint_atoms(),
        events in prop::collection::vec(wide_events(), 2),
    ) {
        let (Some(condition), _) = eql::parse_condition(&text) else { return Ok(()) };
        let mut table = FieldTable::default();
        let predicate = Predicate::compile(&condition, &mut table).unwrap();
        for json in events {
            let event = flat::flatten(&json);
            let judgement = predicate.judge(&flat::fields(&event, &table));
            let expected = naive::matches(&condition, &event);
            prop_assert_eq!(judgement, Judgement::of(expected), "{} on {}", text, json);
        }
    }
}

#[test]
fn most_joint_conditions_are_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..500).filter(|_| {
        let tree = joint_atoms().new_tree(&mut runner).unwrap();
        eql::parse_condition(&proptest::strategy::ValueTree::current(&tree)).0.is_some()
    });
    let accepted = accepted.count();
    assert!(accepted > 100, "only {accepted} of 500");
}

/// An index of one condition.
fn index(predicate: &Predicate, table: &mut FieldTable) -> Index<()> {
    let entry = Entry { term: (), category: None, category_field: None, predicate };
    Index::new(table.intern("event.category"), &[entry], table)
}

#[test]
fn most_random_conditions_are_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..500)
        .filter(|_| {
            let tree = conditions().new_tree(&mut runner).unwrap();
            eql::parse_condition(&proptest::strategy::ValueTree::current(&tree)).0.is_some()
        })
        .count();
    assert!(accepted > 200, "only {accepted} of 500");
}

#[test]
fn a_long_list_compiles_quickly_and_finds_its_members() {
    let names: Vec<String> = (0..2_609).map(|index| format!("library_{index}.dll")).collect();
    let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let text = format!("dll.name : ({}, \"*.ocx\")", list.join(", "));
    let (condition, findings) = eql::parse_condition(&text);
    let condition = condition.unwrap_or_else(|| panic!("{findings:?}"));
    let mut table = FieldTable::default();
    let start = std::time::Instant::now();
    let predicate = Predicate::compile(&condition, &mut table).unwrap();
    let took = start.elapsed();
    // An order of magnitude above what it takes, so that a busy machine does not fail the test.
    assert!(took.as_millis() < 100, "{took:?}");
    let id = table.get("dll.name").unwrap();
    let ask = |name: &str| {
        let arena = Arena::new();
        let mut fields = Fields::new(table.len(), &arena);
        fields.push(id, Value::from(name));
        predicate.matches(&fields)
    };
    assert!(names.iter().all(|name| ask(&name.to_uppercase())) && ask("x.OCX"));
    assert!(!ask("library_2609.dll") && !ask(""));
}

#[test]
fn published_rules_answer_alike_compiled_and_naively() {
    let mut values = Vec::new();
    let mut conditions = Vec::new();
    for (name, query) in published_rules::queries() {
        let query = eql::parse(&query).0.unwrap();
        for term in own_values::terms(&query) {
            own_values::collect(&term.condition, &mut values);
            conditions.push((name.clone(), term.condition.clone()));
        }
    }
    let random = &mut random::Random::new(1);
    let (mut asked, mut matched) = (0, 0);
    for (name, condition) in conditions {
        let mut own = Vec::new();
        own_values::collect(&condition, &mut own);
        own.truncate(200);
        let mut table = FieldTable::default();
        let predicate = Predicate::compile(&condition, &mut table).unwrap();
        for _ in 0..12 {
            let event = own_values::event(&own, &values, |end| random.below(end as u64) as usize);
            let event = flat::flatten(&event.to_string());
            let compiled = predicate.matches(&flat::fields(&event, &table));
            assert_eq!(compiled, naive::matches(&condition, &event), "{name} on {event:?}");
            asked += 1;
            matched += usize::from(compiled);
        }
    }
    assert!(asked == 0 || matched > asked / 100, "{matched} of {asked} matched");
}
