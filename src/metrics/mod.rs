//! Metrics: one struct per area, all in one registry that belongs to the service.
//!
//! Never a global: a test makes its own. Numbers are added once a batch, never once a record.

pub mod alert;
pub mod detect;
pub mod ingest;
pub mod kafka;
pub mod rules;

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// What a registration may answer.
pub type Result<T> = std::result::Result<T, prometheus::Error>;

/// All metrics of a service.
pub struct Metrics {
    registry: Registry,
    /// Records taken in.
    pub ingest: ingest::IngestMetrics,
    /// What the rules do with them.
    pub detect: detect::DetectMetrics,
    /// Partitions, commits, rebalances.
    pub kafka: kafka::KafkaMetrics,
    /// Alerts and dead letters.
    pub alert: alert::AlertMetrics,
    /// The rule set.
    pub rules: rules::RuleMetrics,
}

impl Metrics {
    /// Returns metrics in a registry of their own.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        let area = Area { registry: &registry };
        let build =
            area.gauge_vec("build_info", "Always 1; says which version runs.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let (ingest, kafka) =
            (ingest::IngestMetrics::register(&area)?, kafka::KafkaMetrics::register(&area)?);
        let (alert, rules) =
            (alert::AlertMetrics::register(&area)?, rules::RuleMetrics::register(&area)?);
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let detect = detect::DetectMetrics::register(&area)?;
        Ok(Self { registry, ingest, detect, kafka, alert, rules })
    }

    /// Returns all metrics in Prometheus's text format.
    pub fn text(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Names and registers metrics: puts our name before each, and `_total` behind counters.
pub struct Area<'a> {
    registry: &'a Registry,
}

impl Area<'_> {
    /// Returns a counter; its name lacks `maxspan_` and `_total`.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.add(IntCounter::new(format!("maxspan_{name}_total"), help)?)
    }

    /// Returns a counter with labels.
    pub fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(format!("maxspan_{name}_total"), help), labels)?)
    }

    /// Returns a counter of fractions with labels.
    pub fn float_counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<CounterVec> {
        self.add(CounterVec::new(Opts::new(format!("maxspan_{name}_total"), help), labels)?)
    }

    /// Returns a gauge; its name lacks `maxspan_`.
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.add(IntGauge::new(format!("maxspan_{name}"), help)?)
    }

    /// Returns a gauge with labels.
    pub fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(format!("maxspan_{name}"), help), labels)?)
    }

    /// Returns a gauge of fractions.
    pub fn float_gauge(&self, name: &str, help: &str) -> Result<prometheus::Gauge> {
        self.add(prometheus::Gauge::new(format!("maxspan_{name}"), help)?)
    }

    /// Returns a gauge of fractions with labels.
    pub fn float_gauge_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<prometheus::GaugeVec> {
        self.add(prometheus::GaugeVec::new(Opts::new(format!("maxspan_{name}"), help), labels)?)
    }

    /// Returns a histogram of seconds, from a millisecond to ten minutes.
    pub fn seconds(&self, name: &str, help: &str) -> Result<Histogram> {
        let options = HistogramOpts::new(format!("maxspan_{name}_seconds"), help);
        self.add(Histogram::with_opts(options.buckets(SECONDS.to_vec()))?)
    }

    fn add<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

const SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
    600.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_carry_our_prefix() {
        let metrics = Metrics::new().unwrap();
        metrics.ingest.consumed.with_label_values(&["t"]).inc_by(3);
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(text.contains("maxspan_events_consumed_total{topic=\"t\"} 3"), "{text}");
        assert!(text.contains("maxspan_build_info{version="), "{text}");
    }
}
