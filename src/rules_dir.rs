//! Rule files from disk: which there are, and how they are configured to run.
//!
//! Never judges a rule: that is `rule`'s.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};

use crate::event::TimeSpan;
use crate::rule::{self, Emit, MissingFields, Severity};
use crate::setting;
use crate::text::Text;
use crate::text_file;

/// `[rules]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Files, and directories that are searched for `*.toml`; beside the configuration if absent.
    #[serde(deserialize_with = "paths")]
    pub paths: Vec<PathBuf>,
    /// How rules run that do not say it themselves.
    pub defaults: RuleSettings,
    /// How single rules run, by `rule_id`; wins over what their files say.
    #[serde(rename = "override")]
    pub overrides: BTreeMap<String, RuleSettings>,
}

/// `[rules.defaults]` and `[rules.override."<rule_id>"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSettings {
    /// Whether the rule runs at all.
    pub enabled: Option<bool>,
    /// When matches leave.
    #[serde(deserialize_with = "emit")]
    pub emit: Option<Emit>,
    /// By how much an event may precede the event of the stage before it.
    #[serde(deserialize_with = "setting::optional_time_span")]
    pub order_tolerance: Option<TimeSpan>,
    /// How late an event may arrive and still be taken in its place.
    #[serde(deserialize_with = "setting::optional_time_span")]
    pub allowed_lateness: Option<TimeSpan>,
    /// How long an event is held after it arrived.
    #[serde(deserialize_with = "setting::optional_time_span")]
    pub hold: Option<TimeSpan>,
    /// Conditions that raise the severity.
    pub severity_when: Vec<SeverityWhen>,
    /// EQL conditions: an event that satisfies one is no hit of any stage.
    pub exceptions: Vec<String>,
    /// Which repeated alerts are left out.
    pub suppression: SuppressionSettings,
}

/// `suppression` of `[rules.defaults]` and of an override.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SuppressionSettings {
    /// Whether anything is left out.
    pub enabled: Option<bool>,
    /// Fields by whose values alerts are alike.
    #[serde(deserialize_with = "group_by")]
    pub group_by: Option<Vec<String>>,
    /// For how long nothing alike follows an alert.
    #[serde(deserialize_with = "positive_time_span")]
    pub duration: Option<TimeSpan>,
    /// What becomes of a match without one of the fields.
    #[serde(deserialize_with = "missing_fields")]
    pub missing_fields: Option<MissingFields>,
}

/// A condition that raises the severity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityWhen {
    /// The severity to raise to.
    #[serde(deserialize_with = "severity")]
    pub severity: Severity,
    /// An EQL condition.
    pub condition: String,
}

impl RuleSettings {
    /// Returns the settings as the rule compiler takes them.
    pub fn compiled(&self) -> rule::Settings {
        let severity_when = self.severity_when.iter().map(|when| rule::SeverityWhen {
            severity: when.severity,
            condition: condition(&when.condition),
        });
        rule::Settings {
            enabled: self.enabled,
            emit: self.emit,
            order_tolerance: self.order_tolerance,
            allowed_lateness: self.allowed_lateness,
            hold: self.hold,
            severity_when: severity_when.collect(),
            exceptions: self.exceptions.iter().map(|text| condition(text)).collect(),
            suppression: rule::Suppression {
                enabled: self.suppression.enabled,
                group_by: self.suppression.group_by.clone(),
                duration: self.suppression.duration,
                missing_fields: self.suppression.missing_fields,
            },
        }
    }
}

/// Returns a condition that stands in no rule file.
fn condition(text: &str) -> rule::Condition {
    rule::Condition { text: text.to_owned(), origin: None }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            paths: vec![PathBuf::from("config/rules")],
            defaults: RuleSettings::default(),
            overrides: BTreeMap::new(),
        }
    }
}

/// Why rules could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read rules from `{}`", path.display())]
#[non_exhaustive]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
}

/// Reads the rule files at these paths, a directory with everything below it, in the order of
/// their names.
///
/// In a directory, files that do not end in `.toml` are no rules, nor are `*.cases.toml` and
/// anything whose name starts with a dot (Kubernetes keeps its bookkeeping there).
///
/// # Errors
/// If a path does not exist or cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Arc<Text>>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files).map_err(|source| ReadError { path: path.clone(), source })?;
    }
    files.into_iter().map(|path| read_file(&path)).collect()
}

/// A rule file, and the cases beside it.
pub struct WithCases {
    /// The rule.
    pub rule: Arc<Text>,
    /// `<rule>.cases.toml`, if there is one.
    pub cases: Option<Arc<Text>>,
}

/// Reads the rule files at these paths with their cases; a file of cases stands for its rule.
///
/// # Errors
/// If a path does not exist or cannot be read.
pub fn read_with_cases(paths: &[PathBuf]) -> Result<Vec<WithCases>, ReadError> {
    let rule_of = |path: &PathBuf| match path.to_string_lossy().strip_suffix(CASES) {
        Some(stem) => PathBuf::from(format!("{stem}.toml")),
        None => path.clone(),
    };
    let mut files = Vec::new();
    for path in paths.iter().map(rule_of) {
        collect(&path, &mut files).map_err(|source| ReadError { path: path.clone(), source })?;
    }
    files.dedup();
    let with_cases = |path: PathBuf| {
        let name = path.to_string_lossy();
        let stem = name.strip_suffix(".toml").unwrap_or(&name);
        let cases = PathBuf::from(format!("{stem}{CASES}"));
        let cases = cases.exists().then(|| read_file(&cases)).transpose()?;
        Ok(WithCases { rule: read_file(&path)?, cases })
    };
    files.into_iter().map(with_cases).collect()
}

/// How the name of a file of cases ends.
const CASES: &str = ".cases.toml";

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let is_rule = name.ends_with(".toml") && !name.ends_with(CASES);
        if !name.starts_with('.') && (entry.is_dir() || is_rule) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<Arc<Text>, ReadError> {
    let text = text_file::read(path);
    text.map(Arc::new).map_err(|source| ReadError { path: path.to_owned(), source })
}

fn paths<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<PathBuf>, D::Error> {
    Ok(setting::list(value)?.into_iter().map(PathBuf::from).collect())
}

fn emit<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Emit>, D::Error> {
    match String::deserialize(value)?.as_str() {
        "eager" => Ok(Some(Emit::Eager)),
        "exact" => Ok(Some(Emit::Exact)),
        other => {
            Err(de::Error::custom(format!("`{other}` is no way to emit: write `eager` or `exact`")))
        }
    }
}

fn group_by<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Vec<String>>, D::Error> {
    let fields = Vec::<String>::deserialize(value)?;
    match fields.len() > 3 || fields.iter().any(|field| field.trim().is_empty()) {
        true => Err(de::Error::custom("alerts are grouped by up to 3 fields, none without a name")),
        false => Ok(Some(fields)),
    }
}

fn positive_time_span<'de, D: Deserializer<'de>>(value: D) -> Result<Option<TimeSpan>, D::Error> {
    match setting::time_span(value)? {
        span if span > TimeSpan::ZERO => Ok(Some(span)),
        _ => Err(de::Error::custom("this is no time at all: write at least `1ms`")),
    }
}

fn missing_fields<'de, D: Deserializer<'de>>(value: D) -> Result<Option<MissingFields>, D::Error> {
    let word = String::deserialize(value)?;
    let found = MissingFields::parse(&word).ok_or_else(|| {
        de::Error::custom(format!("`{word}` is unknown: write `suppress` or `doNotSuppress`"))
    })?;
    Ok(Some(found))
}

fn severity<'de, D: Deserializer<'de>>(value: D) -> Result<Severity, D::Error> {
    let word = String::deserialize(value)?;
    Severity::parse(&word).ok_or_else(|| {
        de::Error::custom(format!(
            "`{word}` is no severity: write `low`, `medium`, `high` or `critical`"
        ))
    })
}
