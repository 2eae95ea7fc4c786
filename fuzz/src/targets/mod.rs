//! One file a target: `run` takes any bytes and panics where something is wrong.

pub mod condition;
pub mod decode;
pub mod extract;
pub mod language;
pub mod metadata;
pub mod regex;
pub mod rule_file;
pub mod sequence;
pub mod shape;

/// Takes one input.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("condition", condition::run),
    ("decode", decode::run),
    ("extract", extract::run),
    ("language", language::run),
    ("metadata", metadata::run),
    ("regex", regex::run),
    ("rule_file", rule_file::run),
    ("sequence", sequence::run),
    ("shape", shape::run),
];

/// Returns bytes as text, whatever they are.
fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}
