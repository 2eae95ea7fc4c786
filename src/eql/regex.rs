//! Regular expressions: from the dialect that rules are written in, which is Lucene's, to the
//! dialect of the engine.
//!
//! Never builds an automaton. Patterns always match whole values; `^` and `$` are ordinary
//! characters, `@` is any text, `#` is nothing, `"…"` quotes, `<1-99>` is a number, `&` is "and".

mod interval;

/// How deep groups may nest.
const MAX_NESTING: usize = 100;

/// A pattern in the engine's dialect: it matches if all parts of one alternative match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Alternatives, each a list of patterns that must all match, each anchored at both ends.
    pub alternatives: Vec<Vec<String>>,
    /// What the author may not expect.
    pub caveats: Vec<Caveat>,
}

/// Why a pattern cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: &'static str,
}

/// Something that means another thing than in most dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caveat {
    /// `^` or `$`, which stand for themselves.
    Anchor(char),
    /// `*`, `+`, `?` or `{` without anything to repeat, which stand for themselves.
    NothingToRepeat(char),
}

/// Translates a pattern.
///
/// # Errors
/// If the pattern is malformed, or uses what has no counterpart: `~`, `&` inside a group.
pub fn translate(pattern: &str) -> Result<Translation, Refusal> {
    let mut translator =
        Translator { chars: pattern.chars().collect(), at: 0, nesting: 0, caveats: Vec::new() };
    let alternatives = translator.top()?;
    let caveats = translator.caveats;
    Ok(Translation { alternatives, caveats })
}

struct Translator {
    chars: Vec<char>,
    at: usize,
    nesting: usize,
    caveats: Vec<Caveat>,
}

type Translated = Result<String, Refusal>;

impl Translator {
    fn top(&mut self) -> Result<Vec<Vec<String>>, Refusal> {
        if self.chars.is_empty() {
            return Ok(vec![vec![anchored("")]]);
        }
        let mut alternatives = vec![self.conjunction()?];
        while self.eat('|') {
            alternatives.push(self.conjunction()?);
        }
        match self.peek() {
            None => Ok(alternatives),
            Some(_) => Err(refuse(
                "a group is closed that was not opened",
                r"write `\)` for the character",
            )),
        }
    }

    fn conjunction(&mut self) -> Result<Vec<String>, Refusal> {
        let mut parts = vec![anchored(&self.concatenation()?)];
        while self.eat('&') {
            parts.push(anchored(&self.concatenation()?));
        }
        Ok(parts)
    }

    fn group(&mut self) -> Translated {
        if self.nesting == MAX_NESTING {
            return Err(refuse("groups nest too deep", "write a list of patterns"));
        }
        self.nesting += 1;
        let mut out = format!("(?:{}", self.concatenation()?);
        while self.eat('|') {
            out.push('|');
            out.push_str(&self.concatenation()?);
        }
        self.nesting -= 1;
        if self.peek() == Some('&') {
            return Err(refuse(
                "`&` inside a group is not supported",
                r"write `\&` for the character, or join two conditions with `and`",
            ));
        }
        if !self.eat(')') {
            return Err(refuse("a group is not closed", "close it with `)`"));
        }
        out.push(')');
        Ok(out)
    }

    fn concatenation(&mut self) -> Translated {
        let start = self.at;
        let mut out = String::new();
        while self.peek().is_some_and(|c| !matches!(c, '|' | '&' | ')')) {
            out.push_str(&self.repetition()?);
        }
        if self.at == start {
            return Err(refuse("an alternative is empty", "write `()` for the empty text"));
        }
        Ok(out)
    }

    /// An atom and its quantifiers. There are no lazy ones: `?` behind another means "optional".
    fn repetition(&mut self) -> Translated {
        let mut out = self.atom()?;
        let mut depth = 0;
        while let Some(quantifier) = self.quantifier()? {
            depth += 1;
            if depth > MAX_NESTING {
                return Err(refuse("too many quantifiers follow each other", "keep one of them"));
            }
            out = format!("(?:{out}){quantifier}");
        }
        Ok(out)
    }

    fn quantifier(&mut self) -> Result<Option<String>, Refusal> {
        match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.at += 1;
                Ok(Some(c.to_string()))
            }
            Some('{') => self.counts().map(Some),
            _ => Ok(None),
        }
    }

    /// `{2}`, `{2,}`, `{2,3}`
    fn counts(&mut self) -> Translated {
        let malformed = || {
            refuse(
                "`{` is not followed by a number and `}`",
                r"write `{2,5}`, or `\{` for the character",
            )
        };
        self.at += 1;
        let least = self.digits();
        let range = self.eat(',');
        let most = if range { self.digits() } else { least.clone() };
        if least.is_empty() || !self.eat('}') {
            return Err(malformed());
        }
        let (Ok(from), Ok(to)) =
            (least.parse::<u32>(), if most.is_empty() { Ok(u32::MAX) } else { most.parse() })
        else {
            return Err(malformed());
        };
        if from > to {
            return Err(refuse(
                "the smaller number of repetitions comes first",
                "exchange the numbers",
            ));
        }
        Ok(if range { format!("{{{least},{most}}}") } else { format!("{{{least}}}") })
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            digits.push(c);
            self.at += 1;
        }
        digits
    }

    fn atom(&mut self) -> Translated {
        let Some(c) = self.next() else {
            return Err(refuse("the pattern ends too early", "complete it"));
        };
        match c {
            '.' => Ok(".".to_owned()),
            '@' => Ok("(?:.*)".to_owned()),
            '#' => Ok(NOTHING.to_owned()),
            '(' if self.eat(')') => Ok("(?:)".to_owned()),
            '(' => self.group(),
            '[' => self.class(),
            '"' => self.quotation(),
            '<' => self.interval(),
            '~' => Err(refuse(
                "the complement `~` is not supported",
                r"write `\~` for the character, or `not` before the condition",
            )),
            '\\' => self.escape(),
            '^' | '$' => Ok(self.noted(Caveat::Anchor(c), c)),
            '*' | '+' | '?' | '{' => Ok(self.noted(Caveat::NothingToRepeat(c), c)),
            _ => Ok(literal(c)),
        }
    }

    fn noted(&mut self, caveat: Caveat, c: char) -> String {
        if !self.caveats.contains(&caveat) {
            self.caveats.push(caveat);
        }
        literal(c)
    }

    fn escape(&mut self) -> Translated {
        match self.next() {
            None => Err(refuse("the pattern ends in a backslash", r"write `\\` for the character")),
            Some(c) => Ok(match shorthand(c) {
                Some((negated, ranges)) => {
                    format!("(?-i:[{}{ranges}])", if negated { "^" } else { "" })
                }
                None => literal(c),
            }),
        }
    }

    /// `"…"`: a run of ordinary characters.
    fn quotation(&mut self) -> Translated {
        let mut out = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(format!("(?:{out})")),
                Some(c) => out.push_str(&literal(c)),
                None => {
                    return Err(refuse(
                        "a quotation is not closed",
                        r#"write `\"` for the character"#,
                    ));
                }
            }
        }
    }

    /// `<1-99>`
    fn interval(&mut self) -> Translated {
        // Looking for a far `>` again and again would take quadratic time.
        let longest = 2 * interval::MAX_DIGITS + 1;
        let inside: String =
            self.chars[self.at..].iter().take(longest).take_while(|c| **c != '>').collect();
        self.at += inside.len();
        let bounds = inside.split_once('-').filter(|_| self.eat('>'));
        bounds.and_then(|(from, to)| interval::pattern(from, to)).ok_or_else(|| {
            refuse(
                "`<` is not followed by two numbers and `>`",
                r"write `<1-99>`, with at most 64 digits each, or `\<` for the character",
            )
        })
    }

    /// What follows `[`.
    fn class(&mut self) -> Translated {
        let mut out = String::from(if self.eat('^') { "[^" } else { "[" });
        let mut is_first = true;
        loop {
            match self.next() {
                None => {
                    return Err(refuse(
                        "a set of characters is not closed",
                        r"close it with `]`, or write `\[` for the character",
                    ));
                }
                Some(']') if !is_first => break,
                Some(c) => out.push_str(&self.class_item(c)?),
            }
            is_first = false;
        }
        out.push(']');
        Ok(out)
    }

    /// A character, a range, or a shorthand such as `\w`.
    fn class_item(&mut self, first: char) -> Translated {
        let from = if first == '\\' {
            match self.next() {
                None => {
                    return Err(refuse("a set of characters is not closed", "close it with `]`"));
                }
                Some(c) => match shorthand(c) {
                    Some((true, ranges)) => return Ok(format!("[^{ranges}]")),
                    Some((false, ranges)) => return Ok(ranges.to_owned()),
                    None => c,
                },
            }
        } else {
            first
        };
        let is_range =
            self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| *c != ']');
        if !is_range {
            return Ok(literal(from));
        }
        self.at += 1;
        let to = match self.next() {
            Some('\\') => self.next(),
            other => other,
        };
        match to {
            Some(to) if from <= to => Ok(format!("{}-{}", literal(from), literal(to))),
            Some(_) => Err(refuse("a range of characters runs backwards", "exchange its ends")),
            None => Err(refuse("a set of characters is not closed", "close it with `]`")),
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }
}

/// A set without any character.
const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// Returns what `\d` and the like stand for: whether it is negated, and the ranges, in ASCII.
fn shorthand(c: char) -> Option<(bool, &'static str)> {
    let ranges = match c.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Z_a-z",
        's' => r"\t\n\r ",
        _ => return None,
    };
    Some((c.is_ascii_uppercase(), ranges))
}

fn anchored(pattern: &str) -> String {
    format!(r"\A(?:{pattern})\z")
}

/// Returns a pattern for the character itself.
fn literal(c: char) -> String {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        c.to_string()
    } else {
        format!(r"\x{{{:X}}}", u32::from(c))
    }
}

fn refuse(message: &str, help: &'static str) -> Refusal {
    Refusal { message: message.to_owned(), help }
}
