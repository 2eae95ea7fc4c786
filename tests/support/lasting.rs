//! Events and values that last as long as the test: what they need is never freed.

use maxspan::event::{Arena, Value};

/// Returns an arena that is never freed.
#[allow(dead_code, reason = "not every test uses all of the support")]
pub(crate) fn arena() -> &'static Arena {
    Box::leak(Box::default())
}

/// Returns a copy of a value that lasts as long as the test.
#[allow(dead_code, reason = "not every test uses all of the support")]
pub(crate) fn value(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Str(text) => Value::Str(arena().text(text)),
        Value::Int(number) => Value::Int(number),
        Value::Big(number) => Value::Big(number),
        Value::Float(number) => Value::Float(number),
        Value::Written(written) => Value::Written(arena().number(written.number, &written.text)),
        Value::Bool(truth) => Value::Bool(truth),
        Value::Object => Value::Object,
    }
}
