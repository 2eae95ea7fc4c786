//! The tables of `docs/eql.md` are those of the code. `UPDATE=1 cargo test --test language_docs`
//! writes them anew.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use maxspan::diag::codes::{CODES, Code};
use maxspan::eql::functions::{FUNCTIONS, Function};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn functions() -> String {
    let mut table = String::from("| function | returns | example |\n| --- | --- | --- |\n");
    for function in FUNCTIONS {
        let example = function.examples.first().map_or("", |example| example.condition);
        let cell = |text: &str| text.replace('|', "\\|");
        table +=
            &format!("| `{}` | {} | `{}` |\n", signature(function), function.doc, cell(example));
    }
    table
}

/// Writes `indexOf~(text, part [, start])`.
fn signature(function: &Function) -> String {
    let mut written = function.name.to_owned();
    written += if function.has_tilde { "[~](" } else { "(" };
    for (index, param) in function.params.iter().chain(&function.rest).enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let is_rest = index >= function.params.len();
        written += &match (param.required, is_rest) {
            (_, true) => format!("{comma}{} …", param.name),
            (true, _) => format!("{comma}{}", param.name),
            (false, _) => format!(" [{comma}{}]", param.name),
        };
    }
    written + ")"
}

/// E01 characters, E02 grammar, E03 meaning, W04 caveats: what comes from a query's text. Rule files
/// and configuration have codes of their own.
fn language_codes() -> impl Iterator<Item = &'static Code> {
    CODES.iter().filter(|code| &code.code[1..3] <= "04")
}

fn codes() -> String {
    let mut table = String::from("| code | meaning |\n| --- | --- |\n");
    for code in language_codes() {
        table += &format!("| `{}` | {} |\n", code.code, code.meaning.replace("||", "\\|\\|"));
    }
    table
}

/// Replaces what stands between the marks.
fn with_table(page: &str, name: &str, table: &str) -> String {
    let (before, rest) = page.split_once(&format!("<!-- {name} -->\n")).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}<!-- {name} -->\n{table}<!-- end -->{after}")
}

#[test]
fn tables_of_the_manual_are_those_of_the_code() {
    let path = root().join("docs/eql.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let written = with_table(&page, "functions", &functions());
    let written = with_table(&written, "codes", &codes());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    assert_eq!(page, written, "write them anew: UPDATE=1 cargo test --test language_docs");
}

#[test]
fn every_code_of_the_language_is_listed_and_every_listed_one_is_used() {
    let mut used = BTreeSet::new();
    for folder in ["src/eql", "src/predicate"] {
        collect(&root().join(folder), &mut used);
    }
    let listed: Vec<String> = language_codes().map(|code| code.code.to_owned()).collect();
    assert!(listed.is_sorted_by_key(|code| &code[1..]), "ascending");
    assert_eq!(used.into_iter().collect::<Vec<_>>(), listed);
}

/// Collects the string literals that look like codes.
fn collect(folder: &Path, used: &mut BTreeSet<String>) {
    let paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in paths {
        if path.is_dir() {
            collect(&path, used);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            used.extend(text.split('"').filter(|word| is_code(word)).map(str::to_owned));
        }
    }
}

fn is_code(word: &str) -> bool {
    word.len() == 5
        && word.starts_with(['E', 'W', 'N'])
        && word[1..].bytes().all(|byte| byte.is_ascii_digit())
}
