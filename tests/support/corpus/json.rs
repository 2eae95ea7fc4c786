//! JSON as a collector writes it: compact, and the members of an object in an order of chance.

use super::chance::Random;

/// An object in the making. Its members are put in order when it is finished.
#[derive(Default)]
pub(super) struct Members {
    /// All members, one behind the other.
    text: Vec<u8>,
    /// Where each begins and ends.
    places: Vec<(u32, u32)>,
}

impl Members {
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.member(key, |out| write_text(out, value));
    }

    pub(super) fn number(&mut self, key: &str, value: u64) {
        self.raw(key, value.to_string().as_bytes());
    }

    /// A list of texts.
    pub(super) fn texts<T: AsRef<str>>(&mut self, key: &str, values: &[T]) {
        self.member(key, |out| {
            out.push(b'[');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                write_text(out, value.as_ref());
            }
            out.push(b']');
        });
    }

    /// An object within this one.
    pub(super) fn object(&mut self, key: &str, inner: &Self, order: &mut Random) {
        self.member(key, |out| inner.finish(order, out));
    }

    /// A value that is JSON already.
    pub(super) fn raw(&mut self, key: &str, value: &[u8]) {
        self.member(key, |out| out.extend_from_slice(value));
    }

    /// Writes the members without the object's braces, in an order of chance.
    pub(super) fn write_members(&self, order: &mut Random, out: &mut Vec<u8>) {
        let mut places = self.places.clone();
        for last in (1..places.len()).rev() {
            places.swap(last, order.below(last as u64 + 1) as usize);
        }
        for (number, (start, end)) in places.into_iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&self.text[start as usize..end as usize]);
        }
    }

    /// Writes the whole object.
    pub(super) fn finish(&self, order: &mut Random, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_members(order, out);
        out.push(b'}');
    }

    fn member(&mut self, key: &str, write_value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len() as u32;
        write_text(&mut self.text, key);
        self.text.push(b':');
        write_value(&mut self.text);
        self.places.push((start, self.text.len() as u32));
    }
}

/// Writes a text in quotes, with the escapes that JSON asks for and no others.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | b'\n')) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            _ => b"\\n",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
