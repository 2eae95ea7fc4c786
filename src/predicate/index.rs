//! Which of many conditions an event could satisfy at all, found without asking them.
//!
//! Each condition is listed under what an event must have to satisfy it: its category, and there
//! under literals of one field (of several where it has alternatives), the rarest it has to offer.
//! An event looks its own values up. Texts are looked up folded, whatever letter case means to the
//! condition; numbers and addresses by value.
//!
//! Never decides: what is found must still be asked. Never allocates for ordinary events.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use smallvec::SmallVec;

use super::Predicate;
use super::hash::{Hash, Lengths};
use super::need::{Clue, Literal, Need, Shares};
use super::number::Exact;
use super::test::text_satisfies;
use crate::eql::functions::ip::parse_ip;
use crate::eql::functions::number_of;
use crate::event::{FieldId, FieldTable, Fields, Value};
use crate::text::fold::{Folded, fold, fold_into};

/// Conditions by what an event must have to satisfy them; `T` names one.
#[derive(Debug)]
pub struct Index<T> {
    category: FieldId,
    by_category: HashMap<Box<str>, usize>,
    branches: Vec<Branch<T>>,
    /// Those that look at events of every category, or find the category elsewhere.
    any: Branch<T>,
}

/// A condition to be listed.
#[derive(Debug)]
pub struct Entry<'p, T> {
    /// What names it.
    pub term: T,
    /// The category of its events; nothing for `any`.
    pub category: Option<&'p str>,
    /// Where it finds the category, if not where the others do.
    pub category_field: Option<FieldId>,
    /// The condition.
    pub predicate: &'p Predicate,
}

/// The conditions on events of one category.
#[derive(Debug)]
struct Branch<T> {
    /// Those that need nothing that could be looked up.
    unlisted: Vec<T>,
    columns: Vec<Column<T>>,
}

/// What is listed under values of one field.
#[derive(Debug)]
struct Column<T> {
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
const MANY_VALUES: usize = 64;

impl<T: Copy> Index<T> {
    /// Returns the index; `category` is where events carry their categories.
    pub fn new(category: FieldId, entries: &[Entry<'_, T>], fields: &FieldTable) -> Self {
        let needs: Vec<Need> = entries.iter().map(Entry::need).collect();
        let shares = Shares::new(&needs, fields);
        let mut by_category = BTreeMap::<&str, Vec<Listed<'_, T>>>::new();
        let mut any = Vec::new();
        for (entry, need) in entries.iter().zip(&needs) {
            let listed = (entry.term, need.clues(&shares));
            match (entry.category, entry.category_field) {
                (Some(category), None) => by_category.entry(category).or_default().push(listed),
                _ => any.push(listed),
            }
        }
        Self {
            category,
            by_category: (0..)
                .zip(by_category.keys())
                .map(|(at, key)| ((*key).into(), at))
                .collect(),
            branches: by_category.into_values().map(Branch::new).collect(),
            any: Branch::new(any),
        }
    }

    /// Hands out the conditions that an event could satisfy, in no particular order.
    ///
    /// Each that the event satisfies is among them, and few others; some come more than once.
    pub fn candidates(&self, event: &Fields<'_>, mut visit: impl FnMut(T)) {
        self.any.candidates(event, &mut visit);
        let mut done: SmallVec<[usize; 8]> = SmallVec::new();
        for value in event.get(self.category) {
            let Value::Str(category) = value else { continue };
            if let Some(at) = self.by_category.get(&**category)
                && !done.contains(at)
            {
                done.push(*at);
                self.branches[*at].candidates(event, &mut visit);
            }
        }
    }
}

impl<T> Entry<'_, T> {
    fn need(&self) -> Need {
        let need = Need::of(&self.predicate.node);
        match (self.category_field, self.category) {
            (Some(field), Some(category)) => {
                let category = Literal::Text(fold(category).into());
                Need::All(vec![need, Need::OneOf(field, vec![category])])
            }
            _ => need,
        }
    }
}

/// A condition with its clues, if it has any.
type Listed<'n, T> = (T, Option<Vec<Clue<'n>>>);

impl<T: Copy> Branch<T> {
    fn new(listed: Vec<Listed<'_, T>>) -> Self {
        let mut unlisted = Vec::new();
        let mut columns = BTreeMap::new();
        for (term, clues) in listed {
            let Some(mut clues) = clues else {
                unlisted.push(term);
                continue;
            };
            clues.sort_unstable();
            clues.dedup();
            for of_field in clues.chunk_by(|(a, _), (b, _)| a == b) {
                let field = of_field[0].0;
                columns.entry(field).or_insert_with(|| Column::new(field)).add(term, of_field);
            }
        }
        let mut columns: Vec<Column<T>> = columns.into_values().collect();
        columns.iter_mut().for_each(Column::measure);
        Self { unlisted, columns }
    }

    fn candidates(&self, event: &Fields<'_>, visit: &mut impl FnMut(T)) {
        self.unlisted.iter().copied().for_each(&mut *visit);
        for column in &self.columns {
            match event.get(column.field) {
                [] => {}
                values if values.len() > MANY_VALUES => {
                    column.all.iter().copied().for_each(&mut *visit);
                }
                values => column.candidates(values, visit),
            }
        }
    }
}

impl<T: Copy> Column<T> {
    fn new(field: FieldId) -> Self {
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
    fn add(&mut self, term: T, clues: &[Clue<'_>]) {
        self.all.push(term);
        if clues.iter().any(|(_, literal)| literal.is_none()) {
            // A value that is one of the literals is a value.
            self.with_value.push(term);
            return;
        }
        for literal in clues.iter().filter_map(|(_, literal)| *literal) {
            let free = self.lists.len();
            let list = match literal {
                Literal::Text(text) => *self.texts.entry(text.as_bytes().into()).or_insert(free),
                Literal::Number(number) => *self.numbers.entry(*number).or_insert(free),
                Literal::Address(address) => *self.addresses.entry(*address).or_insert(free),
            };
            if list == free {
                self.lists.push(Vec::new());
            }
            self.lists[list].push(term);
        }
    }

    /// Notes the lengths of the texts, once all of them are there.
    fn measure(&mut self) {
        self.lengths = Lengths::of(self.texts.keys().map(|text| text.len()));
        self.longest = self.texts.keys().map(|text| text.len()).max().unwrap_or_default();
    }

    fn candidates(&self, values: &[Value<'_>], visit: &mut impl FnMut(T)) {
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
            text_satisfies(value, |text| self.list_of_text(text).map(&mut found).is_some());
        }
        if !self.numbers.is_empty()
            && let Some(list) =
                number_of(value).and_then(|number| self.numbers.get(&Exact::of(&number)?))
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
