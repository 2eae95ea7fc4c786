//! Sequences and samples: header, terms, `until`.

use super::super::ast::{KeyField, Sample, Sequence, Term};
use super::super::form::Form;
use super::super::token::{Keyword, TokenKind};
use super::{Parsed, Parser};
use crate::diag::Diagnostic;
use crate::event::TimeSpan;
use crate::text::Span;

/// The keyword-like word behind `with` of a term.
const RUNS: &str = "runs";

/// What stands between `sequence` and the first term.
#[derive(Default)]
struct Header {
    by: Vec<KeyField>,
    maxspan: Option<TimeSpan>,
    /// Where the time span is written, valid or not.
    maxspan_span: Option<Span>,
}

impl Parser<'_> {
    /// What follows `sequence`.
    pub(super) fn sequence(&mut self) -> Sequence {
        let start = self.last_span();
        let Header { by, maxspan, .. } = self.header();
        let header = self.since(start);
        let terms = self.terms();
        let until = self.until();
        Sequence { by, maxspan, terms, until, header, span: self.since(start) }
    }

    /// What follows `sample`.
    pub(super) fn sample(&mut self) -> Sample {
        let start = self.last_span();
        let Header { by, maxspan_span, .. } = self.header();
        let header = self.since(start);
        if let Some(span) = maxspan_span {
            self.report(sample_has_no("maxspan", span));
        }
        let terms = self.terms();
        if let Some(until) = self.until() {
            self.report(sample_has_no("until", until.span));
        }
        Sample { by, terms, header, span: self.since(start) }
    }

    /// `by … with maxspan=…`, up to the first bracket.
    fn header(&mut self) -> Header {
        let mut header = Header { by: self.by(), ..Header::default() };
        if self.at_with() || self.is_keyword_in_any_case(Keyword::Maxspan) {
            let start = self.span();
            header.maxspan = self.maxspan().ok();
            header.maxspan_span = Some(self.since(start));
        }
        if self.is_keyword_in_any_case(Keyword::By) {
            header.by = self.misplaced_by("with maxspan", header.by);
        }
        if !self.at_term() {
            self.unexpected("`[`");
            self.skip_to(|_| false);
        }
        header
    }

    /// `by` behind `with`: reported, and read.
    fn misplaced_by(&mut self, before: &str, by: Vec<KeyField>) -> Vec<KeyField> {
        let span = self.span();
        self.report(
            Diagnostic::error("E0205", format!("`by` comes before `{before}`"))
                .at(span)
                .label("too late")
                .help(format!("move it: `by … {before}=…`")),
        );
        let late = self.by();
        if by.is_empty() { late } else { by }
    }

    fn at_with(&self) -> bool {
        self.is_keyword_in_any_case(Keyword::With)
    }

    fn at_term(&self) -> bool {
        matches!(self.kind(), TokenKind::LBracket | TokenKind::MissingBracket)
    }

    /// `by a, ?b`, if it is there.
    fn by(&mut self) -> Vec<KeyField> {
        let mut keys = Vec::new();
        if !self.eat_keyword(Keyword::By) {
            return keys;
        }
        loop {
            match self.key() {
                Ok(key) => keys.push(key),
                Err(_) => self.skip_to(|kind| {
                    matches!(kind, TokenKind::Comma | TokenKind::Keyword(Keyword::With))
                }),
            }
            if !self.eat(&TokenKind::Comma) {
                return keys;
            }
        }
    }

    fn key(&mut self) -> Parsed<KeyField> {
        let start = self.span();
        let optional = self.eat(&TokenKind::Question);
        let written = self.path("a field to join by")?;
        let span = self.since(start);
        if self.is(&TokenKind::LParen) {
            self.report(
                Diagnostic::error("E0204", "events are joined by fields, not by computed values")
                    .at(span)
                    .label("not a field")
                    .help("name the field itself"),
            );
            return Err(super::Failed);
        }
        let (path, form) = Form::split(&written);
        Ok(KeyField { path: path.to_owned(), form, optional, span })
    }

    /// `with maxspan = 5m`
    fn maxspan(&mut self) -> Parsed<TimeSpan> {
        let start = self.span();
        if !self.eat_keyword(Keyword::With) {
            self.report(
                Diagnostic::error("E0205", "`with` is missing before `maxspan`")
                    .at(start)
                    .label("`with` missing")
                    .help("write `with maxspan=…`"),
            );
        }
        if !self.eat_keyword(Keyword::Maxspan) {
            let failed = self.unexpected("`maxspan`");
            self.skip_to(|kind| matches!(kind, TokenKind::Keyword(Keyword::By)));
            return Err(failed);
        }
        self.equals_sign("maxspan", "5m")?;
        self.time_span()
    }

    /// The `=` of `maxspan=` and `runs=`.
    fn equals_sign(&mut self, name: &str, example: &str) -> Parsed<()> {
        if self.eat(&TokenKind::Assign) {
            return Ok(());
        }
        let span = self.span();
        self.report(
            Diagnostic::error("E0205", format!("`{name}` is followed by `=`"))
                .at(span)
                .label("`=` missing")
                .help(format!("write `{name}={example}`")),
        );
        // `==`, `:` or nothing at all: the value may still follow.
        if matches!(self.kind(), TokenKind::EqEq | TokenKind::Colon) {
            self.bump();
        }
        Ok(())
    }

    fn time_span(&mut self) -> Parsed<TimeSpan> {
        let span = match self.kind() {
            TokenKind::NumberWithUnit => self.bump(),
            TokenKind::Int(_) | TokenKind::Big(_) | TokenKind::Float(_) => {
                let number = self.bump();
                if self.is(&TokenKind::Name) { number.to(self.bump()) } else { number }
            }
            TokenKind::Str(_) => {
                let span = self.bump();
                return Err(self.bad_time_span(span));
            }
            _ => return Err(self.unexpected("a time span such as `5m`")),
        };
        let written: String = self.text_of(span).split_whitespace().collect();
        match TimeSpan::parse(&written) {
            Some(parsed) if parsed > TimeSpan::ZERO && parsed < TimeSpan::MAX => Ok(parsed),
            _ => Err(self.bad_time_span(span)),
        }
    }

    fn bad_time_span(&mut self, span: Span) -> super::Failed {
        let written: String = self.text_of(span).split_whitespace().collect();
        let digits: String = written.chars().take_while(char::is_ascii_digit).collect();
        let unit = &written[digits.len()..];
        let lower = unit.to_ascii_lowercase();
        let known = TimeSpan::parse(&format!("{digits}{lower}")).is_some();
        let help = match lower.as_str() {
            _ if known && unit != lower => format!("write `{digits}{lower}`"),
            "" if digits.parse::<u64>().is_ok_and(|n| n > 0) => format!("add the unit: `{digits}s`"),
            "sec" | "secs" | "second" | "seconds" => format!("write `{digits}s`"),
            "min" | "mins" | "minute" | "minutes" => format!("write `{digits}m`"),
            "hour" | "hours" => format!("write `{digits}h`"),
            "day" | "days" => format!("write `{digits}d`"),
            _ => "write a positive whole number and one of the units `ms`, `s`, `m`, `h`, `d`, as in `90s`".to_owned(),
        };
        self.report(
            Diagnostic::error("E0318", format!("`{written}` is not a time span"))
                .at(span)
                .label("not a time span")
                .help(help),
        );
        super::Failed
    }

    fn terms(&mut self) -> Vec<Term> {
        let mut terms = Vec::new();
        loop {
            if self.at_term() {
                terms.push(self.term());
            } else if !self.junk_before_term() {
                return terms;
            }
        }
    }

    /// Complains about what stands between terms; tells whether another term follows it.
    fn junk_before_term(&mut self) -> bool {
        if self.is_keyword_in_any_case(Keyword::Until)
            || matches!(self.kind(), TokenKind::End | TokenKind::Pipe)
        {
            return false;
        }
        if self.is_name("fork") {
            self.refuse_fork();
        } else if self.is(&TokenKind::RBracket) {
            self.unexpected("`[`, `until`, `|` or the end of the query");
        } else {
            self.unexpected("`by`, `with runs`, `[`, `until`, `|` or the end of the query");
        }
        while !self.at_term()
            && !self.is_keyword(Keyword::Until)
            && !matches!(self.kind(), TokenKind::End | TokenKind::Pipe)
        {
            self.bump();
        }
        true
    }

    fn refuse_fork(&mut self) {
        let span = self.span();
        self.report(
            Diagnostic::error("E0317", "`fork` is not supported")
                .at(span)
                .label("removed from the language")
                .help("remove it"),
        );
    }

    fn until(&mut self) -> Option<Term> {
        let start = self.span();
        if !self.eat_keyword(Keyword::Until) {
            return None;
        }
        if !self.at_term() {
            self.unexpected("`[`");
            self.skip_to(|_| false);
            if !self.at_term() {
                return None;
            }
        }
        let until = self.term();
        if self.at_term() {
            let span = start.to(until.span);
            self.report(
                Diagnostic::error("E0205", "`until` is the last part of a sequence")
                    .at(span)
                    .label("terms follow it")
                    .help("move `until [ … ]` behind the last term"),
            );
            self.terms();
        }
        Some(until)
    }

    /// `[process where …] by … with runs=3`
    fn term(&mut self) -> Term {
        let open = self.span();
        let missing = self.is(&TokenKind::MissingBracket);
        self.bump();
        let query = self.event_query(|_| false);
        self.close_bracket(open);
        let mut by = self.by();
        let mut runs = None;
        if self.at_with() {
            runs = self.runs().ok();
        }
        if self.is_keyword_in_any_case(Keyword::By) {
            by = self.misplaced_by("with runs", by);
        }
        Term { missing, query, by, runs: runs.unwrap_or(1), span: self.since(open) }
    }

    fn close_bracket(&mut self, open: Span) {
        if self.eat(&TokenKind::RBracket) {
            return;
        }
        let ended = matches!(
            self.kind(),
            TokenKind::End | TokenKind::LBracket | TokenKind::MissingBracket | TokenKind::Pipe
        );
        if ended {
            self.report(
                Diagnostic::error("E0203", "this bracket is not closed")
                    .at(open)
                    .label("opened here")
                    .help("close it with `]`"),
            );
            return;
        }
        self.unexpected("`and`, `or` or `]`");
        while !self.is(&TokenKind::RBracket) && !self.at_term() && !self.is(&TokenKind::End) {
            self.bump();
        }
        self.eat(&TokenKind::RBracket);
    }

    /// `with runs = 3`
    fn runs(&mut self) -> Parsed<u32> {
        self.eat_keyword(Keyword::With);
        if self.is_keyword_in_any_case(Keyword::Maxspan) {
            let span = self.span();
            self.report(
                Diagnostic::error("E0205", "`maxspan` belongs to the whole sequence")
                    .at(span)
                    .label("behind a term")
                    .help("move it before the first `[`: `sequence by … with maxspan=…`"),
            );
            self.skip_to(|_| false);
            return Err(super::Failed);
        }
        if !self.is_name(RUNS) {
            let failed = self.unexpected("`runs`");
            self.skip_to(|kind| matches!(kind, TokenKind::Keyword(Keyword::By)));
            return Err(failed);
        }
        if self.text_of(self.span()) != RUNS {
            let span = self.span();
            self.report(
                Diagnostic::error("E0206", "keywords are written in lower case")
                    .at(span)
                    .label("in capitals")
                    .help("write `runs`"),
            );
        }
        self.bump();
        self.equals_sign(RUNS, "3")?;
        self.run_count()
    }

    fn run_count(&mut self) -> Parsed<u32> {
        let span = self.span();
        let count = match *self.kind() {
            TokenKind::Int(count) => Some(count),
            TokenKind::Minus
            | TokenKind::Big(_)
            | TokenKind::Float(_)
            | TokenKind::NumberWithUnit => None,
            _ => return Err(self.unexpected("a number from 1 to 100")),
        };
        if self.is(&TokenKind::Minus) {
            self.bump();
        }
        let span = span.to(self.bump());
        match count.and_then(|count| u32::try_from(count).ok()) {
            Some(runs) if (1..=100).contains(&runs) => Ok(runs),
            _ => {
                self.report(
                    Diagnostic::error("E0312", "`runs` is a whole number from 1 to 100")
                        .at(span)
                        .label("out of range"),
                );
                Err(super::Failed)
            }
        }
    }
}

fn sample_has_no(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error("E0316", format!("a sample has no `{what}`"))
        .at(span)
        .label("events of a sample come in any order")
        .help(format!("remove `{what}`, or write `sequence` instead of `sample`"))
}
