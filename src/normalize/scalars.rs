//! Values on their way from one field to another.

use crate::event::{FieldId, Fields, Value};

/// Replaces a field's values by those of another one that can be written elsewhere, all but objects,
/// if there are any.
pub(super) fn copy_scalars(fields: &mut Fields<'_>, source: FieldId, target: FieldId) {
    let is_scalar = |value: &Value<'_>| !matches!(value, Value::Object);
    if !fields.get(source).iter().any(is_scalar) {
        return;
    }
    fields.remove(target);
    for at in 0..fields.get(source).len() {
        let value = fields.get(source)[at];
        if is_scalar(&value) {
            fields.push(target, value);
        }
    }
}
