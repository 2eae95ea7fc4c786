//! The wanted paths as a tree of their segments. Never looks at values.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::event::field::{FieldId, FieldTable};

/// The wanted paths as a tree of their segments.
///
/// Every key of every record is looked up here, and most lead nowhere: one table for the whole
/// tree, hashed by a few bytes of the key, mostly answers with an empty slot.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    /// The field that ends in each node.
    fields: Vec<Option<FieldId>>,
    /// Whether a field ends in each node or below it.
    leads: Vec<bool>,
    edges: Vec<Edge>,
    // INVARIANT: a power of two, and more than twice the number of edges: a search ends.
    slots: Vec<Slot>,
}

#[derive(Clone, Debug)]
struct Edge {
    parent: u32,
    child: u32,
    // INVARIANT: the ends of `segment`.
    ends: Ends,
    segment: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// Index of the edge, plus one.
    edge: u32,
}

impl Trie {
    pub(crate) const ROOT: u32 = 0;
    /// What is below no wanted path: it has no field, and nothing is below it.
    pub(crate) const NOWHERE: u32 = u32::MAX;

    pub(crate) fn new(fields: &FieldTable) -> Self {
        let mut trie =
            Self { fields: vec![None], leads: vec![true], edges: Vec::new(), slots: Vec::new() };
        let mut known = BTreeMap::new();
        for (id, path) in fields.iter() {
            let node = path.split('.').fold(Self::ROOT, |parent, segment| {
                *known.entry((parent, segment)).or_insert_with(|| trie.add(parent, segment))
            });
            trie.fields[node as usize] = Some(id);
        }
        trie.fill_slots();
        trie
    }

    /// Returns the tree of some of the fields only, with the same nodes.
    pub(crate) fn narrowed(&self, is_wanted: impl Fn(FieldId) -> bool) -> Self {
        let fields: Vec<_> =
            self.fields.iter().map(|field| field.filter(|id| is_wanted(*id))).collect();
        let mut leads: Vec<bool> = fields.iter().map(Option::is_some).collect();
        // From the leaves up: a node has a higher number than the one above it.
        for (above, below) in self.edges().rev() {
            leads[above as usize] |= leads[below as usize];
        }
        let is_kept = |edge: &&Edge| leads[edge.child as usize];
        let edges = self.edges.iter().filter(is_kept).cloned().collect();
        let mut narrowed = Self { fields, leads, edges, slots: Vec::new() };
        narrowed.fill_slots();
        narrowed
    }

    /// Tells whether a field ends in a node or below it.
    pub(crate) fn leads(&self, node: u32) -> bool {
        self.leads.get(node as usize).copied().unwrap_or(false)
    }

    fn add(&mut self, parent: u32, segment: &str) -> u32 {
        let child = self.fields.len() as u32;
        self.fields.push(None);
        self.leads.push(true);
        let segment = segment.as_bytes();
        self.edges.push(Edge { parent, child, ends: Ends::of(segment), segment: segment.into() });
        child
    }

    fn fill_slots(&mut self) {
        self.slots = vec![Slot::default(); (self.edges.len() * 4).next_power_of_two().max(4)];
        for (edge, number) in self.edges.iter().zip(1..) {
            let hash = edge.ends.hash(edge.parent);
            let mask = self.slots.len() - 1;
            let mut at = hash as usize & mask;
            while self.slots[at].edge != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = Slot { hash, edge: number };
        }
    }

    /// Returns the field that ends in a node; none for [`NOWHERE`](Self::NOWHERE).
    #[inline]
    pub(crate) fn field(&self, node: u32) -> Option<FieldId> {
        self.fields.get(node as usize).copied().flatten()
    }

    /// Returns the number of nodes; each is below that.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns every edge as the nodes above and below it; the upper one comes first in the order
    /// of nodes.
    pub(crate) fn edges(&self) -> impl DoubleEndedIterator<Item = (u32, u32)> {
        self.edges.iter().map(|edge| (edge.parent, edge.child))
    }

    #[inline]
    fn child(&self, node: u32, segment: &[u8], ends: Ends) -> Option<u32> {
        let hash = ends.hash(node);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.edge == 0 {
                return None;
            }
            if slot.hash == hash {
                let edge = &self.edges[slot.edge as usize - 1];
                // Both ends together are all of a segment of up to 16 bytes.
                let is_same = (edge.parent, edge.ends) == (node, ends);
                if is_same && (segment.len() <= 16 || *edge.segment == *segment) {
                    return Some(edge.child);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Follows the key that stands at `start..end` of a record down from a node, as
    /// [`step`](Self::step) does.
    #[inline]
    pub(crate) fn step_at(
        &self,
        node: u32,
        (record, start, end): (&[u8], usize, usize),
        passed: &mut Passed,
    ) -> Option<u32> {
        let key = record.get(start..end)?;
        let ends = match record.get(..end).and_then(|record| record.last_chunk()) {
            Some(last) if key.len() < 8 => Ends::short(u64::from_le_bytes(*last), key.len()),
            _ => Ends::of(key),
        };
        self.child(node, key, ends).or_else(|| match ends.may_have(b'.') {
            true => self.step_by_segments(node, key, passed),
            false => None,
        })
    }

    /// Follows a key, dotted or not, down from a node. Returns the node that it ends in, if a
    /// wanted path goes there.
    pub(crate) fn step(&self, node: u32, key: &[u8], passed: &mut Passed) -> Option<u32> {
        // A segment has no dots: where the whole key is one, there is no other way.
        let child = self.child(node, key, Ends::of(key));
        child.or_else(|| self.step_by_segments(node, key, passed))
    }

    fn step_by_segments(&self, node: u32, key: &[u8], passed: &mut Passed) -> Option<u32> {
        if !key.contains(&b'.') {
            return None;
        }
        let mut node = node;
        let mut segments = key.split(|byte| *byte == b'.').peekable();
        while let Some(segment) = segments.next() {
            node = self.child(node, segment, Ends::of(segment))?;
            if segments.peek().is_some() {
                passed.extend(self.field(node));
            }
        }
        Some(node)
    }
}

/// Wanted fields that a dotted key has passed: if there is a value, they are objects.
pub(crate) type Passed = SmallVec<[FieldId; 2]>;

/// Length, first and last eight bytes of a key; if there are fewer, all of them and zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    len: usize,
    head: u64,
    tail: u64,
}

impl Ends {
    #[inline]
    fn of(key: &[u8]) -> Self {
        let word = |bytes: Option<&[u8; 8]>| bytes.map(|bytes| u64::from_le_bytes(*bytes));
        let (head, tail) = match (word(key.first_chunk()), word(key.last_chunk())) {
            (Some(head), Some(tail)) => (head, tail),
            _ => (key.iter().rev().fold(0, |head, byte| head << 8 | u64::from(*byte)), 0),
        };
        Self { len: key.len(), head, tail }
    }

    /// Returns the ends of a key of fewer than eight bytes: the last ones of `last`.
    #[inline]
    fn short(last: u64, len: usize) -> Self {
        let head = last.checked_shr(64 - 8 * len as u32).unwrap_or(0);
        Self { len, head, tail: 0 }
    }

    /// Tells whether the key may have the byte: not all of a long key is looked at.
    #[inline]
    fn may_have(self, byte: u8) -> bool {
        const EACH: u64 = 0x0101_0101_0101_0101;
        let is_in = |word: u64| {
            let zero_if_is = word ^ EACH * u64::from(byte);
            zero_if_is.wrapping_sub(EACH) & !zero_if_is & EACH << 7 != 0
        };
        self.len > 16 || is_in(self.head) || is_in(self.tail)
    }

    /// The table is fixed by the wanted fields, so that no record can make its searches longer.
    #[inline]
    fn hash(self, node: u32) -> u32 {
        let Self { len, head, tail } = self;
        let mixed = head ^ tail.rotate_left(29) ^ (len as u64) << 56 ^ u64::from(node) << 20;
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as u32
    }
}
