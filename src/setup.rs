//! From a configuration and rule files to what runs: the same for the service and for files.
//!
//! Never opens a rule file: `rules_dir` does.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::alert::{Format, Renderer};
use crate::config::Config;
use crate::detect::{Engine, Options};
use crate::packing::Zstd;
use crate::rule::Emit;
use crate::rule::set::{Defaults, RuleReport, RuleSet, Status};
use crate::text::Text;

/// Compiled rules with everything that a configuration says about running them.
///
/// [`service`](Self::service) or [`offline`](Self::offline) gives what makes detectors, and
/// [`renderer`](Self::renderer) what writes their findings.
pub struct Setup {
    /// The rules that run.
    pub rules: Arc<RuleSet>,
    /// What there is to say about each file, in the order of the files.
    pub reports: Vec<RuleReport>,
    options: Options,
    forced_emit: Option<Emit>,
    format: Format,
    max_alert_bytes: usize,
}

impl Setup {
    /// Compiles rule files as the configuration says.
    pub fn new(config: &Config, files: Vec<Arc<Text>>) -> Self {
        Self::with_defaults(config, files, &config.rule_defaults())
    }

    /// Compiles rule files as the configuration says, except for what `defaults` say instead.
    pub fn with_defaults(config: &Config, files: Vec<Arc<Text>>, defaults: &Defaults) -> Self {
        let (rules, reports) = RuleSet::compile(files, defaults);
        Self {
            rules: Arc::new(rules),
            reports,
            options: config.detector_options(),
            forced_emit: defaults.forced.emit,
            format: config.alerts.format,
            max_alert_bytes: config.state.max_alert_bytes,
        }
    }

    /// Returns the engine of the service. It counts what each rule costs, and packs what it keeps.
    pub fn service(&self) -> Engine {
        self.engine().profiling(nanoseconds).packing(Arc::new(Zstd))
    }

    fn engine(&self) -> Engine {
        Engine::new(Arc::clone(&self.rules), self.options.clone())
    }

    /// Returns the engine for files: the service's, for input that ends. Where eager emission is forced,
    /// it shows what a stream would have sent, in the order of the records.
    pub fn offline(&self) -> Engine {
        match self.forced_emit {
            Some(Emit::Eager) => self.engine().for_recorded_stream(),
            Some(Emit::Exact) | None => self.engine().for_bounded_input(),
        }
    }

    /// Returns what writes findings as alerts.
    pub fn renderer(&self) -> Renderer {
        Renderer::new(Arc::clone(&self.rules), self.format, self.max_alert_bytes)
    }

    /// Returns the reports about rules that do not run although they should.
    pub fn refused(&self) -> impl Iterator<Item = &RuleReport> {
        self.reports.iter().filter(|report| report.status == Status::Refused)
    }
}

/// Returns the nanoseconds since the first call.
pub fn nanoseconds() -> u64 {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let elapsed = BEGUN.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}
