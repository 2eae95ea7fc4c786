//! `[kafka.security]` and `[kafka.sasl]`: TLS, login, and what of them fits together.
//!
//! Never lets a password go over a connection without TLS unless that is asked for by name.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

use super::{GroupProtocol, Settings};
use crate::setting::Fault;

/// `[kafka.security]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`; follows from the rest if absent, but never
    /// to a login without TLS.
    pub protocol: Option<Protocol>,
    /// Certificates of the authorities to trust (PEM).
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM).
    pub certificate_file: Option<PathBuf>,
    /// Our private key (PEM).
    pub key_file: Option<PathBuf>,
    /// A file with the private key's password.
    pub key_password_file: Option<PathBuf>,
}

/// How a connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Not at all.
    Plaintext,
    /// TLS.
    Ssl,
    /// A login without TLS.
    SaslPlaintext,
    /// A login over TLS.
    SaslSsl,
}

/// `[kafka.sasl]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sasl {
    /// Such as `SCRAM-SHA-512`.
    pub mechanism: Option<Mechanism>,
    /// The user.
    pub username: Option<String>,
    /// A file with the user's password.
    pub password_file: Option<PathBuf>,
}

/// How a login is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The password itself is sent.
    Plain,
    /// A proof of the password, with SHA-256.
    ScramSha256,
    /// A proof of the password, with SHA-512.
    ScramSha512,
}

impl Protocol {
    /// Returns its name in librdkafka and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    fn has_login(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl Mechanism {
    /// Returns its name in Kafka.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl<'de> Deserialize<'de> for Mechanism {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let name = String::deserialize(value)?;
        let known = [Self::Plain, Self::ScramSha256, Self::ScramSha512];
        if let Some(found) = known.into_iter().find(|known| known.name() == name) {
            return Ok(found);
        }
        let why = match name.as_str() {
            "OAUTHBEARER" => "needs an HTTP client, and the Kafka client is built without one",
            "GSSAPI" => "needs Kerberos libraries, and the Kafka client is built without them",
            "AWS_MSK_IAM" => "is none that the Kafka client can do",
            _ => "is no mechanism that is known here",
        };
        Err(de::Error::custom(format!(
            "`{name}` {why}\nhelp: write `SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`, or use a client \
             certificate (`certificate_file` and `key_file` under `[kafka.security]`)"
        )))
    }
}

impl Settings {
    /// Returns how connections are secured: what is written, else what follows from the rest.
    pub fn protocol(&self) -> Protocol {
        let derived = match (self.sasl.is_used(), self.security.has_files()) {
            (true, _) => Protocol::SaslSsl,
            (false, true) => Protocol::Ssl,
            (false, false) => Protocol::Plaintext,
        };
        self.security.protocol.unwrap_or(derived)
    }

    /// Tells whether the password itself goes over the network, readable for everybody on the way.
    pub fn sends_password_in_the_clear(&self) -> bool {
        self.protocol() == Protocol::SaslPlaintext && self.sasl.mechanism == Some(Mechanism::Plain)
    }

    /// Returns what of encryption, login and membership does not fit together.
    pub fn faults(&self) -> Vec<Fault> {
        let Self { security, sasl, .. } = self;
        let found = [security.fault_of_files(), sasl.fault(), self.fault_of_protocol()];
        found.into_iter().chain([self.fault_of_heartbeat()]).flatten().collect()
    }

    fn fault_of_heartbeat(&self) -> Option<Fault> {
        let heartbeat = self.property("heartbeat.interval.ms").unwrap_or(3_000);
        let session = self.property("session.timeout.ms").unwrap_or(10_000);
        // With the newer protocol the brokers decide both.
        let is_ours = self.group_protocol == GroupProtocol::Classic;
        (is_ours && heartbeat.saturating_mul(2) > session).then(|| Fault {
            path: &["kafka", "properties"],
            message: format!(
                "a member that is heard of every {heartbeat} ms loses its partitions after {session} ms"
            ),
            help: "let `session.timeout.ms` be at least twice `heartbeat.interval.ms`, better three times",
        })
    }

    fn fault_of_protocol(&self) -> Option<Fault> {
        let (has_login, has_files) = (self.sasl.is_used(), self.security.has_files());
        let at = &["kafka", "security", "protocol"];
        match self.security.protocol {
            None if has_login && !has_files => Some(Fault {
                path: &["kafka", "sasl"],
                message: "a login is asked for, and nothing says whether it is made over TLS"
                    .to_owned(),
                help: "write `protocol = \"sasl_ssl\"` under `[kafka.security]`; `\"sasl_plaintext\"` \
                       does without TLS, and `PLAIN` then sends the password in the clear",
            }),
            Some(protocol) if has_login && !protocol.has_login() => Some(Fault {
                path: at,
                message: format!(
                    "`{}` makes no login, and `[kafka.sasl]` asks for one",
                    protocol.name()
                ),
                help: "write `sasl_ssl`, or take `[kafka.sasl]` out",
            }),
            Some(protocol) if !has_login && protocol.has_login() => Some(Fault {
                path: at,
                message: format!(
                    "`{}` makes a login, and `[kafka.sasl]` is empty",
                    protocol.name()
                ),
                help: "write `mechanism`, `username` and `password_file` under `[kafka.sasl]`",
            }),
            Some(protocol) if has_files && !protocol.has_tls() => Some(Fault {
                path: at,
                message: format!("`{}` uses no TLS, and files for TLS are named", protocol.name()),
                help: "write `ssl` or `sasl_ssl`, or take the files out",
            }),
            _ => None,
        }
    }
}

impl Security {
    fn has_files(&self) -> bool {
        self.ca_file.is_some() || self.certificate_file.is_some() || self.key_file.is_some()
    }

    fn fault_of_files(&self) -> Option<Fault> {
        let fault = |path, missing: &str| {
            let message = format!("`{missing}` is missing under `[kafka.security]`");
            let help = "a client certificate is a file with the certificate, `certificate_file`, and one \
                        with its key, `key_file`";
            Some(Fault { path, message, help })
        };
        match (&self.certificate_file, &self.key_file, &self.key_password_file) {
            (Some(_), None, _) => fault(&["kafka", "security", "certificate_file"], "key_file"),
            (None, Some(_), _) => fault(&["kafka", "security", "key_file"], "certificate_file"),
            (None, None, Some(_)) => fault(&["kafka", "security", "key_password_file"], "key_file"),
            _ => None,
        }
    }
}

impl Sasl {
    fn is_used(&self) -> bool {
        self.mechanism.is_some() || self.username.is_some() || self.password_file.is_some()
    }

    fn fault(&self) -> Option<Fault> {
        let missing = match (&self.mechanism, &self.username, &self.password_file) {
            (None, None, None) | (Some(_), Some(_), Some(_)) => return None,
            (None, _, _) => "mechanism",
            (_, None, _) => "username",
            (_, _, None) => "password_file",
        };
        Some(Fault {
            path: &["kafka", "sasl"],
            message: format!("`{missing}` is missing under `[kafka.sasl]`"),
            help: "a login needs `mechanism`, `username` and `password_file`",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    const LOGIN: &str =
        "[sasl]\nmechanism = \"PLAIN\"\nusername = \"u\"\npassword_file = \"p\"\n[security]\n";

    #[test]
    fn the_protocol_follows_from_the_files() {
        for (text, expected) in [
            ("", "plaintext"),
            ("[security]\nca_file = \"ca\"\n", "ssl"),
            ("[security]\ncertificate_file = \"c\"\nkey_file = \"k\"\n", "ssl"),
            (&format!("{LOGIN}ca_file = \"ca\"\n"), "sasl_ssl"),
            (&format!("{LOGIN}protocol = \"sasl_ssl\"\n"), "sasl_ssl"),
            (&format!("{LOGIN}protocol = \"sasl_plaintext\"\n"), "sasl_plaintext"),
        ] {
            let settings = settings(text);
            assert_eq!(settings.protocol().name(), expected, "{text}");
            let faults: Vec<String> = settings.faults().into_iter().map(|f| f.message).collect();
            assert_eq!(faults, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_login_never_does_without_tls_unless_that_is_written() {
        let silent = settings(LOGIN);
        assert_ne!(silent.protocol(), Protocol::SaslPlaintext);
        assert!(silent.faults()[0].message.contains("whether it is made over TLS"));
        let written = settings(&format!("{LOGIN}protocol = \"sasl_plaintext\"\n"));
        assert!(written.faults().is_empty() && written.sends_password_in_the_clear());
    }

    #[test]
    fn what_does_not_fit_together_is_a_fault() {
        for (text, part) in [
            (&*format!("{LOGIN}protocol = \"ssl\"\n"), "`ssl` makes no login"),
            (&*format!("{LOGIN}protocol = \"plaintext\"\n"), "`plaintext` makes no login"),
            ("[security]\nprotocol = \"sasl_ssl\"\n", "`[kafka.sasl]` is empty"),
            ("[security]\nprotocol = \"plaintext\"\nca_file = \"c\"\n", "uses no TLS"),
            ("[security]\ncertificate_file = \"c\"\n", "`key_file` is missing"),
            ("[security]\nkey_file = \"k\"\n", "`certificate_file` is missing"),
            ("[security]\nca_file = \"c\"\nkey_password_file = \"p\"\n", "`key_file` is missing"),
            ("[properties]\n\"session.timeout.ms\" = 5000\n", "loses its partitions after 5000 ms"),
            ("[sasl]\nusername = \"u\"\npassword_file = \"p\"\n", "`mechanism` is missing"),
            ("[sasl]\nmechanism = \"PLAIN\"\npassword_file = \"p\"\n", "`username` is missing"),
            ("[sasl]\nmechanism = \"PLAIN\"\nusername = \"u\"\n", "`password_file` is missing"),
        ] {
            let faults: Vec<String> =
                settings(text).faults().into_iter().map(|f| f.message).collect();
            assert!(faults.iter().any(|fault| fault.contains(part)), "{text}: {faults:?}");
        }
    }

    #[test]
    fn mechanisms_that_the_client_cannot_do_are_refused_with_the_reason() {
        for (name, why) in [
            ("OAUTHBEARER", "built without one"),
            ("GSSAPI", "Kerberos"),
            ("AWS_MSK_IAM", "none that the Kafka client can do"),
            ("plain", "no mechanism that is known here"),
        ] {
            let text = format!("[sasl]\nmechanism = \"{name}\"\n");
            let error = toml::from_str::<Settings>(&text).expect_err(name).to_string();
            assert!(error.contains(why) && error.contains("SCRAM-SHA-512"), "{error}");
        }
    }
}
