//! Rules that nobody wrote: equality lists, parts of texts and user ids over twenty fields that all sets share.
//!
//! Each set begins with a rule that names all twenty fields, so that sets differ in their number of rules and not in
//! what is read of a record. One rule in a hundred hits: files whose names begin with two digits of its own.

use std::sync::Arc;

use maxspan::text::Text;

use crate::rule_text::rule;
use crate::support::random::Random;

/// What of twenty fields is compared with whole values, and what is searched.
const NAMES: [&str; 9] = [
    "process.name",
    "process.parent.name",
    "file.name",
    "file.extension",
    "user.name",
    "user.domain",
    "dll.name",
    "host.name",
    "user.id",
];
const TEXTS: [&str; 11] = [
    "process.command_line",
    "process.executable",
    "process.working_directory",
    "process.parent.command_line",
    "process.parent.executable",
    "process.pe.original_file_name",
    "file.path",
    "file.directory",
    "registry.path",
    "dns.question.name",
    "dll.path",
];
const CATEGORIES: [(&str, u64); 5] =
    [("process", 62), ("file", 12), ("network", 12), ("registry", 8), ("library", 6)];
/// Every so many rules one hits.
const HITS_EVERY: usize = 100;

/// Returns so many rules.
pub(crate) fn rules(count: usize) -> Vec<Arc<Text>> {
    let random = &mut Random::new(11);
    let one = |number| {
        let query = match number {
            0 => all_fields(),
            _ if number % HITS_EVERY == 0 => {
                format!("file where file.name : \"~{}*\"", digits(number))
            }
            _ => query(random),
        };
        rule("made up", &format!("made-up-{number}"), &query, toml::Table::new())
    };
    (0..count).map(one).collect()
}

/// Returns how many alerts a set gives over these lines: the records of new files with the names that its rules look
/// for, found by their bytes alone.
pub(crate) fn alerts(count: usize, lines: &[u8]) -> usize {
    let occurs = |number| {
        let name = format!(r"\\Temp\\~{}", digits(number));
        let in_record = |line: &&[u8]| {
            memchr::memmem::find(line, b"\"code\":\"11\"").is_some()
                && memchr::memmem::find(line, name.as_bytes()).is_some()
        };
        lines.split(|byte| *byte == b'\n').filter(in_record).count()
    };
    (0..count).step_by(HITS_EVERY).map(occurs).sum()
}

fn digits(number: usize) -> String {
    format!("{:02X}", number / HITS_EVERY)
}

fn all_fields() -> String {
    let never = |field: &&str| format!("{field} == \"none of these\"");
    let nevers: Vec<String> = NAMES.iter().chain(&TEXTS).map(never).collect();
    format!("file where file.name : \"~{}*\" and not ({})", digits(0), nevers.join(" or "))
}

fn query(random: &mut Random) -> String {
    let mut left = random.below(100);
    let of_chance = |(_, share): &&(&str, u64)| {
        let is_it = left < *share;
        left = left.saturating_sub(*share);
        is_it
    };
    let category = CATEGORIES.iter().find(of_chance).unwrap().0;
    let word = |random: &mut Random| format!("{:05x}", random.below(1 << 20));
    let mut conditions = Vec::new();
    if random.chance(30) {
        let common = ["svchost.exe", "cmd.exe", "powershell.exe", "explorer.exe", "lsass.exe"];
        conditions.push(format!("process.name : \"{}\"", random.pick(&common)));
    }
    for _ in 0..random.between(1, 3) {
        conditions.push(match random.below(10) {
            0..4 => {
                let names: Vec<String> = (0..random.between(1, 6))
                    .map(|_| format!("\"tool{}.exe\"", word(random)))
                    .collect();
                format!("{} in~ ({})", random.pick(&NAMES[..8]), names.join(", "))
            }
            4..8 => format!("{} : \"*-opt{}*\"", random.pick(&TEXTS), word(random)),
            8 => format!("{} : \"*\\\\tool{}.exe\"", random.pick(&TEXTS), word(random)),
            _ => format!("user.id == \"S-1-5-21-{}\"", random.below(100_000)),
        });
    }
    format!("{category} where {}", conditions.join(" and "))
}
