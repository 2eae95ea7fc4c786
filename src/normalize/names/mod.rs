//! Codes and what they are called.

mod dns_status;
mod security;

pub(super) use dns_status::DNS_STATUS;
pub(super) use security::{
    ACCESS_RIGHTS, ACCOUNT_FLAGS, FAILURES, KERBEROS_STATUS, LOGON_STATUS, LOGON_TYPES,
    PRE_AUTHENTICATION, SERVICE_TYPES, TICKET_ENCRYPTIONS, TICKET_OPTIONS,
};

/// Returns the name of a code, without regard to case.
pub(super) fn find(
    table: &'static [(&'static str, &'static str)],
    code: &str,
) -> Option<&'static str> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, name)| *name)
}

/// Directions of the Windows filtering platform.
pub(super) static DIRECTIONS: &[(&str, &str)] = &[
    ("%%14592", "ingress"),
    ("%%14593", "egress"),
    ("Inbound", "ingress"),
    ("Outbound", "egress"),
];

/// Protocols above IP, by number.
pub(super) static TRANSPORTS: &[(&str, &str)] = &[
    ("1", "icmp"),
    ("2", "igmp"),
    ("6", "tcp"),
    ("17", "udp"),
    ("41", "ipv6"),
    ("47", "gre"),
    ("50", "esp"),
    ("58", "ipv6-icmp"),
    ("132", "sctp"),
];

/// Registry hives and their short names.
pub(super) static HIVES: &[(&str, &str)] = &[
    ("HKLM", "HKLM"),
    ("HKEY_LOCAL_MACHINE", "HKLM"),
    ("HKU", "HKU"),
    ("HKEY_USERS", "HKU"),
    ("HKCU", "HKCU"),
    ("HKEY_CURRENT_USER", "HKCU"),
    ("HKCR", "HKCR"),
    ("HKEY_CLASSES_ROOT", "HKCR"),
    ("HKCC", "HKCC"),
    ("HKEY_CURRENT_CONFIG", "HKCC"),
    ("HKDD", "HKDD"),
    ("HKEY_DYN_DATA", "HKDD"),
    ("HKPD", "HKPD"),
    ("HKEY_PERFORMANCE_DATA", "HKPD"),
];

/// Types of DNS records.
pub(super) static DNS_TYPES: &[(&str, &str)] = &[
    ("1", "A"),
    ("2", "NS"),
    ("5", "CNAME"),
    ("6", "SOA"),
    ("12", "PTR"),
    ("13", "HINFO"),
    ("15", "MX"),
    ("16", "TXT"),
    ("28", "AAAA"),
    ("33", "SRV"),
    ("35", "NAPTR"),
    ("39", "DNAME"),
    ("43", "DS"),
    ("46", "RRSIG"),
    ("47", "NSEC"),
    ("48", "DNSKEY"),
    ("52", "TLSA"),
    ("64", "SVCB"),
    ("65", "HTTPS"),
    ("99", "SPF"),
    ("255", "ANY"),
];
