//! The service: wiring only, from the configuration to the last commit.
//!
//! Never parses an argument, and never prints.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConfigError};
use crate::http::{self, ListenError, RuleView};
use crate::kafka;
use crate::metrics::Metrics;
use crate::rule::overrides::{self, Reason};
use crate::rule::set::{RuleReport, Status as RuleStatus};
use crate::rules_dir::{self, ReadError};
use crate::setup::Setup;
use crate::text::Text;

/// Why the service has ended other than by request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Something is missing in the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The rules cannot be read.
    #[error(transparent)]
    Rules(#[from] ReadError),
    /// Nothing would run.
    #[error("no rule runs: {files} file(s) found, {refused} rule(s) refused; see `maxspan check`")]
    NoRules {
        /// How many files there are.
        files: usize,
        /// How many rules were refused.
        refused: usize,
    },
    /// The address for HTTP cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The Kafka side cannot start.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// A metric cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The Kafka side cannot go on.
    #[error("{0}")]
    Failed(String),
    /// Leaving took longer than allowed.
    #[error("not everything was durable after {} s; the next owner does it again", .0.as_secs())]
    Deadline(Duration),
}

/// What can be seen of a running service.
#[derive(Clone)]
pub struct View {
    /// Where HTTP listens.
    pub address: std::net::SocketAddr,
    /// Health, partitions, metrics.
    pub status: http::Status,
}

/// Runs the service until `shutdown` is cancelled.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), ServiceError> {
    config.check_service()?;
    let files = rules_dir::read(&config.rules.paths)?;
    run_with(config, files, shutdown, |_| ()).await
}

/// Runs the service with the texts of rule files, and shows it to `started`.
pub async fn run_with(
    mut config: Config,
    files: Vec<Arc<Text>>,
    shutdown: CancellationToken,
    started: impl FnOnce(View),
) -> Result<(), ServiceError> {
    let memory = config.memory.memory();
    config.state.max_total_bytes.get_or_insert_with(|| memory.state());
    config.kafka.memory = memory;
    let setup = Setup::new(&config, files);
    if setup.rules.rules().is_empty() {
        let (files, refused) = (setup.reports.len(), setup.refused().count());
        return Err(ServiceError::NoRules { files, refused });
    }
    let metrics = Arc::new(Metrics::new()?);
    metrics.kafka.memory_max.set(i64::try_from(memory.max_bytes()).unwrap_or(i64::MAX));
    report(&setup, &metrics);
    report_unused_overrides(&config, &setup);
    // Every fault so far: nothing joined, nothing read.
    let listener = http::bind(&config.http)?;
    let (engine, renderer) = (setup.service(), setup.renderer());
    let mut consumer = kafka::Consumer::join(&config.kafka, engine, renderer, &metrics)?;
    let status = http::Status {
        health: consumer.health(),
        partitions: consumer.partitions(),
        metrics,
        rules: Arc::new(views(&setup.reports)),
    };
    let server = listener.serve(status.clone())?;
    let (group, protocol) = (&config.kafka.group, config.kafka.protocol().name());
    tracing::info!(address = %server.address, group, protocol, "started");
    if config.kafka.sends_password_in_the_clear() {
        tracing::warn!(
            protocol,
            mechanism = "PLAIN",
            "the password goes over the network in the clear"
        );
    }
    started(View { address: server.address, status });

    let failure = tokio::select! {
        reason = consumer.failed() => Some(reason),
        () = shutdown.cancelled() => None,
    };
    // Not ready from here on; the partitions are given up with all their output durable.
    let deadline = config.shutdown.deadline;
    let is_drained = consumer.drain(deadline).await;
    server.stop();
    tracing::info!(drained = is_drained, "stopped");
    match failure {
        Some(reason) => Err(ServiceError::Failed(reason)),
        None if !is_drained => Err(ServiceError::Deadline(deadline)),
        None => Ok(()),
    }
}

/// Says which rules run and which do not.
fn report(setup: &Setup, metrics: &Metrics) {
    let (running, refused) = (setup.rules.rules().len(), setup.refused().count());
    metrics.rules.loaded.set(i64::try_from(running).unwrap_or(i64::MAX));
    metrics.rules.refused.set(i64::try_from(refused).unwrap_or(i64::MAX));
    for report in setup.refused() {
        let first = report.diagnostics.iter().find(|found| found.is_error());
        tracing::error!(
            path = report.path,
            rule = report.rule_id,
            reason = first.map(|found| found.message.as_str()),
            "rule refused"
        );
    }
    tracing::info!(running, refused, "rules loaded");
}

/// Says which overrides change nothing, as their rules do not run or have another id.
fn report_unused_overrides(config: &Config, setup: &Setup) {
    let overrides = config.rule_defaults().overrides;
    for unused in overrides::unused(&overrides, &setup.reports) {
        let nearest = match unused.reason {
            Reason::NoRule { nearest } => nearest,
            Reason::Refused | Reason::Skipped { .. } => None,
        };
        let reason = unused.reason.as_str();
        tracing::warn!(rule = unused.id, reason, nearest, "override changes nothing");
    }
}

fn views(reports: &[RuleReport]) -> Vec<RuleView> {
    reports
        .iter()
        .filter(|report| report.status != RuleStatus::Skipped)
        .map(|report| RuleView {
            id: report.rule_id.clone().unwrap_or_default(),
            name: report.name.clone().unwrap_or_else(|| report.path.clone()),
            status: report.status,
        })
        .collect()
}
