//! What is kept of an event that satisfied a stage: its place in the order, its identity, its
//! record.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::time::EventTime;

/// A value that may be missing; missing ones come last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NullsLast<T> {
    /// There is a value.
    Is(T),
    /// There is none.
    #[default]
    Null,
}

impl<T> From<Option<T>> for NullsLast<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Is)
    }
}

/// A value of a tiebreaker field: numbers before texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrdinalValue {
    /// A number.
    Number(i64),
    /// Any other value, as text.
    Text(Box<str>),
}

/// The topic and partition that a record stood in first, if it was forwarded from there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

/// An event's place in the total order in which sequences are matched.
///
/// INVARIANT: the fields are declared in the order in which they are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal {
    /// When it happened, as the event says.
    pub event_time: EventTime,
    /// Value of the rule's `tiebreaker_field`.
    pub tiebreaker: NullsLast<OrdinalValue>,
    /// `event.sequence`.
    pub sequence: NullsLast<i64>,
    /// Event log channel.
    pub channel: NullsLast<Box<str>>,
    /// Number of the record within its channel.
    pub record_id: NullsLast<u64>,
    /// Where it was forwarded from; nothing where all events stand in one partition.
    pub place: Option<Arc<Place>>,
    /// Offset in the partition, or line in a file.
    pub offset: i64,
}

impl Ordinal {
    /// Returns an ordinal of nothing but time and offset.
    pub fn at(event_time: EventTime, offset: i64) -> Self {
        Self {
            event_time,
            tiebreaker: NullsLast::Null,
            sequence: NullsLast::Null,
            channel: NullsLast::Null,
            record_id: NullsLast::Null,
            place: None,
            offset,
        }
    }
}

/// What makes two deliveries the same event: a 128-bit hash of its identifying values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub u128);

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a kept event takes beside its record: the struct itself, its reference counts, and what an
/// allocator adds to two pieces of memory.
const BESIDE_RECORD: usize = size_of::<Admitted>() + 4 * size_of::<usize>() + 2 * 16;

/// The bytes of a kept record, counted in a ledger for as long as they are kept.
#[derive(Default)]
pub struct Body {
    bytes: Arc<[u8]>,
    ledger: Option<Arc<AtomicUsize>>,
}

impl Body {
    /// Returns a copy of `bytes` that `ledger` counts until it is dropped, together with what its
    /// event takes beside it.
    pub fn counted(bytes: &[u8], ledger: &Arc<AtomicUsize>) -> Self {
        ledger.fetch_add(Self::cost(bytes), Ordering::Relaxed);
        Self { bytes: bytes.into(), ledger: Some(Arc::clone(ledger)) }
    }

    /// Returns what keeping an event of this record takes of the memory.
    pub fn cost(bytes: &[u8]) -> usize {
        bytes.len() + BESIDE_RECORD
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes for a use that may outlast this; the ledger does not count that.
    pub fn shared(&self) -> Arc<[u8]> {
        Arc::clone(&self.bytes)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(ledger) = &self.ledger {
            ledger.fetch_sub(Self::cost(&self.bytes), Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

/// An event that satisfied at least one stage of a rule, as the state keeps it.
#[derive(Debug)]
pub struct Admitted {
    /// Its identity, the same for every delivery.
    pub identity: Identity,
    /// When it happened.
    pub event_time: EventTime,
    /// Offset of its record in the partition.
    pub offset: i64,
    /// The record as it came: alerts are built from it.
    pub body: Body,
}

impl PartialEq for Admitted {
    fn eq(&self, other: &Self) -> bool {
        (self.identity, self.offset) == (other.identity, other.offset)
    }
}

impl Eq for Admitted {}
