//! Raw records to ECS values.
//!
//! Since 8.0 Winlogbeat writes `winlog.event_data.*` to Kafka and leaves the mapping to
//! Elasticsearch; rules are written against the mapped fields. The tables of this module map the
//! wanted ones, and nothing else. Never reads a clock, never removes a value that a rule names.

mod channel;
mod convert;
mod dataset;
mod document;
mod engine_fields;
mod envelope;
mod host;
mod identity;
mod index;
mod kind;
mod names;
mod normalizer;
mod options;
mod origin;
mod program;
mod reads;
mod scalars;
mod shape;
mod table;

pub use document::Documents;
pub use envelope::Envelope;
pub use host::{HostHash, Machine};
pub use index::{IndexNames, IndexPatterns};
pub use kind::RecordKind;
pub use normalizer::{Normalizer, known_events};
pub use options::{EcsCompat, HostKey, HostNames, Options};
pub use origin::{Origin, origins};
pub use program::EventKind;
pub use reads::Reads;
pub use shape::Shape;
