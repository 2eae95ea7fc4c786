//! Index patterns: which records a rule was written for.
//!
//! There is no index on a stream. A record's names are those of the indices in which Elastic would
//! have stored it: `logs-<dataset>-<namespace>` and `<agent type>-<version>`.

use smallvec::SmallVec;

use super::engine_fields::EngineFields;
use crate::event::Fields;

/// The index names of one record; none if the record names no dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexNames(SmallVec<[String; 3]>);

impl IndexNames {
    /// Returns the names of a normalized record.
    pub(super) fn of(engine: &EngineFields, fields: &Fields<'_>) -> Self {
        let mut names = SmallVec::new();
        let namespace = fields.str(engine.stream_namespace).unwrap_or("default");
        let datasets = fields.get(engine.stream_dataset).iter().filter_map(|value| value.as_str());
        names.extend(datasets.map(|dataset| format!("logs-{dataset}-{namespace}")));
        if !names.is_empty() {
            let is_windows = fields.has(engine.channel);
            let assumed = is_windows.then_some("winlogbeat");
            if let Some(agent) = fields.str(engine.agent_type).or(assumed) {
                let version = fields.str(engine.agent_version).unwrap_or_default();
                names.push(format!("{agent}-{version}"));
            }
        }
        Self(names)
    }

    /// Returns the names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// A rule's index patterns, compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexPatterns {
    included: Vec<Box<str>>,
    excluded: Vec<Box<str>>,
}

impl IndexPatterns {
    /// Compiles patterns such as `logs-windows.*` or `-logs-windows.forwarded*`; `*` is the only
    /// wildcard, and the cluster in `cluster:pattern` does not count. No pattern covers all.
    pub fn compile(patterns: &[String]) -> Self {
        let mut compiled = Self::default();
        let all = patterns.iter().flat_map(|pattern| pattern.split(','));
        for pattern in all.map(str::trim).filter(|pattern| !pattern.is_empty()) {
            let (list, pattern) = match pattern.strip_prefix('-') {
                Some(pattern) => (&mut compiled.excluded, pattern),
                None => (&mut compiled.included, pattern),
            };
            let local = pattern.rsplit_once(':').map_or(pattern, |(_, local)| local);
            list.push(local.into());
        }
        compiled
    }

    /// Tells whether the rule was written for a record of these names; one without names is seen
    /// by all rules.
    pub fn covers_names(&self, names: &IndexNames) -> bool {
        names.0.is_empty() || names.iter().any(|name| self.covers_name(name))
    }

    /// Tells whether all records are covered.
    pub fn is_empty(&self) -> bool {
        self.included.is_empty() && self.excluded.is_empty()
    }

    fn covers_name(&self, name: &str) -> bool {
        let matches = |patterns: &[Box<str>]| patterns.iter().any(|pattern| fits(pattern, name));
        (self.included.is_empty() || matches(&self.included)) && !matches(&self.excluded)
    }
}

/// Tells whether the name fits the pattern, whose only wildcard is `*`.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(patterns: &[&str], names: &[&str]) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|pattern| pattern.to_string()).collect();
        let names = IndexNames(names.iter().map(|name| name.to_string()).collect());
        IndexPatterns::compile(&patterns).covers_names(&names)
    }

    #[test]
    fn patterns_cover_what_they_were_written_for() {
        let sysmon = ["logs-windows.sysmon_operational-default", "winlogbeat-8.13.4"];
        let security = ["logs-system.security-default", "winlogbeat-8.13.4"];
        assert!(covers(&["winlogbeat-*"], &sysmon));
        assert!(covers(&["logs-windows.sysmon_operational-*"], &sysmon));
        assert!(covers(&["logs-*"], &sysmon));
        assert!(covers(&["eu:logs-windows.*"], &sysmon));
        assert!(!covers(&["logs-windows.sysmon_operational-*"], &security));
        assert!(covers(&["logs-endpoint.events.*", "logs-system.security*"], &security));
        assert!(!covers(&["logs-endpoint.events.*"], &security));
        assert!(!covers(&["logs-*", "-logs-system.*"], &["logs-system.security-default"]));
    }

    #[test]
    fn without_patterns_or_names_all_is_covered() {
        assert!(covers(&[], &["logs-a-default"]));
        assert!(covers(&["logs-b-*"], &[]));
    }

    #[test]
    fn stars_stand_anywhere() {
        for (pattern, name, is_fit) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*b*c", "axbxbc", true),
            ("a*b*c", "axxc", false),
            ("ab*b", "ab", false),
            ("**", "x", true),
        ] {
            assert_eq!(fits(pattern, name), is_fit, "{pattern} {name}");
        }
    }
}
