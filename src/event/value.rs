//! Values of fields. A field has any number of values: none (absent, null, empty list), one, or
//! several (a list); lists of objects flatten.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::number::{Written, text_of_double};

/// One value of a field. Its text stands in the record, in the event's [`Arena`](super::Arena), or in the program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Str(&'a str),
    /// A whole number.
    Int(i64),
    /// A whole number beyond [`Int`](Self::Int): above [`i64::MAX`].
    Big(u64),
    /// Any other number.
    Float(f64),
    /// Any other number that is written in another way than its value alone would be.
    Written(&'a Written<'a>),
    /// A boolean.
    Bool(bool),
    /// The path names an object that holds at least one value: the field exists, and equals nothing.
    Object,
}

/// Some values of one field.
pub type Values<'a> = SmallVec<[Value<'a>; 1]>;

impl<'a> Value<'a> {
    /// Returns a whole number, if it has no more than 64 bits.
    pub fn whole(number: i128) -> Option<Self> {
        let int = i64::try_from(number).map(Value::Int);
        int.or_else(|_| u64::try_from(number).map(Value::Big)).ok()
    }

    /// Returns the number, if the value is a whole one.
    pub fn as_whole(self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(number.into()),
            Self::Big(number) => Some(number.into()),
            _ => None,
        }
    }

    /// Returns the number, if the value is one without a fraction that fits into 63 bits and a sign,
    /// however it is written: `135`, `135.0`, `1.35e2`.
    pub fn whole_part(self) -> Option<i64> {
        let number = match self {
            Self::Int(number) => return Some(number),
            Self::Float(number) => number,
            Self::Written(written) => written.number,
            _ => return None,
        };
        // A power of two: doubles hold it exactly.
        let limit = -(i64::MIN as f64);
        let fits = number.fract() == 0.0 && (-limit..limit).contains(&number);
        fits.then_some(number as i64)
    }

    /// Returns the value as text: what Elasticsearch would index for a keyword.
    ///
    /// An [`Object`](Self::Object) has no text.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Str(text) => Some(Cow::Borrowed(text)),
            Self::Int(number) => Some(Cow::Owned(number.to_string())),
            Self::Big(number) => Some(Cow::Owned(number.to_string())),
            Self::Float(number) => Some(Cow::Owned(text_of_double(number))),
            Self::Written(written) => Some(Cow::Borrowed(&written.text)),
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Object => None,
        }
    }

    /// Returns the text, if the value is a string.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Str(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Arena;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let arena = Arena::new();
        let written = |number: f64, text: &str| Value::Written(arena.number(number, text));
        for (value, whole) in [
            (Value::Int(-4), Some(-4)),
            (Value::Float(135.0), Some(135)),
            (written(1_000.0, "1e3"), Some(1_000)),
            (written(135.0, "135.00"), Some(135)),
            (Value::Float(-9_223_372_036_854_775_808.0), Some(i64::MIN)),
            (Value::Float(9_223_372_036_854_775_808.0), None),
            (Value::Float(1e19), None),
            (Value::Float(0.5), None),
            (Value::Float(f64::NAN), None),
            (Value::Big(u64::MAX), None),
            (Value::from("4"), None),
        ] {
            assert_eq!(value.whole_part(), whole, "{value:?}");
        }
    }
}
