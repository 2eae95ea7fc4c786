//! `seeds`: writes the first inputs of every target to `corpus/`, from the cases under `tests/corpus` and the rules
//! under `config/rules`. A file is named after its contents, so that running it twice changes nothing.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = root.join("..");
    let mut seeds = Seeds { corpus: root.join("corpus") };
    for (_, query) in files(&project.join("tests/corpus/diagnostics"), "eql")? {
        seeds.add("language", &query)?;
        seeds.add("rule_file", &rule(&query))?;
    }
    for (_, text) in files(&project.join("tests/corpus/language"), "toml")? {
        seeds.language(&text)?;
    }
    for (_, text) in files(&project.join("config/rules"), "toml")? {
        seeds.add("rule_file", &text)?;
    }
    for (_, text) in files(&project.join("tests/corpus/normalize"), "json")? {
        seeds.add("decode", &text)?;
        seeds.add("extract", &text)?;
    }
    for (path, lines) in files(&project.join("tests/corpus/normalize/ids"), "ndjson")? {
        // Beside each `.in.ndjson` stands what becomes of it.
        let is_input = path.to_string_lossy().ends_with(".in.ndjson");
        for line in lines.lines().filter(|_| is_input) {
            seeds.add("shape", line)?;
        }
    }
    for text in DOCUMENTS {
        seeds.add("decode", text)?;
        seeds.add("extract", text)?;
    }
    for metadata in METADATA {
        seeds.add("metadata", metadata)?;
    }
    for tape in 0..24u8 {
        let bytes: Vec<u8> =
            (0..150u8).map(|at| at.wrapping_mul(tape * 2 + 1) ^ (tape << 3)).collect();
        seeds.write("sequence", &bytes)?;
        seeds.write("condition", &bytes)?;
    }
    Ok(())
}

struct Seeds {
    corpus: PathBuf,
}

impl Seeds {
    /// Adds queries, conditions with their events, and patterns of a file of language cases.
    fn language(&mut self, text: &str) -> io::Result<()> {
        let file: toml::Table = text.parse().map_err(io::Error::other)?;
        for case in file["case"].as_array().into_iter().flatten() {
            if let Some(query) = case.get("query").and_then(|query| query.as_str()) {
                self.add("language", query)?;
                self.add("rule_file", &rule(query))?;
            }
            let Some(condition) = case.get("condition").and_then(|text| text.as_str()) else {
                continue;
            };
            self.add("language", condition)?;
            let events =
                ["matches", "rejects"].into_iter().filter_map(|name| case.get(name)?.as_array());
            for event in events.flatten().filter_map(|event| event.as_str()).take(3) {
                self.add("condition", &format!("{condition}\n{event}"))?;
            }
            if let Some((_, pattern)) = condition.split_once("regex") {
                let pattern = pattern.split('"').nth(1).unwrap_or_default();
                self.add("regex", &format!("{}\nab", pattern.replace("\\\\", "\\")))?;
            }
        }
        Ok(())
    }

    fn add(&mut self, target: &str, text: &str) -> io::Result<()> {
        self.write(target, text.as_bytes())
    }

    fn write(&mut self, target: &str, bytes: &[u8]) -> io::Result<()> {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let directory = self.corpus.join(target);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join(format!("{:016x}", hasher.finish())), bytes)
    }
}

/// Returns name and text of the files of a directory that end so.
fn files(directory: &Path, extension: &str) -> io::Result<Vec<(PathBuf, String)>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|other| other == extension));
    paths.sort();
    paths.into_iter().map(|path| Ok((path.clone(), std::fs::read_to_string(path)?))).collect()
}

fn rule(query: &str) -> String {
    format!(
        "[rule]\nname = \"n\"\nrule_id = \"r\"\ndescription = \"d\"\nauthor = [\"a\"]\nseverity = \"low\"\n\
         risk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\nquery = '''\n{query}\n'''\n"
    )
}

const DOCUMENTS: &[&str] = &[
    r#"{"a":{"b":[1,2,{"c":"x"}]},"a.b":null,"c":[[],{}]}"#,
    r#"{"a":1,"a":{"b":true},"a":[{"b":{"c":1.5}}],"b":{"a":"\ud83d\ude00","c":{"a":-0}}}"#,
    r#"{"b.c":{"a":18446744073709551615},"c":"\ud800","c.c":{"c":1e400}}"#,
    "{\"\u{e9}\":{\"b\":\"\\u0000\"},\"a\":{\"\u{e9}\":[null]}}",
    "[[[[[[1]]]]]]",
    "{\"c\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"} ",
];

const METADATA: &[&str] = &[
    "\u{4}maxspan1;cut=3;own=a;t=1700000000000000000;s=2;r=0;c=1700000001000000000;step=-;idle=;seen=-;rules=1+2@3",
    "\u{4}maxspan1;cut=3;own=a;t=-;s=4;r=4;c=-;step=1f,1,2;idle=3,1700000009000000000+4,1700000010000000000;seen=5;rules=*1a",
    "\u{0}maxspan1;cut=1;own=;t=-;s=0;r=0;c=-;step=-;idle=;seen=-;rules=",
    "\u{1}maxspan2;anything",
    "\u{1}written by another tool",
];
