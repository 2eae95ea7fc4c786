//! Codes and what they are called.

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

/// Outcomes of DNS queries; those that are met in practice.
pub(super) static DNS_STATUS: &[(&str, &str)] = &[
    ("0", "SUCCESS"),
    ("5", "ERROR_ACCESS_DENIED"),
    ("8", "ERROR_NOT_ENOUGH_MEMORY"),
    ("13", "ERROR_INVALID_DATA"),
    ("87", "ERROR_INVALID_PARAMETER"),
    ("123", "ERROR_INVALID_NAME"),
    ("1214", "ERROR_INVALID_NETNAME"),
    ("1223", "ERROR_CANCELLED"),
    ("1460", "ERROR_TIMEOUT"),
    ("9001", "DNS_ERROR_RCODE_FORMAT_ERROR"),
    ("9002", "DNS_ERROR_RCODE_SERVER_FAILURE"),
    ("9003", "DNS_ERROR_RCODE_NAME_ERROR"),
    ("9004", "DNS_ERROR_RCODE_NOT_IMPLEMENTED"),
    ("9005", "DNS_ERROR_RCODE_REFUSED"),
    ("9006", "DNS_ERROR_RCODE_YXDOMAIN"),
    ("9007", "DNS_ERROR_RCODE_YXRRSET"),
    ("9008", "DNS_ERROR_RCODE_NXRRSET"),
    ("9009", "DNS_ERROR_RCODE_NOTAUTH"),
    ("9010", "DNS_ERROR_RCODE_NOTZONE"),
    ("9016", "DNS_ERROR_RCODE_BADSIG"),
    ("9017", "DNS_ERROR_RCODE_BADKEY"),
    ("9018", "DNS_ERROR_RCODE_BADTIME"),
    ("9501", "DNS_INFO_NO_RECORDS"),
    ("9502", "DNS_ERROR_BAD_PACKET"),
    ("9503", "DNS_ERROR_NO_PACKET"),
    ("9504", "DNS_ERROR_RCODE"),
    ("9505", "DNS_ERROR_UNSECURE_PACKET"),
    ("9506", "DNS_REQUEST_PENDING"),
    ("9551", "DNS_ERROR_INVALID_TYPE"),
    ("9552", "DNS_ERROR_INVALID_IP_ADDRESS"),
    ("9553", "DNS_ERROR_INVALID_PROPERTY"),
    ("9554", "DNS_ERROR_TRY_AGAIN_LATER"),
    ("9560", "DNS_ERROR_INVALID_NAME_CHAR"),
    ("9561", "DNS_ERROR_NUMERIC_NAME"),
    ("9601", "DNS_ERROR_ZONE_DOES_NOT_EXIST"),
    ("9701", "DNS_ERROR_RECORD_DOES_NOT_EXIST"),
    ("9714", "DNS_ERROR_NAME_DOES_NOT_EXIST"),
    ("9852", "DNS_ERROR_NO_DNS_SERVERS"),
    ("10054", "WSAECONNRESET"),
    ("10055", "WSAENOBUFS"),
    ("10060", "WSAETIMEDOUT"),
    ("11001", "WSAHOST_NOT_FOUND"),
    ("11002", "WSATRY_AGAIN"),
    ("11003", "WSANO_RECOVERY"),
    ("11004", "WSANO_DATA"),
];

/// Kinds of logons.
pub(super) static LOGON_TYPES: &[(&str, &str)] = &[
    ("0", "System"),
    ("2", "Interactive"),
    ("3", "Network"),
    ("4", "Batch"),
    ("5", "Service"),
    ("7", "Unlock"),
    ("8", "NetworkCleartext"),
    ("9", "NewCredentials"),
    ("10", "RemoteInteractive"),
    ("11", "CachedInteractive"),
    ("12", "CachedRemoteInteractive"),
    ("13", "CachedUnlock"),
];

/// Kinds of services.
pub(super) static SERVICE_TYPES: &[(&str, &str)] = &[
    ("0x1", "Kernel Driver"),
    ("0x2", "File System Driver"),
    ("0x8", "Recognizer Driver"),
    ("0x10", "Win32 Own Process"),
    ("0x20", "Win32 Share Process"),
    ("0x110", "Interactive Own Process"),
    ("0x120", "Interactive Share Process"),
];

/// Encryption of Kerberos tickets.
pub(super) static TICKET_ENCRYPTIONS: &[(&str, &str)] = &[
    ("0x1", "DES-CBC-CRC"),
    ("0x3", "DES-CBC-MD5"),
    ("0x11", "AES128-CTS-HMAC-SHA1-96"),
    ("0x12", "AES256-CTS-HMAC-SHA1-96"),
    ("0x17", "RC4-HMAC"),
    ("0x18", "RC4-HMAC-EXP"),
    ("0xffffffff", "FAIL"),
];
