//! Tokens to a syntax tree, by recursive descent.
//!
//! Never stops at the first mistake: a part that cannot be read is skipped up to the bracket,
//! parenthesis, comma or pipe behind it, and parsing goes on there.

mod expr;
mod pipe;
mod primary;
mod query;
mod sequence;

use super::ast::{Expr, Query};
use super::lexer::lex;
use super::token::{Keyword, Token, TokenKind};
use crate::diag::Diagnostic;
use crate::text::Span;

/// How deep expressions may nest.
pub(crate) const MAX_NESTING: usize = 200;

/// Parses a query; what could not be read is [`ExprKind::Invalid`](super::ast::ExprKind::Invalid).
pub(crate) fn parse_query(text: &str) -> (Option<Query>, Vec<Diagnostic>) {
    let mut parser = Parser::new(text);
    let query = parser.query();
    (query.ok(), parser.diagnostics)
}

/// Parses a bare condition.
pub(crate) fn parse_condition(text: &str) -> (Option<Expr>, Vec<Diagnostic>) {
    let mut parser = Parser::new(text);
    let condition = parser.bare_condition();
    (condition.ok(), parser.diagnostics)
}

/// Something could not be read, and that has been reported.
#[derive(Debug)]
struct Failed;

type Parsed<T> = Result<T, Failed>;

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    nesting: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let (tokens, diagnostics) = lex(text);
        Self { text, tokens, at: 0, nesting: 0, diagnostics }
    }

    // ---- looking ----

    fn kind(&self) -> &TokenKind {
        &self.tokens[self.at].kind
    }

    fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    /// Returns the token `ahead` places on; the end is followed by the end.
    fn peek(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    /// Returns the end of the token before this one.
    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    /// Returns the span from `start` to the last token that was eaten; empty if there is none.
    fn since(&self, start: Span) -> Span {
        Span { start: start.start, end: self.last_span().end.max(start.start) }
    }

    fn text_of(&self, span: Span) -> &'a str {
        &self.text[span.range()]
    }

    fn is(&self, kind: &TokenKind) -> bool {
        self.kind() == kind
    }

    fn is_keyword(&self, keyword: Keyword) -> bool {
        self.is(&TokenKind::Keyword(keyword))
    }

    /// Tells whether this is the keyword, or the keyword in capitals.
    fn is_keyword_in_any_case(&self, keyword: Keyword) -> bool {
        self.is_keyword(keyword) || self.is_miswritten(keyword)
    }

    fn is_miswritten(&self, keyword: Keyword) -> bool {
        matches!(self.kind(), TokenKind::Name | TokenKind::TildeName)
            && self.text_of(self.span()).eq_ignore_ascii_case(keyword.as_str())
    }

    fn is_name(&self, name: &str) -> bool {
        self.is(&TokenKind::Name) && self.text_of(self.span()).eq_ignore_ascii_case(name)
    }

    // ---- moving ----

    fn bump(&mut self) -> Span {
        let span = self.span();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        span
    }

    fn eat(&mut self, kind: &TokenKind) -> bool {
        let found = self.is(kind);
        if found {
            self.bump();
        }
        found
    }

    /// Eats a keyword; complains if it is written in capitals, and takes it nevertheless.
    fn eat_keyword(&mut self, keyword: Keyword) -> bool {
        if !self.is_keyword_in_any_case(keyword) {
            return false;
        }
        if self.is_miswritten(keyword) {
            self.report_case(keyword);
        }
        self.bump();
        true
    }

    fn report_case(&mut self, keyword: Keyword) {
        let (span, word) = (self.span(), keyword.as_str());
        self.report(
            Diagnostic::error("E0206", "keywords are written in lower case")
                .at(span)
                .label("in capitals")
                .help(format!("write `{word}`")),
        );
    }

    /// Skips to the end of the part that could not be read: to a token for which `stop` holds
    /// outside of parentheses, or to what ends every part.
    fn skip_to(&mut self, stop: impl Fn(&TokenKind) -> bool) {
        let mut open = 0_usize;
        loop {
            match self.kind() {
                kind if open == 0 && stop(kind) => return,
                TokenKind::End
                | TokenKind::RBracket
                | TokenKind::LBracket
                | TokenKind::MissingBracket
                | TokenKind::Pipe => return,
                TokenKind::LParen => open += 1,
                TokenKind::RParen => open = open.saturating_sub(1),
                _ => {}
            }
            self.bump();
        }
    }

    /// Runs `parse` one level deeper, unless that is too deep.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == MAX_NESTING {
            return Err(self.too_deep());
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    // ---- complaining ----

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn too_deep(&mut self) -> Failed {
        let message = format!("expressions nest at most {MAX_NESTING} deep");
        let span = self.span();
        if !self.diagnostics.iter().any(|known| known.code == "E0210") {
            self.report(
                Diagnostic::error("E0210", message)
                    .at(span)
                    .label("one level too many")
                    .help("write alternatives as a list, as in `x in (1, 2)`, or split the rule"),
            );
        }
        Failed
    }

    /// Reports that something else stands here than `what`.
    fn unexpected(&mut self, what: &str) -> Failed {
        if self.is(&TokenKind::Error) {
            return Failed; // The lexer has said so.
        }
        let (span, found) = (self.span(), self.describe());
        let error = Diagnostic::error("E0201", format!("expected {what}, found {found}"));
        let error = error.at(span).label(format!("expected {what}"));
        self.report(match self.hint() {
            Some(help) => error.help(help),
            None => error,
        });
        Failed
    }

    fn describe(&self) -> String {
        match self.kind() {
            TokenKind::End => "the end of the query".to_owned(),
            TokenKind::Str(_) => "a string".to_owned(),
            _ => format!("`{}`", self.text_of(self.span())),
        }
    }

    /// Returns what a token that stands where it must not was probably meant to be.
    fn hint(&self) -> Option<String> {
        match self.kind() {
            TokenKind::Keyword(keyword) if self.last_is_dot() => Some(format!(
                "a field named like a keyword stands in backticks: `{}`",
                keyword.as_str()
            )),
            TokenKind::Str(_) if matches!(self.before(), Some(TokenKind::Str(_))) => {
                Some("separate the strings with a comma".to_owned())
            }
            _ => None,
        }
    }

    fn before(&self) -> Option<&TokenKind> {
        self.at.checked_sub(1).map(|before| &self.tokens[before].kind)
    }

    fn last_is_dot(&self) -> bool {
        matches!(self.before(), Some(TokenKind::Dot))
    }
}
