//! Maxspan runs Elastic-style EQL detection rules, above all sequences, on a stream of events.
//!
//! The modules stand in layers, lowest first; a module uses only what stands above it in this
//! list (`tests/architecture.rs` holds the exact edges). Everything up to [`transaction`] is pure: no
//! clock, no files, no network, no threads, no randomness. Time is always an argument.

// Layer 0: text and blame.
pub mod diag;
pub mod text;

// Layer 1: the event and the language.
pub mod eql;
pub mod event;

// Layer 2: evaluation.
pub mod predicate;
pub mod recovery;
pub mod sequence;

// Layer 3: rules, shapes, alerts, the detector of one partition, and why it did or did not alert.
pub mod alert;
pub mod detect;
pub mod explain;
pub mod normalize;
pub mod rule;
pub mod transaction;

// ---- the I/O line ----

// Layer 4: the outside.
#[cfg(feature = "service")]
pub mod config;
#[cfg(feature = "service")]
pub mod http;
#[cfg(feature = "service")]
pub mod kafka;
#[cfg(feature = "service")]
pub mod memory;
#[cfg(feature = "service")]
pub mod metrics;
#[cfg(feature = "service")]
pub mod packing;
#[cfg(feature = "service")]
pub mod rules_dir;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "service")]
pub mod setting;
#[cfg(feature = "service")]
pub mod setup;
#[cfg(feature = "service")]
pub mod shutdown;
#[cfg(feature = "service")]
pub mod source;
#[cfg(feature = "service")]
pub mod telemetry;
#[cfg(feature = "service")]
pub mod text_file;

// Layer 5: the command line.
#[cfg(feature = "cli")]
pub mod cli;
