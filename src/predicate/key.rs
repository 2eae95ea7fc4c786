//! Join keys of an event: one for every combination of the values of the `by` fields.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::number;
use super::source::FieldSource;
use crate::eql::ast::KeyField;
use crate::eql::functions::number_of;
use crate::eql::types::{FieldType, field_type};
use crate::event::ip::parse_ip;
use crate::event::{EventTime, FieldTable, Fields, JoinKey, KeyPart, Value};

/// How the keys of one stage are taken from an event.
#[derive(Clone, Debug)]
pub struct KeyPlan {
    parts: Box<[PartPlan]>,
}

#[derive(Clone, Debug)]
struct PartPlan {
    source: FieldSource,
    optional: bool,
    kind: Option<FieldType>,
}

/// The keys of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// The keys, without repetitions, in the order of the values; none if a key is null that must
    /// not be.
    pub keys: SmallVec<[JoinKey; 1]>,
    /// How many more there are beyond the limit; repetitions among those may count too.
    pub refused: usize,
}

impl KeyPlan {
    /// Returns the plan for these fields: those at the top of the query, then the term's own.
    pub fn compile(keys: &[KeyField], fields: &mut FieldTable) -> Self {
        let part = |key: &KeyField| PartPlan {
            source: FieldSource::of(&key.written(), fields),
            optional: key.optional,
            kind: field_type(&key.path),
        };
        Self { parts: keys.iter().map(part).collect() }
    }

    /// Returns the keys of an event, at most `limit`.
    pub fn expand(&self, fields: &Fields<'_>, limit: usize) -> Expansion {
        let mut lists: SmallVec<[SmallVec<[KeyPart; 1]>; 2]> = SmallVec::new();
        let mut total = 1_usize;
        for part in &self.parts {
            let (values, beyond) = part.values(fields, limit.max(1));
            if values.is_empty() {
                return Expansion::default();
            }
            total = total.saturating_mul(values.len() + beyond);
            lists.push(values);
        }
        let taken = lists.iter().map(SmallVec::len).fold(1, usize::saturating_mul).min(limit);
        let keys = (0..taken).map(|index| combination(&lists, index)).collect();
        Expansion { keys, refused: total - taken }
    }

    /// Returns where the values stand, in the order of the key's parts.
    pub fn sources(&self) -> impl Iterator<Item = FieldSource> {
        self.parts.iter().map(|part| part.source)
    }
}

/// Returns one of the combinations; the last part changes fastest.
fn combination(lists: &[SmallVec<[KeyPart; 1]>], index: usize) -> JoinKey {
    let mut rest = index;
    let mut parts: SmallVec<[KeyPart; 4]> = SmallVec::new();
    for list in lists.iter().rev() {
        parts.push(list[rest % list.len()].clone());
        rest /= list.len();
    }
    JoinKey::new(parts.into_iter().rev())
}

impl PartPlan {
    /// Returns the values that may stand in the key, each once (null if there are none and that
    /// is allowed), and how many there are beyond the limit, repetitions included.
    fn values(&self, fields: &Fields<'_>, limit: usize) -> (SmallVec<[KeyPart; 1]>, usize) {
        let mut values: SmallVec<[KeyPart; 1]> = SmallVec::new();
        let mut beyond = 0;
        for value in self.source.values(fields) {
            if values.len() == limit {
                // Looking each of a very long list up among the others would take too long.
                beyond += 1;
                continue;
            }
            let Some(text) = self.canonical(*value) else { continue };
            if !values.iter().any(|known| known.as_deref() == Some(&*text)) {
                values.push(Some(text.into()));
            }
        }
        if values.is_empty() && self.optional {
            values.push(None);
        }
        (values, beyond)
    }

    /// Returns the text that all spellings of a value share.
    fn canonical<'v>(&self, value: Value<'v>) -> Option<Cow<'v, str>> {
        let canonical = match self.kind {
            Some(FieldType::Ip) => {
                value.text().and_then(|text| parse_ip(&text)).map(|address| address.to_string())
            }
            Some(FieldType::Number) => number_of(value).and_then(number::canonical),
            Some(FieldType::Date) => EventTime::of(value).map(|instant| instant.to_string()),
            _ => None,
        };
        canonical.map(Cow::Owned).or_else(|| self.source.text(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eql::form::Form;
    use crate::event::Arena;
    use crate::text::Span;

    /// Returns the keys of an event as texts, with `null` for null.
    fn keys(by: &[&str], values: &[(&str, Value<'static>)], limit: usize) -> (Vec<String>, usize) {
        let by: Vec<KeyField> = by
            .iter()
            .map(|written| {
                let (path, form) = Form::split(written.trim_start_matches('?'));
                let optional = written.starts_with('?');
                KeyField { path: path.to_owned(), form, optional, span: Span::default() }
            })
            .collect();
        let mut table = FieldTable::default();
        let plan = KeyPlan::compile(&by, &mut table);
        let arena = Arena::new();
        let mut fields = Fields::new(table.len(), &arena);
        for (path, value) in values {
            fields.push(table.get(path).unwrap(), *value);
        }
        let expansion = plan.expand(&fields, limit);
        let show = |key: &JoinKey| {
            let parts: Vec<&str> =
                key.parts().iter().map(|part| part.as_deref().unwrap_or("null")).collect();
            parts.join("|")
        };
        (expansion.keys.iter().map(show).collect(), expansion.refused)
    }

    fn text(text: &'static str) -> Value<'static> {
        Value::from(text)
    }

    #[test]
    fn lists_expand_to_every_combination() {
        let values = [("a", text("x")), ("a", text("y")), ("b", text("1")), ("b", Value::Int(2))];
        let (keys, refused) = keys(&["a", "b"], &values, 10);
        assert_eq!((keys.join(" ").as_str(), refused), ("x|1 x|2 y|1 y|2", 0));
    }

    #[test]
    fn repetitions_collapse() {
        let values = [("a", text("5")), ("a", Value::Int(5)), ("a", text("x")), ("a", text("x"))];
        assert_eq!(keys(&["a"], &values, 10), (vec!["5".to_owned(), "x".to_owned()], 0));
    }

    #[test]
    fn null_is_a_key_only_where_it_may_be() {
        assert_eq!(keys(&["a"], &[], 10), (vec![], 0));
        assert_eq!(keys(&["?a"], &[], 10), (vec!["null".to_owned()], 0));
        assert_eq!(keys(&["?a", "b"], &[("b", text(""))], 10), (vec!["null|".to_owned()], 0));
        assert_eq!(keys(&["a"], &[("a", Value::Object)], 10), (vec![], 0));
    }

    #[test]
    fn spellings_of_an_address_are_one_key() {
        let values = [
            ("source.ip", text("0:0:0:0:0:0:0:1")),
            ("source.ip", text("::1")),
            ("source.ip", text("::ffff:10.0.0.1")),
            ("source.ip", text("fe80::1%4")),
            ("source.ip", text("FE80:0::1%eth0")),
            ("source.ip", text("host")),
        ];
        let (keys, _) = keys(&["source.ip"], &values, 10);
        assert_eq!(keys.join(" "), "::1 10.0.0.1 fe80::1 host");
    }

    #[test]
    fn instants_are_one_key_in_every_zone() {
        let values = [
            ("process.start", text("2024-06-11T11:33:24Z")),
            ("process.start", text("2024-06-11T13:33:24.000+02:00")),
        ];
        assert_eq!(keys(&["process.start"], &values, 10).0.len(), 1);
    }

    #[test]
    fn whole_numbers_stay_exact_in_keys() {
        let values = [
            ("a", Value::Big(u64::MAX)),
            ("a", Value::Big(u64::MAX - 1)),
            ("a", text("18446744073709551615")),
        ];
        assert_eq!(keys(&["a"], &values, 10).0.len(), 2);
    }

    #[test]
    fn spellings_of_a_number_are_one_key_where_the_field_is_known_to_be_one() {
        let values = |name: &'static str| {
            [(name, Value::Int(4)), (name, text("04")), (name, Value::Float(4.0))]
        };
        assert_eq!(keys(&["process.pid"], &values("process.pid"), 10).0, ["4"]);
        assert_eq!(keys(&["a"], &values("a"), 10).0, ["4", "04", "4.0"]);
    }

    #[test]
    fn letter_case_counts_in_keys() {
        let values = [("a", text("X")), ("a", text("x"))];
        assert_eq!(keys(&["a"], &values, 10).0.len(), 2);
    }

    #[test]
    fn forms_of_a_field_have_its_values() {
        let values = [("a", text("X")), ("a", text("x")), ("b", text("Y"))];
        assert_eq!(keys(&["a.caseless"], &values[..2], 10).0, ["x"]);
        assert_eq!(keys(&["a.keyword", "b"], &values, 10).0, ["X|Y", "x|Y"]);
    }

    #[test]
    fn what_exceeds_the_limit_is_counted() {
        let values: Vec<(&str, Value<'static>)> =
            (0..10).flat_map(|n| [("a", Value::Int(n)), ("b", Value::Int(n))]).collect();
        let (keys, refused) = keys(&["a", "b"], &values, 16);
        assert_eq!((keys.len(), refused), (16, 84));
    }

    #[test]
    fn no_fields_make_one_empty_key() {
        assert_eq!(keys(&[], &[], 10), (vec![String::new()], 0));
    }
}
