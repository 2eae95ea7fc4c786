//! What is listed under values of one field.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::eql::functions::number_of;
use crate::event::ip::parse_ip;
use crate::event::{FieldId, Value};
use crate::predicate::hash::{Hash, Lengths};
use crate::predicate::need::{Clue, Literal};
use crate::predicate::number::Exact;
use crate::predicate::test::text_satisfies;
use crate::text::fold::{Folded, fold_into};

/// The conditions of one category that need something of one field.
#[derive(Debug)]
pub(super) struct Column<T> {
    field: FieldId,
    /// Every condition of the column, once.
    all: Vec<T>,
    /// Those to which any value will do.
    with_value: Vec<T>,
    lengths: Lengths,
    /// Bytes of the longest text.
    longest: usize,
    /// From here on: places in `lists`.
    texts: HashMap<Box<[u8]>, usize, Hash>,
    numbers: BTreeMap<Exact, usize>,
    addresses: BTreeMap<IpAddr, usize>,
    lists: Vec<Vec<T>>,
}

/// An event with more values than this in a field gets the whole column: looking all of them up
/// would take longer than asking.
pub(super) const MANY_VALUES: usize = 64;

impl<T: Copy> Column<T> {
    pub(super) fn new(field: FieldId) -> Self {
        Self {
            field,
            all: Vec::new(),
            with_value: Vec::new(),
            lengths: Lengths::default(),
            longest: 0,
            texts: HashMap::default(),
            numbers: BTreeMap::new(),
            addresses: BTreeMap::new(),
            lists: Vec::new(),
        }
    }

    /// Lists a condition under all its clues of this field.
    pub(super) fn add(&mut self, term: T, clues: &[Clue<'_>]) {
        self.all.push(term);
        if clues.iter().any(|(_, literal)| literal.is_none()) {
            // A value that is one of the literals is a value.
            self.with_value.push(term);
            return;
        }
        for literal in clues.iter().filter_map(|(_, literal)| *literal) {
            let free = self.lists.len();
            let list = match literal {
                Literal::Text(text) => {
                    self.lengths.insert(text.len());
                    self.longest = self.longest.max(text.len());
                    *self.texts.entry(text.as_bytes().into()).or_insert(free)
                }
                Literal::Number(number) => *self.numbers.entry(*number).or_insert(free),
                Literal::Address(address) => *self.addresses.entry(*address).or_insert(free),
            };
            if list == free {
                self.lists.push(Vec::new());
            }
            self.lists[list].push(term);
        }
    }

    pub(super) fn field(&self) -> FieldId {
        self.field
    }

    /// Hands out what may be satisfied by an event with these values.
    pub(super) fn candidates(&self, values: &[Value<'_>], visit: &mut impl FnMut(T)) {
        match values.len() {
            0 => {}
            1..=MANY_VALUES => self.listed_under(values, visit),
            _ => self.all.iter().copied().for_each(visit),
        }
    }

    fn listed_under(&self, values: &[Value<'_>], visit: &mut impl FnMut(T)) {
        self.with_value.iter().copied().for_each(&mut *visit);
        let mut done: SmallVec<[usize; 8]> = SmallVec::new();
        for value in values {
            self.for_each_list(value, |list| {
                if !done.contains(&list) {
                    done.push(list);
                    self.lists[list].iter().copied().for_each(&mut *visit);
                }
            });
        }
    }

    fn for_each_list(&self, value: &Value<'_>, mut found: impl FnMut(usize)) {
        if !self.texts.is_empty() {
            text_satisfies(*value, |text| self.list_of_text(text).map(&mut found).is_some());
        }
        if !self.numbers.is_empty()
            && let Some(list) =
                number_of(*value).and_then(|number| self.numbers.get(&Exact::of(number)?))
        {
            found(*list);
        }
        if !self.addresses.is_empty()
            && let Some(list) =
                value.as_str().and_then(parse_ip).and_then(|address| self.addresses.get(&address))
        {
            found(*list);
        }
    }

    fn list_of_text(&self, text: &str) -> Option<usize> {
        // Folding keeps the length of ASCII texts, and makes one byte at least of any character.
        let is_excluded = match text.is_ascii() {
            true => text.len() > self.longest || !self.lengths.may_contain(text.len()),
            false => text.len() > self.longest.saturating_mul(4),
        };
        if is_excluded {
            return None;
        }
        let mut folded = Folded::new();
        fold_into(text, &mut folded);
        self.texts.get(&folded[..]).copied()
    }
}
