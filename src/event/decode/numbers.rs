//! How the numbers of a record are written: a second look at one that has fractions or exponents in
//! wanted fields. The parser hands out their values alone, and those may be off by their last bit.
//!
//! Never judges: the record is known to be valid.

use super::raw::behind_string;

use crate::event::arena::Arena;
use crate::event::field::FieldId;
use crate::event::fields::Fields;
use crate::event::number::text_of_double;
use crate::event::trie::{Passed, Trie};
use crate::event::value::Value;

/// Reads the numbers of the fields again, with the texts that stand in the record.
pub(super) fn keep_texts(payload: &[u8], trie: &Trie, out: &mut Fields<'_>) {
    let mut scan = Scan { payload, trie, at: 0, found: Vec::new() };
    scan.value(Some(Trie::ROOT));
    let mut found = scan.found;
    // Stable: the numbers of a field stay in the order in which the parser found them too.
    found.sort_by_key(|(field, _)| *field);
    for of_field in found.chunk_by(|(a, _), (b, _)| a == b) {
        let mut texts = of_field.iter().map(|(_, text)| *text);
        let arena = out.arena();
        for value in out.get_mut(of_field[0].0) {
            if matches!(value, Value::Float(_))
                && let Some(written) = texts.next().and_then(|text| written(text, arena))
            {
                *value = written;
            }
        }
    }
}

fn written<'a>(text: &str, arena: &'a Arena) -> Option<Value<'a>> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    Some(match text_of_double(number) == text {
        true => Value::Float(number),
        false => Value::Written(arena.number(number, text)),
    })
}

struct Scan<'p> {
    payload: &'p [u8],
    trie: &'p Trie,
    at: usize,
    /// Numbers that are not whole, in their order.
    found: Vec<(FieldId, &'p str)>,
}

impl Scan<'_> {
    /// Passes a value that stands in a node, if a wanted field may lie there. How deep it recurses
    /// has been seen to.
    fn value(&mut self, node: Option<u32>) {
        match self.next() {
            Some(b'{') => self.members(node),
            Some(b'[') => {
                self.at += 1;
                while !self.ends(b']') {
                    self.value(node);
                }
            }
            Some(b'"') => self.string(),
            _ => self.word(node),
        }
    }

    fn members(&mut self, node: Option<u32>) {
        self.at += 1;
        while !self.ends(b'}') {
            self.next();
            let start = self.at;
            self.string();
            let child = node.and_then(|node| self.step(node, start));
            // The colon.
            self.next();
            self.at += 1;
            self.value(child);
        }
    }

    /// Follows the key that begins at `start` and has just been passed.
    fn step(&self, node: u32, start: usize) -> Option<u32> {
        let quoted = &self.payload[start..self.at];
        let mut passed = Passed::new();
        if quoted.contains(&b'\\') {
            let key: String = serde_json::from_slice(quoted).ok()?;
            return self.trie.step(node, key.as_bytes(), &mut passed);
        }
        self.trie.step(node, quoted.get(1..quoted.len().checked_sub(1)?)?, &mut passed)
    }

    fn string(&mut self) {
        self.at = behind_string(self.payload, self.at + 1);
    }

    /// Passes a number, `true`, `false` or `null`.
    fn word(&mut self, node: Option<u32>) {
        let rest = &self.payload[self.at.min(self.payload.len())..];
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        // At least one byte, or a record that is not valid would hold it up.
        self.at += end.max(1);
        let field = node.and_then(|node| self.trie.field(node));
        if let (Some(field), Ok(text)) = (field, std::str::from_utf8(&rest[..end]))
            && is_double(text)
        {
            self.found.push((field, text));
        }
    }

    /// Moves to the next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        let rest = self.payload.get(self.at..)?;
        self.at += rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        self.payload.get(self.at).copied()
    }

    /// Tells whether a list or an object ends here, and passes its end or a comma.
    fn ends(&mut self, close: u8) -> bool {
        match self.next() {
            Some(b',') => {
                self.at += 1;
                false
            }
            Some(byte) if byte == close => {
                self.at += 1;
                true
            }
            Some(_) => false,
            None => true,
        }
    }
}

/// Tells whether the parser takes a number for a double.
fn is_double(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let is_whole = text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    begins && (!is_whole || text == "-0")
}
