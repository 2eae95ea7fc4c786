//! Values on their way from one field to another.

use crate::event::{Value, Values};

/// Returns the values that can be written elsewhere: all but objects.
pub(super) fn scalars<'a>(values: &[Value<'a>]) -> Values<'a> {
    values.iter().filter(|value| **value != Value::Object).cloned().collect()
}
