//! Strings, quoted names and numbers.

use super::super::token::TokenKind;
use super::{Lexer, is_name_part, is_name_start};
use crate::diag::Diagnostic;
use crate::text::Span;

impl Lexer<'_> {
    pub(super) fn string(&mut self) {
        let start = self.at;
        self.at += 1;
        let contents = self.escaped('"', start);
        self.push(TokenKind::Str(contents), start);
    }

    /// `'…'`: read like a string, and refused.
    pub(super) fn single_quoted(&mut self) {
        let start = self.at;
        self.at += 1;
        let known = self.diagnostics.len();
        let contents = self.escaped('\'', start);
        // What is wrong inside is said once the quotes are right.
        self.diagnostics.truncate(known);
        self.report(
            Diagnostic::error("E0103", "strings stand in double quotes")
                .at(self.since(start))
                .label("in single quotes")
                .help(format!("write {}", quoted(&contents))),
        );
        self.push(TokenKind::Str(contents), start);
    }

    /// `?"…"` and `?'…'`: raw strings of an older dialect.
    pub(super) fn old_raw_string(&mut self) {
        let start = self.at;
        let rest = self.rest();
        let quote = &rest[1..2];
        let line = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let end = rest[2..line].find(quote).map_or(line, |at| at + 2);
        let contents = rest[2..end].to_owned();
        self.at += (end + 1).min(line);
        self.report(
            Diagnostic::error("E0107", "a raw string stands between three double quotes")
                .at(self.since(start))
                .label("raw string of an older dialect")
                .help(format!("write \"\"\"{contents}\"\"\"")),
        );
        self.push(TokenKind::Str(contents), start);
    }

    /// `"""…"""`, on one line; up to two more quotes at the end belong to it.
    pub(super) fn raw_string(&mut self) {
        let start = self.at;
        self.at += 3;
        let line = self.rest().find(['\n', '\r']).unwrap_or_else(|| self.rest().len());
        let Some(mut len) = self.rest()[..line].find("\"\"\"") else {
            let contents = self.rest()[..line].to_owned();
            self.at += line;
            self.report(
                Diagnostic::error("E0110", "this raw string is not closed on its line")
                    .at(Span::new(start, start + 3))
                    .label("opened here")
                    .help("close it with `\"\"\"`"),
            );
            return self.push(TokenKind::Str(contents), start);
        };
        let more = self.rest()[len + 3..].bytes().take(2).take_while(|byte| *byte == b'"').count();
        len += more;
        let contents = self.rest()[..len].to_owned();
        self.at += len + 3;
        self.push(TokenKind::Str(contents), start);
    }

    /// A path or a segment of one in backticks; a doubled backtick stands for one.
    pub(super) fn backticks(&mut self) {
        let start = self.at;
        self.at += 1;
        let mut name = String::new();
        let closed = loop {
            match self.rest().chars().next() {
                None | Some('\n' | '\r') => break false,
                Some('`') if self.eat("``") => name.push('`'),
                Some('`') => {
                    self.at += 1;
                    break true;
                }
                Some(c) => {
                    name.push(c);
                    self.at += c.len_utf8();
                }
            }
        };
        let span = self.since(start);
        if !closed {
            let error = Diagnostic::error("E0108", "this name is not closed on its line").at(span);
            self.report(error.label("no closing backtick").help("close it with a backtick"));
        } else if name.is_empty() {
            let error = Diagnostic::error("E0108", "this name is empty").at(span);
            self.report(error.label("nothing between the backticks"));
        }
        self.push(TokenKind::Quoted(name), start);
    }

    pub(super) fn number(&mut self) {
        let start = self.at;
        let whole = self.digits();
        let mut is_float = false;
        // `1.` is a number; a dot before a name is left to the parser's complaint.
        if self.looking_at(".") && !self.rest()[1..].starts_with(is_name_start) {
            self.at += 1;
            self.digits();
            is_float = true;
        }
        is_float |= self.exponent();
        let text = &self.text[start..self.at];
        if self.rest().starts_with(|c| is_name_part(c) || is_name_start(c)) {
            self.at +=
                self.rest().find(|c| !is_name_part(c)).unwrap_or_else(|| self.rest().len()).max(1);
            return self.push(TokenKind::NumberWithUnit, start);
        }
        let is_whole = !is_float && whole > 0;
        let kind = match (text.parse(), text.parse()) {
            (Ok(number), _) if is_whole => TokenKind::Int(number),
            (_, Ok(number)) if is_whole => TokenKind::Big(number),
            _ => TokenKind::Float(text.parse().unwrap_or(f64::MAX)),
        };
        self.check_range(&kind, start);
        self.push(kind, start);
    }

    fn check_range(&mut self, kind: &TokenKind, start: usize) {
        if matches!(kind, TokenKind::Float(number) if !number.is_finite()) {
            let error = Diagnostic::error("E0109", "this number is too large");
            self.report(error.at(self.since(start)).label("beyond a double"));
        }
    }

    fn digits(&mut self) -> usize {
        let len = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += len;
        len
    }

    fn exponent(&mut self) -> bool {
        let rest = self.rest();
        let Some(behind) = rest.strip_prefix(['e', 'E']) else { return false };
        let digits = behind.strip_prefix(['+', '-']).unwrap_or(behind);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        self.at += rest.len() - digits.len();
        self.digits();
        true
    }

    /// Reads up to the closing quote and returns the text without escapes.
    fn escaped(&mut self, quote: char, start: usize) -> String {
        let mut contents = String::new();
        let mut unknown: Option<Span> = None;
        loop {
            match self.rest().chars().next() {
                None | Some('\n' | '\r') => {
                    self.unclosed_string(start);
                    break;
                }
                Some(c) if c == quote => {
                    self.at += 1;
                    break;
                }
                Some('\\') => {
                    let escape = self.at;
                    match self.escape() {
                        Some(c) => contents.push(c),
                        None => {
                            contents.push_str(&self.text[escape..self.at]);
                            unknown = unknown.or_else(|| Some(self.since(escape)));
                        }
                    }
                }
                Some(c) => {
                    contents.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        if let Some(span) = unknown {
            self.unknown_escape(span, start);
        }
        contents
    }

    /// Reads one escape; returns nothing if there is no such escape.
    fn escape(&mut self) -> Option<char> {
        self.at += 1;
        let c = self.rest().chars().next()?;
        let meant = match c {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{c}',
            'r' => '\r',
            '"' | '\'' | '\\' => c,
            'u' => return self.unicode_escape(),
            _ => {
                // A line end closes the string, escaped or not.
                self.at += if matches!(c, '\n' | '\r') { 0 } else { c.len_utf8() };
                return None;
            }
        };
        self.at += 1;
        Some(meant)
    }

    /// Reads `u{H…}` with two to eight hexadecimal digits.
    fn unicode_escape(&mut self) -> Option<char> {
        let braces = self.rest()[1..].strip_prefix('{').and_then(|behind| behind.split_once('}'));
        let digits = braces.map(|(digits, _)| digits).filter(|digits| {
            (2..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        let Some(digits) = digits else {
            self.at += 1;
            return None;
        };
        let len = digits.len();
        let c = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        self.at += len + 3;
        c
    }

    fn unclosed_string(&mut self, start: usize) {
        self.report(
            Diagnostic::error("E0102", "this string is not closed on its line")
                .at(Span::new(start, start + 1))
                .label("opened here")
                .help("close it with `\"`; a line break is written `\\n`"),
        );
    }

    fn unknown_escape(&mut self, span: Span, start: usize) {
        let escape = &self.text[span.range()];
        let diagnostic = if escape.starts_with("\\u") {
            Diagnostic::error("E0105", format!("`{escape}` does not begin a character's number"))
                .label("not a character")
                .help("write two to eight hexadecimal digits in braces: `\\u{202E}`")
        } else {
            let inside = self.text[start + 1..self.at].trim_end_matches('"');
            let doubled =
                inside.replace("\\\\", "\\").replace('\\', "\\\\").replace("\\\\\"", "\\\"");
            Diagnostic::error("E0104", format!("`{escape}` is not an escape"))
                .label("a backslash is written `\\\\`")
                .help(format!("write \"{doubled}\""))
        };
        self.report(diagnostic.at(span));
    }
}

/// Returns a text as a string literal of the language.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if c.is_control() || is_invisible(c) => {
                out.push_str(&format!("\\u{{{:04X}}}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Tells whether a character changes how others are shown, or cannot be seen itself.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
