//! What authors of rules get to read: one bad query a file, rendered, beside what is expected.
//!
//! `UPDATE_EXPECT=1 cargo test --test diagnostics` writes the expected texts; read them before
//! they are committed.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use maxspan::diag::{codes, render};
use maxspan::eql;
use maxspan::text::Text;

fn queries() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/diagnostics");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "eql")).collect();
    paths.sort();
    paths
}

#[test]
fn every_bad_query_is_explained_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for path in queries() {
        let query = std::fs::read_to_string(&path).unwrap();
        let (_, findings) = eql::parse(&query);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let shown =
            render::render(&findings, &Text::new(name.as_str(), query), render::Colour::None);
        let expected_path = path.with_extension("stderr");
        if update {
            std::fs::write(&expected_path, shown).unwrap();
        } else if std::fs::read_to_string(&expected_path).unwrap_or_default() != shown {
            wrong.push(format!("{name} is explained like this:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_corpus_covers_the_language() {
    let paths = queries();
    assert!(paths.len() >= 40, "only {} queries", paths.len());
    let mut seen = BTreeSet::new();
    for path in &paths {
        let query = std::fs::read_to_string(path).unwrap();
        let (_, findings) = eql::parse(&query);
        assert!(!findings.is_empty(), "{} is a good query", path.display());
        for finding in findings {
            let span = finding.span.unwrap_or_else(|| panic!("{}: {finding:?}", path.display()));
            assert!(span.start <= span.end && span.end as usize <= query.len(), "{finding:?}");
            assert!(
                !finding.message.ends_with('.') && !finding.message.starts_with(char::is_uppercase)
            );
            seen.insert(finding.code);
        }
    }
    let language = codes::CODES.iter().filter(|code| {
        ["E01", "E02", "E03", "W04"].iter().any(|prefix| code.code.starts_with(prefix))
    });
    let missing: Vec<&str> =
        language.map(|code| code.code).filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no query for {missing:?}");
    assert!(seen.iter().all(|code| codes::find(code).is_some()), "a code is not in the list");
}

#[test]
fn texts_that_are_no_queries_are_refused_quickly() {
    let started = std::time::Instant::now();
    for junk in
        ["; ", "[ ", "any where ; ", "/*", "\"", "not ", "( ", "sequence [any where a = 1] "]
    {
        let text = Text::new("query", junk.repeat(20_000));
        let (query, findings) = eql::parse(&text.contents);
        assert!(query.is_none() && findings.iter().any(|finding| finding.is_error()), "{junk}");
        assert!(findings.len() <= 100, "{junk}: {} findings", findings.len());
        render::render(&findings, &text, render::Colour::None);
    }
    // A hundred times what it takes: an answer that grows with the square takes minutes.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
