//! On which host an event happened: one key per machine, whatever the collector says.

use std::borrow::Cow;

use super::engine_fields::EngineFields;
use super::options::{HostKey, HostNames, Options};
use crate::event::{FieldId, Fields, Value};

/// A hash of the canonical host: the same for the same host, in every process.
///
/// For counting hosts and telling them apart, not for keeping them: hosts may collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostHash(pub u64);

/// What a record says of its machine, for finding ids that two machines share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// A hash of `host.id`.
    pub id: HostHash,
    /// A hash of the short name, as NetBIOS would cut it.
    pub name: HostHash,
}

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
            Self::Exact(name) => hash(name.as_bytes(), |byte| byte),
            Self::Lower(name) => hash_lower(name),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Exact(name) => name.to_string(),
            Self::Lower(name) => lower(name),
        }
    }

    /// Tells whether the canonical host is this text.
    fn is(&self, text: &str) -> bool {
        match self {
            Self::Exact(name) => name == text,
            Self::Lower(name) if name.is_ascii() => {
                let folded = name.bytes().map(|byte| byte.to_ascii_lowercase());
                name.len() == text.len() && folded.eq(text.bytes())
            }
            Self::Lower(name) => name.chars().flat_map(char::to_lowercase).eq(text.chars()),
        }
    }
}

fn lower(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.chars().flat_map(char::to_lowercase).collect()
}

fn hash_lower(name: &str) -> HostHash {
    if name.is_ascii() {
        return hash(name.as_bytes(), |byte| byte.to_ascii_lowercase());
    }
    hash(lower(name).as_bytes(), |byte| byte)
}

/// Multiplies and mixes word by word: each record's host is hashed.
fn hash(bytes: &[u8], fold: impl Fn(u8) -> u8) -> HostHash {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = fold(*from);
        }
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 32;
    }
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    HostHash(hash ^ hash >> 29)
}

/// What follows from what a record says of its host and its collector.
pub(super) struct Settled {
    pub(super) host: Option<HostHash>,
    pub(super) is_forwarded: bool,
    pub(super) has_foreign_id: bool,
    pub(super) machine: Option<Machine>,
}

/// Beats and Elastic Agent tag what a collector has gathered, if they are told to.
const FORWARDED_TAG: &str = "forwarded";

/// Finds hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    engine: EngineFields,
    /// `host.id`, if a rule reads it.
    wanted_id: Option<FieldId>,
    options: Options,
}

impl Hosts {
    /// Returns a finder of hosts that writes them to a field, if there is one that is wanted.
    pub(super) fn new(engine: EngineFields, wanted_id: Option<FieldId>, options: Options) -> Self {
        Self { engine, wanted_id, options }
    }

    /// Finds the canonical host, and writes it to `host.id` if a rule reads that.
    pub(super) fn settle(&self, fields: &mut Fields<'_>) -> Settled {
        let tags = fields.get(self.engine.tags);
        let is_tagged = tags.iter().any(|tag| tag.as_str() == Some(FORWARDED_TAG));
        let is_forwarded = self.is_forwarded(is_tagged, fields);
        let id = text(fields, self.engine.host_id);
        let has_foreign_id = is_forwarded && !is_tagged && id.is_some();
        let machine = match &id {
            Some(id) if !is_forwarded => self.machine(id, fields),
            _ => None,
        };
        drop(id);
        let Some(canonical) = self.canonical_host(is_forwarded, fields) else {
            return Settled { host: None, is_forwarded, has_foreign_id, machine };
        };
        let host = Some(canonical.hash());
        if let Some(id) = self.wanted_id {
            let is_there = matches!(fields.get(id), [Value::Str(text)] if canonical.is(text));
            if !is_there {
                let text = fields.arena().text(&canonical.text());
                fields.set(id, Value::Str(text));
            }
        }
        Settled { host, is_forwarded, has_foreign_id, machine }
    }

    /// Returns what the options say tells hosts apart: the trusted `host.id` or the computer's
    /// name; else the host's name, the agent's id.
    fn canonical_host<'f>(
        &self,
        is_forwarded: bool,
        fields: &'f Fields<'_>,
    ) -> Option<Canonical<'f>> {
        let engine = &self.engine;
        let id = text(fields, engine.host_id).filter(|_| !is_forwarded);
        if let (HostKey::Id, Some(id)) = (self.options.host_key, &id) {
            return Some(self.resolve_alias(Canonical::Exact(id.clone())));
        }
        if let Some(name) = self.name(fields) {
            let name = match self.options.host_names {
                HostNames::Full => name,
                HostNames::Short => shortened(name),
            };
            return Some(self.resolve_alias(Canonical::Lower(name)));
        }
        let id = id.or_else(|| text(fields, engine.agent_id))?;
        Some(self.resolve_alias(Canonical::Exact(id)))
    }

    /// Returns the name of the computer that the event is about.
    fn name<'f>(&self, fields: &'f Fields<'_>) -> Option<Cow<'f, str>> {
        let engine = &self.engine;
        text(fields, engine.computer_name)
            .or_else(|| text(fields, engine.host_name))
            .or_else(|| text(fields, engine.host_hostname))
    }

    fn machine(&self, id: &str, fields: &Fields<'_>) -> Option<Machine> {
        let name = self.name(fields)?;
        let short = short_name(&name);
        let cut = short.char_indices().nth(NETBIOS_LEN).map_or(short, |(end, _)| &short[..end]);
        Some(Machine { id: hash(id.as_bytes(), |byte| byte), name: hash_lower(cut) })
    }

    fn resolve_alias<'f>(&self, name: Canonical<'f>) -> Canonical<'f> {
        let aliases = &self.options.host_aliases;
        if aliases.is_empty() {
            return name;
        }
        match aliases.get(&lower(&name.text())) {
            Some(alias) => Canonical::Exact(Cow::Owned(alias.clone())),
            None => name,
        }
    }

    /// Tells whether the machine that the event names is not the one that collected it: then
    /// `host.*` is the collector's. Winlogbeat writes the event's computer to `host.name`: of a
    /// tagged record only `host.hostname` shows that the collector speaks of itself.
    fn is_forwarded(&self, is_tagged: bool, fields: &Fields<'_>) -> bool {
        let Some(computer) = text(fields, self.engine.computer_name) else { return is_tagged };
        let hostname = text(fields, self.engine.host_hostname);
        if is_tagged {
            return !hostname.is_some_and(|collector| is_same_machine(&computer, &collector));
        }
        let collector = hostname.or_else(|| text(fields, self.engine.host_name));
        collector.is_some_and(|collector| !is_same_machine(&computer, &collector))
    }
}

/// A NetBIOS name is cut after 15 characters.
const NETBIOS_LEN: usize = 15;

/// Compares the short names.
fn is_same_machine(computer: &str, collector: &str) -> bool {
    let (short, other) = (short_name(computer), short_name(collector));
    let starts = |long: &str, start: &str| {
        start.len() == NETBIOS_LEN
            && long.get(..NETBIOS_LEN).is_some_and(|cut| cut.eq_ignore_ascii_case(start))
    };
    short.eq_ignore_ascii_case(other)
        || (!computer.contains('.') && starts(other, short))
        || (!collector.contains('.') && starts(short, other))
        || (!(short.is_ascii() && other.is_ascii()) && lower(short) == lower(other))
}

fn shortened(name: Cow<'_, str>) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(short_name(name)),
        Cow::Owned(name) => Cow::Owned(short_name(&name).to_owned()),
    }
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
