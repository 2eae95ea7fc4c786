//! W0607: an event category that the Elastic Common Schema does not have.
//!
//! Never refuses a rule: data may have categories of its own, and letter case counts in them as it
//! does in Elasticsearch.

use super::lint;
use super::read::quoted;
use crate::diag::Diagnostic;
use crate::eql::ast::{Body, Category, EventQuery, Query};
use crate::text::edit_distance::nearest;

/// The field that holds the category unless a rule names another.
const CATEGORY: &str = "event.category";

/// Returns what there is to say about the categories of a query; spans are offsets in it.
///
/// A rule with `event_category_override` names values of another field: they are judged only if
/// the values of that field are known.
pub(super) fn of_query(query: &Query, overridden: Option<&str>) -> Vec<Diagnostic> {
    let field = overridden.unwrap_or(CATEGORY);
    let Some(known) = lint::values_of(field) else { return Vec::new() };
    event_queries(query).into_iter().filter_map(|event| judge(event, field, known)).collect()
}

fn event_queries(query: &Query) -> Vec<&EventQuery> {
    match &query.body {
        Body::Event(event) => vec![event],
        Body::Sequence(sequence) => {
            let terms = sequence.terms.iter().chain(&sequence.until);
            terms.map(|term| &term.query).collect()
        }
        Body::Sample(sample) => sample.terms.iter().map(|term| &term.query).collect(),
    }
}

fn judge(event: &EventQuery, field: &str, known: &[&str]) -> Option<Diagnostic> {
    let Category::Is(name) = &event.category else { return None };
    // The parser has a warning of its own for `ANY`.
    if known.contains(&name.as_str()) || name.eq_ignore_ascii_case("any") {
        return None;
    }
    let message = match known.contains(&name.to_lowercase().as_str()) {
        true => format!("`{field}` is written in lower case"),
        false => format!("the Elastic Common Schema has no `{name}` in `{field}`"),
    };
    let found = Diagnostic::warning("W0607", message)
        .at(event.category_span)
        .label("matches only events that carry exactly this");
    Some(found.help(match nearest(name, known.iter().copied().chain(["any"])) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("one of {}, or `any`", quoted(known)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str, overridden: Option<&str>) -> Vec<(String, String)> {
        let (parsed, _) = crate::eql::parse(query);
        let told = |found: Diagnostic| {
            assert_eq!(found.code, "W0607");
            (query[found.span.unwrap().range()].to_owned(), found.help.unwrap())
        };
        of_query(&parsed.unwrap(), overridden).into_iter().map(told).collect()
    }

    #[test]
    fn a_category_in_other_letters_or_misspelt_is_told_with_the_right_one() {
        for (query, written, meant) in [
            ("Process where true", "Process", "process"),
            ("PROCESS where true", "PROCESS", "process"),
            ("proces where true", "proces", "process"),
            ("porcess where true", "porcess", "process"),
            ("\"Process\" where true", "\"Process\"", "process"),
            ("netwrok where true", "netwrok", "network"),
            ("amy where true", "amy", "any"),
            ("registery where true", "registery", "registry"),
            ("sequence with maxspan=1m [process where true] [File where true]", "File", "file"),
            (
                "sequence with maxspan=1m [process where true] [file where true] until [Iam where true]",
                "Iam",
                "iam",
            ),
            ("sample by host.id [process where true] [librray where true]", "librray", "library"),
        ] {
            let help = format!("did you mean `{meant}`?");
            assert_eq!(found(query, None), [(written.to_owned(), help)], "{query}");
        }
    }

    #[test]
    fn every_category_of_the_schema_passes_and_one_of_ones_own_is_told_what_there_is() {
        for category in lint::values_of(CATEGORY).unwrap() {
            assert_eq!(found(&format!("{category} where true"), None), []);
        }
        assert_eq!(found("any where true", None), []);
        assert_eq!(found("ANY where true", None), [], "the parser says it");
        let own = found("payment_terminal where true", None);
        assert!(own[0].1.starts_with("one of `api`, `authentication`"), "{own:?}");
    }

    #[test]
    fn another_field_is_judged_by_its_own_values() {
        assert_eq!(found("start where true", Some("event.type")), []);
        assert_eq!(found("Login where true", Some("okta.event_type")), []);
        assert_eq!(found("strat where true", Some("event.type")).len(), 1);
        assert_eq!(found("process where true", Some("event.category")), []);
    }
}
