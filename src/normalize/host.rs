//! On which host an event happened: one key per machine, whatever the collector says.

use std::borrow::Cow;

use super::Normalizer;
use crate::event::{FieldId, Fields, Value};

/// A hash of the canonical host: the same for the same host, in every process.
///
/// For counting hosts and telling them apart, not for keeping them: hosts may collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostHash(pub u64);

/// The canonical host.
enum Canonical<'f> {
    /// As it stands.
    Exact(Cow<'f, str>),
    /// In lower case.
    Lower(Cow<'f, str>),
}

impl Canonical<'_> {
    fn hash(&self) -> HostHash {
        match self {
            Self::Exact(name) => hash(name.chars()),
            Self::Lower(name) => hash(name.chars().flat_map(char::to_lowercase)),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Exact(name) => name.to_string(),
            Self::Lower(name) => name.chars().flat_map(char::to_lowercase).collect(),
        }
    }

    /// Tells whether the canonical host is this text.
    fn is(&self, text: &str) -> bool {
        match self {
            Self::Exact(name) => name == text,
            Self::Lower(name) => name.chars().flat_map(char::to_lowercase).eq(text.chars()),
        }
    }
}

/// FNV-1a over the characters, and a last mix.
fn hash(chars: impl Iterator<Item = char>) -> HostHash {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for letter in chars {
        let mut bytes = [0; 4];
        for byte in letter.encode_utf8(&mut bytes).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    HostHash(hash ^ hash >> 29)
}

impl Normalizer {
    /// Finds the canonical host, and writes it to `host.id` if a rule reads that. Also tells
    /// whether the record was forwarded.
    pub(super) fn settle_host(&self, fields: &mut Fields<'_>) -> (Option<HostHash>, bool) {
        let is_forwarded = self.is_forwarded(fields);
        let Some(canonical) = self.canonical_host(is_forwarded, fields) else {
            return (None, is_forwarded);
        };
        let host = canonical.hash();
        if let Some(id) = self.wanted.host_id {
            let is_there = matches!(fields.get(id), [Value::Str(text)] if canonical.is(text));
            if !is_there {
                let text = canonical.text();
                fields.set(id, Value::from(text));
            }
        }
        (Some(host), is_forwarded)
    }

    /// Returns `host.id`, unless it is another machine's; else the computer's name, the host's
    /// name, the agent's id.
    fn canonical_host<'f>(
        &self,
        is_forwarded: bool,
        fields: &'f Fields<'_>,
    ) -> Option<Canonical<'f>> {
        let engine = &self.engine;
        if !is_forwarded && let Some(id) = text(fields, engine.host_id) {
            return Some(Canonical::Exact(id));
        }
        let computer = text(fields, engine.computer_name);
        let names =
            || text(fields, engine.host_name).or_else(|| text(fields, engine.host_hostname));
        if let Some(name) = computer.or_else(names) {
            return Some(self.resolve_alias(name));
        }
        text(fields, engine.agent_id).map(Canonical::Exact)
    }

    fn resolve_alias<'f>(&self, name: Cow<'f, str>) -> Canonical<'f> {
        let name = Canonical::Lower(name);
        if self.host_aliases.is_empty() {
            return name;
        }
        match self.host_aliases.get(&name.text()) {
            Some(alias) => Canonical::Exact(Cow::Owned(alias.clone())),
            None => name,
        }
    }

    /// Tells whether the machine that the event names is not the one that collected it: then
    /// `host.*` is the collector's.
    fn is_forwarded(&self, fields: &Fields<'_>) -> bool {
        let Some(computer) = text(fields, self.engine.computer_name) else { return false };
        let collector =
            text(fields, self.engine.host_hostname).or_else(|| text(fields, self.engine.host_name));
        collector.is_some_and(|collector| !is_same_machine(&computer, &collector))
    }
}

/// Compares the short names. A NetBIOS name is cut after 15 characters.
fn is_same_machine(computer: &str, collector: &str) -> bool {
    const NETBIOS_LEN: usize = 15;
    let (short, other) = (short_name(computer), short_name(collector));
    let starts = |long: &str, start: &str| {
        start.len() == NETBIOS_LEN
            && long.get(..NETBIOS_LEN).is_some_and(|cut| cut.eq_ignore_ascii_case(start))
    };
    let lower = |name: &str| name.chars().flat_map(char::to_lowercase).collect::<String>();
    short.eq_ignore_ascii_case(other)
        || (!computer.contains('.') && starts(other, short))
        || (!collector.contains('.') && starts(short, other))
        || (!(short.is_ascii() && other.is_ascii()) && lower(short) == lower(other))
}

fn short_name(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Returns the first value as text; an empty one is none.
fn text<'f>(fields: &'f Fields<'_>, id: FieldId) -> Option<Cow<'f, str>> {
    fields.get(id).first()?.text().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_tell_machines_apart() {
        for (computer, collector, is_same) in [
            ("WS-1.corp.example", "ws-1", true),
            ("WS-1", "ws-1.corp.example", true),
            ("WS-1.corp.example", "ws-2", false),
            ("WS-1.corp.example", "WS-11", false),
            ("WORKSTATION-FIN", "workstation-finance-07", true),
            ("WORKSTATION-FIN.corp.example", "workstation-finance-07", false),
            ("BÜRO.corp.example", "büro", true),
        ] {
            assert_eq!(is_same_machine(computer, collector), is_same, "{computer} {collector}");
        }
    }

    #[test]
    fn the_hash_knows_no_case_where_the_host_has_none() {
        let lower = |name| Canonical::Lower(Cow::Borrowed(name)).hash();
        assert_eq!(lower("WS-1.Corp"), lower("ws-1.corp"));
        assert_ne!(lower("ws-1"), lower("ws-2"));
        assert_eq!(lower("ws-1"), Canonical::Exact(Cow::Borrowed("ws-1")).hash());
    }
}
