//! Re-keying, the first half: an event that satisfies a stage of a re-keyed rule goes on to the
//! partition of a topic where all events with its join key meet.
//!
//! Events are forwarded as they came, with where they stood and what the clock showed there; the
//! detector of the other partition reads and judges them again. Which partition it is depends on
//! the join key and the topic's size alone. Never offers anything to a sequence.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Detector, Options, Origin, Output, Record, Stamp};
use crate::event::{EventTime, JoinKey, Place, TimeSpan};
use crate::sequence::TermSet;

/// How rules are re-keyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekey {
    /// The topic between the two halves.
    pub topic: Arc<str>,
    /// How many partitions it has.
    pub partitions: i32,
    /// How long a partition of the input may be silent before nothing waits for it.
    pub idle_timeout: TimeSpan,
    /// Largest record in bytes that is forwarded; a larger one is a dead letter.
    pub max_record_bytes: usize,
}

/// How often, in the time of its own clock, a partition tells how far it has come.
const BEAT: TimeSpan = TimeSpan::from_secs(1);

/// A record on its way to another partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The partition of the topic for re-keyed events.
    pub target: i32,
    /// Key for that topic: the join key's text.
    pub key: Vec<u8>,
    /// The record as it came; nothing where only the clock is told.
    pub value: Option<Arc<[u8]>>,
    /// Where it stood, for [`Source::read`].
    pub headers: Arc<[(&'static str, String)]>,
}

/// Where a forwarded record stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there; where only the clock is told, that of the next record.
    pub offset: i64,
    /// The broker's timestamp of it.
    pub stamp: Stamp,
    /// What the clock of its partition showed.
    pub clock: EventTime,
    /// How many partitions the topic for re-keyed events was thought to have.
    pub partitions: i32,
}

impl<'a> Source<'a> {
    /// Reads the headers of a forwarded record; nothing if they are none.
    pub fn read(header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let (kind, stamped) = header("stamp")?.split_once(':')?;
        let stamped = || stamped.parse().ok().map(EventTime::from_nanos);
        Some(Self {
            topic: header("topic")?,
            partition: header("partition")?.parse().ok()?,
            offset: header("offset")?.parse().ok()?,
            stamp: match kind {
                "append" => Stamp::Append(stamped()?),
                "create" => Stamp::Create(stamped()?),
                "none" => Stamp::None,
                _ => return None,
            },
            clock: EventTime::from_nanos(header("clock")?.parse().ok()?),
            partitions: header("partitions")?.parse().ok().filter(|count| *count > 0)?,
        })
    }

    /// Returns the headers that say so.
    pub fn headers(&self) -> Arc<[(&'static str, String)]> {
        let stamp = match self.stamp {
            Stamp::Append(time) => format!("append:{}", time.nanos()),
            Stamp::Create(time) => format!("create:{}", time.nanos()),
            Stamp::None => "none:".to_owned(),
        };
        Arc::new([
            ("topic", self.topic.to_owned()),
            ("partition", self.partition.to_string()),
            ("offset", self.offset.to_string()),
            ("stamp", stamp),
            ("clock", self.clock.nanos().to_string()),
            ("partitions", self.partitions.to_string()),
        ])
    }
}

/// Returns which of a topic's partitions holds a join key: FNV-1a (32 bits) over the key's parts
/// without the highest bit, modulo their number. A part is the byte 1, its text and the byte 0; one
/// that is missing is the byte 0.
pub fn target_of(key: &JoinKey, partitions: i32) -> i32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut add = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    for part in key.parts() {
        if let Some(text) = part {
            add(1);
            text.bytes().for_each(&mut add);
        }
        add(0);
    }
    i32::try_from(hash & 0x7fff_ffff).unwrap_or(0) % partitions.max(1)
}

/// What a detector does with the rules that are re-keyed.
#[derive(Debug)]
pub(super) enum Role {
    /// The same as with others: nothing is re-keyed.
    Whole,
    /// Forward their events.
    Sender(Rekey),
    /// Evaluate them, and no others.
    Receiver,
}

impl Role {
    pub(super) fn of(options: &Options, origin: &Origin) -> Self {
        match &options.rekey {
            None => Self::Whole,
            Some(rekey) if rekey.topic == origin.topic => Self::Receiver,
            Some(rekey) => Self::Sender(rekey.clone()),
        }
    }

    /// Tells whether the events of a rule, re-keyed or not, are offered to its sequences.
    pub(super) fn offers(&self, is_rekeyed: bool) -> bool {
        match self {
            Self::Whole => true,
            Self::Sender(_) => !is_rekeyed,
            Self::Receiver => is_rekeyed,
        }
    }
}

/// Where the record that is being taken in stood first.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) place: Arc<Place>,
    pub(super) offset: i64,
    pub(super) clock: EventTime,
    pub(super) partitions: i32,
}

/// How far a partition has come as it last told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    position: i64,
    clock: EventTime,
    stamp: Stamp,
}

impl Detector {
    /// Adds the partitions to which an event with these keys is to be forwarded.
    pub(super) fn address(
        &self,
        keys: &BTreeMap<JoinKey, TermSet>,
        targets: &mut BTreeMap<i32, Vec<u8>>,
    ) {
        let Role::Sender(rekey) = &self.rekeyed.role else { return };
        for key in keys.keys() {
            let target = target_of(key, rekey.partitions);
            targets.entry(target).or_insert_with(|| key.text().into_bytes());
        }
    }

    /// Forwards a record to these partitions.
    pub(super) fn forward(&mut self, record: &Record<'_>, targets: BTreeMap<i32, Vec<u8>>) {
        let (Role::Sender(rekey), Some(payload)) = (&self.rekeyed.role, record.payload) else {
            return;
        };
        if targets.is_empty() || self.is_replaying() {
            return;
        }
        if payload.len() > rekey.max_record_bytes {
            return self.dead_letter(record, "too_large");
        }
        let value: Option<Arc<[u8]>> = Some(payload.into());
        let Some(headers) = self.source(rekey, record.offset, record.stamp) else { return };
        for (target, key) in targets {
            let (value, headers) = (value.clone(), Arc::clone(&headers));
            self.outbox.push(Output::Forward(Forward { target, key, value, headers }));
        }
    }

    /// Tells all partitions how far this one has come, if that is news.
    ///
    /// To be called where a cut is made: everything before it has been forwarded.
    pub(super) fn beat(&mut self, position: i64) {
        let (Role::Sender(rekey), Some(clock)) = (&self.rekeyed.role, self.clock.shows) else {
            return;
        };
        let stamp = self.rekeyed.last_stamp;
        // A clock may stand still while records come: whoever waits for it must not take that for
        // silence.
        let has_moved = |last: &Beat| {
            let gained = |a: EventTime, b: EventTime| a.max(b) - a.min(b) >= BEAT;
            let stamps = stamp.time().zip(last.stamp.time());
            gained(clock, last.clock) || stamps.is_some_and(|(now, then)| gained(now, then))
        };
        let is_news = |last: &Beat| last.position != position && has_moved(last);
        if self.rekeyed.last_beat.as_ref().is_some_and(|last| !is_news(last)) {
            return;
        }
        let Some(headers) = self.source(rekey, position, stamp) else { return };
        let targets = 0..rekey.partitions;
        self.rekeyed.last_beat = Some(Beat { position, clock, stamp });
        self.outbox.extend(targets.map(|target| {
            let headers = Arc::clone(&headers);
            Output::Forward(Forward { target, key: Vec::new(), value: None, headers })
        }));
    }

    /// Tells whether a key belongs into this partition.
    ///
    /// INVARIANT: what the sender thought of the topic's size decides, so that each key of an event
    /// is taken exactly once even while senders do not agree.
    pub(super) fn is_at_home(&self, key: &JoinKey) -> bool {
        let is_here =
            |arrival: &Arrival| target_of(key, arrival.partitions) == self.origin.partition;
        self.rekeyed.arrival.as_ref().is_none_or(is_here)
    }

    fn source(
        &self,
        rekey: &Rekey,
        offset: i64,
        stamp: Stamp,
    ) -> Option<Arc<[(&'static str, String)]>> {
        let Origin { topic, partition } = &self.origin;
        let clock = self.clock.shows?;
        let partitions = rekey.partitions;
        Some(Source { topic, partition: *partition, offset, stamp, clock, partitions }.headers())
    }
}
