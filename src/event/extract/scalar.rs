//! Values of a record that hold no others: strings with escapes, numbers, `true`, `false`, `null`.
//!
//! Takes what stands in them to the letter of RFC 8259, and gives up otherwise.

use super::GiveUp;
use crate::event::arena::Arena;
use crate::event::number::text_of_double;
use crate::event::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
}

/// Returns what the bytes begin with, and its length.
pub(super) fn literal(bytes: &[u8]) -> Result<(Literal, usize), GiveUp> {
    const ALL: [(&[u8], Literal); 3] = [
        (b"null", Literal::Null),
        (b"true", Literal::Bool(true)),
        (b"false", Literal::Bool(false)),
    ];
    let found = ALL.into_iter().find(|(word, _)| bytes.starts_with(word));
    found.map(|(word, literal)| (literal, word.len())).ok_or(GiveUp)
}

/// Returns the number that the bytes begin with.
pub(super) fn number(bytes: &[u8]) -> Result<&str, GiveUp> {
    let digits_from = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
    };
    let has = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    let start = usize::from(has(0, b"-"));
    let mut end = digits_from(start);
    let has_leading_zero = has(start, b"0") && end > start + 1;
    let mut is_complete = end > start && !has_leading_zero;
    if has(end, b".") {
        let fraction = end + 1;
        end = digits_from(fraction);
        is_complete &= end > fraction;
    }
    if has(end, b"eE") {
        let exponent = end + 1 + usize::from(has(end + 1, b"+-"));
        end = digits_from(exponent);
        is_complete &= end > exponent;
    }
    let text = bytes.get(..end).and_then(|number| std::str::from_utf8(number).ok());
    text.filter(|_| is_complete).ok_or(GiveUp)
}

/// Returns the value of a number; gives up beyond the range of a double.
pub(super) fn number_value<'a>(text: &str, arena: &'a Arena) -> Result<Value<'a>, GiveUp> {
    // The parser takes `-0` for a double.
    if text != "-0" {
        if let Ok(whole) = text.parse() {
            return Ok(Value::Int(whole));
        }
        if let Ok(whole) = text.parse() {
            return Ok(Value::Big(whole));
        }
    }
    let number = text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or(GiveUp)?;
    Ok(match text_of_double(number) == text {
        true => Value::Float(number),
        false => Value::Written(arena.number(number, text)),
    })
}

/// Returns a text without its escapes, in the memory that is given. Gives up at control characters
/// and unpaired surrogates.
pub(super) fn unescape<'m>(text: &str, memory: &'m mut Vec<u8>) -> Result<&'m str, GiveUp> {
    if text.bytes().any(|byte| byte < b' ') {
        return Err(GiveUp);
    }
    memory.clear();
    let mut rest = text.as_bytes();
    while let Some(plain) = memchr::memchr(b'\\', rest) {
        memory.extend_from_slice(&rest[..plain]);
        let escape = *rest.get(plain + 1).ok_or(GiveUp)?;
        rest = &rest[plain + 2..];
        match escape {
            b'"' | b'\\' | b'/' => memory.push(escape),
            b'b' => memory.push(0x08),
            b'f' => memory.push(0x0C),
            b'n' => memory.push(b'\n'),
            b'r' => memory.push(b'\r'),
            b't' => memory.push(b'\t'),
            b'u' => rest = push_code_point(rest, memory)?,
            _ => return Err(GiveUp),
        }
    }
    memory.extend_from_slice(rest);
    std::str::from_utf8(memory).map_err(|_| GiveUp)
}

/// Adds the character whose digits `rest` begins with, perhaps those of two surrogates. Returns
/// what stands behind.
fn push_code_point<'r>(rest: &'r [u8], memory: &mut Vec<u8>) -> Result<&'r [u8], GiveUp> {
    let (unit, mut rest) = code_unit(rest)?;
    let mut units = [unit, 0];
    let mut len = 1;
    if (0xD800..0xDC00).contains(&unit) {
        let (low, behind) = code_unit(rest.strip_prefix(b"\\u").ok_or(GiveUp)?)?;
        (units[1], len, rest) = (low, 2, behind);
    }
    for character in char::decode_utf16(units[..len].iter().copied()) {
        let character = character.map_err(|_| GiveUp)?;
        memory.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(rest)
}

fn code_unit(digits: &[u8]) -> Result<(u16, &[u8]), GiveUp> {
    let (digits, rest) = digits.split_first_chunk::<4>().ok_or(GiveUp)?;
    let unit = digits
        .iter()
        .try_fold(0, |unit: u16, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16));
    Ok((unit.ok_or(GiveUp)?, rest))
}
