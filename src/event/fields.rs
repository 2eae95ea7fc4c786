//! One event: the values of its fields, flat.

use super::arena::Arena;
use super::field::FieldId;
use super::value::{Value, Values};

/// The values of one event, by field.
///
/// All values stand in one list; each field knows its part of it. What an event costs follows from
/// the fields that have a value, never from how many fields there are.
///
/// Made for many events in a row: [`into_memory`](Self::into_memory) gives the memory for the next one.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    arena: &'a Arena,
    parts: Vec<Part>,
    /// Fields that have a part.
    filled: Vec<FieldId>,
    values: Vec<Value<'a>>,
}

/// Where the values of one field stand.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    start: u32,
    len: u32,
    /// For how many values there is room; none before the first one.
    room: u32,
}

/// The memory of an event, without the event.
#[derive(Debug, Default)]
pub struct Memory {
    // INVARIANT: no part has room, nothing is filled, and there are no values.
    parts: Vec<Part>,
    filled: Vec<FieldId>,
    values: Vec<Value<'static>>,
}

/// How many values a field has room for once it has to move.
const ROOM_OF_MOVED: u32 = 4;

impl<'a> Fields<'a> {
    /// Returns an event of `len` fields without any value; `arena` holds its texts.
    pub fn new(len: usize, arena: &'a Arena) -> Self {
        Self::within(Memory::default(), len, arena)
    }

    /// As [`new`](Self::new), in the memory of an earlier event.
    pub fn within(memory: Memory, len: usize, arena: &'a Arena) -> Self {
        let Memory { mut parts, filled, values } = memory;
        parts.resize(len, Part::default());
        Self { arena, parts, filled, values: emptied(values) }
    }

    /// Forgets the values, and returns the memory for another event.
    pub fn into_memory(mut self) -> Memory {
        self.clear();
        Memory { parts: self.parts, filled: self.filled, values: emptied(self.values) }
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        for id in self.filled.drain(..) {
            self.parts[id.index()] = Part::default();
        }
        self.values.clear();
    }

    /// Returns what holds texts that stand in no record.
    pub fn arena(&self) -> &'a Arena {
        self.arena
    }

    /// Adds a value to a field.
    #[inline]
    pub fn push(&mut self, id: FieldId, value: Value<'a>) {
        let part = &mut self.parts[id.index()];
        let end = part.start + part.len;
        if part.len < part.room {
            self.values[end as usize] = value;
        } else {
            if part.room == 0 {
                part.start = self.values.len() as u32;
                self.filled.push(id);
            } else if (end as usize) < self.values.len() {
                return self.push_moved(id, value);
            }
            self.values.push(value);
            part.room += 1;
        }
        part.len += 1;
    }

    /// Moves the field's values to the end, where there is room. Room doubles, so that lists of
    /// objects, whose fields take turns, take time and memory in proportion to their length.
    fn push_moved(&mut self, id: FieldId, value: Value<'a>) {
        let part = &mut self.parts[id.index()];
        let (start, end) = (part.start as usize, (part.start + part.len) as usize);
        let room = part.room.saturating_mul(2).max(ROOM_OF_MOVED);
        let free = (room - part.len - 1) as usize;
        *part = Part { start: self.values.len() as u32, len: part.len + 1, room };
        self.values.extend_from_within(start..end);
        self.values.push(value);
        self.values.extend(std::iter::repeat_n(Value::Object, free));
    }

    /// Replaces a field's values by one.
    pub fn set(&mut self, id: FieldId, value: Value<'a>) {
        self.remove(id);
        self.push(id, value);
    }

    /// Replaces a field's values.
    pub fn set_all(&mut self, id: FieldId, values: impl IntoIterator<Item = Value<'a>>) {
        self.remove(id);
        values.into_iter().for_each(|value| self.push(id, value));
    }

    /// Removes a field's values.
    pub fn remove(&mut self, id: FieldId) {
        self.parts[id.index()].len = 0;
    }

    /// Takes a field's values, so that it has none.
    pub fn take(&mut self, id: FieldId) -> Values<'a> {
        let values = self.get(id).into();
        self.remove(id);
        values
    }

    /// Returns the values of a field.
    #[inline]
    pub fn get(&self, id: FieldId) -> &[Value<'a>] {
        let part = self.parts[id.index()];
        &self.values[part.start as usize..(part.start + part.len) as usize]
    }

    /// Returns the values of a field, to be changed in place.
    pub fn get_mut(&mut self, id: FieldId) -> &mut [Value<'a>] {
        let part = self.parts[id.index()];
        &mut self.values[part.start as usize..(part.start + part.len) as usize]
    }

    /// Returns the first value of a field as text, if it is a string.
    pub fn str(&self, id: FieldId) -> Option<&'a str> {
        self.get(id).first().and_then(|value| value.as_str())
    }

    /// Tells whether the field has a value.
    pub fn has(&self, id: FieldId) -> bool {
        self.parts[id.index()].len > 0
    }

    /// Returns the number of fields, with or without values.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Tells whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// Returns the memory of a list of values, for values that borrow from elsewhere.
fn emptied<'b>(mut values: Vec<Value<'_>>) -> Vec<Value<'b>> {
    values.clear();
    // No value is left to be changed: the compiler keeps the memory, and nothing is done.
    values.into_iter().map(|_| Value::Object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(fields: &Fields<'_>, id: u32) -> Vec<i64> {
        fields.get(FieldId(id)).iter().filter_map(|value| value.whole_part()).collect()
    }

    #[test]
    fn fields_that_take_turns_keep_their_values_in_order() {
        let arena = Arena::new();
        let mut fields = Fields::new(4, &arena);
        let count = 1_000;
        for number in 0..count {
            for id in 0..3 {
                fields.push(FieldId(id), Value::Int(number * 10 + i64::from(id)));
            }
        }
        for id in 0..3 {
            let expected: Vec<i64> = (0..count).map(|number| number * 10 + i64::from(id)).collect();
            assert_eq!(numbers(&fields, id), expected);
        }
        assert!(!fields.has(FieldId(3)));
        assert!(fields.values.len() < 5 * 3 * count as usize, "{}", fields.values.len());
    }

    #[test]
    fn values_are_replaced_and_removed() {
        let arena = Arena::new();
        let mut fields = Fields::new(2, &arena);
        fields.set_all(FieldId(0), [1, 2, 3].map(Value::Int));
        fields.push(FieldId(1), Value::Int(9));
        fields.set(FieldId(0), Value::Int(4));
        assert_eq!(numbers(&fields, 0), [4]);
        fields.set_all(FieldId(0), (5..15).map(Value::Int));
        assert_eq!(numbers(&fields, 0), Vec::from_iter(5..15));
        assert_eq!(fields.take(FieldId(0)).len(), 10);
        assert!(!fields.has(FieldId(0)) && fields.get(FieldId(0)).is_empty());
        assert_eq!(numbers(&fields, 1), [9]);
    }

    #[test]
    fn memory_of_an_event_serves_the_next_one() {
        let (first, second) = (Arena::new(), Arena::new());
        let mut fields = Fields::new(3, &first);
        fields.set_all(FieldId(1), (0..100).map(Value::Int));
        let place = fields.values.as_ptr().cast::<()>();
        let fields = Fields::within(fields.into_memory(), 5, &second);
        assert!((0..5).all(|id| fields.get(FieldId(id)).is_empty()));
        assert_eq!(fields.values.as_ptr().cast::<()>(), place, "the memory is another");
    }
}
