//! The syntax tree: plain data, every node with its span. No behaviour.

use std::borrow::Cow;

use super::form::Form;
use crate::event::TimeSpan;
use crate::text::Span;

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What it looks for.
    pub body: Body,
    /// `| head 10`, `| tail 1`: accepted, without effect on a stream.
    pub pipes: Vec<Pipe>,
    /// All of it.
    pub span: Span,
}

/// The three kinds of queries.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Single events.
    Event(EventQuery),
    /// Events one after the other.
    Sequence(Sequence),
    /// Events in any order.
    Sample(Sample),
}

/// `process where …`
#[derive(Clone, Debug, PartialEq)]
pub struct EventQuery {
    /// Which category of events.
    pub category: Category,
    /// Where the category stands.
    pub category_span: Span,
    /// What else must hold.
    pub condition: Expr,
    /// Category and condition.
    pub span: Span,
}

/// The category of an event query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Category {
    /// `any`
    Any,
    /// A value of `event.category`, compared with its letter case.
    Is(String),
}

/// `sequence by … with maxspan=… [ … ] [ … ] until [ … ]`
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Keys that every term has before its own.
    pub by: Vec<KeyField>,
    /// How long it may take from the first event to the last.
    pub maxspan: Option<TimeSpan>,
    /// The terms, as written: `runs` is not expanded.
    pub terms: Vec<Term>,
    /// What ends a pending sequence.
    pub until: Option<Term>,
    /// What stands before the first term.
    pub header: Span,
    /// All of it.
    pub span: Span,
}

/// `sample by … [ … ] [ … ]`
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Keys that every term has before its own.
    pub by: Vec<KeyField>,
    /// The terms; none is missing, each runs once.
    pub terms: Vec<Term>,
    /// What stands before the first term.
    pub header: Span,
    /// All of it.
    pub span: Span,
}

/// One bracket: `[process where …] by … with runs=3`
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// `![ … ]`: the event must not happen.
    pub missing: bool,
    /// What stands in the brackets.
    pub query: EventQuery,
    /// The term's own keys.
    pub by: Vec<KeyField>,
    /// How often it must happen; 1 if not written.
    pub runs: u32,
    /// Brackets and what belongs to them.
    pub span: Span,
}

/// A field after `by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyField {
    /// Dotted path, without the name of a form.
    pub path: String,
    /// `path.caseless`: which form of the field.
    pub form: Option<Form>,
    /// `?field`: an event without it has the key null.
    pub optional: bool,
    /// Where it stands.
    pub span: Span,
}

/// `| head 10`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// Which pipe.
    pub kind: PipeKind,
    /// Of how many results.
    pub count: u64,
    /// Name and number.
    pub span: Span,
}

/// The pipes that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeKind {
    /// The first results.
    Head,
    /// The last results.
    Tail,
}

/// A condition, or a value inside one.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `"text"`, `5`, `true`, `null`
    Literal(Literal),
    /// `process.name`, `?process.name`
    Field(Field),
    /// Two or more operands, in the order in which they are written.
    And(Vec<Expr>),
    /// Two or more operands, in the order in which they are written.
    Or(Vec<Expr>),
    /// `not x`
    Not(Box<Expr>),
    /// `x >= 5`
    Compare {
        /// How.
        op: CompareOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// `x in (1, 2)`, `x not in~ ("a")`
    In {
        /// What must be one of the list.
        value: Box<Expr>,
        /// The list, not empty.
        list: Vec<Expr>,
        /// Whether letter case counts.
        case: Case,
        /// `not in`
        negated: bool,
    },
    /// `x : "a*"`, `x like ("a*", "b?")`: wildcards; `:` is `like~`.
    Like {
        /// What must match.
        value: Box<Expr>,
        /// One pattern of which must match; not empty.
        patterns: Vec<Pattern>,
        /// Whether letter case counts.
        case: Case,
    },
    /// `x regex "a.*"`: Lucene's regular expressions, of the whole value.
    Regex {
        /// What must match.
        value: Box<Expr>,
        /// One pattern of which must match; not empty.
        patterns: Vec<Pattern>,
        /// Whether letter case counts.
        case: Case,
    },
    /// `length(x)`, `endsWith~(x, "a")`
    Call(Call),
    /// `x + 1`
    Arithmetic {
        /// Which operation.
        op: ArithmeticOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// `-x`
    Negative(Box<Expr>),
    /// Stands for what could not be parsed; never in a query that was handed out.
    Invalid,
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond [`Int`](Self::Int).
    Big(u64),
    /// Any other number, always finite.
    Float(f64),
    /// A string, unescaped.
    Str(String),
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Dotted path, without the name of a form.
    pub path: String,
    /// `path.caseless`: which form of the field.
    pub form: Option<Form>,
    /// `?field`: means the same as without the mark, except in a key.
    pub optional: bool,
}

/// A pattern of `:`, `like` or `regex`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern, unescaped.
    pub text: String,
    /// The string literal.
    pub span: Span,
}

/// A function call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Name, as the table of functions writes it; as the query writes it if there is no such function.
    pub name: String,
    /// `name~(…)`: letter case does not count.
    pub case: Case,
    /// The arguments.
    pub args: Vec<Expr>,
    /// Where the name stands.
    pub name_span: Span,
}

/// Whether letter case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Case {
    /// It counts.
    Sensitive,
    /// It does not: the `~` forms and `:`.
    Insensitive,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// An operation on numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

impl CompareOp {
    /// Returns how it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    /// Returns the comparison that says the same with the sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Eq | Self::Ne => self,
        }
    }
}

impl ArithmeticOp {
    /// Returns how it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

impl Field {
    /// Returns the path as it is written.
    pub fn written(&self) -> Cow<'_, str> {
        Form::join(&self.path, self.form)
    }
}

impl KeyField {
    /// Returns the path as it is written.
    pub fn written(&self) -> Cow<'_, str> {
        Form::join(&self.path, self.form)
    }
}

impl Form {
    /// Returns whether letter case counts.
    pub fn case(self) -> Case {
        match self {
            Self::Caseless => Case::Insensitive,
            Self::Keyword | Self::Text => Case::Sensitive,
        }
    }
}

impl Case {
    /// Returns whether letter case counts: only if it counts in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::Sensitive { other } else { self }
    }
}

impl Expr {
    /// Calls `visit` with the expressions directly inside.
    pub fn for_each_child<'a>(&'a self, mut visit: impl FnMut(&'a Self)) {
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Field(_) | ExprKind::Invalid => {}
            ExprKind::And(operands) | ExprKind::Or(operands) => operands.iter().for_each(visit),
            ExprKind::Not(inner) | ExprKind::Negative(inner) => visit(inner),
            ExprKind::Compare { left, right, .. } | ExprKind::Arithmetic { left, right, .. } => {
                visit(left);
                visit(right);
            }
            ExprKind::In { value, list, .. } => {
                visit(value);
                list.iter().for_each(visit);
            }
            ExprKind::Like { value, .. } | ExprKind::Regex { value, .. } => visit(value),
            ExprKind::Call(call) => call.args.iter().for_each(visit),
        }
    }

    /// Returns whether letter case counts in its value: not if a caseless field is in it.
    pub fn case(&self) -> Case {
        if let ExprKind::Field(Field { form: Some(form), .. }) = &self.kind {
            return form.case();
        }
        let mut case = Case::Sensitive;
        self.for_each_child(|child| case = case.and(child.case()));
        case
    }

    /// Tells whether its value is the same for every event.
    pub fn is_constant(&self) -> bool {
        if matches!(self.kind, ExprKind::Field(_)) {
            return false;
        }
        let mut constant = true;
        self.for_each_child(|child| constant &= child.is_constant());
        constant
    }
}
