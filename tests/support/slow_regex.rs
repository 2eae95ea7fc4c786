//! Lucene's regular expressions by the definition: which texts' ends can a pattern reach?
//!
//! Expects a pattern that the translator accepts.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;

/// Tells whether a pattern matches all of a text.
pub(crate) fn matches(pattern: &[char], text: &[char]) -> bool {
    if pattern.is_empty() {
        return text.is_empty();
    }
    let mut parser = Parser { pattern, at: 0 };
    let tree = parser.union();
    assert_eq!(parser.at, pattern.len(), "{pattern:?}");
    ends(&tree, text, 0).contains(&text.len())
}

enum Tree {
    Empty,
    Any,
    Nothing,
    One(char),
    Set(bool, Vec<(char, char)>),
    Then(Vec<Self>),
    Or(Vec<Self>),
    And(Vec<Self>),
    /// Smallest and largest number, and the number of digits if that is fixed.
    Number(u64, u64, Option<usize>),
    Repeat(Box<Self>, usize, usize),
}

/// All places where a match that begins at `from` may end.
fn ends(tree: &Tree, text: &[char], from: usize) -> BTreeSet<usize> {
    let one = |holds: bool| if holds { BTreeSet::from([from + 1]) } else { BTreeSet::new() };
    match tree {
        Tree::Empty => BTreeSet::from([from]),
        Tree::Nothing => BTreeSet::new(),
        Tree::Any => one(from < text.len()),
        Tree::One(c) => one(text.get(from) == Some(c)),
        Tree::Set(negated, ranges) => one(text.get(from).is_some_and(|c| {
            ranges.iter().any(|(low, high)| (low..=high).contains(&c)) != *negated
        })),
        Tree::Then(parts) => parts.iter().fold(BTreeSet::from([from]), |places, part| {
            places.into_iter().flat_map(|place| ends(part, text, place)).collect()
        }),
        Tree::And(parts) => parts
            .iter()
            .map(|part| ends(part, text, from))
            .reduce(|a, b| &a & &b)
            .unwrap_or_default(),
        Tree::Number(low, high, width) => (from + 1..=text.len())
            .filter(|to| {
                let digits: String = text[from..*to].iter().collect();
                digits.bytes().all(|byte| byte.is_ascii_digit())
                    && digits.parse().is_ok_and(|number| (*low..=*high).contains(&number))
                    && width.is_none_or(|width| digits.len() == width)
            })
            .collect(),
        Tree::Or(parts) => parts.iter().flat_map(|part| ends(part, text, from)).collect(),
        Tree::Repeat(part, least, most) => {
            let mut reached = BTreeSet::new();
            let mut places = BTreeSet::from([from]);
            for round in 0..=(*most).min(text.len() + least + 1) {
                if round >= *least {
                    reached.extend(&places);
                }
                places = places.into_iter().flat_map(|place| ends(part, text, place)).collect();
            }
            reached
        }
    }
}

struct Parser<'a> {
    pattern: &'a [char],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.pattern.get(self.at).copied()
    }

    fn next(&mut self) -> char {
        self.at += 1;
        self.pattern[self.at - 1]
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn union(&mut self) -> Tree {
        let mut parts = vec![self.intersection()];
        while self.eat('|') {
            parts.push(self.intersection());
        }
        Tree::Or(parts)
    }

    fn intersection(&mut self) -> Tree {
        let mut parts = vec![self.concatenation()];
        while self.eat('&') {
            parts.push(self.concatenation());
        }
        Tree::And(parts)
    }

    fn concatenation(&mut self) -> Tree {
        let mut parts = Vec::new();
        while self.peek().is_some_and(|c| !"|&)".contains(c)) {
            parts.push(self.repetition());
        }
        Tree::Then(parts)
    }

    fn repetition(&mut self) -> Tree {
        let mut tree = self.atom();
        loop {
            let (least, most) = match self.peek() {
                Some('*') => (0, usize::MAX),
                Some('+') => (1, usize::MAX),
                Some('?') => (0, 1),
                Some('{') => self.counts(),
                _ => return tree,
            };
            self.at += 1; // The quantifier, or the brace that closes it.
            tree = Tree::Repeat(Box::new(tree), least, most);
        }
    }

    fn counts(&mut self) -> (usize, usize) {
        self.at += 1;
        let until = |parser: &mut Self, ends: &str| {
            let mut digits = String::new();
            while !parser.peek().is_some_and(|c| ends.contains(c)) {
                digits.push(parser.next());
            }
            digits.parse().unwrap_or(usize::MAX)
        };
        let least = until(self, ",}");
        let most = if self.eat(',') { until(self, "}") } else { least };
        (least, most)
    }

    fn number(&mut self) -> Tree {
        let start = self.at;
        while self.next() != '>' {}
        let inside: String = self.pattern[start..self.at - 1].iter().collect();
        let (from, to) = inside.split_once('-').unwrap();
        let (a, b): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
        Tree::Number(a.min(b), a.max(b), (from.len() == to.len()).then_some(from.len()))
    }

    fn set(&mut self) -> Tree {
        let negated = self.eat('^');
        let mut ranges = Vec::new();
        let mut is_first = true;
        while is_first || !self.eat(']') {
            is_first = false;
            let mut low = self.next();
            if low == '\\' {
                low = self.next();
                match shorthand(low) {
                    Some((false, more)) => {
                        ranges.extend(more);
                        continue;
                    }
                    Some((true, others)) => {
                        ranges.extend(complement(&others));
                        continue;
                    }
                    None => {}
                }
            }
            let is_range = self.peek() == Some('-') && self.pattern.get(self.at + 1) != Some(&']');
            self.at += usize::from(is_range);
            let mut high = if is_range { self.next() } else { low };
            if is_range && high == '\\' {
                high = self.next();
            }
            ranges.push((low, high));
        }
        Tree::Set(negated, ranges)
    }

    fn atom(&mut self) -> Tree {
        match self.next() {
            '.' => Tree::Any,
            '@' => Tree::Repeat(Box::new(Tree::Any), 0, usize::MAX),
            '#' => Tree::Nothing,
            '\\' => {
                let escaped = self.next();
                match shorthand(escaped) {
                    Some((negated, ranges)) => Tree::Set(negated, ranges),
                    None => Tree::One(escaped),
                }
            }
            '<' => self.number(),
            '[' => self.set(),
            '"' => {
                let mut parts = Vec::new();
                while !self.eat('"') {
                    parts.push(Tree::One(self.next()));
                }
                Tree::Then(parts)
            }
            '(' if self.eat(')') => Tree::Empty,
            '(' => {
                let inner = self.union();
                assert!(self.eat(')'));
                inner
            }
            c => Tree::One(c),
        }
    }
}

/// All characters but these.
fn complement(ranges: &[(char, char)]) -> Vec<(char, char)> {
    let is_in = |c: &char| ranges.iter().any(|(low, high)| (low..=high).contains(&c));
    let outside = ('\0'..='\u{7f}').filter(|c| !is_in(c)).map(|c| (c, c));
    outside.chain([('\u{80}', char::MAX)]).collect()
}

fn shorthand(c: char) -> Option<(bool, Vec<(char, char)>)> {
    let ranges = match c.to_ascii_lowercase() {
        'd' => vec![('0', '9')],
        'w' => vec![('0', '9'), ('a', 'z'), ('A', 'Z'), ('_', '_')],
        's' => vec![(' ', ' '), ('\t', '\t'), ('\n', '\n'), ('\r', '\r')],
        _ => return None,
    };
    Some((c.is_ascii_uppercase(), ranges))
}
