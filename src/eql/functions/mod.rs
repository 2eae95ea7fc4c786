//! The functions of the language: one table, from which checker, evaluation and manual follow.
//!
//! A function is pure and total: it never fails, it returns null. Null for an optional argument is
//! its default.

mod affix;
mod arithmetic;
pub mod cidr;
mod search;
mod text;

use super::ast::Case;
use super::computed::Computed;
use super::types::Type;

/// A value inside a function call; `None` is null.
pub type Scalar<'a> = Option<Computed<'a>>;

/// How a function computes its result.
///
/// Gets as many arguments as the query writes, at least the required ones.
pub type Eval = for<'a> fn(&[Scalar<'a>], Case) -> Scalar<'a>;

/// A function of the language.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Name as documented; queries may write it in any letter case.
    pub name: &'static str,
    /// Its parameters; the optional ones last.
    pub params: &'static [Param],
    /// Type of further arguments, of a function that takes any number of them.
    pub rest: Option<Param>,
    /// Type of the result.
    pub returns: Type,
    /// Whether `name~` exists.
    pub has_tilde: bool,
    /// What it returns, in a sentence.
    pub doc: &'static str,
    /// Examples for the manual; each is a test.
    pub examples: &'static [Example],
    /// How it computes its result.
    pub eval: Eval,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Name, for messages.
    pub name: &'static str,
    /// Which values it takes.
    pub accepts: Type,
    /// Whether an argument must be written.
    pub required: bool,
    /// Whether the argument must be a constant.
    pub constant: bool,
    /// Whether a number must be whole.
    pub whole: bool,
}

/// A condition, an event, and whether the event satisfies the condition.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// A condition that calls the function.
    pub condition: &'static str,
    /// An event as JSON.
    pub event: &'static str,
    /// What comes out.
    pub matches: bool,
}

/// All functions, by name.
pub const FUNCTIONS: &[Function] = &[
    arithmetic::ADD,
    text::BETWEEN,
    cidr::CIDR_MATCH,
    text::CONCAT,
    arithmetic::DIVIDE,
    affix::ENDS_WITH,
    text::INDEX_OF,
    text::LENGTH,
    arithmetic::MODULO,
    arithmetic::MULTIPLY,
    text::NUMBER,
    affix::STARTS_WITH,
    text::STRING,
    affix::STRING_CONTAINS,
    text::SUBSTRING,
    arithmetic::SUBTRACT,
];

pub use arithmetic::{arithmetic, negative};
pub use cidr::parse_block;
pub use search::{Needles, Search};
pub use text::number_of;

/// Returns the function that a query may write like this.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
}

impl Function {
    /// Returns the number of arguments that must be written.
    pub fn required(&self) -> usize {
        self.params.iter().filter(|param| param.required).count()
    }

    /// Returns the largest number of arguments, if there is one.
    pub fn most(&self) -> Option<usize> {
        self.rest.is_none().then_some(self.params.len())
    }

    /// Returns the parameter of the argument at `index`.
    pub fn param(&self, index: usize) -> Option<&Param> {
        self.params.get(index).or(self.rest.as_ref())
    }

    /// Returns how it is called: `indexOf(source, substring[, start])`.
    pub fn usage(&self) -> String {
        let mut usage = format!("{}(", self.name);
        for (index, param) in self.params.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            usage.push_str(&if param.required {
                format!("{comma}{}", param.name)
            } else {
                format!("[{comma}{}]", param.name)
            });
        }
        usage.push_str(if self.rest.is_some() { ", …)" } else { ")" });
        usage
    }
}

/// Returns a parameter that must be given.
const fn required(name: &'static str, accepts: Type) -> Param {
    Param { name, accepts, required: true, constant: false, whole: false }
}

/// Returns a parameter that may be left out.
const fn optional(name: &'static str, accepts: Type) -> Param {
    Param { name, accepts, required: false, constant: false, whole: false }
}

/// Returns an example.
const fn example(condition: &'static str, event: &'static str, matches: bool) -> Example {
    Example { condition, event, matches }
}

/// Returns how a function looks for the texts that some of its arguments name, if it does.
pub fn search(function: &str) -> Option<Search> {
    match function {
        "between" => Some(text::between_needles),
        "indexOf" => Some(text::index_of_needle),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_documented() {
        assert!(FUNCTIONS.is_sorted_by_key(|function| function.name.to_ascii_lowercase()));
        for function in FUNCTIONS {
            assert!(!function.doc.is_empty() && !function.examples.is_empty(), "{}", function.name);
            assert!(function.params.is_sorted_by_key(|param| !param.required), "{}", function.name);
        }
        assert_eq!(FUNCTIONS.len(), 16);
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(find("CIDRMATCH").unwrap().name, "cidrMatch");
        assert!(find("wildcard").is_none());
    }

    #[test]
    fn usage_shows_what_may_be_left_out() {
        assert_eq!(find("substring").unwrap().usage(), "substring(source, start[, end])");
        assert_eq!(find("concat").unwrap().usage(), "concat(value, …)");
    }
}
