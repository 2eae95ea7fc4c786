//! The journal: what the rules of the long lane have admitted, written down so that their state can
//! be rebuilt without reading hours of input again.
//!
//! Whatever happens to that lane is an entry or follows from one: a record that satisfied a stage,
//! with the partition's pace as it was offered, and the idle time that had run since the entry before
//! it. Records in between only move the pace, and a lane that is moved further in one step comes to the
//! same state. Entries may stand in the journal twice, and a life that ended without a commit may have
//! left some: for each offset the last one counts. Entries of earlier versions have what the clock showed
//! in place of the pace: with the broker's stamps that is the same, else it is more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::replay::{Idle, Reached};
use crate::event::{EventTime, Stamp};
use crate::sequence::Pace;

/// First byte of an entry: the format's version.
const VERSION: u8 = 1;
/// Tags from here on must be understood by whoever reads an entry.
const CRITICAL: u8 = 128;

const OFFSET: u8 = 128;
const PACE: u8 = 129;
const APPENDED: u8 = 130;
const CREATED: u8 = 131;
const IDLE: u8 = 132;
const PAYLOAD: u8 = 133;

/// An entry on its way to the journal topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRecord {
    /// The offset of the record that it stands for.
    pub offset: i64,
    /// The entry, written.
    pub value: Arc<[u8]>,
}

/// One thing that happened to the long lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Offset of the record in the input; without a payload, of the record that would have come
    /// next when idle time ran.
    pub(crate) offset: i64,
    /// The partition's pace after the record's own movement.
    pub(crate) pace: Pace,
    pub(crate) stamp: Stamp,
    /// Idle time that ran since the entry before, oldest first.
    pub(crate) idle: Vec<Idle>,
    /// The record as it was read; nothing if the entry only carries idle time.
    pub(crate) payload: Option<Vec<u8>>,
}

impl Entry {
    /// Writes an entry: the version, then fields, each a tag, a length and that many bytes.
    pub(crate) fn write(
        offset: i64,
        pace: Pace,
        stamp: Stamp,
        idle: &[Idle],
        payload: Option<&[u8]>,
    ) -> JournalRecord {
        let mut value = Vec::with_capacity(64 + payload.map_or(0, <[u8]>::len));
        value.push(VERSION);
        push(&mut value, OFFSET, &offset.to_be_bytes());
        push(&mut value, PACE, &pace.nanos().to_be_bytes());
        match stamp {
            Stamp::Append(time) => push(&mut value, APPENDED, &time.nanos().to_be_bytes()),
            Stamp::Create(time) => push(&mut value, CREATED, &time.nanos().to_be_bytes()),
            Stamp::None => {}
        }
        if !idle.is_empty() {
            let pair = |idle: &Idle| {
                let Reached::Pace(reached) = idle.reached else {
                    return [idle.position.to_be_bytes(); 2];
                };
                [idle.position.to_be_bytes(), reached.nanos().to_be_bytes()]
            };
            let pairs: Vec<u8> = idle.iter().flat_map(pair).flatten().collect();
            push(&mut value, IDLE, &pairs);
        }
        if let Some(payload) = payload {
            push(&mut value, PAYLOAD, payload);
        }
        JournalRecord { offset, value: value.into() }
    }

    /// Reads an entry; nothing if it is none, or one of a format that must be understood and is not.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (version, mut rest) = value.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (mut offset, mut reached, mut stamp) = (None, None, Stamp::None);
        let (mut idle, mut payload) = (Vec::new(), None);
        while let Some((tag, after)) = rest.split_first() {
            let (length, after) = after.split_first_chunk::<4>()?;
            let (field, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            rest = after;
            match *tag {
                OFFSET => offset = Some(number(field)?),
                PACE => reached = Some(pace(field)?),
                APPENDED => stamp = Stamp::Append(time(field)?),
                CREATED => stamp = Stamp::Create(time(field)?),
                IDLE => {
                    for pair in field.chunks(16) {
                        let (position, until) = pair.split_at_checked(8)?;
                        let reached = Reached::Pace(pace(until)?);
                        idle.push(Idle { position: number(position)?, reached });
                    }
                }
                PAYLOAD => payload = Some(field.to_vec()),
                unknown if unknown >= CRITICAL => return None,
                _ => {}
            }
        }
        Some(Self { offset: offset?, pace: reached?, stamp, idle, payload })
    }
}

fn push(value: &mut Vec<u8>, tag: u8, field: &[u8]) {
    // Whoever writes an entry has seen to its size.
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    value.push(tag);
    value.extend_from_slice(&length.to_be_bytes());
    value.extend_from_slice(field);
}

fn number(field: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(field.try_into().ok()?))
}

fn pace(field: &[u8]) -> Option<Pace> {
    number(field).map(Pace::from_nanos)
}

fn time(field: &[u8]) -> Option<EventTime> {
    number(field).map(EventTime::from_nanos)
}

/// An entry, and where it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) at: i64,
    pub(crate) entry: Entry,
}

/// Puts entries into the order of the input.
///
/// They stand in that order except where an owner of the partition has started before another's
/// last entries, by no more than what may wait for a commit. So a window of that size is enough.
#[derive(Debug, Default)]
pub(crate) struct Sorter {
    /// By offset; before a record's own entry the one that carries idle time.
    window: BTreeMap<(i64, bool), Placed>,
    bytes: usize,
    /// The last one that was returned: what comes before it is too late.
    given: Option<(i64, bool)>,
}

/// More entries than a partition may have waiting for a commit, and more bytes.
const WINDOW: usize = 12_000;
const WINDOW_BYTES: usize = 48 << 20;

impl Sorter {
    /// Takes the next entry of the journal, and returns the one whose turn has come.
    pub(crate) fn push(&mut self, placed: Placed) -> Option<Placed> {
        let size = size(&placed);
        let key = (placed.entry.offset, placed.entry.payload.is_some());
        if self.given.is_some_and(|given| key <= given) {
            return None;
        }
        self.bytes += size;
        if let Some(older) = self.window.insert(key, placed) {
            self.bytes -= self::size(&older);
        }
        let is_full = self.window.len() > WINDOW || self.bytes > WINDOW_BYTES;
        if is_full { self.pop() } else { None }
    }

    /// Returns the next of the entries that are left.
    pub(crate) fn pop(&mut self) -> Option<Placed> {
        let (key, placed) = self.window.pop_first()?;
        self.given = Some(key);
        self.bytes -= size(&placed);
        Some(placed)
    }

    /// Returns where in the journal the first of the entries stands that are still here.
    pub(crate) fn lowest(&self) -> Option<i64> {
        self.window.values().map(|placed| placed.at).min()
    }
}

fn size(placed: &Placed) -> usize {
    placed.entry.payload.as_ref().map_or(0, Vec::len) + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_millis(1_000 * seconds)
    }

    fn pace(seconds: i64) -> Pace {
        Pace::from_nanos(at(seconds).nanos())
    }

    fn idle(position: i64, seconds: i64) -> Idle {
        Idle { position, reached: Reached::Pace(pace(seconds)) }
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let pairs = [(3, 9), (i64::MAX, -9)].map(|(position, second)| idle(position, second));
        for stamp in [Stamp::None, Stamp::Append(at(1)), Stamp::Create(at(2))] {
            for idle in [&pairs[..0], &pairs[..]] {
                for payload in [None, Some(&b""[..]), Some(&b"\xff{}"[..])] {
                    let written = Entry::write(7, pace(5), stamp, idle, payload);
                    let (idle, payload) = (idle.to_vec(), payload.map(<[u8]>::to_vec));
                    let entry = Entry { offset: 7, pace: pace(5), stamp, idle, payload };
                    assert_eq!(Entry::read(&written.value), Some(entry));
                }
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_not_understood_is_no_entry() {
        let pairs = [idle(3, 9)];
        let whole = Entry::write(7, pace(5), Stamp::Append(at(1)), &pairs, Some(b"{}")).value;
        for length in 0..whole.len() {
            // A prefix that ends behind a field lacks what comes later, and nothing else.
            let read = Entry::read(&whole[..length]);
            assert!(read.is_none_or(|entry| entry.payload.is_none()), "{length}");
        }
        let with = |tag: u8| [&*whole, &[tag, 0, 0, 0, 1, 9]].concat();
        assert_eq!(Entry::read(&with(1)), Entry::read(&whole), "may be ignored");
        assert_eq!(Entry::read(&with(255)), None, "must not be ignored");
        assert_eq!(Entry::read(b""), None);
        assert_eq!(Entry::read(b"{\"a\": 1}"), None);
    }

    #[test]
    fn entries_come_in_the_order_of_the_input_each_once_and_the_last_counts() {
        let mut sorter = Sorter::default();
        let entry = |offset, payload: &str| Entry {
            offset,
            pace: pace(0),
            stamp: Stamp::None,
            idle: Vec::new(),
            payload: (!payload.is_empty()).then(|| payload.into()),
        };
        let written = [(1, "a"), (2, "b"), (3, "c"), (2, "B"), (2, ""), (4, "d"), (3, "C")];
        for (at, (offset, payload)) in (10..).zip(written) {
            assert_eq!(sorter.push(Placed { at, entry: entry(offset, payload) }), None);
        }
        assert_eq!(sorter.lowest(), Some(10));
        let read = std::iter::from_fn(|| sorter.pop()).map(|placed| {
            let payload = placed.entry.payload.unwrap_or_default();
            (placed.at, placed.entry.offset, String::from_utf8(payload).unwrap())
        });
        let expected = [(10, 1, "a"), (14, 2, ""), (13, 2, "B"), (16, 3, "C"), (15, 4, "d")];
        let expected = expected.map(|(at, offset, text)| (at, offset, text.to_owned()));
        assert_eq!(read.collect::<Vec<_>>(), expected);
        assert_eq!(sorter.bytes, 0);
        assert_eq!(sorter.push(Placed { at: 20, entry: entry(4, "again") }), None);
        assert_eq!(sorter.pop(), None, "what was given is not given again");
    }

    #[test]
    fn the_window_is_bounded() {
        let mut sorter = Sorter::default();
        let entry = |offset| Entry {
            offset,
            pace: pace(0),
            stamp: Stamp::None,
            idle: Vec::new(),
            payload: Some(vec![0; 8_192]),
        };
        let given = (0..9_000).filter_map(|n| sorter.push(Placed { at: n, entry: entry(n) }));
        let given: Vec<i64> = given.map(|placed| placed.at).collect();
        assert_eq!(given, (0..given.len() as i64).collect::<Vec<_>>());
        assert!(sorter.bytes <= WINDOW_BYTES && given.len() > 2_000);
    }
}
