//! The walk over a record: from colon to colon, down where wanted paths lead, over the rest by its
//! brackets.
//!
//! Looks at keys, at wanted values and at what stands between them, never at unwanted values.

use smallvec::SmallVec;

use super::scalar::{self, Literal};
use super::structure::{Span, View};
use super::{Class, GiveUp, Plan, Scratch};
use crate::event::field::FieldId;
use crate::event::fields::Fields;
use crate::event::trie::{Passed, Trie};
use crate::event::value::Value;

/// One walk over one record.
///
/// `EARLY` walks read early fields and note the rest.
pub(super) struct Walk<'w, 'a> {
    bytes: &'a [u8],
    /// The same as text, if all of it is valid; otherwise each text is looked at where it is read.
    text: Option<&'a str>,
    trie: &'w Trie,
    plan: &'w Plan,
    view: View<'w>,
    /// Number of the next mark of the structure.
    next: usize,
    depth: usize,
    later: &'w mut Vec<Later>,
    unescaped: &'w mut Vec<u8>,
    /// Fields that are already known to be objects.
    objects: SmallVec<[FieldId; 4]>,
    out: &'w mut Fields<'a>,
}

/// A member that an early walk has passed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Later {
    /// Number of the mark of its colon.
    colon: u32,
    target: Target,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    /// Its value stands in this node.
    Value(u32),
    /// Its key begins at this node, behind this byte, and passes fields.
    Key(u32, u8),
}

/// Where a value ends, and whether it holds anything but null.
struct Passage {
    end: usize,
    is_filled: bool,
}

impl<'w, 'a> Walk<'w, 'a> {
    pub(super) fn new(
        trie: &'w Trie,
        plan: &'w Plan,
        scratch: &'w mut Scratch,
        (bytes, text): (&'a [u8], Option<&'a str>),
        out: &'w mut Fields<'a>,
    ) -> Self {
        Self {
            bytes,
            text,
            trie,
            plan,
            view: scratch.structure.view(),
            next: 0,
            depth: 0,
            later: &mut scratch.later,
            unescaped: &mut scratch.text,
            objects: SmallVec::new(),
            out,
        }
    }

    /// Walks the record as a whole.
    pub(super) fn record<const EARLY: bool>(&mut self) -> Result<(), GiveUp> {
        let start = self.behind_blanks(0);
        if self.view.ends_in_string || self.byte(start)? != b'{' {
            return Err(GiveUp);
        }
        let end = self.object::<EARLY>(Trie::ROOT, start, false)?.end;
        let is_whole = self.behind_blanks(end) == self.bytes.len();
        if is_whole && self.next == self.view.marks.len() { Ok(()) } else { Err(GiveUp) }
    }

    /// Reads what an early walk has passed.
    pub(super) fn rest(&mut self, later: &[Later]) -> Result<(), GiveUp> {
        for Later { colon, target } in later {
            if matches!(target, Target::Value(node) if !self.trie.leads(*node)) {
                continue;
            }
            self.next = *colon as usize;
            let colon = self.mark()?;
            match *target {
                Target::Value(node) => self.wanted::<false>(node, colon, false)?,
                Target::Key(node, before) => {
                    self.odd_member::<false>(node, colon, before, false)?
                }
            };
        }
        Ok(())
    }

    fn object<const EARLY: bool>(
        &mut self,
        node: u32,
        start: usize,
        probe: bool,
    ) -> Result<Passage, GiveUp> {
        self.enter(start)?;
        let field = self.trie.field(node);
        let probe = probe || field.is_some();
        let (mut is_filled, mut before) = (false, b'{');
        let end = loop {
            let mark = self.mark()?;
            match self.byte(mark)? {
                b':' => {
                    is_filled |= match self.view.has_odd_keys {
                        true => self.odd_member::<EARLY>(node, mark, before, probe)?,
                        false => self.member::<EARLY>(node, mark, before, probe)?,
                    };
                    before = b',';
                }
                b'}' if !matches!(self.last_before(mark)?, b',' | b':') => break mark + 1,
                _ => return Err(GiveUp),
            }
        };
        self.depth -= 1;
        if let Some(id) = field.filter(|_| is_filled) {
            self.is_object(id);
        }
        Ok(Passage { end, is_filled })
    }

    /// Reads the member of an object in a node; tells whether it holds anything but null, if some
    /// wanted field names an object around it. Its key has no dots and no escapes, or blanks behind.
    #[inline(always)]
    fn member<const EARLY: bool>(
        &mut self,
        node: u32,
        colon: usize,
        before: u8,
        probe: bool,
    ) -> Result<bool, GiveUp> {
        let end = colon.checked_sub(1).ok_or(GiveUp)?;
        if self.byte(end)? != b'"' {
            return self.odd_member::<EARLY>(node, colon, before, probe);
        }
        let Some((child, start)) = self.trie.child_before(node, self.bytes, end) else {
            return match probe {
                true => self.wanted::<false>(Trie::NOWHERE, colon, true),
                false => self.unwanted(colon),
            };
        };
        if self.last_before(start - 1)? != before {
            return Err(GiveUp);
        }
        match EARLY {
            true => self.early_member(child, colon),
            false => self.wanted::<false>(child, colon, probe),
        }
    }

    /// Reads a member, whatever its key is.
    #[inline(never)]
    fn odd_member<const EARLY: bool>(
        &mut self,
        node: u32,
        colon: usize,
        before: u8,
        probe: bool,
    ) -> Result<bool, GiveUp> {
        let key = self.key(colon)?;
        if self.last_before(key.start - 1)? != before {
            return Err(GiveUp);
        }
        let mut passed = Passed::new();
        let name = self.bytes.get(key.start..key.end).ok_or(GiveUp)?;
        let child = self.trie.step(node, name, &mut passed);
        if EARLY && passed.is_empty() {
            let Some(child) = child else { return self.unwanted(colon) };
            return self.early_member(child, colon);
        }
        // Nothing wanted is above or below an early field, so that none of them is passed with others.
        if EARLY && !passed.iter().any(|id| self.plan.early.contains(id)) {
            return self.put_off(Target::Key(node, before), colon);
        }
        let probe = probe || !passed.is_empty();
        let Some(child) = child.or_else(|| probe.then_some(Trie::NOWHERE)) else {
            return self.unwanted(colon);
        };
        let is_filled = self.wanted::<false>(child, colon, probe)?;
        for id in passed.into_iter().filter(|_| is_filled) {
            self.is_object(id);
        }
        Ok(is_filled)
    }

    fn early_member(&mut self, child: u32, colon: usize) -> Result<bool, GiveUp> {
        match self.plan.classes.get(child as usize).ok_or(GiveUp)? {
            Class::Early => self.wanted::<false>(child, colon, false),
            Class::Above => self.wanted::<true>(child, colon, false),
            Class::Later => self.put_off(Target::Value(child), colon),
        }
    }

    fn put_off(&mut self, target: Target, colon: usize) -> Result<bool, GiveUp> {
        self.later.push(Later { colon: self.next as u32 - 1, target });
        self.unwanted(colon)
    }

    /// Passes an unwanted value.
    #[inline(always)]
    fn unwanted(&mut self, colon: usize) -> Result<bool, GiveUp> {
        let at = self.behind_blanks(colon + 1);
        if matches!(self.byte(at)?, b'{' | b'[') {
            self.skip(at)?;
        }
        Ok(false)
    }

    /// Reads the value behind a colon into a node.
    #[inline]
    fn wanted<const EARLY: bool>(
        &mut self,
        node: u32,
        colon: usize,
        probe: bool,
    ) -> Result<bool, GiveUp> {
        let at = self.behind_blanks(colon + 1);
        let Passage { end, is_filled } = match self.byte(at)? {
            b'"' => self.string(node, at)?,
            _ => self.value::<EARLY>(node, at, probe)?,
        };
        match self.byte(self.behind_blanks(end))? {
            b',' | b'}' => Ok(is_filled),
            _ => Err(GiveUp),
        }
    }

    fn value<const EARLY: bool>(
        &mut self,
        node: u32,
        at: usize,
        probe: bool,
    ) -> Result<Passage, GiveUp> {
        match self.byte(at)? {
            b'"' => self.string(node, at),
            b'{' => self.object::<EARLY>(node, at, probe),
            b'[' => self.list::<EARLY>(node, at, probe),
            b't' | b'f' | b'n' => self.literal(node, at),
            _ => self.number(node, at),
        }
    }

    fn list<const EARLY: bool>(
        &mut self,
        node: u32,
        start: usize,
        probe: bool,
    ) -> Result<Passage, GiveUp> {
        self.enter(start)?;
        let (mut is_filled, mut at) = (false, self.behind_blanks(start + 1));
        if self.byte(at)? != b']' {
            loop {
                let item = self.value::<EARLY>(node, at, probe)?;
                is_filled |= item.is_filled;
                at = self.behind_blanks(item.end);
                match self.byte(at)? {
                    b',' => at = self.behind_blanks(at + 1),
                    b']' => break,
                    _ => return Err(GiveUp),
                }
            }
        }
        self.take_mark(at)?;
        self.depth -= 1;
        Ok(Passage { end: at + 1, is_filled })
    }

    #[inline]
    fn string(&mut self, node: u32, at: usize) -> Result<Passage, GiveUp> {
        let Span { start, end, has_specials } = self.view.string_from(at + 1).ok_or(GiveUp)?;
        if let Some(id) = self.trie.field(node) {
            let text = match self.text {
                Some(text) => text.get(start..end).ok_or(GiveUp)?,
                None => self.checked_text(start, end)?,
            };
            let text = if has_specials { self.without_escapes(text)? } else { text };
            self.out.push(id, Value::Str(text));
        }
        Ok(Passage { end: end + 1, is_filled: true })
    }

    fn checked_text(&self, start: usize, end: usize) -> Result<&'a str, GiveUp> {
        std::str::from_utf8(self.bytes.get(start..end).ok_or(GiveUp)?).map_err(|_| GiveUp)
    }

    #[inline(never)]
    fn without_escapes(&mut self, text: &str) -> Result<&'a str, GiveUp> {
        Ok(self.out.arena().text(scalar::unescape(text, self.unescaped)?))
    }

    fn literal(&mut self, node: u32, at: usize) -> Result<Passage, GiveUp> {
        let (literal, len) = scalar::literal(&self.bytes[at..])?;
        if let (Literal::Bool(truth), Some(id)) = (literal, self.trie.field(node)) {
            self.out.push(id, Value::Bool(truth));
        }
        Ok(Passage { end: at + len, is_filled: literal != Literal::Null })
    }

    fn number(&mut self, node: u32, at: usize) -> Result<Passage, GiveUp> {
        let text = scalar::number(self.bytes.get(at..).ok_or(GiveUp)?)?;
        let value = scalar::number_value(text, self.out.arena())?;
        if let Some(id) = self.trie.field(node) {
            self.out.push(id, value);
        }
        Ok(Passage { end: at + text.len(), is_filled: true })
    }

    /// Passes an object or a list by its brackets alone.
    #[inline(never)]
    fn skip(&mut self, start: usize) -> Result<(), GiveUp> {
        // Bits tell which of the open ones are lists: their number is bounded.
        let mut lists = 0_u128;
        let depth = self.depth;
        self.enter(start)?;
        if self.bytes[start] == b'[' {
            lists = 1;
        }
        while self.depth > depth {
            let mark = self.mark()?;
            match self.byte(mark)? {
                b':' => {}
                open @ (b'{' | b'[') => {
                    self.deepen()?;
                    lists = lists << 1 | u128::from(open == b'[');
                }
                close @ (b'}' | b']') if (lists & 1 == 1) == (close == b']') => {
                    self.depth -= 1;
                    lists >>= 1;
                }
                _ => return Err(GiveUp),
            }
        }
        Ok(())
    }

    /// Returns the key before a colon.
    #[inline]
    fn key(&self, colon: usize) -> Result<Span, GiveUp> {
        let end = self.last_place_before(colon)?;
        if self.byte(end)? != b'"' {
            return Err(GiveUp);
        }
        // The rare key with escapes is left to the parser.
        self.view.string_before(end).filter(|key| !key.has_specials).ok_or(GiveUp)
    }

    fn is_object(&mut self, id: FieldId) {
        if !self.objects.contains(&id) {
            self.objects.push(id);
            self.out.push(id, Value::Object);
        }
    }

    /// Passes the bracket that must stand here, and goes down.
    #[inline]
    fn enter(&mut self, at: usize) -> Result<(), GiveUp> {
        self.take_mark(at)?;
        self.deepen()
    }

    #[inline]
    fn deepen(&mut self) -> Result<(), GiveUp> {
        self.depth += 1;
        if self.depth > self.plan.max_nesting { Err(GiveUp) } else { Ok(()) }
    }

    #[inline]
    fn take_mark(&mut self, at: usize) -> Result<(), GiveUp> {
        if self.mark()? == at { Ok(()) } else { Err(GiveUp) }
    }

    #[inline]
    fn mark(&mut self) -> Result<usize, GiveUp> {
        let mark = self.view.marks.get(self.next).ok_or(GiveUp)?;
        self.next += 1;
        Ok(*mark as usize)
    }

    #[inline]
    fn byte(&self, at: usize) -> Result<u8, GiveUp> {
        self.bytes.get(at).copied().ok_or(GiveUp)
    }

    /// Returns the last byte before `at` that is no blank.
    #[inline]
    fn last_before(&self, at: usize) -> Result<u8, GiveUp> {
        self.byte(self.last_place_before(at)?)
    }

    #[inline]
    fn last_place_before(&self, at: usize) -> Result<usize, GiveUp> {
        let before = at.checked_sub(1).ok_or(GiveUp)?;
        match is_blank(self.byte(before)?) {
            true => self.last_place_before_blanks(before),
            false => Ok(before),
        }
    }

    #[inline(never)]
    fn last_place_before_blanks(&self, end: usize) -> Result<usize, GiveUp> {
        self.bytes[..end].iter().rposition(|byte| !is_blank(*byte)).ok_or(GiveUp)
    }

    /// Returns the first place from `at` on that is no blank.
    #[inline]
    fn behind_blanks(&self, at: usize) -> usize {
        match self.bytes.get(at) {
            Some(byte) if is_blank(*byte) => self.first_place_behind_blanks(at),
            _ => at,
        }
    }

    #[inline(never)]
    fn first_place_behind_blanks(&self, at: usize) -> usize {
        let rest = &self.bytes[at..];
        at + rest.iter().position(|byte| !is_blank(*byte)).unwrap_or(rest.len())
    }
}

#[inline]
fn is_blank(byte: u8) -> bool {
    byte <= b' ' && matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}
