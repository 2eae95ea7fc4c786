//! Rules: what a rule file says, and what it compiles to.
//!
//! Never opens a file: `rules_dir` hands the texts in.

pub mod absence;
pub mod case;
mod category;
mod caveat;
pub mod compile;
pub mod cost;
mod demand;
pub mod explain;
pub mod field_limit;
pub mod file;
mod hash;
mod lint;
pub mod mapping;
pub mod overrides;
pub mod prefilter;
mod read;
pub mod set;
pub mod suppress;
mod toml_string;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::TimeSpan;
use crate::text::Text;
use crate::text::origin::Origin;

/// How bad a match is, as Elastic's rules say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Low,
    /// Should be looked at.
    Medium,
    /// Must be looked at.
    High,
    /// Must be looked at now.
    Critical,
}

impl Severity {
    /// Returns the number that ECS's `event.severity` holds for it: 21, 47, 73 or 99.
    pub fn number(self) -> u8 {
        match self {
            Self::Low => 21,
            Self::Medium => 47,
            Self::High => 73,
            Self::Critical => 99,
        }
    }

    /// Returns the word that rule files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Returns the severity that a rule file's word names.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str() == word)
    }
}

/// Which rules get their events sorted by join key first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rekeying {
    /// None: events that belong together are in one partition.
    #[default]
    None,
    /// Those whose key may be found on several hosts.
    OtherKeys,
    /// All.
    All,
}

/// When a match leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Emit {
    /// As soon as its last event has arrived.
    #[default]
    Eager,
    /// When no event that is still allowed to come can change it.
    Exact,
}

/// A technique or sub-technique of MITRE ATT&CK, or a tactic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThreatEntry {
    /// Such as `T1047` or `TA0008`.
    pub id: String,
    /// Such as `Windows Management Instrumentation`.
    pub name: String,
    /// Its page; empty if the file names none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// Sub-techniques, for a technique.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subtechnique: Vec<Self>,
}

/// One `[[rule.threat]]` of a rule file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Threat {
    /// Such as `MITRE ATT&CK`.
    pub framework: String,
    /// The tactic.
    pub tactic: ThreatEntry,
    /// The techniques.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub technique: Vec<ThreatEntry>,
}

/// What a rule file says about the rule, apart from its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// `rule_id`.
    pub id: String,
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: String,
    /// `version`, if the file has one.
    pub version: Option<String>,
    /// `severity`.
    pub severity: Severity,
    /// `risk_score`, 0 to 100.
    pub risk_score: u8,
    /// `author`.
    pub author: Vec<String>,
    /// `license`.
    pub license: Option<String>,
    /// `references`.
    pub references: Vec<String>,
    /// `false_positives`.
    pub false_positives: Vec<String>,
    /// `note`: the investigation guide.
    pub note: Option<String>,
    /// `tags`.
    pub tags: Vec<String>,
    /// `threat`.
    pub threat: Vec<Threat>,
    /// `index`: the index patterns that the rule was written for.
    pub index: Vec<String>,
    /// `event_category_override`.
    pub event_category_override: Option<String>,
    /// `timestamp_override`.
    pub timestamp_override: Option<String>,
    /// `tiebreaker_field`.
    pub tiebreaker_field: Option<String>,
}

/// An EQL condition of a rule file or of the configuration, such as `process.name : "cmd.exe"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The condition, unescaped.
    pub text: String,
    /// Where each byte of it stands in the file that it was read from, if that is the one which
    /// diagnostics are reported against.
    pub origin: Option<Origin>,
}

/// A condition that raises the severity when an event of the match satisfies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeverityWhen {
    /// The severity to raise to; a lower one than the rule's own changes nothing.
    pub severity: Severity,
    /// What an event of the match must satisfy.
    pub condition: Condition,
}

/// Which repeated alerts of a rule are left out; what is absent is decided by the next layer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Suppression {
    /// Whether anything is left out.
    pub enabled: Option<bool>,
    /// Fields by whose values alerts are alike; the join key's if there are none.
    pub group_by: Option<Vec<String>>,
    /// For how long, in event time, nothing alike follows an alert.
    pub duration: Option<TimeSpan>,
    /// What becomes of a match without one of the fields.
    pub missing_fields: Option<MissingFields>,
}

/// What becomes of a match that lacks a field by which alerts are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MissingFields {
    /// Its missing values are alike.
    #[default]
    Suppress,
    /// It always gives an alert.
    DoNotSuppress,
}

/// How a rule is to be run: `[rule.maxspan]` of its file, or defaults and overrides of the
/// configuration. What is absent is decided by the next layer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// Whether it runs at all.
    pub enabled: Option<bool>,
    /// When its matches leave.
    pub emit: Option<Emit>,
    /// By how much a stage's event may precede the event of the stage before it.
    pub order_tolerance: Option<TimeSpan>,
    /// How long decisions wait for events that are on their way.
    pub allowed_lateness: Option<TimeSpan>,
    /// How long an event is held after it arrived.
    pub hold: Option<TimeSpan>,
    /// Conditions that raise the severity.
    pub severity_when: Vec<SeverityWhen>,
    /// An event that satisfies one of these is no hit of any stage.
    pub exceptions: Vec<Condition>,
    /// Which repeated alerts are left out.
    pub suppression: Suppression,
}

/// A rule file as parsed, before its query is compiled.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// Path or other name, and the whole text.
    pub text: Arc<Text>,
    /// What it says about the rule.
    pub metadata: Metadata,
    /// How it asks to be run.
    pub settings: Settings,
    /// What alerts of single events take over from the event.
    pub mappings: mapping::Mappings,
    /// The EQL query, unescaped.
    pub query: String,
    /// Where each byte of the query stands in the file.
    pub origin: Origin,
}
