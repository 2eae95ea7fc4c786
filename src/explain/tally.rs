//! How often values occur, in bounded memory.

use std::collections::BTreeMap;

use super::report::{ValueCount, Values};

/// Most different values that are told apart.
const MAX_VALUES: usize = 256;
/// Most characters of a value.
const MAX_CHARS: usize = 80;

/// Counts of the first few hundred different values; all others are one number.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    counts: BTreeMap<String, u64>,
    others: u64,
    without: u64,
}

impl Tally {
    /// Counts an event by its value.
    pub(super) fn add(&mut self, value: &str) {
        let value = shortened(value);
        if let Some(count) = self.counts.get_mut(&*value) {
            *count += 1;
        } else if self.counts.len() < MAX_VALUES {
            self.counts.insert(value.into_owned(), 1);
        } else {
            self.others += 1;
        }
    }

    /// Counts an event without a value.
    pub(super) fn add_without(&mut self) {
        self.without += 1;
    }

    /// Returns the commonest values.
    pub(super) fn top(&self, limit: usize) -> Values {
        let mut values: Vec<ValueCount> = self
            .counts
            .iter()
            .map(|(value, count)| ValueCount { value: value.clone(), count: *count })
            .collect();
        // Stable: equally common ones stay in the order of their texts.
        values.sort_by_key(|value| std::cmp::Reverse(value.count));
        let rest = values.split_off(limit.min(values.len()));
        let others = self.others + rest.iter().map(|value| value.count).sum::<u64>();
        Values { values, others, without: self.without }
    }
}

/// Returns at most [`MAX_CHARS`] characters of a text; an ellipsis shows that there were more.
pub(super) fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(MAX_CHARS) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_come_first_and_the_rest_is_counted() {
        let mut tally = Tally::default();
        for value in ["b", "a", "c", "c"] {
            tally.add(value);
        }
        tally.add_without();
        let top = tally.top(2);
        let values: Vec<&str> = top.values.iter().map(|value| &*value.value).collect();
        assert_eq!((values, top.others, top.without), (vec!["c", "a"], 1, 1));
    }

    #[test]
    fn memory_is_bounded() {
        let mut tally = Tally::default();
        for number in 0..1_000 {
            tally.add(&number.to_string());
        }
        tally.add(&"x".repeat(500));
        assert_eq!(tally.counts.len(), MAX_VALUES);
        assert_eq!(tally.top(1).others, 1_000);
        assert_eq!(shortened(&"ä".repeat(500)).chars().count(), MAX_CHARS + 1);
    }
}
