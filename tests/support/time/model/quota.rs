//! The limits of what a rule holds in a partition, and who leaves where they are reached: the one
//! whose last delivery is the longest ago.

/// (key, identity), by last delivery, with the size of the last copy.
#[derive(Clone, Debug, Default)]
pub struct Quota {
    entries: Vec<((char, i64), i64)>,
    is_first_in: bool,
}

impl Quota {
    pub fn new(is_first_in: bool) -> Self {
        Self { entries: Vec::new(), is_first_in }
    }

    pub fn touch(&mut self, entry: (char, i64), size: i64) {
        if self.is_first_in && self.entries.iter().any(|(known, _)| *known == entry) {
            return;
        }
        self.forget(entry);
        self.entries.push((entry, size));
    }

    pub fn forget(&mut self, entry: (char, i64)) {
        self.entries.retain(|(known, _)| *known != entry);
    }

    /// Returns the one that has to leave so that a limit is kept. The newest event never leaves.
    pub fn victim(&self, most: i64, newest: i64) -> Option<(char, i64)> {
        let used: i64 = self.entries.iter().map(|(_, size)| size).sum();
        let (oldest, _) = self.entries.first()?;
        (used > most && oldest.1 != newest).then_some(*oldest)
    }
}
