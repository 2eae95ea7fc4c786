//! What of a record counts when nobody reads the rest: a second writing of that rule, byte by byte.
//!
//! A record counts if its brackets balance and its strings end. Of each object that is read, the members count that
//! lead to a wanted field, or that tell whether an object around them, which is a wanted field, holds anything.

/// Returns a record that says what the given one says for the wanted paths, without what nobody reads. None if the
/// record does not count at all. Whether what is left is valid, the parser can tell.
pub(crate) fn without_unread(payload: &[u8], paths: &[&str]) -> Option<Vec<u8>> {
    let tokens = tokens(payload)?;
    let mut reader = Reader { tokens: &tokens, payload, paths, out: Vec::new() };
    let blank = |token: &Token| {
        matches!(token.kind, Kind::Other) && payload[token.at].is_ascii_whitespace()
    };
    let start = tokens.iter().position(|token| !blank(token))?;
    let end = reader.container_end(start)?;
    if payload[tokens[start].at] != b'{' || !tokens[end..].iter().all(blank) {
        return None;
    }
    reader.object(start, end, None)?;
    Some(reader.out)
}

/// A byte outside of strings, or a string as a whole with its quotes.
struct Token {
    at: usize,
    end: usize,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    String,
    Open,
    Close,
    Other,
}

/// Returns the tokens of a record whose brackets balance and whose strings end.
fn tokens(payload: &[u8]) -> Option<Vec<Token>> {
    let (mut tokens, mut open, mut at) = (Vec::new(), Vec::new(), 0);
    while at < payload.len() {
        let mut end = at + 1;
        let kind = match payload[at] {
            b'"' => {
                while *payload.get(end)? != b'"' {
                    end += if payload[end] == b'\\' { 2 } else { 1 };
                }
                end += 1;
                Kind::String
            }
            bracket @ (b'{' | b'[') => {
                open.push(bracket);
                Kind::Open
            }
            bracket @ (b'}' | b']') => {
                // Two further on in ASCII.
                (open.pop()? + 2 == bracket).then_some(())?;
                Kind::Close
            }
            // Outside of strings too a backslash takes a quote its meaning.
            b'\\' if matches!(payload.get(end), Some(b'"' | b'\\')) => {
                end += 1;
                Kind::Other
            }
            _ => Kind::Other,
        };
        tokens.push(Token { at, end, kind });
        at = end;
    }
    open.is_empty().then_some(tokens)
}

struct Reader<'r> {
    tokens: &'r [Token],
    payload: &'r [u8],
    paths: &'r [&'r str],
    out: Vec<u8>,
}

impl Reader<'_> {
    /// Writes what counts of an object: the tokens `start..end`, with its braces.
    fn object(&mut self, start: usize, end: usize, prefix: Option<&str>) -> Option<()> {
        self.out.push(b'{');
        let mut at = start + 1;
        while let Some(colon) = self.next(at, end - 1, b":") {
            let key = self.key(colon)?;
            let path = prefix.map_or_else(|| key.clone(), |prefix| format!("{prefix}.{key}"));
            let value_end = self.next(colon + 1, end - 1, b",").unwrap_or(end - 1);
            at = colon + 1;
            if self.is_wanted(&path) || self.is_probed(&path) {
                if self.out.last() != Some(&b'{') {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(format!("\"{key}\":").as_bytes());
                self.value(colon + 1, value_end, &path)?;
                at = value_end;
            } else if let Some(first) = self.first(at, end - 1)
                && self.tokens[first].kind == Kind::Open
            {
                at = self.container_end(first)?;
            }
        }
        // An object or a list stands where a value is expected, and nowhere else.
        self.out.push(b'}');
        Some(())
    }

    /// Writes what counts of a value, with all that stands up to the next comma.
    fn value(&mut self, start: usize, end: usize, path: &str) -> Option<()> {
        let mut at = start;
        while at < end {
            let token = &self.tokens[at];
            let text = &self.payload[token.at..token.end];
            match token.kind {
                Kind::String if !self.paths.contains(&path) => self.out.extend_from_slice(b"\"\""),
                Kind::Open => {
                    let behind = self.container_end(at)?;
                    match text {
                        b"{" => self.object(at, behind, Some(path))?,
                        _ => self.list(at, behind, path)?,
                    }
                    at = behind;
                    continue;
                }
                _ => self.out.extend_from_slice(text),
            }
            at += 1;
        }
        Some(())
    }

    fn list(&mut self, start: usize, end: usize, path: &str) -> Option<()> {
        self.out.push(b'[');
        let mut at = start + 1;
        while let Some(comma) = self.next(at, end - 1, b",") {
            self.value(at, comma, path)?;
            self.out.push(b',');
            at = comma + 1;
        }
        self.value(at, end - 1, path)?;
        self.out.push(b']');
        Some(())
    }

    /// Returns the key before a colon: the string there, which has no escapes.
    fn key(&self, colon: usize) -> Option<String> {
        let before = self.tokens[..colon].iter().rfind(|token| !self.is_blank(token))?;
        let key = self.payload.get(before.at + 1..before.end - 1)?;
        let is_plain =
            before.kind == Kind::String && key.iter().all(|byte| *byte >= b' ' && *byte != b'\\');
        is_plain.then(|| String::from_utf8_lossy(key).into_owned())
    }

    /// Returns the next token of one of these bytes, past objects and lists.
    fn next(&self, mut at: usize, end: usize, bytes: &[u8]) -> Option<usize> {
        while at < end {
            let token = &self.tokens[at];
            if token.kind == Kind::Other && bytes.contains(&self.payload[token.at]) {
                return Some(at);
            }
            at = if token.kind == Kind::Open { self.container_end(at)? } else { at + 1 };
        }
        None
    }

    fn first(&self, start: usize, end: usize) -> Option<usize> {
        (start..end).find(|at| !self.is_blank(&self.tokens[*at]))
    }

    fn is_blank(&self, token: &Token) -> bool {
        token.kind == Kind::Other && matches!(self.payload[token.at], b' ' | b'\t' | b'\r' | b'\n')
    }

    /// Returns the token behind an object or a list.
    fn container_end(&self, start: usize) -> Option<usize> {
        let mut depth = 0;
        for (token, at) in self.tokens[start..].iter().zip(start..) {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                _ => {}
            }
            if depth <= 0 {
                return Some(at + 1);
            }
        }
        None
    }

    /// Tells whether a wanted field is there or below.
    fn is_wanted(&self, path: &str) -> bool {
        let is_below =
            |wanted: &str| wanted.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.paths.iter().any(|wanted| *wanted == path || is_below(wanted))
    }

    /// Tells whether it makes an object of a wanted field.
    fn is_probed(&self, path: &str) -> bool {
        self.paths
            .iter()
            .any(|wanted| path.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.')))
    }
}
