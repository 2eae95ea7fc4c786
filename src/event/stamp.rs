//! The timestamps that records have in Kafka.

use super::time::EventTime;

/// The broker's timestamp of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The broker's own time of appending: the clock of the partition.
    Append(EventTime),
    /// A time that the producer chose.
    Create(EventTime),
    /// None, as in a file: the event time takes its place.
    None,
}

impl Stamp {
    /// Returns none if a producer has chosen a time that cannot be.
    pub(crate) fn plausible(self) -> Self {
        match self {
            Self::Create(time) if !time.is_plausible() => Self::None,
            stamp => stamp,
        }
    }

    /// Returns the time, whoever chose it.
    pub fn time(self) -> Option<EventTime> {
        match self {
            Self::Append(time) | Self::Create(time) => Some(time),
            Self::None => None,
        }
    }
}
