//! Values, each once.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::event::Value;

/// Returns the values of a list, each once; null for none.
pub(super) fn distinct_values<'v>(list: &[Value<'v>]) -> Vec<Option<Value<'v>>> {
    let mut known = HashSet::with_capacity(list.len());
    let mut values: Vec<Option<Value<'_>>> = list
        .iter()
        .filter(|value| known.insert(Key::of(Some(**value))))
        .copied()
        .map(Some)
        .collect();
    if values.is_empty() {
        values.push(None);
    }
    values
}

/// What tells values apart.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Key<'k> {
    Null,
    Text(Cow<'k, str>),
    Int(i64),
    Big(u64),
    /// The number as it is written.
    Written(Cow<'k, str>),
    /// The bits.
    Float(u64),
    Bool(bool),
    Object,
}

impl<'k> Key<'k> {
    pub(super) fn of(value: Option<Value<'k>>) -> Self {
        match value {
            None => Self::Null,
            Some(Value::Str(text)) => Self::Text(text.into()),
            Some(Value::Int(number)) => Self::Int(number),
            Some(Value::Big(number)) => Self::Big(number),
            Some(Value::Written(written)) => Self::Written((*written.text).into()),
            Some(Value::Float(number)) => Self::Float(number.to_bits()),
            Some(Value::Bool(truth)) => Self::Bool(truth),
            Some(Value::Object) => Self::Object,
        }
    }

    pub(super) fn into_owned(self) -> Key<'static> {
        match self {
            Self::Text(text) => Key::Text(text.into_owned().into()),
            Self::Null => Key::Null,
            Self::Int(number) => Key::Int(number),
            Self::Big(number) => Key::Big(number),
            Self::Written(text) => Key::Written(text.into_owned().into()),
            Self::Float(bits) => Key::Float(bits),
            Self::Bool(truth) => Key::Bool(truth),
            Self::Object => Key::Object,
        }
    }
}
