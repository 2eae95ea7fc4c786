//! Random conditions and events: every choice is one of [`Random`], so that a fuzzer can make it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use serde_json::{Map, Value as Json, json};

use super::random::Random;

const FIELDS: &[&str] = &[
    "a",
    "b",
    "c.d",
    "source.ip",
    "process.pid",
    "process.interactive",
    "event.created",
    "?a",
    "?c.d",
    "a.caseless",
    "?c.d.keyword",
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
    "ABBA",
    "5",
    "05",
    "5.0",
    "-1",
    "1e1",
    "0xff",
    "ff",
    "true",
    "::1",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "10.0.0.20",
    "fe80::1",
    "fe80::1%4",
    "18446744073709551615",
    "K",
    "k",
    "ſ",
    "s",
    "ä",
    "Ä",
    "a\nb",
    "2024-06-11T11:33:24Z",
    "1718105604000",
    "😀a",
    "a\\b",
    "a\"b",
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
    "1718105604000",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551614",
    "-2147483648",
    "1e300",
];

/// `$` is a value, `#` a number, `~` a text.
const CALLS: &[&str] = &[
    "startsWith($, ~)",
    "startsWith~($, $)",
    "endsWith($, ~)",
    "endsWith~($, $)",
    "stringContains($, ~)",
    "stringContains~($, $)",
    "length($)",
    "string($)",
    "concat($, $)",
    "concat($, #, ~)",
    "indexOf($, ~)",
    "indexOf~($, ~, #)",
    "substring($, #)",
    "substring($, #, #)",
    "substring($, #, null)",
    "substring($, b)",
    "indexOf($, ~, null)",
    "number($, null)",
    "between($, ~, ~)",
    "between~($, ~, ~, true)",
    "number($)",
    "number($, 16)",
    "add(#, $)",
    "subtract($, #)",
    "multiply($, $)",
    "divide($, #)",
    "modulo($, #)",
    "($ + #)",
    "($ - $)",
    "($ * #)",
    "($ / $)",
    "($ % #)",
    "(-$)",
    "cidrMatch(source.ip, \"10.0.0.0/28\", \"::1\")",
    "cidrMatch(a, \"fe80::/10\", \"10.0.0.1\")",
];

/// Returns the text of a condition, nested no deeper than this. Its types may not fit together.
pub(crate) fn condition(random: &mut Random, depth: u32) -> String {
    let choice = random.below(8);
    if depth == 0 || choice >= 4 {
        return atom(random);
    }
    let inner = condition(random, depth - 1);
    match choice {
        0 => format!("not ({inner})"),
        1 => format!("({inner}) and ({})", condition(random, depth - 1)),
        2 => format!("({inner}) or ({})", condition(random, depth - 1)),
        _ => {
            let op =
                random.pick(&["== true", "!= true", "== null", "!= null", "== false", "!= false"]);
            format!("({inner}) {op}")
        }
    }
}

fn atom(random: &mut Random) -> String {
    let value = value(random, 2);
    match random.below(6) {
        0 | 1 => {
            let op = *random.pick(&["==", "!=", "<", "<=", ">", ">="]);
            format!("{value} {op} {}", constant(random))
        }
        2 | 3 => {
            let op = *random.pick(&[":", "like", "like~"]);
            format!("({value}) {op} {}", list(random, glob))
        }
        4 => {
            let op = *random.pick(&["in", "in~", "not in", "not in~"]);
            format!("({value}) {op} {}", list(random, constant))
        }
        _ => value,
    }
}

fn list(random: &mut Random, item: impl Fn(&mut Random) -> String) -> String {
    let items: Vec<String> = (0..random.between(1, 10)).map(|_| item(random)).collect();
    format!("({})", items.join(", "))
}

fn value(random: &mut Random, depth: u32) -> String {
    if depth == 0 || random.chance(60) {
        return (*random.pick(FIELDS)).to_owned();
    }
    let mut call = String::new();
    for c in random.pick(CALLS).chars() {
        match c {
            '$' if random.chance(20) => call += &text(random),
            '$' => call += &value(random, depth - 1),
            '#' => call += random.pick::<&str>(NUMBERS),
            // A tilde behind a function's name belongs to it.
            '~' if call.ends_with(' ') => call += &text(random),
            c => call.push(c),
        }
    }
    call
}

fn constant(random: &mut Random) -> String {
    match random.below(10) {
        0..5 => text(random),
        5..9 => (*random.pick(NUMBERS)).to_owned(),
        _ => (*random.pick(&["true", "false", "null"])).to_owned(),
    }
}

fn text(random: &mut Random) -> String {
    quote(random.pick::<&str>(TEXTS))
}

fn glob(random: &mut Random) -> String {
    if random.chance(25) {
        return text(random);
    }
    let piece = |_| *random.pick(&["*", "?", "a", "b", "A", "K", "5", "s", ":", ".", "\\", "ä"]);
    quote(&(0..5).map(piece).collect::<String>())
}

fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// Returns an event as JSON: up to three values of each field, of whatever type.
pub(crate) fn event(random: &mut Random) -> String {
    let mut members = Map::new();
    for field in FIELDS.iter().filter(|field| !field.starts_with('?')) {
        let values: Vec<Json> = (0..random.below(4)).map(|_| json_value(random)).collect();
        members.insert((*field).to_owned(), values.into());
    }
    Json::Object(members).to_string()
}

fn json_value(random: &mut Random) -> Json {
    match random.below(10) {
        0..5 => (*random.pick(TEXTS)).into(),
        5..8 => serde_json::from_str(random.pick::<&str>(NUMBERS)).unwrap(),
        8 => random.chance(50).into(),
        _ => (*random.pick(&[&Json::Null, &json!({"x": 1})])).clone(),
    }
}
