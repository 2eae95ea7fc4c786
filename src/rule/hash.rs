//! What tells a rule from others, and from itself before a change: a hash of its query and settings.
//!
//! The hash is committed, so it may depend on nothing but what is listed here: never on the name of a
//! type or of a field of this program, nor on how one is printed for developers. Where it is another
//! one than at the last commit, the rule counts as new: what its past has shown is not known any more.
//!
//! It decides two things, and both are committed:
//! - which rules a checkpoint knows (`detect`): a rule that it does not know begins at its position;
//! - which windows of suppression are a rule's own: with another hash, an alert may leave once more.
//!
//! An alert's identity goes by the rule's version instead, which without one in the file is
//! [`query_version`]: it depends on the query alone, so that a setting changes no alert's id.
//!
//! Left out is what changes no match: name, description, severity and what raises it, mappings,
//! suppression, the version.

use super::{Condition, Metadata};
use crate::eql::{self, print};
use crate::sequence::{Emission, PlanTimes};
use crate::text::digest::{Digest, sha256_hex};

/// What is hashed of a rule.
pub(super) struct Subject<'r> {
    pub(super) metadata: &'r Metadata,
    /// Its query in canonical form.
    pub(super) query: &'r str,
    /// Those of all layers.
    pub(super) exceptions: &'r [Condition],
    /// Whether it sees only what its index patterns cover.
    pub(super) follows_index: bool,
    pub(super) times: &'r PlanTimes,
}

/// Returns the hash of a rule.
pub(super) fn rule_hash(rule: &Subject<'_>) -> u32 {
    let mut parts = Parts(Digest::default());
    parts.text("rule_id", &rule.metadata.id);
    parts.text("query", rule.query);
    parts.list("exceptions", &canonical(rule.exceptions));
    parts.list("index", if rule.follows_index { &rule.metadata.index } else { &[] });
    parts.optional("event_category_override", rule.metadata.event_category_override.as_deref());
    parts.optional("tiebreaker_field", rule.metadata.tiebreaker_field.as_deref());
    let times = [
        ("maxspan", rule.times.maxspan),
        ("order_tolerance", rule.times.order_tolerance),
        ("allowed_lateness", rule.times.allowed_lateness),
        ("hold", rule.times.hold),
    ];
    for (name, span) in times {
        parts.text(name, &format!("{}ns", span.nanos()));
    }
    parts.text(
        "emit",
        match rule.times.emission {
            Emission::Eager => "eager",
            Emission::Exact => "exact",
        },
    );
    (parts.0.number() >> 32) as u32
}

/// Returns the version of a rule whose file has none.
pub(super) fn query_version(canonical: &str) -> String {
    sha256_hex(canonical.as_bytes())[..16].to_owned()
}

/// Returns the exceptions in canonical form. Their order changes nothing.
fn canonical(exceptions: &[Condition]) -> Vec<String> {
    let text = |condition: &Condition| match eql::parse_condition(&condition.text).0 {
        Some(expr) => print::condition(&expr),
        None => condition.text.clone(),
    };
    let mut texts: Vec<String> = exceptions.iter().map(text).collect();
    texts.sort_unstable();
    texts
}

/// Named parts: each is its name, and what follows from its kind.
struct Parts(Digest);

impl Parts {
    fn text(&mut self, name: &str, value: &str) {
        self.0.text(name);
        self.0.text(value);
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        self.0.text(name);
        self.0.optional(value);
    }

    fn list(&mut self, name: &str, values: &[String]) {
        self.0.text(name);
        self.0.length(values.len());
        values.iter().for_each(|value| self.0.text(value));
    }
}
