//! The Kafka side: one consumer, workers that own partitions, one committer.
//!
//! ```text
//! poll thread (group) ── partition queues ── workers (detectors) ── committer (delivery) ── brokers
//! ```
//! A room uses only those before it: `settings`, `state`, `client`, then `start` and `journal`, `worker`,
//! `delivery`, `group`. `watch` uses the first three. Types of the Kafka client do not leave `client`.

mod client;
mod delivery;
mod error;
mod group;
mod journal;
mod polling;
mod settings;
#[cfg(test)]
mod simulation;
mod start;
mod state;
mod watch;
mod worker;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::alert::Renderer;
use crate::detect::Engine;
use crate::metrics::Metrics;
use polling::Polling;
use state::{Health, Partitions, Shared};

pub use client::{ClientError, OpenError};
pub use error::Error;
pub use settings::{
    Delivery, GroupProtocol, Journal, LIMITED, Limit, Mechanism, OnMissingOffsets, PropertyName,
    PropertyValue, Protocol, REFUSED, Rekey, Sasl, Secret, SecretError, Security, Settings,
};
pub use state::{health, partitions};

/// A member of the consumer group, with everything that evaluates and writes.
pub struct Consumer {
    shared: Arc<Shared>,
    poll: JoinHandle<bool>,
    failures: UnboundedReceiver<String>,
}

impl Consumer {
    /// Starts the threads and joins the group; returns before the brokers have answered.
    pub fn join(
        settings: &Settings,
        engine: Engine,
        renderer: Renderer,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        let (announce, failures) = unbounded_channel();
        let metrics = Arc::clone(metrics);
        let shared = Shared::new(settings.clone(), engine, renderer, metrics, announce);
        let shared = Arc::new(shared);
        let polling = Polling::start(&shared)?;
        let poll = std::thread::Builder::new().name("poll".to_owned()).spawn(|| polling.run())?;
        Ok(Self { shared, poll, failures })
    }

    /// Returns the health of the threads.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.shared.health)
    }

    /// Returns the assigned partitions.
    pub fn partitions(&self) -> Arc<Partitions> {
        Arc::clone(&self.shared.partitions)
    }

    /// Waits until something happens after which the consumer cannot go on, and returns it.
    pub async fn failed(&mut self) -> String {
        match self.failures.recv().await {
            Some(reason) => reason,
            // The announcing end lives in `self.shared`.
            None => std::future::pending().await,
        }
    }

    /// Makes the last cuts durable and leaves the group; false if some are not, or if that took
    /// too long.
    pub async fn drain(self, deadline: Duration) -> bool {
        let ends = Instant::now() + deadline;
        self.shared.stop();
        while !self.poll.is_finished() {
            if Instant::now() >= ends {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.poll.join().unwrap_or(false)
    }
}
