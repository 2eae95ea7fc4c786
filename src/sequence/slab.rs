//! Things that are found by small numbers, which are given out again when a thing is gone.
//!
//! They stand in chunks: growing moves nothing, and leaves no more than one chunk unused.

/// How many things stand in a chunk.
const CHUNK: usize = 256;

/// Things of one kind by their numbers.
#[derive(Debug)]
pub(super) struct Slab<T> {
    /// INVARIANT: all but the last one are full.
    chunks: Vec<Vec<Option<T>>>,
    /// The numbers of the slots that are free.
    spare: Vec<u32>,
    count: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), spare: Vec::new(), count: 0 }
    }
}

impl<T> Slab<T> {
    /// Adds a thing, and returns its number.
    pub(super) fn insert(&mut self, thing: T) -> u32 {
        self.count += 1;
        if let Some(id) = self.spare.pop() {
            *self.slot(id).expect("a spare number has a slot") = Some(thing);
            return id;
        }
        let is_full = self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK);
        if is_full {
            // The first chunk grows: most slabs hold little.
            let room = if self.chunks.is_empty() { 4 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(room));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("there is one now");
        chunk.push(Some(thing));
        u32::try_from(before + chunk.len() - 1).expect("memory ends before the numbers")
    }

    /// Removes a thing. The memory of all is given back when none is left.
    pub(super) fn remove(&mut self, id: u32) -> Option<T> {
        let thing = self.slot(id)?.take()?;
        self.count -= 1;
        if self.count == 0 {
            *self = Self::default();
        } else {
            self.spare.push(id);
        }
        Some(thing)
    }

    /// Returns the thing of a number.
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        let id = id as usize;
        self.chunks.get(id / CHUNK)?.get(id % CHUNK)?.as_ref()
    }

    /// Returns the thing of a number, for changing it.
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.slot(id)?.as_mut()
    }

    /// Returns how many things there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Returns all things by their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = (0..).zip(self.chunks.iter().flatten());
        slots.filter_map(|(id, slot)| slot.as_ref().map(|thing| (id, thing)))
    }

    /// Returns about how many bytes a thing takes.
    pub(super) const fn bytes_of_one() -> usize {
        size_of::<Option<T>>() + size_of::<u32>()
    }

    fn slot(&mut self, id: u32) -> Option<&mut Option<T>> {
        let id = id as usize;
        self.chunks.get_mut(id / CHUNK)?.get_mut(id % CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn things_keep_their_numbers_until_they_are_gone() {
        let (mut slab, mut map) = (Slab::default(), BTreeMap::new());
        for step in 0_u32..5_000 {
            if step % 7 < 4 {
                let id = slab.insert(step);
                assert_eq!(map.insert(id, step), None, "a number that was free");
            } else if let Some(id) = map.keys().nth(step as usize * 31 % map.len()).copied() {
                assert_eq!(slab.remove(id), map.remove(&id));
                assert_eq!(slab.get(id), None);
                assert_eq!(slab.remove(id), None);
            }
            assert_eq!(slab.len(), map.len());
        }
        assert!(map.len() > 2 * CHUNK);
        assert!(slab.iter().map(|(id, thing)| (id, *thing)).eq(map.clone()));
        for (id, thing) in map {
            assert_eq!(slab.get_mut(id).copied(), Some(thing));
            slab.remove(id);
        }
        assert!(slab.chunks.is_empty(), "its memory is given back");
    }
}
