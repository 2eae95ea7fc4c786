//! Lucene's regular expressions by the definition: which texts' ends can a pattern reach?
//!
//! Covers what random patterns use: characters, `.`, `@`, `#`, sets, groups, `|`, quantifiers,
//! escapes.

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
    Then(Vec<Tree>),
    Or(Vec<Tree>),
    Repeat(Box<Tree>, usize, usize),
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
        let mut parts = vec![self.concatenation()];
        while self.eat('|') {
            parts.push(self.concatenation());
        }
        Tree::Or(parts)
    }

    fn concatenation(&mut self) -> Tree {
        let mut parts = Vec::new();
        while self.peek().is_some_and(|c| c != '|' && c != ')') {
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
                _ => return tree,
            };
            self.at += 1;
            tree = Tree::Repeat(Box::new(tree), least, most);
        }
    }

    fn atom(&mut self) -> Tree {
        match self.next() {
            '.' => Tree::Any,
            '@' => Tree::Repeat(Box::new(Tree::Any), 0, usize::MAX),
            '#' => Tree::Nothing,
            '\\' => Tree::One(self.next()),
            '(' if self.eat(')') => Tree::Empty,
            '(' => {
                let inner = self.union();
                assert!(self.eat(')'));
                inner
            }
            '[' => {
                let negated = self.eat('^');
                let mut ranges = Vec::new();
                while !self.eat(']') {
                    let low = self.next();
                    let is_range = self.eat('-');
                    ranges.push((low, if is_range { self.next() } else { low }));
                }
                Tree::Set(negated, ranges)
            }
            c => Tree::One(c),
        }
    }
}
