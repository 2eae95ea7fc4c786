//! Rule files around queries.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::text::Text;

/// A rule file that says nothing but what it must, and the query; `more` goes under `[rule]`.
pub(crate) fn rule(name: &str, id: &str, query: &str, more: toml::Table) -> Arc<Text> {
    let mut rule = toml::toml! {
        name = "n"
        description = "d"
        author = ["a"]
        severity = "low"
        risk_score = 21
        type = "eql"
        language = "eql"
    };
    rule.insert("rule_id".to_owned(), id.into());
    rule.insert("query".to_owned(), query.into());
    rule.extend(more);
    let file = toml::Table::from_iter([("rule".to_owned(), toml::Value::Table(rule))]);
    Arc::new(Text::new(name.to_owned(), toml::to_string(&file).unwrap()))
}
