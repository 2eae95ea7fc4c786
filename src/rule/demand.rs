//! Which fields of a record any rule wants, told from the few that were read first: whether it has a
//! category that rules ask for.
//!
//! Most events are of kinds that no rule asks for; of the others, rules read a few fields each. Never
//! decides whether a record satisfies anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::decode::{Decoder, Narrowed};
use crate::event::{FieldId, Fields, Value};
use crate::normalize::{EventKind, Normalizer, Reads, RecordKind};

/// What any rule wants of a record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'d> {
    /// Nothing: it satisfies no term.
    Nothing,
    /// These fields.
    Fields(&'d Narrowed),
    /// All fields that rules name.
    All,
}

/// What rules want of records, by what these are.
#[derive(Debug)]
pub(super) struct Demand {
    /// By category.
    of_category: BTreeMap<Box<str>, Narrowed>,
    /// By kind of raw events; nothing for kinds that no rule asks for.
    of_kind: Vec<Option<Narrowed>>,
    /// Whether some rule asks for events of any category, or finds the category elsewhere.
    asks_for_all: bool,
}

impl Demand {
    /// Returns what rules want that ask for events of these categories, and read of them what
    /// `reads` says.
    pub(super) fn new(
        categories: &BTreeSet<&str>,
        asks_for_all: bool,
        reads: &Reads,
        normalizer: &Normalizer,
        decoder: &Decoder,
    ) -> Self {
        let engine: BTreeSet<FieldId> = normalizer.engine_fields().into_iter().collect();
        let narrowed = |categories: &[&str], sources: &[FieldId]| {
            decoder.narrowed(|id| {
                engine.contains(&id)
                    || reads.holds(categories, id)
                    || sources.binary_search(&id).is_ok()
            })
        };
        let of_kind = |kind: &EventKind| {
            let is_asked_for = |category: &&str| categories.contains(category);
            let is_wanted = asks_for_all || kind.categories().iter().any(is_asked_for);
            is_wanted.then(|| narrowed(kind.categories(), kind.sources()))
        };
        let of_category = categories.iter().map(|category| {
            let narrowed = narrowed(&[category], &[]);
            ((*category).into(), narrowed)
        });
        Self {
            of_category: of_category.collect(),
            of_kind: normalizer.kinds().iter().map(of_kind).collect(),
            asks_for_all,
        }
    }

    /// Tells what rules want of a record whose early fields have been read.
    pub(super) fn wanted(&self, normalizer: &Normalizer, fields: &Fields<'_>) -> Wanted<'_> {
        match normalizer.record_kind(fields) {
            RecordKind::Raw(kind) => match &self.of_kind[kind.index()] {
                Some(narrowed) => Wanted::Fields(narrowed),
                None => Wanted::Nothing,
            },
            RecordKind::Categorized(categories) => self.of_categories(categories),
            RecordKind::Uncategorized if !self.asks_for_all => Wanted::Nothing,
            RecordKind::Uncategorized | RecordKind::Unknown => Wanted::All,
        }
    }

    fn of_categories(&self, categories: &[Value<'_>]) -> Wanted<'_> {
        let of = |value: &Value<'_>| self.of_category.get(value.as_str()?);
        let mut asked_for = categories.iter().filter_map(of);
        match (asked_for.next(), asked_for.next()) {
            (None, _) if !self.asks_for_all => Wanted::Nothing,
            (Some(narrowed), None) => Wanted::Fields(narrowed),
            _ => Wanted::All,
        }
    }
}
