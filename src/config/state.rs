//! `[state]`: limits of what a partition's detector keeps.
//!
//! Never sets a limit of its own: the defaults are the detector's.

use serde::Deserialize;

use crate::detect::Options;
use crate::event::TimeSpan;
use crate::setting;

/// With less than this no pair of events can be held.
const LEAST_BYTES: usize = 16 << 10;

/// `[state]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Step of a clock that needs a second host's word.
    #[serde(deserialize_with = "setting::time_span")]
    pub max_skew: TimeSpan,
    /// Largest record in bytes.
    pub max_record_bytes: usize,
    /// Deepest nesting of a record's JSON.
    pub max_nesting: usize,
    /// Keys of a partition of which each rule may take its share.
    #[serde(deserialize_with = "setting::at_least::<_, 1>")]
    pub max_keys: usize,
    /// Most events per rule and key: everything that is held or remembered counts.
    #[serde(deserialize_with = "setting::at_least::<_, 2>")]
    pub max_candidates_per_key: usize,
    /// Most join keys that one event's lists may expand to.
    #[serde(deserialize_with = "setting::at_least::<_, 1>")]
    pub max_key_expansion: usize,
    /// Most bytes of state per partition.
    #[serde(deserialize_with = "setting::at_least::<_, LEAST_BYTES>")]
    pub max_bytes: usize,
    /// What part of a partition's keys and bytes one rule may take, in hundredths.
    #[serde(rename = "max_rule_share", deserialize_with = "setting::percent")]
    pub max_rule_share_percent: u32,
    /// Most bytes of state in all partitions of an instance; for a service its part of the memory
    /// if absent, for commands over files 256 MiB.
    #[serde(deserialize_with = "setting::optional_at_least::<_, LEAST_BYTES>")]
    pub max_total_bytes: Option<usize>,
    /// Largest alert in bytes.
    pub max_alert_bytes: usize,
    /// The maxspan of a rule that has none.
    #[serde(deserialize_with = "setting::some_time")]
    pub default_maxspan: TimeSpan,
}

impl Settings {
    /// Returns the detector's options.
    pub fn options(&self) -> Options {
        let defaults = Options::default();
        Options {
            max_skew: self.max_skew,
            max_record_bytes: self.max_record_bytes,
            max_nesting: self.max_nesting,
            max_keys: self.max_keys,
            max_candidates_per_key: self.max_candidates_per_key,
            max_key_expansion: self.max_key_expansion,
            max_bytes: self.max_bytes,
            max_rule_share_percent: self.max_rule_share_percent,
            max_total_bytes: self.max_total_bytes.unwrap_or(defaults.max_total_bytes),
            max_alert_bytes: self.max_alert_bytes,
            ..defaults
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let options = Options::default();
        Self {
            max_skew: options.max_skew,
            max_record_bytes: options.max_record_bytes,
            max_nesting: options.max_nesting,
            max_keys: options.max_keys,
            max_candidates_per_key: options.max_candidates_per_key,
            max_key_expansion: options.max_key_expansion,
            max_bytes: options.max_bytes,
            max_rule_share_percent: options.max_rule_share_percent,
            max_total_bytes: None,
            max_alert_bytes: options.max_alert_bytes,
            default_maxspan: TimeSpan::from_secs(3_600),
        }
    }
}
