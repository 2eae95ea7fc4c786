//! Values that expressions compute: those of an event, or new ones.

use std::borrow::Cow;

use crate::event::Value;
use crate::event::number::Written;

/// A value inside an expression: one of an event, or a constant or result that owns its text.
///
/// [`view`](Self::view) shows it as what it is, whoever owns it.
#[derive(Clone, Debug)]
pub enum Computed<'a> {
    /// A value without a text of its own.
    Plain(Value<'a>),
    /// A text.
    Text(String),
    /// A number with its text.
    Written(Written<'static>),
}

impl<'a> Computed<'a> {
    /// Returns an event's value; none of an object, which nothing can be computed with.
    pub fn of(value: Value<'a>) -> Option<Self> {
        (value != Value::Object).then_some(Self::Plain(value))
    }

    /// Returns the value.
    pub fn view(&self) -> Value<'_> {
        match self {
            Self::Plain(value) => *value,
            Self::Text(text) => Value::Str(text),
            Self::Written(written) => Value::Written(written),
        }
    }

    /// Returns it as text, without a copy where it borrows its text.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Plain(value) => value.text(),
            owned => owned.view().text().map(|text| Cow::Owned(text.into_owned())),
        }
    }

    /// Tells whether it is true: a boolean, or the text of one.
    pub fn is_true(&self) -> bool {
        matches!(self.view(), Value::Bool(true) | Value::Str("true"))
    }

    /// Returns a copy that borrows nothing.
    pub fn into_owned(self) -> Computed<'static> {
        match self {
            Self::Plain(value) => match value {
                Value::Str(text) => Computed::Text(text.to_owned()),
                Value::Written(written) => Computed::Written(written.to_static()),
                Value::Int(number) => Computed::Plain(Value::Int(number)),
                Value::Big(number) => Computed::Plain(Value::Big(number)),
                Value::Float(number) => Computed::Plain(Value::Float(number)),
                Value::Bool(truth) => Computed::Plain(Value::Bool(truth)),
                Value::Object => Computed::Plain(Value::Object),
            },
            Self::Text(text) => Computed::Text(text),
            Self::Written(written) => Computed::Written(written),
        }
    }
}

/// Two are equal if what they show is.
impl PartialEq for Computed<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl<'a> From<Value<'a>> for Computed<'a> {
    fn from(value: Value<'a>) -> Self {
        Self::Plain(value)
    }
}

impl<'a> From<Cow<'a, str>> for Computed<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Plain(Value::Str(text)),
            Cow::Owned(text) => Self::Text(text),
        }
    }
}

impl From<bool> for Computed<'_> {
    fn from(truth: bool) -> Self {
        Self::Plain(Value::Bool(truth))
    }
}

impl From<i64> for Computed<'_> {
    fn from(number: i64) -> Self {
        Self::Plain(Value::Int(number))
    }
}
