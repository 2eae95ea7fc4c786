//! Reads typed values out of a TOML table and says, with spans, what is wrong with them.
//!
//! Never stops at the first fault: a value that cannot be read is reported and counts as absent.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Condition, toml_string};
use crate::diag::Diagnostic;
use crate::event::TimeSpan;
use crate::text::Span;
use crate::text::edit_distance::nearest;
use crate::text::origin::Origin;

/// A table of the file, and what to call it.
#[derive(Clone)]
pub(super) struct Table<'t> {
    entries: &'t DeTable<'t>,
    /// As in `[rule.maxspan]`.
    name: String,
    /// Its header.
    pub(super) span: Span,
}

/// A value of the file and where it stands.
#[derive(Clone, Copy)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// Reads the tables of one text and collects what is wrong with them.
pub(super) struct Reader<'r> {
    text: &'r str,
    pub(super) found: Vec<Diagnostic>,
}

impl<'t> Table<'t> {
    /// Returns the table that is the whole file.
    pub(super) fn root(document: &'t Spanned<DeTable<'t>>) -> Self {
        Self { entries: document.get_ref(), name: String::new(), span: Span::default() }
    }

    /// Returns all keys, sorted.
    pub(super) fn keys(&self) -> impl Iterator<Item = At<&'t str>> {
        self.entries.keys().map(|key| At { value: &**key.get_ref(), span: span(key.span()) })
    }

    /// Returns where a key stands, if the table has it.
    pub(super) fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.get_key_value(key).map(|(key, _)| span(key.span()))
    }

    /// Returns a value of this table, or an item of such a value, as a table.
    fn inner(&self, key: &str, value: &'t Spanned<DeValue<'t>>) -> Option<Self> {
        let DeValue::Table(entries) = value.get_ref() else { return None };
        let name =
            if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        Some(Self { entries, name, span: span(value.span()) })
    }
}

impl<'r> Reader<'r> {
    pub(super) fn new(text: &'r str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Returns a text, with where each byte of it stands.
    pub(super) fn text(&mut self, table: &Table<'_>, key: &str) -> Option<At<Condition>> {
        let at = self.string(table, key)?;
        Some(At { value: self.embedded(at), span: at.span })
    }

    /// Returns a string.
    pub(super) fn string<'t>(&mut self, table: &Table<'t>, key: &str) -> Option<At<&'t str>> {
        let value = table.entries.get(key)?;
        match value.get_ref() {
            DeValue::String(string) => Some(At { value: string, span: span(value.span()) }),
            _ => {
                self.wrong_type(table, key, value, "a string");
                None
            }
        }
    }

    /// Returns a string, or a number as the text that stands in the file.
    pub(super) fn string_or_number(&mut self, table: &Table<'_>, key: &str) -> Option<String> {
        let value = table.entries.get(key)?;
        match value.get_ref() {
            DeValue::String(string) => Some(string.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Float(number) => Some(number.to_string()),
            _ => {
                self.wrong_type(table, key, value, "a string or a number");
                None
            }
        }
    }

    /// Returns a whole number.
    pub(super) fn integer(&mut self, table: &Table<'_>, key: &str) -> Option<At<i64>> {
        let value = table.entries.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number {
            Some(number) => Some(At { value: number, span: span(value.span()) }),
            None => {
                self.wrong_type(table, key, value, "a whole number");
                None
            }
        }
    }

    /// Returns a length of time.
    pub(super) fn time_span(&mut self, table: &Table<'_>, key: &str) -> Option<TimeSpan> {
        let value = table.entries.get(key)?;
        let DeValue::String(string) = value.get_ref() else {
            self.wrong_type(table, key, value, "a length of time");
            return None;
        };
        let time_span = TimeSpan::parse(string);
        if time_span.is_none() {
            let number = string.parse::<u32>().unwrap_or(1);
            let help =
                format!("a number with a unit `ms`, `s`, `m`, `h` or `d`: `{key} = \"{number}s\"`");
            self.invalid(span(value.span()), format!("`{string}` is no length of time"), help);
        }
        time_span
    }

    /// Returns a boolean.
    pub(super) fn boolean(&mut self, table: &Table<'_>, key: &str) -> Option<bool> {
        let value = table.entries.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => {
                self.wrong_type(table, key, value, "`true` or `false`");
                None
            }
        }
    }

    /// Returns a list of strings; none if it is absent.
    pub(super) fn strings<'t>(&mut self, table: &Table<'t>, key: &str) -> Vec<At<&'t str>> {
        let Some(value) = table.entries.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(table, key, value, "a list of strings");
            return Vec::new();
        };
        let string = |item: &'t Spanned<DeValue<'t>>| match item.get_ref() {
            DeValue::String(string) => Some(At { value: &**string, span: span(item.span()) }),
            _ => {
                self.wrong_type(table, key, item, "a list of strings");
                None
            }
        };
        items.iter().filter_map(string).collect()
    }

    /// Returns a list of texts, each with where its bytes stand.
    pub(super) fn texts(&mut self, table: &Table<'_>, key: &str) -> Vec<Condition> {
        let strings = self.strings(table, key);
        strings.into_iter().map(|string| self.embedded(string)).collect()
    }

    /// Returns a table.
    pub(super) fn table<'t>(&mut self, table: &Table<'t>, key: &str) -> Option<Table<'t>> {
        let value = table.entries.get(key)?;
        let inner = table.inner(key, value);
        if inner.is_none() {
            self.wrong_type(table, key, value, "a table");
        }
        inner
    }

    /// Returns a list of tables; none if it is absent.
    pub(super) fn tables<'t>(&mut self, table: &Table<'t>, key: &str) -> Vec<Table<'t>> {
        let Some(value) = table.entries.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(table, key, value, "a list of tables");
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match table.inner(key, item) {
                Some(inner) => tables.push(inner),
                None => self.wrong_type(table, key, item, "a list of tables"),
            }
        }
        tables
    }

    /// Returns a value that must be there; `example` is what the hint proposes to write.
    pub(super) fn required<'t, T>(
        &mut self,
        table: &Table<'t>,
        key: &str,
        example: &str,
        read: impl FnOnce(&mut Self, &Table<'t>, &str) -> Option<T>,
    ) -> Option<T> {
        if table.entries.contains_key(key) {
            return read(self, table, key);
        }
        let message = format!("`{key}` is missing in {}", shown(&table.name));
        let missing = Diagnostic::error("E0503", message).at(table.span);
        self.found.push(missing.help(format!("add `{example}`")));
        None
    }

    /// Reports a value that has the right type and makes no sense.
    pub(super) fn invalid(&mut self, span: Span, message: String, help: impl Into<String>) {
        self.found.push(Diagnostic::error("E0505", message).at(span).help(help));
    }

    /// Reports the keys of a table that are not among `known`.
    pub(super) fn refuse_unknown(&mut self, table: &Table<'_>, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.value)) {
            let message = format!("unknown key `{}` in {}", key.value, shown(&table.name));
            let help = match nearest(key.value, known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known keys: {}", quoted(known)),
            };
            self.found.push(Diagnostic::error("E0506", message).at(key.span).help(help));
        }
    }

    fn wrong_type(
        &mut self,
        table: &Table<'_>,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
    ) {
        let message = format!("`{key}` in {} must be {wanted}", shown(&table.name));
        let found = Diagnostic::error("E0504", message).at(span(value.span()));
        let found = found.label(format!("this is {}", kind(value.get_ref())));
        self.found.push(match typed_example(key, value, self.text, wanted) {
            Some(example) => found.help(format!("write `{example}`")),
            None => found,
        });
    }

    fn embedded(&self, string: At<&str>) -> Condition {
        let raw = self.text.get(string.span.range()).unwrap_or_default();
        let start = string.span.start as usize;
        match toml_string::unescape(raw, start) {
            Some((text, origin)) if text == string.value => {
                Condition { text, origin: Some(origin) }
            }
            // Not reached while both readers agree; the text counts, positions may be off.
            _ => {
                debug_assert!(false, "two readings of the string at {start}");
                Condition { text: string.value.to_owned(), origin: Some(Origin::verbatim(start)) }
            }
        }
    }
}

/// Returns words in backticks, separated by commas.
pub(super) fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// Returns the TOML parser's range as a span.
pub(super) fn span(range: Range<usize>) -> Span {
    Span::new(range.start, range.end)
}

fn shown(table: &str) -> String {
    if table.is_empty() { "the file".to_owned() } else { format!("`[{table}]`") }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Returns the line as it was probably meant, where a value only needs other quotes or brackets.
fn typed_example(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    text: &str,
    wanted: &str,
) -> Option<String> {
    let raw = text.get(value.span())?;
    match (value.get_ref(), wanted) {
        (DeValue::String(_), "a list of strings") if !raw.contains('\n') => {
            Some(format!("{key} = [{raw}]"))
        }
        (DeValue::String(string), "a whole number") => {
            Some(format!("{key} = {}", string.trim().parse::<i64>().ok()?))
        }
        (DeValue::String(string), "`true` or `false`") => {
            Some(format!("{key} = {}", string.parse::<bool>().ok()?))
        }
        (DeValue::Integer(_), "a length of time") => Some(format!("{key} = \"{raw}s\"")),
        (DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_), "a string") => {
            Some(format!("{key} = \"{raw}\""))
        }
        _ => None,
    }
}
