//! Bytes of a file to text: UTF-8, or where and how they are something else.
//!
//! Never guesses a text out of another encoding: what is not UTF-8 is there to be shown alone.

use super::{Span, Text};

/// How the bytes of a text are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As they must be.
    #[default]
    Utf8,
    /// As Windows tools may write files: Little Endian, first byte of a character first.
    Utf16Le,
    /// The same in the other order.
    Utf16Be,
    /// Neither: the contents hold U+FFFD where bytes are no UTF-8.
    Unknown {
        /// Where the first such byte stands in the contents.
        at: Span,
        /// That byte.
        byte: u8,
        /// How many such places follow.
        more: usize,
    },
}

impl Text {
    /// Returns the text that these bytes of a file are. Unless its encoding is
    /// [`Encoding::Utf8`] its contents are there to be shown, and not to be taken for a rule.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Self {
        let encoding = match utf16(bytes) {
            Some(encoding) => encoding,
            None => unknown(bytes).unwrap_or_default(),
        };
        let contents = match encoding {
            Encoding::Utf16Le => wide(bytes, u16::from_le_bytes),
            Encoding::Utf16Be => wide(bytes, u16::from_be_bytes),
            Encoding::Utf8 | Encoding::Unknown { .. } => String::from_utf8_lossy(bytes).into(),
        };
        Self { encoding, ..Self::new(name, contents) }
    }
}

/// Returns which UTF-16 it is, if it is one: by its byte order mark, or because every second byte is
/// mostly zero, as it is in words of Latin letters.
fn utf16(bytes: &[u8]) -> Option<Encoding> {
    match bytes {
        [0xff, 0xfe, ..] => return Some(Encoding::Utf16Le),
        [0xfe, 0xff, ..] => return Some(Encoding::Utf16Be),
        _ => {}
    }
    let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0);
    let (even, odd) = (zeros(0).count(), zeros(1).count());
    match bytes.len() / 4 {
        0 => None,
        most if odd > most && even < odd / 8 + 1 => Some(Encoding::Utf16Le),
        most if even > most && odd < even / 8 + 1 => Some(Encoding::Utf16Be),
        _ => None,
    }
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_owned()
}

/// Returns where bytes are no UTF-8, if any are.
fn unknown(bytes: &[u8]) -> Option<Encoding> {
    let mut broken = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty());
    let first = broken.next()?;
    let start = first.valid().len();
    let at = Span::new(start, start + char::REPLACEMENT_CHARACTER.len_utf8());
    Some(Encoding::Unknown { at, byte: first.invalid()[0], more: broken.count() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_taken_as_it_is() {
        for text in ["", "a", "\u{feff}[rule]\r\n", "größe = 'ß'", "\u{fffd}", "a\0b", "日本語"]
        {
            let read = Text::from_bytes("a.toml", text.as_bytes());
            assert_eq!((read.contents.as_str(), read.encoding), (text, Encoding::Utf8));
        }
    }

    #[test]
    fn the_first_byte_that_is_no_utf8_is_found() {
        let read = Text::from_bytes("a.toml", b"\xc3\xa4 = '\xfcx\xe4'\n");
        let Encoding::Unknown { at, byte, more } = read.encoding else { panic!("{read:?}") };
        assert_eq!((byte, more, read.position(at.start).column), (0xfc, 1, 6));
        assert_eq!(&read.contents[at.range()], "\u{fffd}");
        let cut = Text::from_bytes("a.toml", b"a\xe2\x82");
        assert!(matches!(cut.encoding, Encoding::Unknown { byte: 0xe2, more: 0, .. }), "{cut:?}");
    }

    #[test]
    fn utf16_is_told_with_and_without_its_mark() {
        let text = "[rule]\r\nname = \"Größe — ≠\"\r\n";
        for mark in ["\u{feff}", ""] {
            let units: Vec<u16> = format!("{mark}{text}").encode_utf16().collect();
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            for (bytes, encoding) in [(little, Encoding::Utf16Le), (big, Encoding::Utf16Be)] {
                let read = Text::from_bytes("a.toml", &bytes);
                assert_eq!((read.contents.as_str(), read.encoding), (text, encoding));
                // A byte that is missing at the end changes nothing about what it is.
                assert_eq!(Text::from_bytes("a", &bytes[..bytes.len() - 1]).encoding, encoding);
            }
        }
    }
}
