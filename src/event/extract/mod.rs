//! The wanted fields of a record by its structural index, without parsing the rest.
//!
//! Never refuses a record: where anything is unusual it gives up, and the parser decides.

mod scalar;
mod structure;
mod walk;

use super::field::FieldId;
use super::fields::Fields;
use super::trie::Trie;
use structure::Structure;
use walk::{Later, Walk};

/// Memory for reading records, one at a time.
#[derive(Debug, Default)]
pub struct Scratch {
    structure: Structure,
    /// What was passed in the first of two walks.
    later: Vec<Later>,
    /// A text without its escapes.
    text: Vec<u8>,
}

impl Scratch {
    /// Makes the structural index of a record and nothing else: the yardstick of benchmarks.
    /// Returns how many braces, brackets and colons there are.
    pub fn index(&mut self, payload: &[u8]) -> usize {
        self.structure.index(payload);
        self.structure.view().marks.len()
    }

    fn index_to_walk(&mut self, payload: &[u8]) -> Result<(), GiveUp> {
        self.later.clear();
        if self.structure.index(payload) { Ok(()) } else { Err(GiveUp) }
    }
}

/// The walk has met something that only the parser can judge. What it has found counts for nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct GiveUp;

/// What the walk does at each node of the wanted paths.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// For each node; none where there is only one walk.
    classes: Vec<Class>,
    early: Vec<FieldId>,
    max_nesting: usize,
}

/// When the value of a node is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// At once: an early field ends here.
    Early,
    /// As far as early fields lie below.
    Above,
    /// In the second walk.
    Later,
}

impl Plan {
    /// Returns the plan for two walks, the first of which reads the early fields alone. There is
    /// one walk if there is no early field, or if some early field lies above or below a wanted
    /// one: whether that is an object would have to be known from both walks.
    pub(super) fn new(trie: &Trie, early: &[FieldId], max_nesting: usize) -> Self {
        let is_early = |node: u32| trie.field(node).is_some_and(|field| early.contains(&field));
        let mut classes: Vec<Class> = (0..trie.len() as u32)
            .map(|node| if is_early(node) { Class::Early } else { Class::Later })
            .collect();
        let mut is_tangled = false;
        // From the leaves up: a node has a higher number than the one above it.
        for (above, below) in trie.edges().rev() {
            let (upper, lower) = (classes[above as usize], classes[below as usize]);
            is_tangled |= upper == Class::Early;
            if lower != Class::Later {
                is_tangled |= trie.field(above).is_some();
                classes[above as usize] = Class::Above;
            }
        }
        if is_tangled || early.is_empty() {
            classes.clear();
        }
        Self { classes, early: early.to_vec(), max_nesting }
    }

    /// Tells whether the first of two walks reads less than all.
    pub(super) fn has_early(&self) -> bool {
        !self.classes.is_empty()
    }
}

/// Adds the values of all wanted fields to `out`.
pub(super) fn read<'a>(
    (trie, plan): (&Trie, &Plan),
    scratch: &mut Scratch,
    payload: &'a [u8],
    out: &mut Fields<'a>,
) -> Result<(), GiveUp> {
    let text = text(payload)?;
    scratch.index_to_walk(payload)?;
    Walk::new(trie, plan, scratch, (payload, Some(text)), out).record::<false>()
}

/// Adds the values of early fields to `out`, for [`read_rest`].
pub(super) fn read_early<'a>(
    (trie, plan): (&Trie, &Plan),
    scratch: &mut Scratch,
    payload: &'a [u8],
    out: &mut Fields<'a>,
) -> Result<(), GiveUp> {
    scratch.index_to_walk(payload)?;
    Walk::new(trie, plan, scratch, (payload, None), out).record::<true>()
}

/// Adds the values of the other fields to `out`: of the record that was read last.
pub(super) fn read_rest<'a>(
    (trie, plan): (&Trie, &Plan),
    scratch: &mut Scratch,
    payload: &'a [u8],
    out: &mut Fields<'a>,
) -> Result<(), GiveUp> {
    let text = text(payload)?;
    let later = std::mem::take(&mut scratch.later);
    let read = Walk::new(trie, plan, scratch, (payload, Some(text)), out).rest(&later);
    scratch.later = later;
    read
}

/// Returns a record as text: slices of a valid text cost nothing more. Of one with broken encoding
/// only the parser knows what counts.
fn text(payload: &[u8]) -> Result<&str, GiveUp> {
    std::str::from_utf8(payload).map_err(|_| GiveUp)
}
