//! What is listed under values of one field.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::found::{Found, Number};
use crate::eql::functions::number_of;
use crate::event::ip::parse_ip;
use crate::event::{FieldId, Value};
use crate::predicate::folds::Folds;
use crate::predicate::need::{Clue, Literal, Part};
use crate::predicate::number::Exact;
use crate::predicate::parts::{self, Parts};
use crate::predicate::test::text_satisfies;
use crate::predicate::texts::{Texts, name_of};

/// The conditions of one category that need something of one field.
#[derive(Debug)]
pub(super) struct Column {
    field: FieldId,
    /// Every condition of the column, once.
    all: Vec<Number>,
    /// Those to which any value will do.
    with_value: Vec<Number>,
    // From here on: places in `lists`.
    /// By the whole value.
    texts: Texts,
    /// By what stands behind its last backslash.
    names: Texts,
    numbers: BTreeMap<Exact, usize>,
    addresses: BTreeMap<IpAddr, usize>,
    /// By what stands in it.
    parts: Parts,
    lists: Vec<Vec<Number>>,
}

/// An event with more values than this in a field gets the whole column: looking all of them up
/// would take longer than asking.
pub(super) const MANY_VALUES: usize = 64;

/// Makes a [`Column`].
#[derive(Default)]
pub(super) struct Builder {
    all: Vec<Number>,
    with_value: Vec<Number>,
    texts: Texts,
    names: Texts,
    numbers: BTreeMap<Exact, usize>,
    addresses: BTreeMap<IpAddr, usize>,
    parts: BTreeMap<Part, usize>,
    lists: Vec<Vec<Number>>,
}

impl Builder {
    /// Lists a condition under all its clues of this field.
    pub(super) fn add(&mut self, term: Number, clues: &[Clue<'_>]) {
        self.all.push(term);
        let is_listed = |literal: &Literal| match literal {
            Literal::Part(part) => part.text.len() >= parts::SHORTEST,
            _ => true,
        };
        if clues.iter().any(|(_, literal)| !literal.is_some_and(is_listed)) {
            // A value that is one of the literals is a value.
            self.with_value.push(term);
            return;
        }
        for literal in clues.iter().filter_map(|(_, literal)| *literal) {
            let free = self.lists.len();
            let list = match literal {
                Literal::Text(text) => self.texts.place(text, free),
                Literal::Name(name) => self.names.place(name, free),
                Literal::Number(number) => *self.numbers.entry(*number).or_insert(free),
                Literal::Address(address) => *self.addresses.entry(*address).or_insert(free),
                Literal::Part(part) => *self.parts.entry(part.clone()).or_insert(free),
            };
            if list == free {
                self.lists.push(Vec::new());
            }
            self.lists[list].push(term);
        }
    }

    pub(super) fn build(self, field: FieldId) -> Column {
        let Self { all, with_value, texts, names, numbers, addresses, parts, lists } = self;
        let parts = Parts::new(parts.into_iter().collect());
        Column { field, all, with_value, texts, names, numbers, addresses, parts, lists }
    }
}

impl Column {
    pub(super) fn field(&self) -> FieldId {
        self.field
    }

    /// Finds what may be satisfied by an event with these values.
    pub(super) fn candidates(
        &self,
        values: &[Value<'_>],
        folds: &mut Folds<'_>,
        found: &mut Found,
    ) {
        match values.len() {
            0 => {}
            1..=MANY_VALUES => {
                found.extend(&self.with_value);
                for (at, value) in values.iter().enumerate() {
                    self.listed_under(at, *value, folds, found);
                }
            }
            _ => found.extend(&self.all),
        }
    }

    fn listed_under(&self, at: usize, value: Value<'_>, folds: &mut Folds<'_>, found: &mut Found) {
        let mut find = |list: &usize| found.extend(&self.lists[*list]);
        if self.wants_text(value)
            && let Some(text) = folds.text(value, Some((self.field, at)))
        {
            self.texts.get(text).map(&mut find);
            if !self.names.is_empty() {
                name_of(text).and_then(|name| self.names.get(name)).map(&mut find);
            }
            self.parts.find(text, &mut |list| find(&list));
        }
        if !self.numbers.is_empty()
            && let Some(list) =
                number_of(value).and_then(|number| self.numbers.get(&Exact::of(number)?))
        {
            find(list);
        }
        if !self.addresses.is_empty()
            && let Some(list) =
                value.as_str().and_then(parse_ip).and_then(|address| self.addresses.get(&address))
        {
            find(list);
        }
    }

    /// Tells whether something could be listed under a value's folded text.
    fn wants_text(&self, value: Value<'_>) -> bool {
        if !self.parts.is_empty() {
            return true;
        }
        text_satisfies(value, |text| {
            self.texts.may_contain(text)
                || (!self.names.is_empty()
                    && text.rsplit_once('\\').is_some_and(|(_, name)| self.names.may_contain(name)))
        })
    }
}
