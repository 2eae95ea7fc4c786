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
    tail: u64,
    head: [u8; 8],
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
        let head = segment.first_chunk().copied().unwrap_or_default();
        self.edges.push(Edge {
            parent,
            child,
            tail: tail_of(segment),
            head,
            segment: segment.into(),
        });
        child
    }

    fn fill_slots(&mut self) {
        self.slots = vec![Slot::default(); (self.edges.len() * 4).next_power_of_two().max(4)];
        for (edge, number) in self.edges.iter().zip(1..) {
            let hash = hash(edge.parent, edge.tail);
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

    /// Returns the node that a segment leads to.
    fn child(&self, node: u32, segment: &[u8]) -> Option<u32> {
        let tail = tail_of(segment);
        self.find(node, tail, |edge| *edge.segment == *segment)
    }

    /// Returns the node that a key leads to, if a segment of the wanted paths is like it. The key
    /// ends before `end`, where its quote stands, and has no escapes. Where it begins need not be
    /// known: the quote before it is looked for in the last bytes alone.
    #[inline(always)]
    pub(crate) fn child_before(
        &self,
        node: u32,
        record: &[u8],
        end: usize,
    ) -> Option<(u32, usize)> {
        let Some(last) = record.get(..end).and_then(|record| record.last_chunk::<8>()) else {
            return self.child_near_start(node, record, end);
        };
        let mut start = 0;
        let is_key = |edge: &Edge| {
            let Some(quote) = end.checked_sub(edge.segment.len() + 1) else { return false };
            start = quote + 1;
            let is_quoted = record.get(quote) == Some(&b'"');
            // Both ends together are all of a segment of up to 16 bytes.
            is_quoted
                && (edge.segment.len() <= 8
                    || record.get(start..).and_then(|key| key.first_chunk()) == Some(&edge.head)
                        && (edge.segment.len() <= 16
                            || record.get(start..end) == Some(&*edge.segment)))
        };
        let child = self.find(node, behind_quote(u64::from_le_bytes(*last)), is_key)?;
        Some((child, start))
    }

    #[cold]
    fn child_near_start(&self, node: u32, record: &[u8], end: usize) -> Option<(u32, usize)> {
        let quote = record.get(..end)?.iter().rposition(|byte| *byte == b'"')?;
        let child = self.child(node, &record[quote + 1..end])?;
        Some((child, quote + 1))
    }

    #[inline(always)]
    fn find(&self, node: u32, tail: u64, mut is_it: impl FnMut(&Edge) -> bool) -> Option<u32> {
        let hash = hash(node, tail);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at & mask];
            if slot.edge == 0 {
                return None;
            }
            if slot.hash == hash {
                let edge = &self.edges[slot.edge as usize - 1];
                if (edge.parent, edge.tail) == (node, tail) && is_it(edge) {
                    return Some(edge.child);
                }
            }
            at += 1;
        }
    }

    /// Follows a key, dotted or not, down from a node. Returns the node that it ends in, if a
    /// wanted path goes there.
    pub(crate) fn step(&self, node: u32, key: &[u8], passed: &mut Passed) -> Option<u32> {
        // A segment has no dots: where the whole key is one, there is no other way.
        let child = self.child(node, key);
        child.or_else(|| self.step_by_segments(node, key, passed))
    }

    #[inline(never)]
    fn step_by_segments(&self, node: u32, key: &[u8], passed: &mut Passed) -> Option<u32> {
        if !key.contains(&b'.') {
            return None;
        }
        let mut node = node;
        let mut segments = key.split(|byte| *byte == b'.').peekable();
        while let Some(segment) = segments.next() {
            node = self.child(node, segment)?;
            if segments.peek().is_some() {
                passed.extend(self.field(node));
            }
        }
        Some(node)
    }
}

/// Wanted fields that a dotted key has passed: if there is a value, they are objects.
pub(crate) type Passed = SmallVec<[FieldId; 2]>;

/// Returns the last eight bytes of a segment; of a shorter one all, and zeros behind them.
fn tail_of(segment: &[u8]) -> u64 {
    match segment.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => segment.iter().rev().fold(0, |tail, byte| tail << 8 | u64::from(*byte)),
    }
}

/// Returns what stands behind the last quote of eight bytes, and zeros behind that.
#[inline(always)]
fn behind_quote(bytes: u64) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let zero_if_quote = bytes ^ 0x2222_2222_2222_2222;
    let quotes = !(((zero_if_quote & LOW) + LOW) | zero_if_quote | LOW);
    // A quote in the last byte is that of an empty key: nothing is left.
    bytes.checked_shr(u64::BITS - quotes.leading_zeros()).unwrap_or(0)
}

/// The table is fixed by the wanted fields, so that no record can make its searches longer.
#[inline(always)]
fn hash(node: u32, tail: u64) -> u32 {
    let mixed = (tail ^ u64::from(node) << 17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}
