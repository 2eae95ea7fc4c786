//! Bytes to tokens with spans.
//!
//! Never fails: what is no token becomes an error token, with a diagnostic, and lexing goes on.

pub(crate) mod literal;

use super::token::{Keyword, Token, TokenKind};
use crate::diag::Diagnostic;
use crate::text::Span;

/// Splits a query into tokens, the last of which is its end.
pub(crate) fn lex(text: &str) -> (Vec<Token>, Vec<Diagnostic>) {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), diagnostics: Vec::new() };
    while lexer.skip_blank() {
        lexer.token();
    }
    lexer.push(TokenKind::End, text.len());
    (lexer.tokens, lexer.diagnostics)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    diagnostics: Vec<Diagnostic>,
}

impl Lexer<'_> {
    /// Skips white space and comments; tells whether anything follows.
    fn skip_blank(&mut self) -> bool {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            if self.looking_at("//") {
                self.at += self.rest().find(['\n', '\r']).unwrap_or_else(|| self.rest().len());
            } else if self.looking_at("/*") {
                self.block_comment();
            } else {
                return self.at < self.text.len();
            }
        }
    }

    fn block_comment(&mut self) {
        let start = self.at;
        let mut open = 0;
        while self.at < self.text.len() {
            if self.eat("/*") {
                open += 1;
            } else if self.eat("*/") {
                open -= 1;
                if open == 0 {
                    return;
                }
            } else {
                self.at += self.rest().chars().next().map_or(1, char::len_utf8);
            }
        }
        self.report(
            Diagnostic::error("E0106", "this comment is not closed")
                .at(Span::new(start, start + 2))
                .label("opened here")
                .help("close it with `*/`; comments nest, so every `/*` needs one"),
        );
    }

    fn token(&mut self) {
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return };
        match first {
            '"' if rest.starts_with("\"\"\"") => self.raw_string(),
            '"' => self.string(),
            '\'' => self.single_quoted(),
            '`' => self.backticks(),
            '?' if rest.starts_with("?\"") || rest.starts_with("?'") => self.old_raw_string(),
            '.' if self.after_name() => self.dot(),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            '0'..='9' => self.number(),
            _ if is_name_start(first) => self.name(),
            _ => self.punctuation(start, first),
        }
    }

    fn name(&mut self) {
        let start = self.at;
        self.at += 1; // Only the first character may be `@`; it is ASCII in any case.
        self.at += self.rest().find(|c| !is_name_part(c)).unwrap_or_else(|| self.rest().len());
        let tilde = self.eat("~");
        let kind = match Keyword::parse(&self.text[start..self.at]) {
            Some(keyword) => TokenKind::Keyword(keyword),
            None if tilde => TokenKind::TildeName,
            None => TokenKind::Name,
        };
        self.push(kind, start);
    }

    /// A dot of a path, and a segment behind it that lacks its backticks.
    fn dot(&mut self) {
        let start = self.at;
        self.at += 1;
        self.push(TokenKind::Dot, start);
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            let start = self.at;
            self.at += self.rest().find(|c| !is_name_part(c)).unwrap_or_else(|| self.rest().len());
            self.push(TokenKind::DigitSegment, start);
        }
    }

    fn punctuation(&mut self, start: usize, first: char) {
        for (text, kind) in PUNCTUATION {
            if !self.looking_at("||") && self.eat(text) {
                return self.push(kind.clone(), start);
            }
        }
        for (text, meant, help) in MISTAKES {
            if self.eat(text) {
                self.report(unexpected(text, self.since(start)).help(*help));
                return self.push(meant.clone(), start);
            }
        }
        self.at += first.len_utf8();
        let shown =
            if first.is_control() { first.escape_default().to_string() } else { first.into() };
        self.report(unexpected(&shown, self.since(start)));
        self.push(TokenKind::Error, start);
    }

    /// Tells whether a name, a quoted name or a segment ends right here, so that a dot continues it.
    fn after_name(&self) -> bool {
        self.tokens.last().is_some_and(|token| {
            token.span.end as usize == self.at
                && matches!(
                    token.kind,
                    TokenKind::Name
                        | TokenKind::Quoted(_)
                        | TokenKind::Keyword(_)
                        | TokenKind::DigitSegment
                        | TokenKind::RBracket
                )
        })
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn looking_at(&self, prefix: &str) -> bool {
        self.rest().starts_with(prefix)
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.looking_at(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    fn since(&self, start: usize) -> Span {
        Span::new(start, self.at)
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.tokens.push(Token { kind, span: Span::new(start, self.at) });
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

fn unexpected(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("E0101", format!("`{text}` is not part of the language"))
        .at(span)
        .label("not expected")
}

/// Tells whether a name without backticks may begin with this character.
pub(crate) fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '@'
}

/// Tells whether a name without backticks may go on with this character.
pub(crate) fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Longer ones first.
const PUNCTUATION: &[(&str, TokenKind)] = &[
    ("==", TokenKind::EqEq),
    ("!=", TokenKind::NotEq),
    ("<=", TokenKind::Le),
    (">=", TokenKind::Ge),
    ("![", TokenKind::MissingBracket),
    ("<", TokenKind::Lt),
    (">", TokenKind::Gt),
    ("=", TokenKind::Assign),
    (":", TokenKind::Colon),
    ("+", TokenKind::Plus),
    ("-", TokenKind::Minus),
    ("*", TokenKind::Star),
    ("/", TokenKind::Slash),
    ("%", TokenKind::Percent),
    ("(", TokenKind::LParen),
    (")", TokenKind::RParen),
    ("[", TokenKind::LBracket),
    ("]", TokenKind::RBracket),
    (",", TokenKind::Comma),
    (".", TokenKind::Dot),
    ("?", TokenKind::Question),
    ("|", TokenKind::Pipe),
];

/// What other languages write, what is meant, and what to write instead.
const MISTAKES: &[(&str, TokenKind, &str)] = &[
    ("&&", TokenKind::Keyword(Keyword::And), "write `and`"),
    ("||", TokenKind::Keyword(Keyword::Or), "write `or`"),
    (
        "!",
        TokenKind::Keyword(Keyword::Not),
        "write `not`; a missing event opens with `![`, without a space",
    ),
    ("~", TokenKind::Error, "glue `~` to the name before it, as in `like~` or `endsWith~(`"),
    ("“", TokenKind::Error, "write a straight quotation mark `\"`"),
    ("”", TokenKind::Error, "write a straight quotation mark `\"`"),
    ("#", TokenKind::Error, "comments are `// …` or `/* … */`"),
    (";", TokenKind::Error, "a query ends without a mark"),
];
