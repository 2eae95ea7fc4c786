//! What is kept of an event that satisfied a stage: its place in the order, its identity, its
//! record.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
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
    pub channel: NullsLast<Arc<str>>,
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

/// Makes the records small that are kept.
///
/// The same record always gives the same bytes, whatever came before it.
pub trait Packer: fmt::Debug + Send + Sync {
    /// Returns a record in fewer bytes, or nothing if that is not worth it.
    fn pack(&self, record: &[u8]) -> Option<Box<[u8]>>;

    /// Returns a record of so many bytes that was packed; nothing if these are not of this packer.
    fn unpack(&self, packed: &[u8], size: usize) -> Option<Vec<u8>>;
}

/// How records are kept, and how many bytes they take.
#[derive(Debug, Default)]
pub struct Ledger {
    bytes: AtomicUsize,
    packer: Option<Arc<dyn Packer>>,
}

impl Ledger {
    /// Returns an empty ledger of records that are packed.
    pub fn packing(packer: Arc<dyn Packer>) -> Self {
        Self { bytes: AtomicUsize::new(0), packer: Some(packer) }
    }

    /// Returns how many bytes the kept events take.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What a kept event takes beside its record: the struct itself, its reference counts, and what an
/// allocator adds to two pieces of memory.
const BESIDE_RECORD: usize = size_of::<Admitted>() + 2 * size_of::<usize>() + 2 * 8;

/// A kept record, perhaps packed, counted in a ledger for as long as it is kept.
#[derive(Default)]
pub struct Body {
    bytes: Box<[u8]>,
    /// The size of the record, if it is packed.
    packed_from: Option<NonZeroU32>,
    ledger: Option<Arc<Ledger>>,
}

impl Body {
    /// Keeps a record for long: packed, if the ledger says how. The ledger counts it until it is dropped,
    /// together with what its event takes beside it.
    pub fn kept(record: &[u8], ledger: &Arc<Ledger>) -> Self {
        let packed = ledger.packer.as_ref().and_then(|packer| packer.pack(record));
        Self::counted(record, packed, ledger)
    }

    /// Keeps a record as it is, and has the ledger count it as [`kept`](Self::kept) does: it will be needed at once.
    pub fn at_hand(record: &[u8], ledger: &Arc<Ledger>) -> Self {
        Self::counted(record, None, ledger)
    }

    fn counted(record: &[u8], packed: Option<Box<[u8]>>, ledger: &Arc<Ledger>) -> Self {
        let size = u32::try_from(record.len()).ok().and_then(NonZeroU32::new);
        let (bytes, packed_from) = match (packed, size) {
            (Some(packed), Some(size)) => (packed, Some(size)),
            _ => (record.into(), None),
        };
        let body = Self { bytes, packed_from, ledger: Some(Arc::clone(ledger)) };
        ledger.bytes.fetch_add(body.cost(), Ordering::Relaxed);
        body
    }

    /// Returns what keeping the event of this record takes of the memory.
    pub fn cost(&self) -> usize {
        self.bytes.len() + BESIDE_RECORD
    }

    /// Returns the record.
    pub fn record(&self) -> Cow<'_, [u8]> {
        let Some(size) = self.packed_from else { return Cow::Borrowed(&self.bytes) };
        let packer = self.ledger.as_ref().and_then(|ledger| ledger.packer.as_ref());
        let record = packer.and_then(|packer| packer.unpack(&self.bytes, size.get() as usize));
        debug_assert!(record.is_some(), "what was packed can be unpacked");
        Cow::Owned(record.unwrap_or_default())
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(ledger) = &self.ledger {
            ledger.bytes.fetch_sub(self.cost(), Ordering::Relaxed);
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
