//! Where the characters of a TOML string stand in the file: escapes and quotes shift them.
//!
//! Never judges a string: the TOML parser has accepted it before.

use crate::text::origin::Origin;

/// Returns the text of a TOML string and where each byte of it stands in the file.
///
/// `raw` is the string as written, with its quotes, and `at` the offset of its first quote.
/// Returns nothing if `raw` is none of TOML's four kinds of strings.
pub(super) fn unescape(raw: &str, at: usize) -> Option<(String, Origin)> {
    let (quote, is_literal) = match raw.as_bytes() {
        [b'\'', b'\'', b'\'', ..] if raw.len() >= 6 => ("'''", true),
        [b'"', b'"', b'"', ..] if raw.len() >= 6 => ("\"\"\"", false),
        [b'\'', ..] => ("'", true),
        [b'"', ..] => ("\"", false),
        _ => return None,
    };
    let body = raw.strip_prefix(quote)?.strip_suffix(quote)?;
    let trimmed = match quote.len() {
        3 => body.strip_prefix("\r\n").or_else(|| body.strip_prefix('\n')).unwrap_or(body),
        _ => body,
    };
    let start = at + quote.len() + (body.len() - trimmed.len());
    if is_literal {
        return Some((trimmed.to_owned(), Origin::verbatim(start)));
    }
    unescape_basic(trimmed, start)
}

fn unescape_basic(body: &str, start: usize) -> Option<(String, Origin)> {
    let mut text = String::with_capacity(body.len());
    let mut pieces = Pieces(vec![(0, offset(start))]);
    let mut rest = body;
    while let Some(backslash) = rest.find('\\') {
        text.push_str(&rest[..backslash]);
        let escape = &rest[backslash..];
        let escape_at = start + body.len() - escape.len();
        pieces.push(text.len(), escape_at);
        rest = match line_continuation(escape) {
            Some(rest) => rest,
            None => {
                let (character, len) = escaped_char(escape)?;
                text.push(character);
                &escape[len..]
            }
        };
        pieces.push(text.len(), start + body.len() - rest.len());
    }
    text.push_str(rest);
    Some((text, Origin::from_pieces(pieces.0)))
}

/// The pairs of an [`Origin`] that is being built.
struct Pieces(Vec<(u32, u32)>);

impl Pieces {
    fn push(&mut self, inside: usize, outside: usize) {
        let piece = (offset(inside), offset(outside));
        if self.0.last() != Some(&piece) {
            self.0.push(piece);
        }
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Returns what follows a backslash at the end of a line: the next line's first character.
fn line_continuation(escape: &str) -> Option<&str> {
    let after = escape[1..].trim_start_matches([' ', '\t']);
    let is_end = after.starts_with('\n') || after.starts_with("\r\n");
    is_end.then(|| after.trim_start_matches([' ', '\t', '\n', '\r']))
}

/// Returns the character of an escape such as `\n` or `\u00e9`, and the escape's length.
fn escaped_char(escape: &str) -> Option<(char, usize)> {
    let hex = |digits: usize| {
        let number = u32::from_str_radix(escape.get(2..2 + digits)?, 16).ok()?;
        Some((char::from_u32(number)?, 2 + digits))
    };
    let simple = |character| Some((character, 2));
    match escape.as_bytes().get(1)? {
        b'b' => simple('\u{8}'),
        b'e' => simple('\u{1b}'),
        b'f' => simple('\u{c}'),
        b'n' => simple('\n'),
        b'r' => simple('\r'),
        b't' => simple('\t'),
        b'"' => simple('"'),
        b'\\' => simple('\\'),
        b'x' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        _ => None,
    }
}
