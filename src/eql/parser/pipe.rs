//! Pipes: `head` and `tail` are read, the others refused.

use super::super::ast::{Pipe, PipeKind};
use super::super::token::TokenKind;
use super::{Parsed, Parser};
use crate::diag::Diagnostic;
use crate::text::Span;

impl Parser<'_> {
    pub(super) fn pipes(&mut self) -> Vec<Pipe> {
        let mut pipes = Vec::new();
        while !self.is(&TokenKind::End) {
            if !self.eat(&TokenKind::Pipe) {
                self.unexpected("`|` or the end of the query");
                self.bump();
            } else if let Ok(pipe) = self.pipe() {
                pipes.push(pipe);
            }
            while !matches!(self.kind(), TokenKind::End | TokenKind::Pipe) {
                self.bump();
            }
        }
        pipes
    }

    fn pipe(&mut self) -> Parsed<Pipe> {
        let start = self.span();
        let name = self.text_of(start);
        let kind = match name {
            "head" => PipeKind::Head,
            "tail" => PipeKind::Tail,
            _ => return Err(self.refuse_pipe(start, name)),
        };
        self.bump();
        let count = match *self.kind() {
            TokenKind::Int(count) if count > 0 => count.unsigned_abs(),
            _ => return Err(self.unexpected("a positive whole number")),
        };
        self.bump();
        if !matches!(self.kind(), TokenKind::End | TokenKind::Pipe) {
            return Err(self.unexpected("`|` or the end of the query"));
        }
        let span = self.since(start);
        self.report(
            Diagnostic::warning("W0401", format!("`{name}` has no effect on a stream"))
                .at(span)
                .label("ignored")
                .help("remove the pipe: every match becomes an alert"),
        );
        Ok(Pipe { kind, count, span })
    }

    fn refuse_pipe(&mut self, span: Span, name: &str) -> super::Failed {
        let (message, reason) = match name.to_ascii_lowercase().as_str() {
            "head" | "tail" => return self.unexpected("`head` or `tail`"),
            "count" | "unique_count" => ("counts results", "a stream has no end at which to count"),
            "sort" => ("sorts results", "a stream has no end at which to sort"),
            "unique" => ("drops repeated results", "use the rule's suppression instead"),
            "filter" => ("filters results", "put the condition behind `where`"),
            _ => return self.unexpected("`head` or `tail`"),
        };
        self.report(
            Diagnostic::error("E0317", format!("`{name}` is not supported: it {message}"))
                .at(span)
                .label("pipe not supported")
                .help(reason),
        );
        super::Failed
    }
}
