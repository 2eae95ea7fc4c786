//! On which host an event happened: one key per machine, whatever the collector says.

use memchr::memchr;

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
#[derive(Clone, Copy)]
enum Canonical<'a> {
    /// As it stands.
    Exact(&'a str),
    /// In lower case.
    Lower(&'a str),
}

impl Canonical<'_> {
    fn hash(self) -> HostHash {
        match self {
            Self::Exact(name) => hash(name.as_bytes(), |_| {}),
            Self::Lower(name) => hash_lower(name),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Exact(name) => name.to_owned(),
            Self::Lower(name) => lower(name),
        }
    }

    /// Tells whether the canonical host is this text.
    fn is(self, text: &str) -> bool {
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
        return hash(name.as_bytes(), |word| word.make_ascii_lowercase());
    }
    hash(lower(name).as_bytes(), |_| {})
}

/// Bytes that are hashed at once.
const WORD: usize = 8;

/// Multiplies and mixes word by word: each record's host is hashed.
fn hash(bytes: &[u8], fold: impl Fn(&mut [u8; WORD])) -> HostHash {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    let mut mix = |mut word: [u8; WORD]| {
        fold(&mut word);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 32;
    };
    let (words, rest) = bytes.as_chunks();
    words.iter().for_each(|word| mix(*word));
    if !rest.is_empty() {
        let mut word = [0; WORD];
        word[..rest.len()].copy_from_slice(rest);
        mix(word);
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
        let names = Names::of(&self.engine, fields);
        let is_forwarded = names.is_forwarded(is_tagged);
        let id = text(fields, self.engine.host_id);
        let has_foreign_id = is_forwarded && !is_tagged && id.is_some();
        let own_id = id.filter(|_| !is_forwarded);
        let canonical = self.canonical_host(own_id, &names, fields);
        let host = canonical.map(Canonical::hash);
        let machine = own_id.zip(names.own()).map(|(id, name)| Machine {
            // Mostly the two are one: it is hashed once.
            id: match (canonical, host) {
                (Some(Canonical::Exact(exact)), Some(hash)) if std::ptr::eq(exact, id) => hash,
                _ => Canonical::Exact(id).hash(),
            },
            name: hash_lower(netbios_name(name)),
        });
        if let (Some(id), Some(canonical)) = (self.wanted_id, canonical) {
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
    fn canonical_host<'a>(
        &self,
        own_id: Option<&'a str>,
        names: &Names<'a>,
        fields: &Fields<'a>,
    ) -> Option<Canonical<'a>> {
        let name = || {
            names.own().map(|name| match self.options.host_names {
                HostNames::Full => Canonical::Lower(name),
                HostNames::Short => Canonical::Lower(short_name(name)),
            })
        };
        let id = || own_id.map(Canonical::Exact);
        let told = match self.options.host_key {
            HostKey::Id => id().or_else(name),
            HostKey::Name => name().or_else(id),
        };
        let told = told.or_else(|| text(fields, self.engine.agent_id).map(Canonical::Exact))?;
        Some(self.resolve_alias(told, fields))
    }

    fn resolve_alias<'a>(&self, name: Canonical<'a>, fields: &Fields<'a>) -> Canonical<'a> {
        let aliases = &self.options.host_aliases;
        if aliases.is_empty() {
            return name;
        }
        match aliases.get(&lower(&name.text())) {
            Some(alias) => Canonical::Exact(fields.arena().text(alias)),
            None => name,
        }
    }
}

/// The names of machines in a record.
struct Names<'a> {
    /// Of the computer that the event is about: `winlog.computer_name`.
    computer: Option<&'a str>,
    /// `host.name`.
    host: Option<&'a str>,
    /// `host.hostname`.
    hostname: Option<&'a str>,
}

impl<'a> Names<'a> {
    fn of(engine: &EngineFields, fields: &Fields<'a>) -> Self {
        Self {
            computer: text(fields, engine.computer_name),
            host: text(fields, engine.host_name),
            hostname: text(fields, engine.host_hostname),
        }
    }

    /// Returns the name of the computer that the event is about.
    fn own(&self) -> Option<&'a str> {
        self.computer.or(self.host).or(self.hostname)
    }

    /// Tells whether the machine that the event names is not the one that collected it: then
    /// `host.*` is the collector's. Winlogbeat writes the event's computer to `host.name`: of a
    /// tagged record only `host.hostname` shows that the collector speaks of itself.
    fn is_forwarded(&self, is_tagged: bool) -> bool {
        let Some(computer) = self.computer else { return is_tagged };
        if is_tagged {
            return !self.hostname.is_some_and(|collector| is_same_machine(computer, collector));
        }
        let collector = self.hostname.or(self.host);
        collector.is_some_and(|collector| !is_same_machine(computer, collector))
    }
}

/// A NetBIOS name is cut after 15 characters.
const NETBIOS_LEN: usize = 15;

/// Compares the short names.
fn is_same_machine(computer: &str, collector: &str) -> bool {
    is_full_name(computer, collector) || has_same_short_name(computer, collector)
}

/// Tells whether the computer's name is the collector's short one, with a domain: most are like that.
fn is_full_name(computer: &str, collector: &str) -> bool {
    computer.as_bytes().get(collector.len()) == Some(&b'.')
        && computer.as_bytes()[..collector.len()].eq_ignore_ascii_case(collector.as_bytes())
        && !collector.as_bytes().contains(&b'.')
}

fn has_same_short_name(computer: &str, collector: &str) -> bool {
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

/// Returns as much of the short name as NetBIOS keeps.
fn netbios_name(name: &str) -> &str {
    let short = short_name(name);
    if short.len() <= NETBIOS_LEN {
        return short;
    }
    short.char_indices().nth(NETBIOS_LEN).map_or(short, |(end, _)| &short[..end])
}

fn short_name(name: &str) -> &str {
    memchr(b'.', name.as_bytes()).map_or(name, |dot| &name[..dot])
}

/// Returns the first value as text; an empty one is none.
fn text<'a>(fields: &Fields<'a>, id: FieldId) -> Option<&'a str> {
    let text = match fields.get(id).first()? {
        Value::Str(text) => text,
        other => fields.arena().keep(other.text()?),
    };
    Some(text).filter(|text| !text.is_empty())
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
            assert_eq!(has_same_short_name(computer, collector), is_same, "the slow way");
        }
    }

    #[test]
    fn the_hash_knows_no_case_where_the_host_has_none() {
        let lower = |name| Canonical::Lower(name).hash();
        assert_eq!(lower("WS-1.Corp"), lower("ws-1.corp"));
        assert_ne!(lower("ws-1"), lower("ws-2"));
        assert_eq!(lower("ws-1"), Canonical::Exact("ws-1").hash());
    }

    /// Placements and checkpoints of other releases know hosts by these numbers.
    #[test]
    fn the_hash_is_what_it_has_always_been() {
        let byte_by_byte = |name: &str| {
            let mut hash = 0xcbf2_9ce4_8422_2325 ^ name.len() as u64;
            for chunk in name.as_bytes().chunks(8) {
                let word = (0..).zip(chunk).fold(0, |word, (at, byte)| {
                    word | u64::from(byte.to_ascii_lowercase()) << (8 * at)
                });
                hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                hash ^= hash >> 32;
            }
            hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            HostHash(hash ^ hash >> 29)
        };
        let name = "0123-WS-Ab.Corp.Example.COM[@`{";
        for len in 0..name.len() {
            assert_eq!(Canonical::Lower(&name[..len]).hash(), byte_by_byte(&name[..len]));
        }
    }
}
