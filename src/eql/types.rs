//! Types of values, and those that well-known fields have.

/// What kind of value an expression has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// True or false.
    Boolean,
    /// A number.
    Number,
    /// A text.
    String,
    /// Nothing.
    Null,
    /// Not known before the event is, or any of them.
    Any,
}

impl Type {
    /// Returns the type with its article, for messages.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Null => "null",
            Self::Any => "any value",
        }
    }

    /// Tells whether a value of type `other` may stand where this one is wanted.
    pub fn accepts(self, other: Self) -> bool {
        self == other || [self, other].contains(&Self::Any) || other == Self::Null
    }
}

/// The type that the Elastic Common Schema gives a field, where it is not just text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// An IP address.
    Ip,
    /// A whole or fractional number.
    Number,
    /// True or false.
    Boolean,
    /// A point of time.
    Date,
}

/// Returns the type of a well-known field; nothing for text and for unknown fields.
pub fn field_type(path: &str) -> Option<FieldType> {
    let leaf = path.rsplit('.').next().unwrap_or(path);
    if matches!(leaf, "ip" | "resolved_ip") {
        return Some(FieldType::Ip);
    }
    let found = TYPED_FIELDS.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    Some(TYPED_FIELDS[found].1)
}

use FieldType::{Boolean, Date, Number};

/// INVARIANT: sorted by name.
const TYPED_FIELDS: &[(&str, FieldType)] = &[
    ("@timestamp", Date),
    ("client.as.number", Number),
    ("client.bytes", Number),
    ("client.packets", Number),
    ("client.port", Number),
    ("destination.as.number", Number),
    ("destination.bytes", Number),
    ("destination.nat.port", Number),
    ("destination.packets", Number),
    ("destination.port", Number),
    ("dll.code_signature.exists", Boolean),
    ("dll.code_signature.trusted", Boolean),
    ("dll.code_signature.valid", Boolean),
    ("dns.answers.ttl", Number),
    ("event.created", Date),
    ("event.duration", Number),
    ("event.end", Date),
    ("event.ingested", Date),
    ("event.risk_score", Number),
    ("event.sequence", Number),
    ("event.severity", Number),
    ("event.start", Date),
    ("file.accessed", Date),
    ("file.code_signature.exists", Boolean),
    ("file.code_signature.trusted", Boolean),
    ("file.code_signature.valid", Boolean),
    ("file.created", Date),
    ("file.ctime", Date),
    ("file.mtime", Date),
    ("file.size", Number),
    ("host.uptime", Number),
    ("http.request.body.bytes", Number),
    ("http.request.bytes", Number),
    ("http.response.body.bytes", Number),
    ("http.response.bytes", Number),
    ("http.response.status_code", Number),
    ("log.offset", Number),
    ("network.bytes", Number),
    ("network.packets", Number),
    ("process.args_count", Number),
    ("process.code_signature.exists", Boolean),
    ("process.code_signature.trusted", Boolean),
    ("process.code_signature.valid", Boolean),
    ("process.end", Date),
    ("process.exit_code", Number),
    ("process.interactive", Boolean),
    ("process.parent.args_count", Number),
    ("process.parent.code_signature.exists", Boolean),
    ("process.parent.code_signature.trusted", Boolean),
    ("process.parent.code_signature.valid", Boolean),
    ("process.parent.exit_code", Number),
    ("process.parent.interactive", Boolean),
    ("process.parent.pid", Number),
    ("process.parent.start", Date),
    ("process.parent.thread.id", Number),
    ("process.pid", Number),
    ("process.ppid", Number),
    ("process.start", Date),
    ("process.thread.id", Number),
    ("process.uptime", Number),
    ("server.as.number", Number),
    ("server.bytes", Number),
    ("server.packets", Number),
    ("server.port", Number),
    ("source.as.number", Number),
    ("source.bytes", Number),
    ("source.nat.port", Number),
    ("source.packets", Number),
    ("source.port", Number),
    ("url.port", Number),
    ("winlog.process.pid", Number),
    ("winlog.process.thread.id", Number),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TYPED_FIELDS.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn well_known_fields_have_types() {
        assert_eq!(field_type("source.ip"), Some(FieldType::Ip));
        assert_eq!(field_type("dns.resolved_ip"), Some(FieldType::Ip));
        assert_eq!(field_type("process.pid"), Some(Number));
        assert_eq!(field_type("@timestamp"), Some(Date));
        assert_eq!(field_type("process.name"), None);
    }
}
