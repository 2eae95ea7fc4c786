//! The parser survives everything: random texts, good queries with pieces missing or exchanged,
//! and nesting without end.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use maxspan::diag::{Diagnostic, render};
use maxspan::eql;
use maxspan::text::Text;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "support/published_rules.rs"]
mod published_rules;
#[path = "support/spanless.rs"]
mod spanless;

const QUERIES: &[&str] = &[
    r#"process where process.name : ("a*", "b?") and not process.pid in (1, 2.5, -3)"#,
    r#"sequence by host.id, ?user.id with maxspan=5m [process where x == "\u{41}\\"] by a with runs=3
       ![network where cidrMatch(source.ip, "10.0.0.0/8")] by b until [any where true] by c | tail 1"#,
    r#"sample by a [x where `b-c`.`0` regex~ """a.*\"b"""] [y where startsWith~(a, substring(b, 0, -1))]"#,
    "any where /* a /* b */ */ (a + b * -2 % 3 >= 4 or ?c == null) // end\n and d not in~ (\"x\")",
    "join by x [a where child of [b where true]] fork [c where a[0] = 'x'] | count | sort a",
];

const WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "in~",
    "like",
    "like~",
    "regex",
    "by",
    "with",
    "maxspan",
    "runs",
    "until",
    "where",
    "any",
    "sequence",
    "sample",
    "null",
    "true",
    "AND",
    "NOT",
    "a",
    "a.b",
    "`a`",
    "\"x\"",
    "\"\"\"x\"\"\"",
    "5",
    "5m",
    "1.5",
    "(",
    ")",
    "[",
    "![",
    "]",
    ",",
    "|",
    ":",
    "==",
    "=",
    "!=",
    "<",
    "+",
    "-",
    "*",
    "/",
    "%",
    "?",
    ".",
    "length(",
    "endsWith~(",
    "head",
    "'x'",
    "\"x",
    "`",
    "/*",
    "*/",
    "//",
    "\n",
    "~",
    "!",
    "&&",
    "||",
    "é",
    "\\",
];

/// Parses, checks what must hold of every answer, and renders it.
fn survive(text: &str) {
    let (query, findings) = eql::parse(text);
    assert_eq!(query.is_none(), findings.iter().any(Diagnostic::is_error), "{text:?} {findings:?}");
    for finding in &findings {
        let span = finding.span.expect("every finding points at something");
        assert!(span.start <= span.end && span.end as usize <= text.len(), "{text:?} {finding:?}");
        assert!(
            text.is_char_boundary(span.start as usize) && text.is_char_boundary(span.end as usize)
        );
    }
    let few = &findings[..findings.len().min(3)];
    assert_eq!(
        render::render(few, &Text::new("q", text), render::Colour::None).is_empty(),
        few.is_empty()
    );
    if let Some(query) = query {
        let printed = eql::print::canonical(&query);
        let again =
            eql::parse(&printed).0.unwrap_or_else(|| panic!("{text:?} printed {printed:?}"));
        assert_eq!(spanless::tree(&query), spanless::tree(&again), "{text:?} printed {printed:?}");
    }
    let _ = eql::parse_condition(text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,80}") {
        survive(&text);
    }

    #[test]
    fn any_characters(text in prop::collection::vec(any::<char>(), 0..40)) {
        survive(&text.into_iter().collect::<String>());
    }

    #[test]
    fn any_words(words in prop::collection::vec(select(WORDS), 0..40), glue in select(&["", " "][..])) {
        survive(&words.join(glue));
        survive(&format!("any where {}", words.join(glue)));
        survive(&format!("sequence by a [any where {}] [any where true]", words.join(glue)));
    }

    #[test]
    fn queries_with_a_piece_missing_or_exchanged(
        query in select(QUERIES),
        cuts in prop::collection::vec((any::<Index>(), 0..6_usize, select(WORDS)), 1..4),
    ) {
        let mut characters: Vec<char> = query.chars().collect();
        for (at, len, word) in cuts {
            let at = at.index(characters.len());
            let end = (at + len).min(characters.len());
            characters.splice(at..end, word.chars());
        }
        survive(&characters.into_iter().collect::<String>());
    }
}

#[test]
fn every_beginning_and_every_end_of_a_query() {
    for query in QUERIES {
        for (at, _) in query.char_indices() {
            survive(&query[..at]);
            survive(&query[at..]);
        }
    }
}

#[test]
fn published_rules_with_a_line_missing() {
    for (_, query) in published_rules::queries() {
        let lines: Vec<&str> = query.lines().collect();
        for missing in (0..lines.len()).step_by(1 + lines.len() / 4) {
            let rest: Vec<&str> = lines
                .iter()
                .enumerate()
                .filter(|(n, _)| *n != missing)
                .map(|(_, line)| *line)
                .collect();
            let _ = eql::parse(&rest.join("\n"));
        }
    }
}

#[test]
fn nesting_without_end_is_refused_and_not_followed() {
    for opening in
        ["(", "not ", "-", "+", "length(", "a in (", "[", "![", "{", "1 + (", "- not (", "/*"]
    {
        let deep = opening.repeat(100_000);
        for text in
            [deep.clone(), format!("any where {deep}a"), format!("sequence [any where {deep}")]
        {
            let (query, findings) = eql::parse(&text);
            assert!(query.is_none() && !findings.is_empty(), "{opening}");
        }
    }
}

#[test]
fn long_chains_are_no_nesting() {
    for (operator, fits) in [(" and ", true), (" or ", true), (" + 1 == 2 or x", true)] {
        let text = vec!["x"; 50_000].join(operator);
        let (condition, findings) = eql::parse_condition(&text);
        assert_eq!(condition.is_some(), fits, "{operator} {:?}", findings.first());
    }
    let sum = vec!["1"; 50_000].join(" + ");
    let (_, findings) = eql::parse_condition(&format!("x == {sum}"));
    assert_eq!(findings[0].code, "E0210");
}

#[test]
fn the_deepest_nesting_that_is_allowed_is_parsed_checked_and_printed() {
    let text = format!("any where {}x == 1{}", "not (".repeat(99), ")".repeat(99));
    let (query, findings) = eql::parse(&text);
    assert!(query.is_some(), "{findings:?}");
    survive(&text);
}
