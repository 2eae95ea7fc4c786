//! Overrides of the configuration that change nothing, because no rule that runs has their id.
//!
//! Never refuses anything. Code: W0901.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::Settings;
use super::read::{Reader, Table};
use super::set::{RuleReport, SWITCHED_OFF, Status};
use crate::diag::Diagnostic;
use crate::text::Span;
use crate::text::edit_distance::nearest;

/// An override without a rule that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused<'r> {
    /// The id that it names.
    pub id: &'r str,
    /// Why it changes nothing.
    pub reason: Reason<'r>,
}

/// Why an override changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<'r> {
    /// No rule has this id.
    NoRule {
        /// The id that was most likely meant.
        nearest: Option<&'r str>,
    },
    /// The rule is refused.
    Refused,
    /// The rule is skipped: it is none of EQL, or switched off.
    Skipped {
        /// Why.
        why: Option<&'r str>,
    },
}

impl Reason<'_> {
    /// Returns the reason in a few words.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoRule { .. } => "no rule has this id",
            Self::Refused => "the rule is refused",
            Self::Skipped { .. } => "the rule is skipped",
        }
    }
}

/// Returns the overrides that change nothing, by id.
pub fn unused<'r>(
    overrides: &'r BTreeMap<String, Settings>,
    reports: &'r [RuleReport],
) -> Vec<Unused<'r>> {
    let reason = |(id, settings): (&'r String, &Settings)| {
        Some(Unused { id, reason: reason(id, settings, reports)? })
    };
    overrides.iter().filter_map(reason).collect()
}

fn reason<'r>(id: &str, settings: &Settings, reports: &'r [RuleReport]) -> Option<Reason<'r>> {
    let ids = reports.iter().filter_map(|report| report.rule_id.as_deref());
    let of_rule = reports.iter().filter(|report| report.rule_id.as_deref() == Some(id));
    let report = of_rule.min_by_key(|report| report.status);
    match report.map(|report| report.status) {
        None => Some(Reason::NoRule { nearest: nearest(id, ids) }),
        Some(Status::Runs | Status::Caveat) => None,
        Some(Status::Refused) => Some(Reason::Refused),
        // The override is what switches it off.
        Some(Status::Skipped) if settings.enabled == Some(false) => None,
        Some(Status::Skipped) => {
            Some(Reason::Skipped { why: report.and_then(|report| report.reason.as_deref()) })
        }
    }
}

/// Returns a warning for each override that changes nothing; spans are offsets in the
/// configuration's text. One that does not stand there has no place.
pub fn warnings(
    source: &str,
    overrides: &BTreeMap<String, Settings>,
    reports: &[RuleReport],
) -> Vec<Diagnostic> {
    let document = DeTable::parse(source).ok();
    let mut found: Vec<Diagnostic> = unused(overrides, reports)
        .into_iter()
        .map(|unused| {
            let place = document.as_ref().and_then(|document| place(document, unused.id));
            let found = warning(&unused, overrides);
            match place {
                Some(place) => found.at(place).label("changes nothing"),
                None => found,
            }
        })
        .collect();
    found.sort_by_key(|diagnostic| diagnostic.span);
    found
}

fn warning(unused: &Unused<'_>, overrides: &BTreeMap<String, Settings>) -> Diagnostic {
    let id = unused.id;
    let why = match unused.reason {
        Reason::Skipped { why: Some(why) } => format!(", {why}"),
        _ => String::new(),
    };
    let reason = unused.reason.as_str();
    let message = format!("the override for `{id}` changes nothing: {reason}{why}");
    let found = Diagnostic::warning("W0901", message);
    match &unused.reason {
        Reason::NoRule { nearest: Some(near) } if overrides.contains_key(*near) => found
            .help(format!("`[rules.override.\"{near}\"]` is there as well: move these keys to it")),
        Reason::NoRule { nearest: Some(near) } => {
            found.help(format!("did you mean `[rules.override.\"{near}\"]`?"))
        }
        Reason::NoRule { nearest: None } => found.help("the id is the rule's `rule_id`"),
        Reason::Refused => found.help("`maxspan check` says why"),
        Reason::Skipped { why: Some(SWITCHED_OFF) } => found.help("add `enabled = true` to run it"),
        Reason::Skipped { .. } => found.help("take it out, or load a rule with this id that runs"),
    }
}

/// Returns where an override's id stands in the configuration.
fn place(document: &toml::Spanned<DeTable<'_>>, id: &str) -> Option<Span> {
    let mut aside = Reader::new("");
    let rules = aside.table(&Table::root(document), "rules")?;
    aside.table(&rules, "override")?.key_span(id)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rule::set::{Defaults, RuleSet};
    use crate::text::Text;

    const CONFIG: &str = "[rules.override.\"Good\"]\nemit = 'exact'\n\
                          [rules.override.\"good\"]\nemit = 'exact'\n\
                          [rules.override.\"gods\"]\nemit = 'exact'\n\
                          [rules.override.\"elsewhere-entirely\"]\nemit = 'exact'\n\
                          [rules.override.\"broken\"]\nemit = 'exact'\n\
                          [rules.override.\"off\"]\nemit = 'exact'\n\
                          [rules.override.\"unwanted\"]\nenabled = false\n\
                          [rules.override.\"esql\"]\nemit = 'exact'\n";

    fn file(id: &str, query: &str, more: &str) -> Arc<Text> {
        let contents = format!(
            "[rule]\nrule_id = '{id}'\nname = 'n'\nseverity = 'low'\nrisk_score = 1\n\
             language = 'eql'\nquery = '{query}'\n{more}"
        );
        Arc::new(Text::new(format!("{id}.toml"), contents))
    }

    /// Rules of all kinds, and overrides for the ids.
    fn compiled(ids: &[&str]) -> (BTreeMap<String, Settings>, Vec<RuleReport>) {
        let mut overrides = BTreeMap::new();
        for id in ids {
            let enabled = (*id == "unwanted").then_some(false);
            overrides.insert((*id).to_owned(), Settings { enabled, ..Settings::default() });
        }
        let esql = "[rule]\nrule_id = 'esql'\nlanguage = 'esql'\ntype = 'esql'\n";
        let files = vec![
            file("good", "process where true", ""),
            file("goods", "file where true", ""),
            file("broken", "process were true", ""),
            file("off", "process where true", "[rule.maxspan]\nenabled = false\n"),
            file("unwanted", "process where true", ""),
            Arc::new(Text::new("esql.toml", esql)),
        ];
        let defaults = Defaults { overrides: overrides.clone(), ..Defaults::default() };
        (overrides, RuleSet::compile(files, &defaults).1)
    }

    fn told(ids: &[&str]) -> Vec<String> {
        let (overrides, reports) = compiled(ids);
        let told = |found: Diagnostic| {
            let place = found.span.map_or("nowhere", |span| &CONFIG[span.range()]);
            format!("{place} {} | {}", found.message, found.help.unwrap_or_default())
        };
        warnings(CONFIG, &overrides, &reports).into_iter().map(told).collect()
    }

    #[test]
    fn an_override_for_a_rule_that_runs_is_fine_and_so_is_one_that_switches_a_rule_off() {
        assert_eq!(told(&["good", "goods", "unwanted"]), Vec::<String>::new());
    }

    #[test]
    fn one_that_names_no_rule_is_told_with_the_nearest_id() {
        let changes_nothing = "changes nothing: no rule has this id";
        assert_eq!(
            told(&["gods", "elsewhere-entirely", "from-the-environment"]),
            [
                format!(
                    "nowhere the override for `from-the-environment` {changes_nothing} \
                     | the id is the rule's `rule_id`"
                ),
                format!(
                    "\"gods\" the override for `gods` {changes_nothing} \
                     | did you mean `[rules.override.\"goods\"]`?"
                ),
                format!(
                    "\"elsewhere-entirely\" the override for `elsewhere-entirely` \
                     {changes_nothing} | the id is the rule's `rule_id`"
                ),
            ]
        );
    }

    #[test]
    fn ids_that_differ_in_letter_case_alone_are_two() {
        let message = "\"Good\" the override for `Good` changes nothing: no rule has this id";
        assert_eq!(
            told(&["Good"]),
            [format!("{message} | did you mean `[rules.override.\"good\"]`?")]
        );
        let both = "`[rules.override.\"good\"]` is there as well: move these keys to it";
        assert_eq!(told(&["Good", "good"]), [format!("{message} | {both}")]);
    }

    #[test]
    fn one_for_a_rule_that_does_not_run_is_told() {
        assert_eq!(
            told(&["broken", "off", "esql"]),
            [
                "\"broken\" the override for `broken` changes nothing: the rule is refused \
                 | `maxspan check` says why",
                "\"off\" the override for `off` changes nothing: the rule is skipped, switched \
                 off | add `enabled = true` to run it",
                "\"esql\" the override for `esql` changes nothing: the rule is skipped, not an \
                 EQL rule but `esql` | take it out, or load a rule with this id that runs",
            ]
        );
    }
}
