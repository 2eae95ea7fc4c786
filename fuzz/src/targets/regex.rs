//! Translated regular expressions match what the definition says.

use maxspan::eql;
use maxspan::event::{Arena, FieldTable, Fields, Value};
use maxspan::predicate::Predicate;

use super::text;
use crate::slow_regex;

/// Longest pattern and longest text that the definition is asked about: it takes exponential time.
const MAX_PATTERN: usize = 24;
const MAX_TEXT: usize = 5;

/// Takes a pattern, a line break and a text.
pub fn run(data: &[u8]) {
    let data = text(data);
    let (pattern, value) = data.split_once('\n').unwrap_or((&data, ""));
    let translation = eql::regex::translate(pattern);
    let chars: Vec<char> = pattern.chars().collect();
    let value: String = value.chars().take(MAX_TEXT).collect();
    let quoted = pattern.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r");
    let condition = format!("a regex \"{quoted}\"");
    let (condition, findings) = eql::parse_condition(&condition);
    assert_eq!(condition.is_some(), translation.is_ok(), "{pattern:?}: {findings:?}");
    let Some(condition) = condition else { return };
    if chars.len() > MAX_PATTERN || is_slow(&chars) {
        return;
    }
    let mut table = FieldTable::default();
    let Ok(predicate) = Predicate::compile(&condition, &mut table) else { return };
    let arena = Arena::new();
    let mut fields = Fields::new(table.len(), &arena);
    fields.push(table.intern("a"), Value::from(&*value));
    let expected = slow_regex::matches(&chars, &value.chars().collect::<Vec<_>>());
    assert_eq!(predicate.matches(&fields), expected, "{pattern:?} on {value:?}");
}

/// Many repetitions inside one another, or counted ones with large numbers.
fn is_slow(pattern: &[char]) -> bool {
    let repetitions = pattern.iter().filter(|c| "*+?{@".contains(**c)).count();
    let counted = pattern.contains(&'{');
    repetitions > 4
        || counted && pattern.windows(2).any(|pair| pair.iter().all(char::is_ascii_digit))
}
