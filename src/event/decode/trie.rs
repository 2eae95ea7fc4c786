//! The wanted paths as a tree.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::event::field::{FieldId, FieldTable};

/// The wanted paths as a tree of their segments.
///
/// Every key of every record is looked up here, and most lead nowhere: one table for the whole
/// tree, hashed by a few bytes of the key, mostly answers with an empty slot.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    /// The field that ends in each node.
    fields: Vec<Option<FieldId>>,
    edges: Vec<Edge>,
    // INVARIANT: a power of two, and more than twice the number of edges: a search ends.
    slots: Vec<Slot>,
}

#[derive(Clone, Debug)]
struct Edge {
    parent: u32,
    segment: Box<[u8]>,
    child: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// Index of the edge, plus one.
    edge: u32,
}

impl Trie {
    pub(super) const ROOT: u32 = 0;

    pub(super) fn new(fields: &FieldTable) -> Self {
        let mut trie = Self { fields: vec![None], edges: Vec::new(), slots: Vec::new() };
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

    fn add(&mut self, parent: u32, segment: &str) -> u32 {
        let child = self.fields.len() as u32;
        self.fields.push(None);
        self.edges.push(Edge { parent, segment: segment.as_bytes().into(), child });
        child
    }

    fn fill_slots(&mut self) {
        self.slots = vec![Slot::default(); (self.edges.len() * 4).next_power_of_two().max(4)];
        for (edge, number) in self.edges.iter().zip(1..) {
            let hash = segment_hash(edge.parent, &edge.segment);
            let mask = self.slots.len() - 1;
            let mut at = hash as usize & mask;
            while self.slots[at].edge != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = Slot { hash, edge: number };
        }
    }

    pub(super) fn field(&self, node: u32) -> Option<FieldId> {
        self.fields[node as usize]
    }

    fn child(&self, node: u32, segment: &[u8]) -> Option<u32> {
        let hash = segment_hash(node, segment);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.edge == 0 {
                return None;
            }
            if slot.hash == hash {
                let edge = &self.edges[slot.edge as usize - 1];
                if edge.parent == node && *edge.segment == *segment {
                    return Some(edge.child);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Follows a key, dotted or not, down from a node. Returns the node that it ends in, if a
    /// wanted path goes there.
    pub(super) fn step(&self, node: u32, key: &[u8], passed: &mut Passed) -> Option<u32> {
        if !key.contains(&b'.') {
            return self.child(node, key);
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
pub(super) type Passed = SmallVec<[FieldId; 2]>;

/// Hashes a node and length, first and last bytes of a key below it.
///
/// The table is fixed by the wanted fields, so that no record can make its searches longer.
fn segment_hash(node: u32, key: &[u8]) -> u32 {
    let word = |bytes: Option<&[u8; 8]>| bytes.map(|bytes| u64::from_le_bytes(*bytes));
    let (head, tail) = match (word(key.first_chunk()), word(key.last_chunk())) {
        (Some(head), Some(tail)) => (head, tail),
        _ => (key.iter().fold(0, |head, byte| head << 8 | u64::from(*byte)), 0),
    };
    let mixed = head ^ tail.rotate_left(29) ^ (key.len() as u64) << 56 ^ u64::from(node) << 20;
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}
