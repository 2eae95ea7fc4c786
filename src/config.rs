//! The configuration: one TOML file, environment variables and `--set` on top of it.
//!
//! Never decides what a key means: each section stands beside the code that it configures.

mod conditions;
mod document;
mod mask;
pub mod overlay;
mod paths;
pub mod read;
pub mod state;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::alert::Format;
use crate::detect::Prefiltering;
use crate::diag::{Diagnostic, encoding};
use crate::event::decode::Validation;
use crate::normalize::{EcsCompat, HostKey, HostNames};
use crate::rule::set::Defaults;
use crate::setting::Fault;
use crate::text::Text;
use crate::text_file;

pub use mask::masked;
pub use overlay::Override;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[kafka]`: brokers, group, topics, delivery.
    pub kafka: crate::kafka::Settings,
    /// `[rules]`: where they are and how they run.
    pub rules: crate::rules_dir::Settings,
    /// `[memory]`: what the whole instance may take.
    pub memory: crate::memory::Settings,
    /// `[state]`: limits of what is kept in memory.
    pub state: state::Settings,
    /// `[input]`: how records are read.
    pub input: InputSettings,
    /// `[alerts]`: how alerts are written.
    pub alerts: AlertSettings,
    /// `[http]`: probes, metrics, API.
    pub http: crate::http::Settings,
    /// `[log]`: level and format.
    pub log: crate::telemetry::Settings,
    /// `[shutdown]`: how long it may take.
    pub shutdown: crate::shutdown::Settings,
}

/// `[input]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InputSettings {
    /// Whether a rule sees only records that its index patterns cover.
    pub index_patterns: bool,
    /// Whether the quirks of Elastic's pipelines are kept.
    pub ecs_compat: EcsCompat,
    /// What tells hosts apart.
    pub host_key: HostKey,
    /// How much of a computer's name counts.
    pub host_names: HostNames,
    /// Other names of hosts: a name or id, and the name that is used instead.
    pub host_aliases: BTreeMap<String, String>,
    /// How many records are decoded whole, whatever rules want of them.
    pub validate: Validate,
    /// Whether records may be rejected by their bytes, without being decoded.
    pub prefilter: bool,
}

/// How many records are looked at as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validate {
    /// Those that may satisfy a stage, and a sample of the others.
    #[default]
    Sampled,
    /// All of them.
    All,
}

/// `[alerts]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertSettings {
    /// The form in which alerts are written: `"ecs"` or `"elastic"`.
    pub format: Format,
}

impl Default for InputSettings {
    fn default() -> Self {
        Self {
            index_patterns: true,
            ecs_compat: EcsCompat::default(),
            host_key: HostKey::default(),
            host_names: HostNames::default(),
            host_aliases: BTreeMap::new(),
            validate: Validate::default(),
            prefilter: true,
        }
    }
}

impl InputSettings {
    /// Returns how much of a record must be valid that is read.
    fn validation(&self) -> Validation {
        match self.validate {
            Validate::Sampled => Validation::WhatIsRead,
            Validate::All => Validation::All,
        }
    }

    /// Returns whether records may be rejected by their bytes.
    fn prefiltering(&self) -> Prefiltering {
        match (self.validate, self.prefilter) {
            (Validate::Sampled, true) => Prefiltering::Adaptive,
            (Validate::Sampled, false) | (Validate::All, _) => Prefiltering::Off,
        }
    }

    /// Returns how records are normalized.
    fn normalize(&self) -> crate::normalize::Options {
        let lower = |(name, alias): (&String, &String)| (name.to_lowercase(), alias.clone());
        crate::normalize::Options {
            host_key: self.host_key,
            host_names: self.host_names,
            host_aliases: self.host_aliases.iter().map(lower).collect(),
            ecs_compat: self.ecs_compat,
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.summary())]
pub struct ConfigError {
    /// The file, if there is one, without its secrets: spans refer to it.
    pub text: Option<Arc<Text>>,
    /// The findings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Config {
    /// The names of all sections.
    pub const SECTIONS: [&str; 9] =
        ["kafka", "rules", "memory", "state", "input", "alerts", "http", "log", "shutdown"];

    /// Returns the configuration of a file, if one is named, with the overrides on top of it.
    ///
    /// Relative paths in the file are relative to its directory; those of overrides are not.
    pub fn load(path: Option<&Path>, overrides: &[Override]) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Self::parse(None, overrides) };
        let text = text_file::read(path).map_err(|error| {
            let name = path.display();
            let what = format!("cannot read the configuration `{name}`: {error}");
            ConfigError::new(None, Diagnostic::error(codes::UNREADABLE, what))
        })?;
        let names_rules = paths::names_rules(&text.contents);
        let mut config = Self::parse(Some(text), overrides)?;
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        config.resolve(directory, overrides, names_rules);
        Ok(config)
    }

    /// Returns the configuration that a text and the overrides on top of it make.
    ///
    /// The text is judged alone first, so that all its faults are shown where they stand.
    pub fn parse(text: Option<Text>, overrides: &[Override]) -> Result<Self, ConfigError> {
        if let Some(fault) = text.as_ref().and_then(encoding::fault) {
            return Err(ConfigError::new(text, fault));
        }
        let source = text.as_ref().map_or("", |text| text.contents.as_str());
        let (mut config, mut diagnostics) = document::config(source);
        if diagnostics.is_empty() && !overrides.is_empty() {
            (config, diagnostics) = overlay::apply(source, overrides);
        }
        // Values that were taken out must not count as missing.
        if diagnostics.is_empty() {
            diagnostics.extend(config.kafka.faults().iter().map(|fault| told(source, fault)));
        }
        diagnostics.extend(conditions::errors(source, &config.rules));
        diagnostics.sort_by_key(|found| found.span);
        match diagnostics.is_empty() {
            true => Ok(config),
            false => Err(ConfigError::with(text, diagnostics)),
        }
    }

    /// Tells what is missing for a service, which other commands can do without.
    pub fn check_service(&self) -> Result<(), ConfigError> {
        if !self.kafka.brokers.is_empty() {
            return Ok(());
        }
        let found = Diagnostic::error(codes::MISSING, "`kafka.brokers` is missing")
            .help("put `brokers = \"host:9092\"` under `[kafka]`, or set `MAXSPAN_KAFKA__BROKERS`");
        Err(ConfigError::new(None, found))
    }

    /// Says what is missing for a service, as a warning to whoever only checks; none if nothing is.
    pub fn missing_for_a_service(&self) -> Option<Diagnostic> {
        self.kafka.brokers.is_empty().then(|| {
            Diagnostic::warning(
                codes::NO_SERVICE,
                "`kafka.brokers` is missing: `maxspan run` does not start with this file alone",
            )
            .help("put `brokers = \"host:9092\"` under `[kafka]`, or set `MAXSPAN_KAFKA__BROKERS`")
        })
    }

    /// Returns how rules are compiled.
    pub fn rule_defaults(&self) -> Defaults {
        let settings = self.rules.defaults.compiled();
        let overrides =
            self.rules.overrides.iter().map(|(id, own)| (id.clone(), own.compiled())).collect();
        Defaults {
            settings,
            overrides,
            default_maxspan: self.state.default_maxspan,
            index_patterns: self.input.index_patterns,
            validation: self.input.validation(),
            normalize: self.input.normalize(),
            whole_events: false,
            max_nesting: self.state.max_nesting,
            rekeying: self.kafka.rekey.rules,
            ..Defaults::default()
        }
    }

    /// Returns the limits of a detector.
    pub fn detector_options(&self) -> crate::detect::Options {
        crate::detect::Options {
            owner: self.kafka.instance(),
            journal_beyond: self.kafka.journal.beyond(),
            prefiltering: self.input.prefiltering(),
            reads_all: self.input.validate == Validate::All,
            ..self.state.options()
        }
    }
}

impl ConfigError {
    fn new(text: Option<Text>, diagnostic: Diagnostic) -> Self {
        Self::with(text, vec![diagnostic])
    }

    fn with(text: Option<Text>, diagnostics: Vec<Diagnostic>) -> Self {
        Self { text: text.map(|text| Arc::new(masked(&text))), diagnostics }
    }

    fn summary(&self) -> String {
        let messages: Vec<&str> = self.diagnostics.iter().map(|d| d.message.as_str()).collect();
        match &self.text {
            Some(text) => format!("{}: {}", text.name, messages.join("; ")),
            None => messages.join("; "),
        }
    }
}

/// Shows what is wrong with a section where it stands.
fn told(source: &str, fault: &Fault) -> Diagnostic {
    let found = Diagnostic::error(codes::CONTRADICTION, fault.message.clone()).help(fault.help);
    match document::place(source, fault.path) {
        Some(span) => found.at(span),
        None => found.without_place(&format!("`{}`", fault.path.join("."))),
    }
}

/// Codes of the findings about a configuration.
pub mod codes {
    /// The text is no TOML, or a value is none that its key may have.
    pub const INVALID: &str = "E0901";
    /// A key that does not exist.
    pub const UNKNOWN_KEY: &str = "E0902";
    /// A key that must be given is not.
    pub const MISSING: &str = "E0903";
    /// The file cannot be read.
    pub const UNREADABLE: &str = "E0904";
    /// An environment variable or `--set` that cannot be applied.
    pub const OVERRIDE: &str = "E0905";
    /// Values that are right alone and not together.
    pub const CONTRADICTION: &str = "E0906";
    /// Something that the service needs, and other commands do not.
    pub const NO_SERVICE: &str = "W0902";
}
