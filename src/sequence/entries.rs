//! The memory of what was delivered to one rule: an entry for each event of each key.
//!
//! An entry outlives its candidate for as long as copies of the event come. Entries stand in three
//! lists at once: the whole rule's by the pace at their last delivery (who is forgotten next, and
//! who has to leave at a limit), the whole rule's by arrival (whose candidate leaves next), and
//! their key's by last delivery (who has to leave at the limit of a key).

use std::sync::Arc;

use hashbrown::HashTable;

use super::candidate::Candidate;
use super::pace::Pace;
use super::slab::Slab;
use crate::event::Identity;

/// Index of an entry.
pub(super) type EntryId = u32;
/// Index of a key.
pub(super) type KeyId = u32;

/// A table of so many places is kept when all are free.
const FEW: usize = 64;
/// No entry.
const NONE: EntryId = EntryId::MAX;

/// What an entry remembers: an event, or for samples a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    /// An event by its identity.
    Event(Identity),
    /// A window of a sample by its number.
    Window(i64),
}

/// [`Remembered`] in less room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    high: u64,
    low: u64,
    is_window: bool,
}

impl From<Remembered> for Name {
    fn from(what: Remembered) -> Self {
        match what {
            Remembered::Event(Identity(number)) => {
                Self { high: (number >> 64) as u64, low: number as u64, is_window: false }
            }
            Remembered::Window(window) => {
                Self { high: 0, low: window.cast_unsigned(), is_window: true }
            }
        }
    }
}

impl Name {
    fn hash(self, key: KeyId) -> u64 {
        let number = match self.is_window {
            false => self.low ^ self.high,
            true => self.low.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        // Identities are digests; keys are small numbers, spread over all bits.
        let kind = u64::from(self.is_window);
        number ^ (u64::from(key) * 2 + kind).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}

/// [`Noted`] in less room: no time is as late as this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment(Pace);

impl Moment {
    const AHEAD: Self = Self(Pace::MAX);
}

impl From<Noted> for Moment {
    fn from(noted: Noted) -> Self {
        match noted {
            Noted::At(pace) => Self(pace),
            Noted::Ahead => Self::AHEAD,
        }
    }
}

impl From<Moment> for Noted {
    fn from(moment: Moment) -> Self {
        if moment == Moment::AHEAD { Self::Ahead } else { Self::At(moment.0) }
    }
}

/// When something came, by the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// Then.
    At(Pace),
    /// Its source is ahead of the others: it counts as arrived once they have come as far.
    Ahead,
}

/// What an entry takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// The candidate beside its event.
    pub(super) beside: usize,
    /// The event, which several rules may share.
    pub(super) event: usize,
}

impl Size {
    /// Returns all of it, with the entry itself.
    pub(super) fn total(self) -> usize {
        Entries::bytes_of_one() + self.beside + self.event
    }
}

/// One remembered event of one key.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: KeyId,
    what: Name,
    /// The candidate, for as long as it is held.
    pub(super) candidate: Option<Arc<Candidate>>,
    arrival: Moment,
    /// The delivery with which the candidate arrived.
    arrived_with: u64,
    delivered: Moment,
    /// Counts the deliveries of the rule: tells a note of this delivery from older ones.
    pub(super) delivery: u64,
    /// What the last delivery counts for in the rule's quota.
    size: [u32; 2],
    links: [Link; 3],
}

impl Entry {
    /// Returns when the candidate arrived.
    pub(super) fn arrival(&self) -> Noted {
        self.arrival.into()
    }

    /// Returns what the last delivery counts for in the rule's quota.
    pub(super) fn size(&self) -> Size {
        let [beside, event] = self.size.map(|bytes| bytes as usize);
        Size { beside, event }
    }

    fn set_size(&mut self, size: Size) {
        let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        self.size = [bytes(size.beside), bytes(size.event)];
    }
}

#[derive(Clone, Copy, Debug)]
struct Link {
    before: EntryId,
    behind: EntryId,
}

const FREE: Link = Link { before: NONE, behind: NONE };

/// The first and the last entry of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) first: EntryId,
    last: EntryId,
}

impl Default for Ends {
    fn default() -> Self {
        Self { first: NONE, last: NONE }
    }
}

/// The lists in which an entry may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// All whose last delivery has a pace, by that.
    Delivered,
    /// All whose candidate is held and has a pace, by that of its arrival.
    Arrived,
    /// Those of one key, by last delivery.
    OfKey,
}

/// The entries of one rule.
#[derive(Debug, Default)]
pub(super) struct Entries {
    slots: Slab<Entry>,
    by_what: HashTable<EntryId>,
    delivered: Ends,
    arrived: Ends,
    deliveries: u64,
}

impl Entries {
    /// Returns about how many bytes an entry takes, its candidate not counted.
    pub(super) const fn bytes_of_one() -> usize {
        // Tables that double are about two thirds full.
        Slab::<Entry>::bytes_of_one() + (size_of::<EntryId>() + 1) * 3 / 2
    }

    /// Returns the entry of an event or window of a key.
    pub(super) fn find(&self, key: KeyId, what: Remembered) -> Option<EntryId> {
        let what = Name::from(what);
        let is_it =
            |id: &EntryId| self.slots.get(*id).is_some_and(|e| e.key == key && e.what == what);
        self.by_what.find(what.hash(key), is_it).copied()
    }

    /// Adds an entry that stands in no list yet.
    pub(super) fn add(&mut self, key: KeyId, what: Remembered) -> EntryId {
        let what = Name::from(what);
        let id = self.slots.insert(Entry {
            key,
            what,
            candidate: None,
            arrival: Moment::AHEAD,
            arrived_with: 0,
            delivered: Moment::AHEAD,
            delivery: 0,
            size: [0; 2],
            links: [FREE; 3],
        });
        let slots = &self.slots;
        let hash_of = |id: &EntryId| slots.get(*id).map_or(0, |e| e.what.hash(e.key));
        self.by_what.insert_unique(what.hash(key), id, hash_of);
        id
    }

    /// Removes an entry from everything.
    pub(super) fn remove(&mut self, id: EntryId, of_key: &mut Ends) -> Entry {
        for list in [List::Delivered, List::Arrived] {
            self.unlink(id, list);
        }
        self.unlink_of_key(id, of_key);
        let entry = self.slots.remove(id).expect("the entry is there");
        if let Ok(found) = self.by_what.find_entry(entry.what.hash(entry.key), |other| *other == id)
        {
            found.remove();
        }
        if self.slots.len() == 0 && self.by_what.capacity() > FEW {
            // Nothing is left: a flood gives its memory back.
            self.by_what = HashTable::new();
        }
        entry
    }

    /// Notes a delivery of an entry, and puts it behind all others.
    pub(super) fn deliver(&mut self, id: EntryId, of_key: &mut Ends, noted: Noted, size: Size) {
        self.deliveries += 1;
        self.unlink(id, List::Delivered);
        self.unlink_of_key(id, of_key);
        let deliveries = self.deliveries;
        let entry = self.entry_mut(id);
        (entry.delivered, entry.delivery) = (noted.into(), deliveries);
        entry.set_size(size);
        self.link_of_key(id, of_key);
        if matches!(noted, Noted::At(_)) {
            self.link(id, List::Delivered);
        }
    }

    /// Notes when the candidate of an entry arrived.
    pub(super) fn arrive(&mut self, id: EntryId, candidate: Arc<Candidate>, noted: Noted) {
        let entry = self.entry_mut(id);
        (entry.candidate, entry.arrival) = (Some(candidate), noted.into());
        entry.arrived_with = entry.delivery;
        if matches!(noted, Noted::At(_)) {
            self.link(id, List::Arrived);
        }
    }

    /// Gives the delivery of this number its pace, and the arrival if that was with it; tells whether
    /// the entry is still there for that.
    pub(super) fn release(&mut self, id: EntryId, delivery: u64, pace: Pace) -> bool {
        let Some(entry) = self.slots.get_mut(id) else { return false };
        let is_arrival = entry.arrival == Moment::AHEAD
            && entry.candidate.is_some()
            && entry.arrived_with == delivery;
        let is_delivery = entry.delivery == delivery && entry.delivered == Moment::AHEAD;
        if is_arrival {
            entry.arrival = Moment(pace);
        }
        if is_delivery {
            entry.delivered = Moment(pace);
        }
        if is_arrival {
            self.link(id, List::Arrived);
        }
        if is_delivery {
            self.link(id, List::Delivered);
        }
        is_arrival || is_delivery
    }

    /// Lets go of the candidate of an entry.
    pub(super) fn drop_candidate(&mut self, id: EntryId) -> Option<Arc<Candidate>> {
        self.unlink(id, List::Arrived);
        self.entry_mut(id).candidate.take()
    }

    /// Returns the entry whose candidate arrived first, and when.
    pub(super) fn first_arrived(&self) -> Option<(EntryId, Pace)> {
        let id = self.arrived.first;
        (id != NONE).then(|| (id, self.entry(id).arrival.0))
    }

    /// Returns the entry whose last delivery is the longest ago, and when that was.
    pub(super) fn first_delivered(&self) -> Option<(EntryId, Pace)> {
        let id = self.delivered.first;
        (id != NONE).then(|| (id, self.entry(id).delivered.0))
    }

    /// Returns an entry.
    pub(super) fn entry(&self, id: EntryId) -> &Entry {
        self.slots.get(id).expect("the entry is there")
    }

    pub(super) fn entry_mut(&mut self, id: EntryId) -> &mut Entry {
        self.slots.get_mut(id).expect("the entry is there")
    }

    /// Tells whether a delivery is still the last one of its entry, or brought its candidate.
    pub(super) fn waits_for(&self, id: EntryId, delivery: u64) -> bool {
        let entry = self.slots.get(id);
        entry.is_some_and(|entry| entry.delivery == delivery || entry.arrived_with == delivery)
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn link(&mut self, id: EntryId, list: List) {
        let mut ends = *self.ends(list);
        self.link_in(id, list, &mut ends);
        *self.ends(list) = ends;
    }

    fn unlink(&mut self, id: EntryId, list: List) {
        let mut ends = *self.ends(list);
        self.unlink_in(id, list, &mut ends);
        *self.ends(list) = ends;
    }

    fn link_of_key(&mut self, id: EntryId, ends: &mut Ends) {
        self.link_in(id, List::OfKey, ends);
    }

    fn unlink_of_key(&mut self, id: EntryId, ends: &mut Ends) {
        self.unlink_in(id, List::OfKey, ends);
    }

    fn ends(&mut self, list: List) -> &mut Ends {
        match list {
            List::Delivered => &mut self.delivered,
            List::Arrived => &mut self.arrived,
            List::OfKey => unreachable!("the ends of a key's list stand with the key"),
        }
    }

    fn link_in(&mut self, id: EntryId, list: List, ends: &mut Ends) {
        let last = ends.last;
        self.entry_mut(id).links[list as usize] = Link { before: last, behind: NONE };
        match last {
            NONE => ends.first = id,
            last => self.entry_mut(last).links[list as usize].behind = id,
        }
        ends.last = id;
    }

    fn unlink_in(&mut self, id: EntryId, list: List, ends: &mut Ends) {
        let Link { before, behind } = self.entry(id).links[list as usize];
        if before == NONE && ends.first != id {
            return;
        }
        match before {
            NONE => ends.first = behind,
            before => self.entry_mut(before).links[list as usize].behind = behind,
        }
        match behind {
            NONE => ends.last = before,
            behind => self.entry_mut(behind).links[list as usize].before = before,
        }
        self.entry_mut(id).links[list as usize] = FREE;
    }
}

impl Ends {
    /// Returns the first entry, if there is one.
    pub(super) fn first(&self) -> Option<EntryId> {
        (self.first != NONE).then_some(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_follow_deliveries_and_arrivals() {
        let (mut entries, mut of_key) = (Entries::default(), Ends::default());
        let event = |number: u128| Remembered::Event(Identity(number));
        let ids: Vec<EntryId> = (0..4).map(|number| entries.add(7, event(number))).collect();
        for (pace, id) in (0..).zip(&ids) {
            entries.deliver(*id, &mut of_key, Noted::At(Pace::from_nanos(pace)), Size::default());
        }
        assert_eq!(entries.find(7, event(2)), Some(ids[2]));
        assert_eq!(entries.find(8, event(2)), None);
        assert_eq!(entries.first_delivered(), Some((ids[0], Pace::from_nanos(0))));
        entries.deliver(ids[0], &mut of_key, Noted::At(Pace::from_nanos(9)), Size::default());
        assert_eq!(entries.first_delivered(), Some((ids[1], Pace::from_nanos(1))));
        assert_eq!(of_key.first(), Some(ids[1]));
        entries.remove(ids[1], &mut of_key);
        entries.remove(ids[3], &mut of_key);
        let mut order = Vec::new();
        while let Some((id, _)) = entries.first_delivered() {
            order.push(id);
            entries.remove(id, &mut of_key);
        }
        assert_eq!(order, [ids[2], ids[0]]);
        assert_eq!((entries.len(), of_key.first()), (0, None));
    }

    #[test]
    fn what_is_ahead_stands_in_no_list_by_pace_until_it_is_released() {
        let (mut entries, mut of_key) = (Entries::default(), Ends::default());
        let id = entries.add(0, Remembered::Window(3));
        entries.deliver(id, &mut of_key, Noted::Ahead, Size::default());
        let delivery = entries.entry(id).delivery;
        assert_eq!(entries.first_delivered(), None);
        assert!(!entries.release(id, delivery - 1, Pace::from_nanos(4)));
        assert!(entries.release(id, delivery, Pace::from_nanos(5)));
        assert_eq!(entries.first_delivered(), Some((id, Pace::from_nanos(5))));
    }
}
