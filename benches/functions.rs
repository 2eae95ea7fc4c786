//! What functions and patterns cost at sizes that an attacker would choose: long texts that contain
//! almost what is looked for, and long lists in functions of several fields.
//!
//! Prints medians of several rounds, for one event and one condition.
//!
//! `cargo bench --no-default-features --bench functions [-- --rounds 5]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use maxspan::eql;
use maxspan::event::{FieldTable, Fields, Value};
use maxspan::predicate::Predicate;

#[path = "../tests/support/lasting.rs"]
mod lasting;

type Values = Vec<Value<'static>>;

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--rounds").skip(1);
    let rounds = arguments.next().and_then(|value| value.parse().ok()).unwrap_or(5);
    println!("medians of {rounds} rounds, one condition and one event, one thread");
    texts(rounds);
    lists(rounds);
    intervals(rounds);
}

/// 2,000,000 characters that contain 1,000,000 others but for the last.
fn texts(rounds: usize) {
    for (name, letter) in [("ASCII", "a"), ("Cyrillic", "Ж")] {
        let a = vec![text(letter.repeat(2_000_000))];
        let part = format!("{}b", letter.repeat(1_000_000));
        let half = letter.repeat(500_000);
        let b = vec![text(part.clone())];
        println!("{name}: 2,000,000 characters against 1,000,000");
        for function in [
            "indexOf{}(a, P) == 0",
            "between{}(a, \"\", P) == \"x\"",
            "between{}(a, \"\", P, true) == \"x\"",
            "stringContains{}(a, P)",
            "length(substring(a, 1000000)) == 1",
        ] {
            for tilde in ["", "~"] {
                let written = function.replace("{}", tilde);
                if tilde.is_empty() || function.contains("{}") {
                    measure(rounds, &written, &written.replace('P', "b"), &a, &b);
                    let constant = written.replace('P', &format!("\"{part}\""));
                    if constant != written {
                        measure(rounds, &format!("{written}, constant"), &constant, &a, &b);
                    }
                }
            }
        }
        for (name, pattern) in [
            ("*P*", format!("*{part}*")),
            ("*H?Hb*", format!("*{half}?{half}b*")),
            ("*H*H*b*", format!("*{half}*{half}*b*")),
            ("*c, 1,000,000 ?, b*", format!("*{letter}{}b*", "?".repeat(1_000_000))),
        ] {
            for operator in ["like", "like~"] {
                let condition = format!("a {operator} \"{pattern}\"");
                measure(rounds, &format!("a {operator} \"{name}\""), &condition, &a, &b);
            }
        }
    }
}

fn lists(rounds: usize) {
    let texts = |letter: &str, count: usize| -> Values {
        (0..count).map(|n| text(format!("{letter}{n}"))).collect()
    };
    let numbers = |count: i64| -> Values { (0..count).map(Value::Int).collect() };
    println!("one list of 70,001");
    measure(rounds, "length(a) == 7", "length(a) == 7", &texts("a", 70_001), &Values::new());
    for count in [16, 256, 70_000] {
        println!("two lists of {count}");
        for condition in [
            "concat(a, b) == \"x\"",
            "concat(a, \":\", b) == \"a1:c\"",
            "concat(a, b) like \"*x\"",
            "length(a) + length(b) == 1",
            "startsWith(a, b)",
            "startsWith~(a, b)",
            "endsWith(a, b)",
            "stringContains(a, b)",
            "stringContains~(a, b)",
            "indexOf(a, b) == 5",
            "indexOf~(a, b) == 5",
            "between(a, b, \"x\") == \"x\"",
            "substring(a, length(b)) == \"x\"",
        ] {
            measure(rounds, condition, condition, &texts("a", count), &texts("b", count));
        }
        for condition in ["a - b == 70001", "a + b > 140000", "a * b == -1"] {
            measure(rounds, condition, condition, &numbers(count as i64), &numbers(count as i64));
        }
    }
}

/// Compiling and asking.
fn intervals(rounds: usize) {
    println!("regular expressions, compiled and asked");
    for interval in ["<0-9999999999999>", "<123456789012345678-876543210987654321>"] {
        let took = median(rounds, || {
            let (table, predicate) = compiled(&format!("a regex \"{interval}\""));
            let fields = event(&table, &vec![Value::from("123456789012")], &Values::new());
            black_box(predicate.matches(&fields));
        });
        show(interval, took, "");
    }
}

fn measure(rounds: usize, name: &str, condition: &str, a: &Values, b: &Values) {
    let (table, predicate) = compiled(condition);
    let fields = event(&table, a, b);
    let took = median(rounds, || {
        black_box(predicate.judge(black_box(&fields)));
    });
    show(name, took, &format!("{:?}", predicate.judge(&fields)));
}

fn compiled(condition: &str) -> (FieldTable, Predicate) {
    let (condition, findings) = eql::parse_condition(condition);
    let condition = condition.unwrap_or_else(|| panic!("{findings:?}"));
    let mut table = FieldTable::default();
    table.intern("a");
    table.intern("b");
    let predicate = Predicate::compile(&condition, &mut table).unwrap();
    (table, predicate)
}

fn text(text: String) -> Value<'static> {
    Value::from(&*text.leak())
}

fn event(table: &FieldTable, a: &Values, b: &Values) -> Fields<'static> {
    let mut fields = Fields::new(table.len(), lasting::arena());
    for (name, values) in [("a", a), ("b", b)] {
        values.iter().for_each(|value| fields.push(table.get(name).unwrap(), *value));
    }
    fields
}

fn median(rounds: usize, mut run: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..rounds.max(1))
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[took.len() / 2]
}

fn show(name: &str, took: Duration, answer: &str) {
    println!("  {name:<44} {:>10.3} ms  {answer}", took.as_secs_f64() * 1e3);
}
