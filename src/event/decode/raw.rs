//! Looks at raw records: how deep they are nested, and what can be repaired in them.

/// Tells whether objects and lists are nested more than `limit` deep.
///
/// Skipped parts are not nested for the parser, so it would not notice. Nearly every record has
/// fewer brackets than the limit and is not looked at twice.
pub(crate) fn is_deeper_than(payload: &[u8], limit: usize) -> bool {
    openings(payload) > limit && deepest_exceeds(payload, limit)
}

/// Counts the opening brackets, those in texts too. One comparison finds both kinds: they differ
/// in one bit.
fn openings(payload: &[u8]) -> usize {
    let of_chunk = |chunk: &[u8]| {
        // A chunk of 255 bytes cannot overflow; saying so lets the compiler count many at once.
        chunk.iter().fold(0_u8, |count, byte| count.wrapping_add(u8::from(byte | 0x20 == b'{')))
    };
    payload.chunks(u8::MAX.into()).map(|chunk| usize::from(of_chunk(chunk))).sum()
}

fn deepest_exceeds(payload: &[u8], limit: usize) -> bool {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = payload.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = behind_string(payload, at),
            _ => {}
        }
    }
    false
}

/// Returns the offset behind the string whose first byte (after its quote) stands at `at`.
pub(super) fn behind_string(payload: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr::memchr2(b'"', b'\\', &payload[at.min(payload.len())..]) {
        at += found + 1;
        if payload[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    payload.len()
}

/// Returns a copy without broken UTF-8, unpaired surrogates and endless numbers.
pub(crate) fn repair(payload: &[u8]) -> Vec<u8> {
    let mut bytes = String::from_utf8_lossy(payload).into_owned().into_bytes();
    replace_unpaired_surrogates(&mut bytes);
    replace_endless_numbers(&mut bytes);
    bytes
}

/// Replaces numbers beyond the range of a double by null.
fn replace_endless_numbers(bytes: &mut [u8]) {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = behind_string(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let rest = &bytes[at..];
                let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let end = at + rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                let number = std::str::from_utf8(&bytes[at..end]).unwrap_or_default();
                if number.parse().is_ok_and(f64::is_infinite) {
                    // The shortest such number, 1e309, has room for it.
                    bytes[at..end].fill(b' ');
                    bytes[at..at + 4].copy_from_slice(b"null");
                }
                at = end;
            }
            _ => at += 1,
        }
    }
}

/// Replaces `\ud800`…`\udfff` by `\ufffd` where it is no half of a pair.
fn replace_unpaired_surrogates(bytes: &mut [u8]) {
    let mut at = 0;
    // In JSON a backslash stands only in strings, so no others need be told apart.
    while let Some(offset) = memchr::memchr(b'\\', &bytes[at..]) {
        at += offset;
        match (unicode_escape(bytes, at), unicode_escape(bytes, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at += 12,
            (Some(0xD800..=0xDFFF), _) => {
                bytes[at + 2..at + 6].copy_from_slice(b"fffd");
                at += 6;
            }
            _ => at = (at + 2).min(bytes.len()),
        }
    }
}

/// Returns the code unit of a `\uXXXX` at `at`.
fn unicode_escape(bytes: &[u8], at: usize) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.get(at..at + 6)? else { return None };
    digits.iter().try_fold(0, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)?))
}
