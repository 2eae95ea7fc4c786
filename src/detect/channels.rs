//! Names of event log channels: many events have one of a few, and share its text.

use std::sync::Arc;

use crate::event::NullsLast;

/// Most names that are shared. Records may make any up.
const MOST: usize = 64;

/// The names that have been seen.
#[derive(Default)]
pub(super) struct Channels(Vec<Arc<str>>);

impl Channels {
    /// Returns the same name in memory that all events with it share.
    pub(super) fn shared(&mut self, name: NullsLast<Arc<str>>) -> NullsLast<Arc<str>> {
        let NullsLast::Is(name) = name else { return name };
        if let Some(known) = self.0.iter().find(|known| **known == name) {
            return NullsLast::Is(Arc::clone(known));
        }
        if self.0.len() < MOST {
            self.0.push(Arc::clone(&name));
        }
        NullsLast::Is(name)
    }
}
