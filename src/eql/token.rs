//! Kinds of tokens.

use crate::text::Span;

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// What a token is. The text of names and keywords is in the query, at the token's span.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A name: of a field's segment, a category, a function, a pipe.
    Name,
    /// A name with `~` glued to it; the span holds the `~`.
    TildeName,
    /// A name in backticks, unescaped.
    Quoted(String),
    /// A segment of a path that begins with a digit, without the backticks it needs.
    DigitSegment,
    Keyword(Keyword),
    /// A string, raw or not, unescaped.
    Str(String),
    Int(i64),
    /// A whole number beyond `Int`.
    Big(u64),
    Float(f64),
    /// A number with letters glued to it, such as `20s`.
    NumberWithUnit,
    EqEq,
    NotEq,
    Lt,
    Le,
    Gt,
    Ge,
    /// A single `=`.
    Assign,
    Colon,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    LParen,
    RParen,
    LBracket,
    /// `![`, which opens a missing event.
    MissingBracket,
    RBracket,
    Comma,
    Dot,
    Pipe,
    Question,
    /// Something that is no token; the lexer has said so.
    Error,
    /// The end of the query.
    End,
}

/// The reserved words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    And,
    Any,
    By,
    False,
    In,
    InTilde,
    Join,
    Like,
    LikeTilde,
    Maxspan,
    Not,
    Null,
    Of,
    Or,
    Regex,
    RegexTilde,
    Sample,
    Sequence,
    True,
    Until,
    Where,
    With,
}

impl Keyword {
    /// Returns the keyword that is written like this.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        KEYWORDS.iter().find(|(text, _)| *text == word).map(|(_, keyword)| *keyword)
    }

    /// Returns how it is written.
    pub(crate) fn as_str(self) -> &'static str {
        KEYWORDS.iter().find(|(_, keyword)| *keyword == self).map_or("", |(text, _)| text)
    }
}

const KEYWORDS: &[(&str, Keyword)] = &[
    ("and", Keyword::And),
    ("any", Keyword::Any),
    ("by", Keyword::By),
    ("false", Keyword::False),
    ("in", Keyword::In),
    ("in~", Keyword::InTilde),
    ("join", Keyword::Join),
    ("like", Keyword::Like),
    ("like~", Keyword::LikeTilde),
    ("maxspan", Keyword::Maxspan),
    ("not", Keyword::Not),
    ("null", Keyword::Null),
    ("of", Keyword::Of),
    ("or", Keyword::Or),
    ("regex", Keyword::Regex),
    ("regex~", Keyword::RegexTilde),
    ("sample", Keyword::Sample),
    ("sequence", Keyword::Sequence),
    ("true", Keyword::True),
    ("until", Keyword::Until),
    ("where", Keyword::Where),
    ("with", Keyword::With),
];
