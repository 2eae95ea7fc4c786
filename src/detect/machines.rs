//! Which machines share a `host.id`: clones of one image do, and then sequences would run across
//! them.
//!
//! A sketch of fixed size: it may forget an id, never mistake two for one.

use crate::normalize::{HostHash, Machine};

/// How many ids are remembered: 2^12 slots of 24 bytes.
const SLOTS: usize = 1 << 12;

/// The machine that was last seen in each slot.
#[derive(Debug, Default)]
pub(super) struct Machines {
    // Empty until the first machine.
    slots: Vec<Option<Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    id: HostHash,
    name: HostHash,
    is_shared: bool,
}

impl Machines {
    /// Notes a machine; true if this is the first sign that another has the same id.
    pub(super) fn is_news_of_sharing(&mut self, machine: Machine) -> bool {
        if self.slots.is_empty() {
            self.slots = vec![None; SLOTS];
        }
        let Machine { id, name } = machine;
        let slot = &mut self.slots[id.0 as usize % SLOTS];
        match slot {
            Some(seen) if seen.id == id => {
                let is_news = seen.name != name && !seen.is_shared;
                seen.is_shared |= is_news;
                is_news
            }
            _ => {
                *slot = Some(Seen { id, name, is_shared: false });
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(id: u64, name: u64) -> Machine {
        Machine { id: HostHash(id), name: HostHash(name) }
    }

    #[test]
    fn a_shared_id_is_news_once() {
        let mut machines = Machines::default();
        assert!(!machines.is_news_of_sharing(machine(1, 10)));
        assert!(!machines.is_news_of_sharing(machine(1, 10)));
        assert!(!machines.is_news_of_sharing(machine(2, 11)), "another id");
        assert!(machines.is_news_of_sharing(machine(1, 11)));
        assert!(!machines.is_news_of_sharing(machine(1, 10)));
        assert!(!machines.is_news_of_sharing(machine(1, 12)));
    }

    #[test]
    fn ids_in_one_slot_are_not_mistaken() {
        let mut machines = Machines::default();
        let other = SLOTS as u64 + 1;
        for _ in 0..3 {
            assert!(!machines.is_news_of_sharing(machine(1, 10)));
            assert!(!machines.is_news_of_sharing(machine(other, 11)));
        }
    }
}
