//! From what a condition requires of an event to bytes that must stand in its record.
//!
//! A clause is a set of needles of which one must be there. Keys stand in a record byte for byte, with
//! the quote or the dot that ends them; texts apart from letter case, and only as far as JSON writes
//! their characters as they are. Never looks at a record.

use std::collections::BTreeSet;

use super::common::{self, commonness};
use crate::event::FieldTable;
use crate::normalize::{EcsCompat, Origin, origins};
use crate::predicate::Requirement;
use crate::text::fold::fold;

/// Texts that are shorter stand in too many records.
const SHORTEST_TEXT: usize = 3;
/// A clause of more needles costs more than it is worth.
const MOST_NEEDLES: usize = 24;

/// Needles of which one must stand in a record. Without any, no record has what is required.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Clause {
    /// How many of a hundred records have one of the needles, by guess.
    pub(super) share: u32,
    pub(super) needles: BTreeSet<Box<[u8]>>,
}

impl Clause {
    fn impossible() -> Self {
        Self { share: 0, needles: BTreeSet::new() }
    }

    pub(super) fn is_impossible(&self) -> bool {
        self.needles.is_empty()
    }

    fn join(clauses: &[&Self]) -> Self {
        Self {
            share: clauses.iter().map(|clause| clause.share).sum(),
            needles: clauses.iter().flat_map(|clause| clause.needles.iter().cloned()).collect(),
        }
    }
}

/// What a record must hold: one needle of each clause.
#[derive(Clone, Debug, Default)]
pub(super) struct Clauses {
    /// Keys, as they are written.
    pub(super) keys: Vec<Clause>,
    /// Texts, in lower case, to be found in any letter case.
    pub(super) texts: Vec<Clause>,
}

impl Clauses {
    /// Returns what a record must hold so that its event has what is required.
    pub(super) fn of(requirement: &Requirement, fields: &FieldTable, compat: EcsCompat) -> Self {
        match requirement {
            Requirement::Nothing => Self::default(),
            Requirement::Value(field) => Self::of_field(fields.name(*field), None, compat),
            Requirement::Text(field, texts) => {
                Self::of_field(fields.name(*field), Some(texts), compat)
            }
            Requirement::All(parts) => {
                let mut all = Self::default();
                for part in parts {
                    let part = Self::of(part, fields, compat);
                    all.keys.extend(part.keys);
                    all.texts.extend(part.texts);
                }
                all
            }
            Requirement::Any(parts) => {
                let parts: Vec<_> =
                    parts.iter().map(|part| Self::of(part, fields, compat)).collect();
                Self {
                    keys: of_any(parts.iter().map(|part| &part.keys)),
                    texts: of_any(parts.iter().map(|part| &part.texts)),
                }
            }
        }
    }

    /// What a record must hold so that a field has a value, or one with one of these texts.
    fn of_field(field: &str, texts: Option<&[Box<str>]>, compat: EcsCompat) -> Self {
        if texts.is_some_and(<[_]>::is_empty) {
            return Self { keys: vec![Clause::impossible()], texts: vec![Clause::impossible()] };
        }
        let mut keys = Clause::impossible();
        let mut all_keep_text = true;
        for origin in origins(field, compat) {
            match origin {
                Origin::Unknown => return Self::default(),
                Origin::Constant(constants) => {
                    let could_be = |constant: &&str| {
                        let constant = fold(constant);
                        texts
                            .is_none_or(|texts| texts.iter().any(|text| constant.contains(&**text)))
                    };
                    if constants.iter().any(could_be) {
                        return Self::default();
                    }
                }
                Origin::Record { path, keeps_text } => {
                    all_keep_text &= keeps_text;
                    let Some(of_path) = of_path(&path) else { return Self::default() };
                    keys = Clause::join(&[&keys, &of_path]);
                }
            }
        }
        let texts = texts.filter(|_| all_keep_text).and_then(of_texts);
        let is_short = |clause: &Clause| clause.needles.len() <= MOST_NEEDLES;
        Self {
            keys: Some(keys).filter(is_short).into_iter().collect(),
            texts: texts.filter(is_short).into_iter().collect(),
        }
    }
}

/// One needle of one of several lists of clauses must be there: of each list the rarest clause.
fn of_any<'c>(lists: impl Iterator<Item = &'c Vec<Clause>>) -> Vec<Clause> {
    let rarest = |list: &'c Vec<Clause>| list.iter().min_by_key(|clause| clause.share);
    match lists.map(rarest).collect::<Option<Vec<_>>>() {
        Some(clauses) => {
            let joined = Clause::join(&clauses);
            if joined.needles.len() <= MOST_NEEDLES { vec![joined] } else { Vec::new() }
        }
        None => Vec::new(),
    }
}

/// The rarest segment of a path: the last one ends with its key's quote, others with a quote or a dot.
fn of_path(path: &str) -> Option<Clause> {
    let last = path.split('.').count() - 1;
    let plain = path.split('.').enumerate().filter(|(_, segment)| is_plain(segment));
    let (at, segment) = plain.min_by_key(|(at, segment)| (commonness(segment), last - at))?;
    let ends: &[&str] = if at == last { &["\""] } else { &["\"", "."] };
    Some(Clause {
        share: commonness(segment),
        needles: ends.iter().map(|end| format!("{segment}{end}").into_bytes().into()).collect(),
    })
}

fn of_texts(texts: &[Box<str>]) -> Option<Clause> {
    let runs = texts.iter().map(|text| longest_run(text)).collect::<Option<Vec<&str>>>()?;
    Some(Clause {
        share: runs.iter().map(|run| common::share_of_text(run)).sum(),
        needles: runs.into_iter().map(|run| run.as_bytes().into()).collect(),
    })
}

/// Returns the longest part of a text that JSON writes as it is.
fn longest_run(text: &str) -> Option<&str> {
    let runs = text.split(|c: char| !stands_for_itself(c));
    runs.max_by_key(|run| run.len()).filter(|run| run.len() >= SHORTEST_TEXT)
}

fn is_plain(segment: &str) -> bool {
    !segment.is_empty() && segment.chars().all(stands_for_itself)
}

/// Tells whether writers of JSON leave a character as it is, but for `\uXXXX`, which is looked for.
fn stands_for_itself(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '/' | '<' | '>' | '&')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles(clause: &Clause) -> Vec<&str> {
        clause.needles.iter().map(|needle| std::str::from_utf8(needle).unwrap()).collect()
    }

    fn of_field(field: &str, texts: Option<&[&str]>) -> Clauses {
        let texts: Option<Vec<Box<str>>> =
            texts.map(|texts| texts.iter().map(|text| (*text).into()).collect());
        Clauses::of_field(field, texts.as_deref(), EcsCompat::Elastic)
    }

    #[test]
    fn keys_are_the_rarest_segments_of_all_sources() {
        let clauses = of_field("process.parent.name", Some(&["wmiprvse.exe"]));
        let keys = ["ParentImage\"", "ParentProcessName\"", "parent\"", "parent."];
        for key in keys {
            assert!(needles(&clauses.keys[0]).contains(&key), "{clauses:?}");
        }
        assert_eq!(needles(&clauses.texts[0]), ["wmiprvse.exe"]);
    }

    #[test]
    fn what_a_table_writes_needs_no_key_unless_it_is_something_else() {
        let clauses = of_field("event.type", Some(&["start"]));
        assert!(clauses.keys.is_empty() && clauses.texts.is_empty());
        assert!(!of_field("event.type", Some(&["no such type"])).keys.is_empty());
        assert!(of_field("host.id", Some(&["server"])).keys.is_empty());
    }

    #[test]
    fn texts_that_change_on_their_way_are_no_needles() {
        let clauses = of_field("network.direction", Some(&["ingress"]));
        assert!(clauses.texts.is_empty());
        assert!(needles(&clauses.keys[0]).contains(&"Initiated\""));
    }

    #[test]
    fn texts_are_looked_for_as_far_as_json_leaves_them_alone() {
        assert_eq!(longest_run(r"c:\windows\system32"), Some("system32"));
        assert_eq!(longest_run("a&b <c>"), None);
        assert_eq!(longest_run("größe"), None);
        assert_eq!(longest_run("große straße"), Some("e stra"));
    }

    #[test]
    fn one_of_several_needs_a_clause_of_each() {
        let table = {
            let mut table = FieldTable::default();
            for field in ["dns.question.name", "event.type", "user.email"] {
                table.intern(field);
            }
            table
        };
        let value = |name: &str| Requirement::Value(table.get(name).unwrap());
        let of = |parts| Clauses::of(&Requirement::Any(parts), &table, EcsCompat::Elastic);
        let both = of(vec![value("dns.question.name"), value("user.email")]);
        assert!(needles(&both.keys[0]).contains(&"QueryName\""), "{both:?}");
        assert!(needles(&both.keys[0]).contains(&"email\""));
        assert!(of(vec![value("dns.question.name"), value("event.type")]).keys.is_empty());
        assert!(of(Vec::new()).keys[0].is_impossible());
    }
}
