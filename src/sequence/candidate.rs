//! Candidates: events that satisfy terms of one rule under one join key.

use std::sync::Arc;

use super::plan::TermSet;
use crate::event::{Admitted, EventTime, Ordinal};

/// An event that satisfied terms of one rule under one join key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in the order.
    pub ordinal: Ordinal,
    /// The terms that it satisfies.
    pub terms: TermSet,
    /// Whether it came below the watermark that exact emission has.
    pub late: bool,
    /// The event.
    pub event: Arc<Admitted>,
}

impl Candidate {
    /// Returns when it happened.
    pub fn event_time(&self) -> EventTime {
        self.ordinal.event_time
    }
}
