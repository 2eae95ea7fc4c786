//! The Kafka client: the only place that knows it.
//!
//! [`Consumer::open`] makes a member of the group. What happens to it comes back through
//! [`GroupEvents`]; what it asks goes through [`Questions`]. [`Records`] bring the records of
//! one partition, a [`Writer`] takes output, [`Consumer::commit`] commits [`Positions`]. What a [`Code`]
//! means is decided in [`outcome`], and which right is missing in [`missing_right`]. Nothing here knows a detector, a worker or a delivery.

mod admin;
mod consumer;
mod context;
mod error;
mod log;
mod log_reader;
mod native;
pub(super) mod outcome;
mod positions;
mod questions;
mod rights;
mod statistics;
mod writer;

pub(super) use admin::{TopicConfiguration, configurations_of};
pub(super) use consumer::{Consumer, Polled};
pub(super) use context::{Assignment, GroupEvents, Questions};
pub(super) use error::Code;
pub use error::{ClientError, OpenError};
pub(super) use log_reader::{LogPartition, LogReader, LogRecord, Read};
pub(super) use native::{Headers, Item, Records};
pub(super) use positions::Positions;
pub(super) use questions::TopicAnswer;
pub(super) use rights::{Attempt, Audience, missing_right, note_missing_right};
pub(super) use statistics::Statistics;
pub(super) use writer::{GROUP, TOPIC, Writer};
