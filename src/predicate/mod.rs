//! Compiled conditions.
//!
//! Logic is two-valued: `and`, `or` and `not` are plain Boolean, and every atomic condition is
//! true or false for every event.
//!
//! * An atomic condition on a field holds if *any* of the field's values satisfies it; without a
//!   value it is false. `x != 1` is `not (x == 1)`: it holds if no value is 1, also if there is none.
//! * A function of several fields holds if any combination of their values satisfies it; a field
//!   without values takes part as null. Null exists only inside such an expression, where it makes
//!   the result null, and a condition whose result is null is false.
//! * `x == null` holds if there is no value.
//! * A function of several fields with very many values may take too much work. Then the condition
//!   is undecided, and whoever asks says what that counts as: [`Doubt`].
//!
//! Never allocates for ordinary conditions on ordinary values.

mod combine;
mod compile;
mod folds;
mod hash;
pub mod index;
pub mod key;
mod need;
mod node;
mod number;
mod parts;
mod regex;
mod requirement;
mod scalar;
mod source;
mod strings;
mod test;
mod texts;

use crate::diag::Diagnostic;
use crate::eql::ast::{Category, EventQuery, Expr};
use crate::event::{FieldTable, Fields};
pub use folds::Folds;
use node::Node;
pub use requirement::Requirement;
pub use source::FieldSource;

/// What a condition is for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The event satisfies it.
    Holds,
    /// The event does not satisfy it.
    Fails,
    /// It would take too much work to tell: several fields have very many values.
    Undecided,
}

/// What counts where a condition is not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// That it holds: the condition leads to an alert.
    For,
    /// That it does not hold: the condition prevents an alert.
    Against,
}

impl Judgement {
    /// Returns the judgement that an answer makes.
    pub fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }

    /// Tells whether the condition counts as satisfied.
    pub fn counts(self, doubt: Doubt) -> bool {
        match self {
            Self::Holds => true,
            Self::Fails => false,
            Self::Undecided => doubt == Doubt::For,
        }
    }

    /// Returns the judgement of the opposite.
    fn inverted(self) -> Self {
        match self {
            Self::Holds => Self::Fails,
            Self::Fails => Self::Holds,
            Self::Undecided => Self::Undecided,
        }
    }
}

/// A condition, ready to be asked about events.
///
/// ```
/// use maxspan::event::{Arena, FieldTable, Fields, Value};
/// use maxspan::predicate::Predicate;
///
/// let (condition, _) = maxspan::eql::parse_condition(r#"process.name : "cmd.*""#);
/// let mut fields = FieldTable::default();
/// let predicate = Predicate::compile(&condition.unwrap(), &mut fields).unwrap();
///
/// let arena = Arena::new();
/// let mut event = Fields::new(fields.len(), &arena);
/// assert!(!predicate.matches(&event));
/// event.push(fields.get("process.name").unwrap(), Value::from("CMD.EXE"));
/// assert!(predicate.matches(&event));
/// ```
#[derive(Debug)]
pub struct Predicate {
    node: Node,
}

impl Predicate {
    /// Compiles a condition; its fields are added to the table.
    ///
    /// # Errors
    /// If the condition was not accepted by the checker, or a regular expression is too large.
    pub fn compile(condition: &Expr, fields: &mut FieldTable) -> Result<Self, Vec<Diagnostic>> {
        compile::condition(condition, fields).map(|node| Self { node })
    }

    /// Compiles category and condition of an event query; `category_field` is where events carry
    /// their categories, usually `event.category`.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_query(
        query: &EventQuery,
        category_field: &str,
        fields: &mut FieldTable,
    ) -> Result<Self, Vec<Diagnostic>> {
        let condition = compile::condition(&query.condition, fields)?;
        let node = match &query.category {
            Category::Any => condition,
            Category::Is(category) => {
                let field = fields.intern(category_field);
                Node::all(vec![Node::test(field, test::Test::is_text(category)), condition])
            }
        };
        Ok(Self { node })
    }

    /// Returns a predicate that no event satisfies.
    pub fn never() -> Self {
        Self { node: Node::Constant(false) }
    }

    /// Returns a predicate that every event satisfies.
    pub fn always() -> Self {
        Self { node: Node::Constant(true) }
    }

    /// Tells whether an event satisfies the condition, or might: what is not decided counts.
    ///
    /// `fields` must have room for every field of the table that the predicate was compiled with.
    pub fn matches(&self, fields: &Fields<'_>) -> bool {
        self.judge(fields).counts(Doubt::For)
    }

    /// Judges an event, which must have room for the same fields.
    pub fn judge(&self, fields: &Fields<'_>) -> Judgement {
        self.judge_folded(fields, &mut Folds::of(fields))
    }

    /// Judges an event of which others have asked before; `folds` belongs to it.
    pub fn judge_folded(&self, fields: &Fields<'_>, folds: &mut Folds<'_>) -> Judgement {
        self.node.judge(fields, folds)
    }

    /// Tells whether no event can satisfy it.
    pub fn is_never(&self) -> bool {
        matches!(self.node, Node::Constant(false))
    }

    /// Tells whether every event satisfies it.
    pub fn is_always(&self) -> bool {
        matches!(self.node, Node::Constant(true))
    }

    /// Returns what every event has that satisfies it, or might.
    pub fn requirement(&self) -> Requirement {
        Requirement::of(&need::Need::of(&self.node))
    }

    /// Returns where it looks for values, ascending, each place once.
    pub fn sources(&self) -> Vec<FieldSource> {
        let mut sources = Vec::new();
        self.node.collect_sources(&mut sources);
        sources.sort_unstable();
        sources.dedup();
        sources
    }
}
