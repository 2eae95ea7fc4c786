//! Literals, fields, calls, parentheses.

use super::super::ast::{Call, Case, Expr, ExprKind, Field, Literal};
use super::super::form::Form;
use super::super::functions;
use super::super::token::{Keyword, TokenKind};
use super::{Failed, Parsed, Parser};
use crate::diag::Diagnostic;
use crate::text::Span;

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let literal = match self.kind() {
            TokenKind::LParen => return self.parenthesis(),
            TokenKind::Question | TokenKind::Quoted(_) => return self.field(),
            TokenKind::TildeName => return self.call(),
            TokenKind::Name if self.peek(1).kind == TokenKind::LParen => return self.call(),
            TokenKind::Name => return self.field_or_mistake(),
            TokenKind::Str(text) => Literal::Str(text.clone()),
            TokenKind::Int(number) => Literal::Int(*number),
            TokenKind::Big(number) => Literal::Big(*number),
            TokenKind::Float(number) => Literal::Float(*number),
            TokenKind::Keyword(Keyword::True) => Literal::Bool(true),
            TokenKind::Keyword(Keyword::False) => Literal::Bool(false),
            TokenKind::Keyword(Keyword::Null) => Literal::Null,
            TokenKind::NumberWithUnit => return Err(self.bad_number()),
            TokenKind::Keyword(keyword) if self.peek(1).kind == TokenKind::Dot => {
                let keyword = keyword.as_str();
                return Err(self.keyword_as_field(keyword));
            }
            _ => return Err(self.unexpected("a field, a value or `(`")),
        };
        self.bump();
        Ok(Expr { kind: ExprKind::Literal(literal), span: start })
    }

    fn parenthesis(&mut self) -> Parsed<Expr> {
        let open = self.bump();
        let inner = self.expr();
        if inner.is_err() {
            self.skip_to(|kind| *kind == TokenKind::RParen);
        }
        if !self.eat(&TokenKind::RParen) {
            inner?;
            if matches!(self.kind(), TokenKind::End | TokenKind::RBracket | TokenKind::LBracket) {
                return Err(self.unclosed(open));
            }
            self.unexpected("`and`, `or` or `)`");
            self.skip_to(|kind| *kind == TokenKind::RParen);
            if !self.eat(&TokenKind::RParen) {
                return Err(Failed);
            }
            return Ok(self.invalid(open));
        }
        // INVARIANT: too deep is fatal, so that the levels above do not report it again.
        let Ok(inner) = inner else { return Ok(self.invalid(open)) };
        Ok(Expr { kind: inner.kind, span: self.since(open) })
    }

    fn invalid(&self, start: Span) -> Expr {
        Expr { kind: ExprKind::Invalid, span: self.since(start) }
    }

    fn field(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let optional = self.eat(&TokenKind::Question);
        let written = self.path("a field")?;
        let (path, form) = Form::split(&written);
        let kind = ExprKind::Field(Field { path: path.to_owned(), form, optional });
        Ok(Expr { kind, span: self.since(start) })
    }

    /// A name that begins a field, a literal in capitals, or `child of [ … ]`.
    fn field_or_mistake(&mut self) -> Parsed<Expr> {
        let span = self.span();
        let alone = self.peek(1).kind != TokenKind::Dot;
        for (keyword, literal) in LITERALS {
            if alone && self.is_miswritten(*keyword) {
                self.report_case(*keyword);
                self.bump();
                return Ok(Expr { kind: ExprKind::Literal(literal.clone()), span });
            }
        }
        if self.peek(1).kind == TokenKind::Keyword(Keyword::Of) {
            return Err(self.refuse_relation());
        }
        self.field()
    }

    /// `child of`, `descendant of`, `event of`
    fn refuse_relation(&mut self) -> Failed {
        let start = self.bump();
        let span = start.to(self.bump());
        let name = self.text_of(span);
        self.report(
            Diagnostic::error("E0317", format!("`{name}` is not supported"))
                .at(span)
                .label("removed from the language")
                .help("write a sequence, `sequence by process.entity_id`, with a stage for the parent"),
        );
        // The subquery in brackets belongs to it.
        if self.eat(&TokenKind::LBracket) {
            self.skip_to(|_| false);
            self.eat(&TokenKind::RBracket);
        }
        Failed
    }

    /// `a.b`, `` `a b`.c ``: returns the dotted path.
    pub(super) fn path(&mut self, what: &str) -> Parsed<String> {
        let mut path = self.segment(what)?;
        self.refuse_index(&path);
        while self.eat(&TokenKind::Dot) {
            path.push('.');
            path.push_str(&self.segment("the next part of the field's name")?);
            self.refuse_index(&path);
        }
        Ok(path)
    }

    fn segment(&mut self, what: &str) -> Parsed<String> {
        let span = self.span();
        match self.kind().clone() {
            TokenKind::Name => {
                self.bump();
                Ok(self.text_of(span).to_owned())
            }
            TokenKind::Quoted(name) => {
                self.bump();
                Ok(name)
            }
            TokenKind::DigitSegment => {
                let written = self.text_of(span);
                self.report(
                    Diagnostic::error(
                        "E0204",
                        "a name that begins with a digit stands in backticks",
                    )
                    .at(span)
                    .label("backticks missing")
                    .help(format!("write `` `{written}` ``")),
                );
                self.bump();
                Ok(written.to_owned())
            }
            TokenKind::Keyword(keyword) if self.is_path_here() => {
                Err(self.keyword_as_field(keyword.as_str()))
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// Tells whether a keyword here must be meant as a name: a dot is before or behind it.
    fn is_path_here(&self) -> bool {
        self.last_is_dot() || self.peek(1).kind == TokenKind::Dot
    }

    fn keyword_as_field(&mut self, keyword: &str) -> Failed {
        let span = self.bump();
        self.report(
            Diagnostic::error("E0204", format!("`{keyword}` is a keyword"))
                .at(span)
                .label("not a name")
                .help(format!(
                    "a field named like a keyword stands in backticks: `` `{keyword}` ``"
                )),
        );
        Failed
    }

    /// Skips `[0]`, which is reported.
    fn refuse_index(&mut self, path: &str) {
        if !self.is(&TokenKind::LBracket) || !matches!(self.peek(1).kind, TokenKind::Int(_)) {
            return;
        }
        let open = self.bump();
        self.bump();
        self.eat(&TokenKind::RBracket);
        self.report(
            Diagnostic::error("E0212", "elements of a list have no numbers")
                .at(self.since(open))
                .label("not supported")
                .help(format!("write `{path}`: a condition holds if any element satisfies it")),
        );
    }

    fn bad_number(&mut self) -> Failed {
        let span = self.bump();
        let written = self.text_of(span);
        self.report(
            Diagnostic::error("E0109", format!("`{written}` is not a number"))
                .at(span)
                .label("letters in a number")
                .help(format!(
                    "a name that begins with a digit stands in backticks: `` `{written}` ``"
                )),
        );
        Failed
    }

    /// `length(x)`, `endsWith~(x, "a")`
    fn call(&mut self) -> Parsed<Expr> {
        let name_span = self.bump();
        let written = self.text_of(name_span);
        let plain = written.trim_end_matches('~');
        if !self.is(&TokenKind::LParen) {
            return Err(self.unexpected("`(`"));
        }
        let case = if plain == written { Case::Sensitive } else { Case::Insensitive };
        let name = functions::find(plain).map_or(plain, |function| function.name).to_owned();
        let args = if self.peek(1).kind == TokenKind::RParen {
            self.bump();
            self.bump();
            Vec::new()
        } else {
            self.list(Self::argument)?
        };
        let kind = ExprKind::Call(Call { name, case, args, name_span });
        Ok(Expr { kind, span: self.since(name_span) })
    }

    /// An argument that cannot be read still counts as one.
    fn argument(&mut self) -> Parsed<Expr> {
        let start = self.span();
        Ok(self.expr().unwrap_or_else(|_| {
            self.skip_to(|kind| matches!(kind, TokenKind::Comma | TokenKind::RParen));
            self.invalid(start)
        }))
    }
}

const LITERALS: &[(Keyword, Literal)] = &[
    (Keyword::True, Literal::Bool(true)),
    (Keyword::False, Literal::Bool(false)),
    (Keyword::Null, Literal::Null),
];
