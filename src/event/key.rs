//! Join keys: the values of the `by` fields, hashed, compact, ordered for deterministic output.

use std::sync::Arc;

/// One part of a join key: the canonical text of a value, or null (for an optional `?key`).
pub type KeyPart = Option<Box<str>>;

/// The values by which the events of a sequence belong together.
///
/// Parts are compared as canonical text, case-sensitively; null is distinct from the empty text.
/// A sequence without `by` has the key without parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinKey(Arc<[KeyPart]>);

impl JoinKey {
    /// Returns the key of these parts.
    pub fn new(parts: impl IntoIterator<Item = KeyPart>) -> Self {
        Self(parts.into_iter().collect())
    }

    /// Returns the key of a query without `by`.
    pub fn none() -> Self {
        Self(Arc::new([]))
    }

    /// Returns the parts, in the order of the `by` fields.
    pub fn parts(&self) -> &[KeyPart] {
        &self.0
    }

    /// Returns the key as text for people and for Kafka: parts separated by a unit separator
    /// (U+001F), null as nothing.
    pub fn text(&self) -> String {
        let parts: Vec<&str> = self.0.iter().map(|part| part.as_deref().unwrap_or("")).collect();
        parts.join("\u{1f}")
    }
}
