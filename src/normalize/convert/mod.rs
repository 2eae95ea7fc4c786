//! The ways in which a raw value becomes an ECS value: one line of a table names one of them.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::event::{FieldId, Fields, Value, Values};
use crate::normalize::names;

mod account;
mod address;
mod args;
mod community_id;
mod context;
mod dns;
mod hashes;
mod invocation;
mod keywords;
mod number;
mod registry;
mod target;
mod xml;

pub(super) use community_id::of_texts as community_id;
pub(super) use dns::DomainPart;
pub(super) use invocation::{BINDING, DetailPart};
pub(super) use target::Target;

use account::{common_name, domain_and_user};
use address::{address, unmapped, version_of_address};
use context::context_entry;
use hashes::hashes;
use keywords::outcome;
use number::number;
use registry::{hive_and_key, registry_data};

/// One way to convert a value. A value that does not fit gives nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Convert {
    /// As text.
    Text,
    /// `912`, and Security's `0x390`, to a number.
    Number,
    /// What stands behind the last backslash; nothing without one.
    NameInPath,
    /// What stands behind the last backslash, or everything.
    BaseName,
    /// What stands before the last backslash.
    Directory,
    /// What stands behind the last dot of the whole path.
    Extension,
    /// What stands behind the last dot of the name behind the last backslash.
    ExtensionOfName,
    /// The arguments of a command line, split as Windows does.
    WindowsArgs,
    /// How many those are.
    WindowsArgCount,
    /// The arguments of a command line, split at white space.
    PlainArgs,
    /// How many those are.
    PlainArgCount,
    /// Words separated by white space.
    Words,
    /// One hash of a list `MD5=…,SHA256=…`, in lower case.
    Hash(&'static str),
    /// All hashes of such a list.
    Hashes,
    /// An IP address; its text is kept.
    Address,
    /// An IP address that may be wrapped into an IPv6 one: `::ffff:10.0.0.1`.
    MappedAddress,
    /// `true` or `false`, to a boolean.
    Truth,
    /// Whether a signature's status is `Valid`.
    IsValid,
    /// Sysmon's `Initiated` to `egress` or `ingress`.
    Initiated,
    /// The firewall's direction to `egress` or `ingress`.
    FirewallDirection,
    /// Sysmon's `…IsIpv6` to `ipv4` or `ipv6`.
    IpVersion,
    /// An address to `ipv4` or `ipv6`.
    VersionOfAddress,
    /// A protocol's number to its name.
    Transport,
    /// The domain of `domain\user`.
    UserDomain,
    /// The user of `domain\user`.
    UserName,
    /// The short name of a registry path's hive.
    RegistryHive,
    /// A registry path without its hive.
    RegistryKey,
    /// The kind of a registry value as Sysmon prints it.
    RegistryType,
    /// A registry value as Sysmon prints it; of a QWORD what Elastic makes of it.
    RegistryStrings,
    /// The same; of a QWORD the number.
    RegistryNumbers,
    /// Types of the answers of a DNS query.
    AnswerTypes,
    /// Data of the answers of a DNS query.
    AnswerData,
    /// Addresses among the answers of a DNS query.
    AnswerAddresses,
    /// A code to its name; codes without one stay as they are.
    Named(Names),
    /// A code to its name; codes without one are nothing.
    Known(Names),
    /// The names of the bits of a number that are set.
    Flags(&'static [(u64, &'static str)]),
    /// A part of a DNS name.
    Domain(DomainPart),
    /// A part of each line that PowerShell writes of an invocation.
    Invocation(DetailPart),
    /// The texts of all elements of this name.
    Xml(&'static str),
    /// A path as Defender writes it: `file:_C:\x.exe`; the first of several.
    Resource(Inner),
    /// `Audit Success` or `Audit Failure` to an outcome.
    Outcome,
    /// One entry of PowerShell's context: lines of `key = value`.
    Context(&'static str, Inner),
    /// The common name of a directory name: `CN=Jane Doe,OU=…`.
    CommonName,
    /// A local path of a share without its `\??\`.
    SharePath(Inner),
}

/// Codes and their names.
pub(super) type Names = &'static [(&'static str, &'static str)];

impl Convert {
    /// Tells whether each text that it gives stands in its source as it is, apart from letter case.
    ///
    /// Where in doubt it does not: then the texts that rules look for are not sought in records.
    pub(super) fn keeps_text(self) -> bool {
        match self {
            Self::Text
            | Self::NameInPath
            | Self::BaseName
            | Self::Directory
            | Self::Extension
            | Self::ExtensionOfName
            | Self::PlainArgs
            | Self::Words
            | Self::Hash(_)
            | Self::Hashes
            | Self::Address
            | Self::MappedAddress
            | Self::UserDomain
            | Self::UserName
            | Self::RegistryKey
            | Self::AnswerData
            | Self::Domain(_)
            | Self::CommonName => true,
            Self::Resource(inner) | Self::Context(_, inner) | Self::SharePath(inner) => {
                inner.convert().keeps_text()
            }
            // Quotes within an argument go, and the texts around them join.
            Self::WindowsArgs => false,
            // As of a line of PowerShell: its values lose their quotes.
            Self::Invocation(_) => false,
            // Entities stand for characters.
            Self::Xml(_) => false,
            Self::Number
            | Self::WindowsArgCount
            | Self::PlainArgCount
            | Self::Truth
            | Self::IsValid
            | Self::Initiated
            | Self::FirewallDirection
            | Self::IpVersion
            | Self::VersionOfAddress
            | Self::Transport
            | Self::RegistryHive
            | Self::RegistryType
            | Self::RegistryStrings
            | Self::RegistryNumbers
            | Self::AnswerTypes
            | Self::AnswerAddresses
            | Self::Named(_)
            | Self::Known(_)
            | Self::Flags(_)
            | Self::Outcome => false,
        }
    }

    /// Returns what does the same without Elastic's quirks.
    pub(super) fn fixed(self) -> Self {
        match self {
            Self::NameInPath => Self::BaseName,
            Self::Extension => Self::ExtensionOfName,
            Self::PlainArgs => Self::WindowsArgs,
            Self::PlainArgCount => Self::WindowsArgCount,
            Self::RegistryStrings => Self::RegistryNumbers,
            other => other,
        }
    }
}

/// What is done with a value that was taken out of another one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inner {
    /// Nothing.
    Text,
    /// As [`Convert::BaseName`].
    BaseName,
    /// As [`Convert::Extension`].
    Extension,
    /// As [`Convert::Number`].
    Number,
    /// As [`Convert::Directory`].
    Directory,
    /// As [`Convert::WindowsArgs`].
    WindowsArgs,
    /// As [`Convert::WindowsArgCount`].
    WindowsArgCount,
    /// As [`Convert::UserDomain`].
    UserDomain,
    /// As [`Convert::UserName`].
    UserName,
}

impl Inner {
    fn convert(self) -> Convert {
        match self {
            Self::Text => Convert::Text,
            Self::BaseName => Convert::BaseName,
            Self::Extension => Convert::Extension,
            Self::Number => Convert::Number,
            Self::Directory => Convert::Directory,
            Self::WindowsArgs => Convert::WindowsArgs,
            Self::WindowsArgCount => Convert::WindowsArgCount,
            Self::UserDomain => Convert::UserDomain,
            Self::UserName => Convert::UserName,
        }
    }
}

/// Adds what a value becomes to `out`.
pub(super) fn value<'a>(convert: Convert, value: Value<'a>, out: &mut Target<'_, 'a>) {
    match value {
        Value::Str(text) => from_text(convert, text, out),
        Value::Int(number) if matches!(convert, Convert::Number) => out.push(Value::Int(number)),
        Value::Float(_) | Value::Written(_) if matches!(convert, Convert::Number) => {
            out.extend(value.whole_part().map(Value::Int));
        }
        Value::Bool(truth) if matches!(convert, Convert::Truth) => out.push(Value::Bool(truth)),
        other => {
            if let Some(text) = other.text() {
                let text = out.arena().keep(text);
                from_text(convert, text, out);
            }
        }
    }
}

fn from_text<'a>(convert: Convert, text: &'a str, out: &mut Target<'_, 'a>) {
    match convert {
        Convert::Text => out.push(Value::Str(text)),
        Convert::Number => out.extend(number(text).map(Value::Int)),
        Convert::NameInPath => push_part(text, |text| text.rsplit_once('\\').map(|p| p.1), out),
        Convert::BaseName => push_part(text, |text| text.rsplit('\\').next(), out),
        Convert::Directory => push_part(text, |text| text.rsplit_once('\\').map(|p| p.0), out),
        Convert::Extension => push_part(text, |text| text.rsplit_once('.').map(|p| p.1), out),
        Convert::ExtensionOfName => {
            push_part(text, |text| Some(text.rsplit('\\').next()?.rsplit_once('.')?.1), out)
        }
        Convert::WindowsArgs => {
            push_kept(args::split_windows(text), out);
        }
        Convert::WindowsArgCount => push_count(args::split_windows(text).count(), out),
        Convert::PlainArgs | Convert::Words => {
            out.extend(args::split_plain(text).map(Value::from));
        }
        Convert::PlainArgCount => push_count(args::split_plain(text).count(), out),
        Convert::Hash(kind) => {
            let found = hashes(text).find(|(name, _)| name.eq_ignore_ascii_case(kind));
            if let Some((_, hash)) = found {
                push_lower(hash, out);
            }
        }
        Convert::Hashes => {
            hashes(text).for_each(|(_, hash)| push_lower(hash, out));
        }
        Convert::Address => push_part(text, address, out),
        Convert::MappedAddress => push_part(text, |text| address(unmapped(text)), out),
        Convert::Truth => {
            let is = |word: &str| text.eq_ignore_ascii_case(word);
            if is("true") || is("false") {
                out.push(Value::Bool(is("true")));
            }
        }
        Convert::IsValid => out.push(Value::Bool(text == "Valid")),
        Convert::Initiated => push_word(word_of_truth(text, "egress", "ingress"), out),
        Convert::IpVersion => push_word(word_of_truth(text, "ipv6", "ipv4"), out),
        Convert::VersionOfAddress => push_word(version_of_address(text), out),
        Convert::FirewallDirection => push_word(names::find(names::DIRECTIONS, text), out),
        Convert::Transport => match names::find(names::TRANSPORTS, text) {
            Some(name) => out.push(Value::Str(name)),
            None => push_lower(text, out),
        },
        Convert::UserDomain => push_part(text, |text| Some(domain_and_user(text)?.0), out),
        Convert::UserName => push_part(text, |text| Some(domain_and_user(text)?.1), out),
        Convert::RegistryHive => push_word(hive_and_key(text).map(|(hive, _)| hive), out),
        Convert::RegistryKey => push_part(text, |text| hive_and_key(text)?.1, out),
        Convert::RegistryType => push_word(Some(registry_data(text, 8).0), out),
        // Elastic shifts by 8 bits, not by 32, and rules are written against that.
        Convert::RegistryStrings => push_kept(registry_data(text, 8).1, out),
        Convert::RegistryNumbers => push_kept(registry_data(text, 32).1, out),
        Convert::AnswerTypes => push_kept(dns::answers(text).map(|(kind, _)| kind), out),
        Convert::AnswerData => out.extend(dns::answers(text).map(|(_, data)| Value::from(data))),
        Convert::AnswerAddresses => {
            let addresses = dns::answers(text).filter_map(|(_, data)| address(data));
            out.extend(addresses.map(Value::from));
        }
        Convert::Named(table) => out.push(Value::Str(names::find(table, text).unwrap_or(text))),
        Convert::Known(table) => push_word(names::find(table, text.trim()), out),
        Convert::Flags(table) => {
            let bits = number(text).map_or(0, |number| number as u64);
            let set = table.iter().filter(|(bit, _)| bits & bit == *bit);
            out.extend(set.map(|(_, name)| Value::from(*name)));
        }
        Convert::Domain(part) => push_part(text, |text| dns::part(text, part), out),
        Convert::Invocation(part) => {
            let parts = invocation::details(text).filter_map(|detail| detail.part(part));
            out.extend(parts.map(Value::from));
        }
        Convert::Xml(name) => push_kept(xml::texts(text, name), out),
        Convert::Resource(inner) => {
            let first = text.split(';').map(str::trim).find(|part| !part.is_empty());
            let path = first.map(|path| path.split_once(":_").map_or(path, |(_, path)| path));
            if let Some(path) = path.filter(|path| !path.is_empty()) {
                from_text(inner.convert(), path, out);
            }
        }
        Convert::Outcome => push_word(outcome(text), out),
        Convert::Context(key, inner) => {
            if let Some(entry) = context_entry(text, key) {
                from_text(inner.convert(), entry, out);
            }
        }
        Convert::CommonName => push_part(text, common_name, out),
        Convert::SharePath(inner) => {
            from_text(inner.convert(), text.trim_start_matches("\\??\\"), out);
        }
    }
}

/// Drops the values of a field whose text stands further ahead already.
pub(super) fn remove_repetitions(fields: &mut Fields<'_>, id: FieldId) {
    let values = fields.get(id);
    if !has_repetitions(values) {
        return;
    }
    let mut seen = HashSet::new();
    let mut kept: Values<'_> = values.into();
    kept.retain(|value| value.text().is_none_or(|text| seen.insert(text)));
    fields.set_all(id, kept);
}

/// Tells whether two values may have the same text; of many it is not found out here.
fn has_repetitions(values: &[Value<'_>]) -> bool {
    const FEW: usize = 8;
    let is_same = |one: &Value<'_>, other: &Value<'_>| match (one, other) {
        (Value::Str(one), Value::Str(other)) => one == other,
        (one, other) => one.text() == other.text(),
    };
    let repeats = |at: usize| values[..at].iter().any(|earlier| is_same(earlier, &values[at]));
    values.len() > FEW || (1..values.len()).any(repeats)
}

/// Adds a part of the text; an empty part is none.
fn push_part<'a>(
    text: &'a str,
    part: impl FnOnce(&'a str) -> Option<&'a str>,
    out: &mut Target<'_, 'a>,
) {
    out.extend(part(text).filter(|part| !part.is_empty()).map(Value::Str));
}

fn push_kept<'a>(texts: impl IntoIterator<Item = Cow<'a, str>>, out: &mut Target<'_, 'a>) {
    let arena = out.arena();
    out.extend(texts.into_iter().map(|text| Value::Str(arena.keep(text))));
}

fn push_lower(text: &str, out: &mut Target<'_, '_>) {
    out.push(Value::Str(out.arena().lower(text)));
}

fn push_word(word: Option<&'static str>, out: &mut Target<'_, '_>) {
    out.extend(word.map(Value::from));
}

fn push_count(count: usize, out: &mut Target<'_, '_>) {
    if count > 0 {
        out.push(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)));
    }
}

fn word_of_truth(text: &str, yes: &'static str, no: &'static str) -> Option<&'static str> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(yes),
        _ if text.eq_ignore_ascii_case("false") => Some(no),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Arena;

    fn texts(convert: Convert, text: &str) -> Vec<String> {
        let arena = Arena::new();
        let mut fields = Fields::new(1, &arena);
        value(convert, Value::from(text), &mut Target::new(&mut fields, FieldId(0)));
        let out = fields.get(FieldId(0));
        out.iter().map(|value| value.text().unwrap().into_owned()).collect()
    }

    #[test]
    fn paths_are_taken_apart_at_the_last_backslash() {
        let path = r"C:\Windows\x.y\cmd.exe";
        assert_eq!(texts(Convert::NameInPath, path), ["cmd.exe"]);
        assert_eq!(texts(Convert::Directory, path), [r"C:\Windows\x.y"]);
        assert_eq!(texts(Convert::Extension, path), ["exe"]);
        assert_eq!(texts(Convert::Extension, r"C:\x.y\cmd"), [r"y\cmd"]);
        assert!(texts(Convert::NameInPath, "System").is_empty());
        assert_eq!(texts(Convert::BaseName, "System"), ["System"]);
        assert!(texts(Convert::NameInPath, "C:\\").is_empty());
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(texts(Convert::Number, "912"), ["912"]);
        assert_eq!(texts(Convert::Number, "0x1b78"), ["7032"]);
        for text in ["", "0x", "0x-1", "9e9", "99999999999999999999"] {
            assert!(texts(Convert::Number, text).is_empty(), "{text}");
        }
    }

    #[test]
    fn hashes_are_lower_case_and_not_zero() {
        let list = "MD5=0AB,SHA256=0000,IMPHASH=FF";
        assert_eq!(texts(Convert::Hash("md5"), list), ["0ab"]);
        assert_eq!(texts(Convert::Hashes, list), ["0ab", "ff"]);
        assert!(texts(Convert::Hash("sha256"), list).is_empty());
    }

    #[test]
    fn addresses_keep_their_text() {
        assert_eq!(texts(Convert::Address, "0:0:0:0:0:0:0:1"), ["0:0:0:0:0:0:0:1"]);
        assert_eq!(texts(Convert::MappedAddress, "::ffff:172.18.39.5"), ["172.18.39.5"]);
        assert_eq!(texts(Convert::Address, "fe80::1%4"), ["fe80::1%4"]);
        for text in ["LOCAL", "", "300.1.1.1", "ü::ffff"] {
            assert!(texts(Convert::MappedAddress, text).is_empty(), "{text}");
        }
    }

    #[test]
    fn users_have_two_parts() {
        assert_eq!(texts(Convert::UserDomain, r"NT AUTHORITY\SYSTEM"), ["NT AUTHORITY"]);
        assert_eq!(texts(Convert::UserName, r"NT AUTHORITY\SYSTEM"), ["SYSTEM"]);
        assert!(texts(Convert::UserName, "SYSTEM").is_empty());
        assert!(texts(Convert::UserName, r"a\b\c").is_empty());
    }

    #[test]
    fn registry_values_are_read_as_elastic_reads_them() {
        let path = r"HKEY_LOCAL_MACHINE\SOFTWARE\Run\x";
        assert_eq!(texts(Convert::RegistryHive, path), ["HKLM"]);
        assert_eq!(texts(Convert::RegistryKey, path), [r"SOFTWARE\Run\x"]);
        assert!(texts(Convert::RegistryHive, r"\REGISTRY\x").is_empty());
        for (details, kind, strings) in [
            ("DWORD (0x00000010)", "SZ_DWORD", &["16"][..]),
            ("QWORD (0x00000001-0x00000002)", "SZ_QWORD", &["258"]),
            ("Binary Data", "REG_BINARY", &[]),
            ("DWORD (x)", "REG_SZ", &["DWORD (x)"]),
        ] {
            assert_eq!(texts(Convert::RegistryType, details), [kind]);
            assert_eq!(texts(Convert::RegistryStrings, details), strings);
        }
    }

    #[test]
    fn dns_answers_have_type_and_data() {
        let results = "type:  5 cdn.example.net;::ffff:10.20.0.9;fe80::1;type: 999 x;junk;";
        assert_eq!(texts(Convert::AnswerTypes, results), ["CNAME", "A", "AAAA", "999"]);
        assert_eq!(
            texts(Convert::AnswerData, results),
            ["cdn.example.net", "10.20.0.9", "fe80::1", "x"]
        );
        assert_eq!(texts(Convert::AnswerAddresses, results), ["10.20.0.9", "fe80::1"]);
    }

    #[test]
    fn context_keys_lose_their_blanks() {
        let context = "  Severity = Informational\r\n   Host Application = a.exe -x=1\r\n User = ";
        let command = Convert::Context("HostApplication", Inner::WindowsArgs);
        assert_eq!(texts(command, context), ["a.exe", "-x=1"]);
        assert!(texts(Convert::Context("User", Inner::Text), context).is_empty());
    }

    #[test]
    fn repetitions_go() {
        let arena = Arena::new();
        let mut fields = Fields::new(1, &arena);
        let id = FieldId(0);
        for (values, kept) in [
            (&["a", "b", "a"][..], &["a", "b"][..]),
            (&["a", "1"], &["a", "1"]),
            (
                &["a", "b", "c", "d", "e", "f", "g", "h", "i", "b"],
                &["a", "b", "c", "d", "e", "f", "g", "h", "i"],
            ),
        ] {
            fields.set_all(id, values.iter().map(|text| Value::Str(text)));
            remove_repetitions(&mut fields, id);
            let left: Vec<&str> =
                fields.get(id).iter().filter_map(|value| value.as_str()).collect();
            assert_eq!(left, kept);
        }
        fields.set_all(id, [Value::Int(1), Value::Str("1"), Value::Bool(true)]);
        remove_repetitions(&mut fields, id);
        assert_eq!(fields.get(id), [Value::Int(1), Value::Bool(true)]);
    }
}
