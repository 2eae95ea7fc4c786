//! Queries and event queries.

use super::super::ast::{Body, Category, EventQuery, Expr, ExprKind, Query};
use super::super::token::{Keyword, TokenKind};
use super::{Parsed, Parser};
use crate::diag::Diagnostic;
use crate::text::Span;

impl Parser<'_> {
    pub(super) fn query(&mut self) -> Parsed<Query> {
        let start = self.span();
        if self.is(&TokenKind::End) {
            self.report(
                Diagnostic::error("E0202", "there is no query")
                    .at(start)
                    .help("write, for example, `process where process.name == \"cmd.exe\"`"),
            );
            return Err(super::Failed);
        }
        let body = self.body();
        self.end_of_body();
        let pipes = self.pipes();
        Ok(Query { body, pipes, span: self.since(start) })
    }

    pub(super) fn bare_condition(&mut self) -> Parsed<Expr> {
        let condition = self.condition(|_| false);
        if !self.is(&TokenKind::End) {
            self.unexpected("`and`, `or` or the end of the condition");
        }
        Ok(condition)
    }

    fn body(&mut self) -> Body {
        if self.is_header(Keyword::Sequence) {
            self.eat_keyword(Keyword::Sequence);
            return Body::Sequence(self.sequence());
        }
        if self.is_header(Keyword::Sample) {
            self.eat_keyword(Keyword::Sample);
            return Body::Sample(self.sample());
        }
        if self.is_keyword(Keyword::Join) {
            self.refuse_join();
            return Body::Sequence(self.sequence());
        }
        if matches!(self.kind(), TokenKind::LBracket | TokenKind::MissingBracket) {
            self.report_missing_header();
            return Body::Sequence(self.sequence());
        }
        Body::Event(self.event_query(|_| false))
    }

    /// Tells whether a sequence or a sample begins here; a category may be called `Sequence`.
    fn is_header(&self, keyword: Keyword) -> bool {
        self.is_keyword(keyword)
            || (self.is_miswritten(keyword)
                && matches!(
                    self.peek(1).kind,
                    TokenKind::LBracket
                        | TokenKind::MissingBracket
                        | TokenKind::Keyword(Keyword::By | Keyword::With)
                ))
    }

    fn refuse_join(&mut self) {
        let span = self.bump();
        self.report(
            Diagnostic::error("E0317", "`join` is not supported")
                .at(span)
                .label("removed from the language")
                .help("write `sequence` if the events follow one another, `sample` if they do not"),
        );
    }

    fn report_missing_header(&mut self) {
        let span = self.span();
        self.report(
            Diagnostic::error("E0202", "brackets belong to a sequence")
                .at(span)
                .label("`sequence` is missing before this")
                .help("begin with `sequence by host.id with maxspan=1m`"),
        );
    }

    /// `process where …`; `stop` tells which tokens end it, beside the usual ones.
    pub(super) fn event_query(&mut self, stop: fn(&TokenKind) -> bool) -> EventQuery {
        let start = self.span();
        let category = self.category();
        let condition = self.condition(stop);
        EventQuery { category, category_span: start, condition, span: self.since(start) }
    }

    /// `process where`, as far as it is there.
    fn category(&mut self) -> Category {
        let start = self.span();
        if self.eat_keyword(Keyword::Where) {
            self.report_no_category(start, "any where …");
            return Category::Any;
        }
        let where_follows = matches!(self.peek(1).kind, TokenKind::Keyword(Keyword::Where))
            || (matches!(self.peek(1).kind, TokenKind::Name)
                && self.text_of(self.peek(1).span).eq_ignore_ascii_case("where"));
        if !where_follows {
            self.report_no_where(start);
            return Category::Any;
        }
        let category = match self.kind().clone() {
            TokenKind::Keyword(Keyword::Any) => Category::Any,
            TokenKind::Name => self.named_category(start),
            TokenKind::Str(name) => Category::Is(name),
            TokenKind::Quoted(name) => self.quoted_category(start, name),
            _ => {
                self.unexpected("an event category");
                Category::Any
            }
        };
        self.bump();
        self.eat_keyword(Keyword::Where);
        category
    }

    fn named_category(&mut self, span: Span) -> Category {
        let name = self.text_of(span);
        if name.eq_ignore_ascii_case("any") {
            self.report(
                Diagnostic::warning("W0406", format!("`{name}` is a category of this name"))
                    .at(span)
                    .label("compared with `event.category`")
                    .help("write `any` for events of every category"),
            );
        }
        Category::Is(name.to_owned())
    }

    fn quoted_category(&mut self, span: Span, name: String) -> Category {
        self.report(
            Diagnostic::error("E0202", "a category stands in double quotes, not in backticks")
                .at(span)
                .label("in backticks")
                .help(format!("write \"{name}\"")),
        );
        Category::Is(name)
    }

    fn report_no_category(&mut self, span: Span, help: &str) {
        self.report(
            Diagnostic::error("E0202", "an event category is missing before `where`")
                .at(span)
                .label("category missing")
                .help(format!("write `{help}` for events of every category")),
        );
    }

    fn report_no_where(&mut self, span: Span) {
        let ends = |c: &char| !matches!(c, '\n' | '\r' | ']' | '|');
        let rest = self.text[span.start as usize..].chars().take(61).take_while(ends);
        let line: String = rest.collect();
        let shown: String = line.chars().take(60).collect();
        let cut = if shown.len() < line.len() { " …" } else { "" };
        let shown = shown.trim();
        self.report(
            Diagnostic::error("E0202", "an event query begins with a category and `where`")
                .at(span)
                .label("no category")
                .help(format!("write `any where {shown}{cut}`")),
        );
    }

    /// A condition; if it cannot be read, skips to its end and returns an invalid one.
    pub(super) fn condition(&mut self, stop: fn(&TokenKind) -> bool) -> Expr {
        let start = self.span();
        match self.expr() {
            Ok(condition) => condition,
            Err(_) => {
                self.skip_to(stop);
                Expr { kind: ExprKind::Invalid, span: self.since(start) }
            }
        }
    }

    /// Complains about what stands between the body and the pipes or the end.
    fn end_of_body(&mut self) {
        if matches!(self.kind(), TokenKind::End | TokenKind::Pipe) {
            return;
        }
        self.unexpected("`and`, `or`, `|` or the end of the query");
        while !matches!(self.kind(), TokenKind::End | TokenKind::Pipe) {
            self.bump();
        }
    }
}
