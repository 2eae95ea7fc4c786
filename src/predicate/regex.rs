//! Regular expressions, built within limits.

use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::syntax;

use crate::diag::Diagnostic;
use crate::eql::ast::{Case, Pattern};
use crate::eql::regex::translate;

/// How large the automaton of one condition may become.
const NFA_BYTES: usize = 4 << 20;
/// How much memory a lazily built automaton may use.
const CACHE_BYTES: usize = 2 << 20;

/// Patterns, one of which must match a whole text.
#[derive(Debug)]
pub(super) struct Patterns {
    /// All patterns that are a single expression, as one automaton.
    single: Option<Regex>,
    /// Patterns with `&`: all parts must match.
    joined: Vec<Vec<Regex>>,
}

impl Patterns {
    pub(super) fn new(patterns: &[Pattern], case: Case) -> Result<Self, Diagnostic> {
        let mut single = Vec::new();
        let mut joined = Vec::new();
        for pattern in patterns {
            let translation = translate(&pattern.text).map_err(|refusal| {
                Diagnostic::error("E0310", refusal.message).at(pattern.span).help(refusal.help)
            })?;
            for mut parts in translation.alternatives {
                match parts.len() {
                    1 => single.append(&mut parts),
                    _ => joined.push(parts),
                }
            }
        }
        let too_large = || {
            let span = patterns.iter().map(|pattern| pattern.span).reduce(|a, b| a.to(b));
            Diagnostic::error("E0310", "this pattern makes too large an automaton")
                .at(span.unwrap_or_default())
                .label("too many repetitions")
                .help("repeat less often, or write `*` instead of a large number")
        };
        let build = |parts: &[String]| build(parts, case).ok_or_else(too_large);
        let single = if single.is_empty() { None } else { Some(build(&single)?) };
        let each = |parts: &Vec<String>| {
            parts.iter().map(|part| build(std::slice::from_ref(part))).collect()
        };
        let joined = joined.iter().map(each).collect::<Result<_, _>>()?;
        Ok(Self { single, joined })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.single.as_ref().is_some_and(|regex| regex.is_match(text))
            || self.joined.iter().any(|parts| parts.iter().all(|part| part.is_match(text)))
    }
}

fn build(patterns: &[String], case: Case) -> Option<Regex> {
    let config = Config::new()
        .nfa_size_limit(Some(NFA_BYTES))
        .hybrid_cache_capacity(CACHE_BYTES)
        .which_captures(WhichCaptures::Implicit);
    let syntax = syntax::Config::new()
        .dot_matches_new_line(true)
        .case_insensitive(case == Case::Insensitive);
    Regex::builder().configure(config).syntax(syntax).build_many(patterns).ok()
}
