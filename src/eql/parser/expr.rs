//! Expressions: Boolean operators, comparisons, arithmetic, and the predicates behind a value.

use super::super::ast::{ArithmeticOp, Case, CompareOp, Expr, ExprKind, Pattern};
use super::super::lexer::literal::quoted;
use super::super::token::{Keyword, TokenKind};
use super::{Failed, MAX_NESTING, Parsed, Parser};
use crate::diag::Diagnostic;

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.nested(Self::or)
    }

    fn or(&mut self) -> Parsed<Expr> {
        self.chain(Keyword::Or, ExprKind::Or, |parser| {
            parser.chain(Keyword::And, ExprKind::And, Self::not)
        })
    }

    /// Operands of `and` or `or`. A long chain is one node: it does not nest.
    fn chain(
        &mut self,
        operator: Keyword,
        node: fn(Vec<Expr>) -> ExprKind,
        operand: fn(&mut Self) -> Parsed<Expr>,
    ) -> Parsed<Expr> {
        let first = operand(self)?;
        if !self.is_keyword_in_any_case(operator) {
            return Ok(first);
        }
        let start = first.span;
        let mut operands = vec![first];
        while self.eat_keyword(operator) {
            operands.push(operand(self)?);
        }
        Ok(Expr { kind: node(operands), span: self.since(start) })
    }

    fn not(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let miswritten = self.is_miswritten(Keyword::Not) && !self.is_field_or_call_next();
        if !self.is_keyword(Keyword::Not) && !miswritten {
            return self.comparison();
        }
        self.eat_keyword(Keyword::Not);
        let inner = self.nested(Self::not)?;
        Ok(Expr { kind: ExprKind::Not(Box::new(inner)), span: self.since(start) })
    }

    /// Tells whether the name here goes on as a field or is compared, so that it is no keyword.
    fn is_field_or_call_next(&self) -> bool {
        !matches!(
            self.peek(1).kind,
            TokenKind::Name | TokenKind::Quoted(_) | TokenKind::Question | TokenKind::LParen
        )
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        let left = self.arithmetic(0)?;
        let Some(op) = self.compare_op() else { return Ok(left) };
        let right = self.arithmetic(0)?;
        if self.compare_op().is_some() {
            let span = self.last_span();
            self.report(
                Diagnostic::error("E0208", "comparisons do not chain")
                    .at(span)
                    .label("second comparison")
                    .help("join two comparisons with `and`"),
            );
            return Err(Failed);
        }
        let span = self.since(left.span);
        let kind = ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) };
        Ok(Expr { kind, span })
    }

    /// Eats a comparison operator; `=` and `<>` are reported and taken for what they mean.
    fn compare_op(&mut self) -> Option<CompareOp> {
        let op = match self.kind() {
            TokenKind::EqEq => CompareOp::Eq,
            TokenKind::NotEq => CompareOp::Ne,
            TokenKind::Lt => CompareOp::Lt,
            TokenKind::Le => CompareOp::Le,
            TokenKind::Gt => CompareOp::Gt,
            TokenKind::Ge => CompareOp::Ge,
            TokenKind::Assign => {
                let span = self.span();
                self.report(
                    Diagnostic::error("E0207", "`=` does not compare")
                        .at(span)
                        .label("single `=`")
                        .help("write `==`, or `:` to ignore letter case"),
                );
                CompareOp::Eq
            }
            _ => return None,
        };
        let start = self.bump();
        if op == CompareOp::Lt && self.is(&TokenKind::Gt) {
            let span = start.to(self.bump());
            self.report(
                Diagnostic::error("E0207", "`<>` does not compare")
                    .at(span)
                    .label("not an operator")
                    .help("write `!=`"),
            );
            return Some(CompareOp::Ne);
        }
        Some(op)
    }

    /// Operators that bind tighter than `binding`: 0 takes all of them, 1 only `* / %`.
    fn arithmetic(&mut self, binding: u8) -> Parsed<Expr> {
        let mut left = self.unary()?;
        let mut length = 0;
        while let Some((op, strength)) = self.arithmetic_op().filter(|(_, s)| *s > binding) {
            // A long chain nests to the left, although it reads as one line.
            length += 1;
            if self.nesting + length > MAX_NESTING {
                return Err(self.too_deep());
            }
            let operator = self.bump();
            let right = self.arithmetic(strength)?;
            self.warn_about_hyphen(op, &left, operator, &right);
            let span = self.since(left.span);
            let kind = ExprKind::Arithmetic { op, left: Box::new(left), right: Box::new(right) };
            left = Expr { kind, span };
        }
        Ok(left)
    }

    fn arithmetic_op(&self) -> Option<(ArithmeticOp, u8)> {
        match self.kind() {
            TokenKind::Plus => Some((ArithmeticOp::Add, 1)),
            TokenKind::Minus => Some((ArithmeticOp::Subtract, 1)),
            TokenKind::Star => Some((ArithmeticOp::Multiply, 2)),
            TokenKind::Slash => Some((ArithmeticOp::Divide, 2)),
            TokenKind::Percent => Some((ArithmeticOp::Modulo, 2)),
            _ => None,
        }
    }

    /// `user-agent` reads as a subtraction, and is hardly ever meant as one.
    fn warn_about_hyphen(
        &mut self,
        op: ArithmeticOp,
        left: &Expr,
        operator: crate::text::Span,
        right: &Expr,
    ) {
        let glued = left.span.end == operator.start && operator.end == right.span.start;
        let fields = matches!((&left.kind, &right.kind), (ExprKind::Field(_), ExprKind::Field(_)));
        if op != ArithmeticOp::Subtract || !glued || !fields {
            return;
        }
        let span = left.span.to(right.span);
        let written = self.text_of(span);
        self.report(
            Diagnostic::warning("W0405", format!("`{written}` is a subtraction"))
                .at(span)
                .label("two fields and a minus")
                .help(format!("put a name with a hyphen in backticks: `` `{written}` ``")),
        );
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let start = self.span();
        if self.eat(&TokenKind::Plus) {
            return self.nested(Self::unary);
        }
        if !self.eat(&TokenKind::Minus) {
            return self.predicate();
        }
        let inner = self.nested(Self::unary)?;
        Ok(Expr { kind: ExprKind::Negative(Box::new(inner)), span: self.since(start) })
    }

    /// A value, and `in`, `:`, `like` or `regex` behind it.
    fn predicate(&mut self) -> Parsed<Expr> {
        let value = self.primary()?;
        let negated = self.is_keyword_in_any_case(Keyword::Not) && self.negates_a_predicate()?;
        let start = value.span;
        let value = Box::new(value);
        let kind = match self.predicate_keyword() {
            Some((Keyword::In, case)) => {
                ExprKind::In { value, list: self.value_list()?, case, negated }
            }
            Some((Keyword::Regex, case)) => {
                ExprKind::Regex { value, patterns: self.patterns("regex")?, case }
            }
            Some((_, case)) => ExprKind::Like { value, patterns: self.patterns(":")?, case },
            None => return Ok(*value),
        };
        Ok(Expr { kind, span: self.since(start) })
    }

    /// Eats the `not` of `not in`; `not like` does not exist.
    fn negates_a_predicate(&mut self) -> Parsed<bool> {
        let span = self.span();
        let next = self.peek(1).clone();
        let operator = self.text_of(next.span);
        match next.kind {
            TokenKind::Keyword(Keyword::In | Keyword::InTilde) => {
                self.eat_keyword(Keyword::Not);
                Ok(true)
            }
            TokenKind::Colon
            | TokenKind::Keyword(
                Keyword::Like | Keyword::LikeTilde | Keyword::Regex | Keyword::RegexTilde,
            ) => {
                self.report(
                    Diagnostic::error(
                        "E0209",
                        format!("`not` stands before the field, not before `{operator}`"),
                    )
                    .at(span.to(next.span))
                    .label("only `not in` exists")
                    .help(format!("write `not field {operator} …`")),
                );
                Err(Failed)
            }
            _ => Ok(false),
        }
    }

    /// Eats the operator of a predicate: `:`, and the others without their `~`.
    fn predicate_keyword(&mut self) -> Option<(Keyword, Case)> {
        if self.eat(&TokenKind::Colon) {
            return Some((Keyword::Like, Case::Insensitive));
        }
        PREDICATES
            .iter()
            .find(|(keyword, ..)| self.eat_keyword(*keyword))
            .map(|(_, plain, case)| (*plain, *case))
    }

    /// `(1, 2, 3)`; an item that cannot be read does not hide the others.
    fn value_list(&mut self) -> Parsed<Vec<Expr>> {
        if !self.is(&TokenKind::LParen) {
            let span = self.span();
            let failed = self.unexpected("`(`");
            let value = self.text_of(span).to_owned();
            if let Some(error) =
                self.diagnostics.last_mut().filter(|error| error.span == Some(span))
            {
                error.help = Some(format!("`in` takes a list: `in ({value})`"));
            }
            return Err(failed);
        }
        self.list(|parser| parser.nested(|parser| parser.arithmetic(0)))
    }

    /// `( item, item )`
    pub(super) fn list<T>(&mut self, item: fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let open = self.bump();
        let mut items = Vec::new();
        loop {
            match item(self) {
                Ok(item) => items.push(item),
                Err(_) => self.skip_to_item_end(),
            }
            if self.eat(&TokenKind::RParen) {
                return Ok(items);
            }
            if !self.eat(&TokenKind::Comma) {
                self.list_goes_on(open)?;
            }
        }
    }

    /// Neither `,` nor `)`: reports it and skips to where the list may go on.
    fn list_goes_on(&mut self, open: crate::text::Span) -> Parsed<()> {
        match self.kind() {
            TokenKind::End
            | TokenKind::RBracket
            | TokenKind::LBracket
            | TokenKind::MissingBracket
            | TokenKind::Pipe
            | TokenKind::Keyword(Keyword::And | Keyword::Or) => {
                return Err(self.unclosed(open));
            }
            // A forgotten comma: the next item begins right here.
            TokenKind::Str(_) | TokenKind::Int(_) | TokenKind::Big(_) | TokenKind::Float(_) => {
                self.unexpected("`,` or `)`");
            }
            _ => {
                self.unexpected("`,` or `)`");
                self.skip_to_item_end();
                if !self.eat(&TokenKind::Comma) && !self.is(&TokenKind::RParen) {
                    return Err(Failed);
                }
            }
        }
        Ok(())
    }

    fn skip_to_item_end(&mut self) {
        self.skip_to(|kind| matches!(kind, TokenKind::Comma | TokenKind::RParen));
    }

    pub(super) fn unclosed(&mut self, open: crate::text::Span) -> Failed {
        self.report(
            Diagnostic::error("E0203", "this parenthesis is not closed")
                .at(open)
                .label("opened here")
                .help("close it with `)`"),
        );
        Failed
    }

    /// One string or a list of them.
    fn patterns(&mut self, operator: &'static str) -> Parsed<Vec<Pattern>> {
        if !self.is(&TokenKind::LParen) {
            return Ok(vec![self.pattern(operator)?]);
        }
        match operator {
            "regex" => self.list(|parser| parser.pattern("regex")),
            _ => self.list(|parser| parser.pattern(":")),
        }
    }

    fn pattern(&mut self, operator: &str) -> Parsed<Pattern> {
        let span = self.span();
        if let TokenKind::Str(text) = self.kind() {
            let text = text.clone();
            self.bump();
            return Ok(Pattern { text, span });
        }
        let is_field = matches!(self.kind(), TokenKind::Name | TokenKind::Quoted(_));
        let span = if is_field && self.path("a string").is_ok() { self.since(span) } else { span };
        let written = self.text_of(span);
        let help = match self.kind() {
            _ if is_field => {
                format!("write {}; fields cannot be compared with one another", quoted(written))
            }
            TokenKind::Int(_)
            | TokenKind::Big(_)
            | TokenKind::Float(_)
            | TokenKind::Keyword(Keyword::True | Keyword::False | Keyword::Null) => {
                format!("write `== {written}`")
            }
            _ => return Err(self.unexpected("a string")),
        };
        let operator = if operator == "regex" { "`regex`" } else { "`:` and `like`" };
        self.report(
            Diagnostic::error("E0211", format!("only strings stand behind {operator}"))
                .at(span)
                .label("not a string")
                .help(help),
        );
        Err(Failed)
    }
}

/// Operator, the same without `~`, and what it says about letter case.
const PREDICATES: &[(Keyword, Keyword, Case)] = &[
    (Keyword::In, Keyword::In, Case::Sensitive),
    (Keyword::InTilde, Keyword::In, Case::Insensitive),
    (Keyword::Like, Keyword::Like, Case::Sensitive),
    (Keyword::LikeTilde, Keyword::Like, Case::Insensitive),
    (Keyword::Regex, Keyword::Regex, Case::Sensitive),
    (Keyword::RegexTilde, Keyword::Regex, Case::Insensitive),
];
