//! The rule set.

use prometheus::IntGauge;

use super::{Area, Result};

/// The rule set.
pub struct RuleMetrics {
    /// Rules that run.
    pub loaded: IntGauge,
    /// Rules that were refused.
    pub refused: IntGauge,
}

impl RuleMetrics {
    /// Registers the metrics of this area.
    pub fn register(area: &Area<'_>) -> Result<Self> {
        Ok(Self {
            loaded: area.gauge("rules_loaded", "Rules that run.")?,
            refused: area.gauge("rules_refused", "Rules that were refused.")?,
        })
    }
}
