//! E0509: a file that is not UTF-8, whichever kind of file it is.
//!
//! Never converts it.

use super::Diagnostic;
use crate::text::encoding::Encoding;
use crate::text::{Span, Text};

/// Returns what is wrong with how a text is encoded, nothing if it is UTF-8.
///
/// Whoever reads a text as a rule, as cases or as a configuration asks this first.
pub fn fault(text: &Text) -> Option<Diagnostic> {
    match text.encoding {
        Encoding::Utf8 => None,
        Encoding::Utf16Le => Some(utf16(text, "UTF-16LE")),
        Encoding::Utf16Be => Some(utf16(text, "UTF-16BE")),
        Encoding::Unknown { at, byte, more } => {
            let places = match more {
                0 => String::new(),
                1 => ", and one more place".to_owned(),
                _ => format!(", and {more} more places"),
            };
            let found = Diagnostic::error("E0509", "this file is not UTF-8").at(at);
            let found = found.label(format!("byte 0x{byte:02x}{}{places}", in_latin1(byte)));
            Some(found.help(convert(text, "ISO-8859-1", "save it as UTF-8; if it is Latin-1")))
        }
    }
}

fn utf16(text: &Text, encoding: &str) -> Diagnostic {
    Diagnostic::error("E0509", "this file is UTF-16, and has to be UTF-8")
        .at(Span::default())
        .help(convert(text, encoding, "convert it"))
}

fn convert(text: &Text, from: &str, what: &str) -> String {
    let name = &text.name;
    format!("{what}: `iconv -f {from} -t UTF-8 '{name}' > converted.toml`")
}

/// Returns which character the byte is in the encoding that such files mostly have.
fn in_latin1(byte: u8) -> String {
    match byte {
        0xa1.. => format!(", `{}` in Latin-1", char::from(byte)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Option<String> {
        let found = fault(&Text::from_bytes("a.toml", bytes))?;
        Some(format!("{} | {} | {}", found.message, found.label.unwrap_or_default(), found.help?))
    }

    #[test]
    fn the_byte_and_how_to_convert_are_told() {
        assert_eq!(shown("ü".as_bytes()), None);
        assert_eq!(
            shown(b"\xfc").unwrap(),
            "this file is not UTF-8 | byte 0xfc, `ü` in Latin-1 | save it as UTF-8; if it is \
             Latin-1: `iconv -f ISO-8859-1 -t UTF-8 'a.toml' > converted.toml`"
        );
        assert!(shown(b"\x80 \xe4 \xe4").unwrap().contains("| byte 0x80, and 2 more places |"));
        assert_eq!(
            shown(b"[\0r\0").unwrap(),
            "this file is UTF-16, and has to be UTF-8 |  | convert it: `iconv -f UTF-16LE -t \
             UTF-8 'a.toml' > converted.toml`"
        );
    }
}
