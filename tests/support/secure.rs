//! Keys, names and passwords for an entrance by TLS and SCRAM-SHA-512, made for one cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Ports;

/// The name by which the program comes in.
pub(crate) const USER: &str = "maxspan";
/// The name by which brokers come to each other.
const BROKER: &str = "broker";
const PASSWORD: &str = "password-of-a-test";

/// The files of a cluster's secrets.
pub(super) struct Secrets(PathBuf);

impl Secrets {
    /// Makes a key with a certificate that vouches for itself, in files below `base`.
    pub(super) fn make(base: &Path) -> Self {
        // They go with the files of a node, whose guard removes them however the test ends.
        let secrets = Self(base.join("node0/secrets"));
        fs::create_dir_all(&secrets.0).unwrap();
        fs::write(secrets.password(), PASSWORD).unwrap();
        let key = ["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "2"];
        let names = ["-dname", "CN=localhost", "-ext", "san=dns:localhost,ip:127.0.0.1"];
        secrets.keytool(&[&key[..], &names[..]].concat(), None);
        secrets.keytool(&["-exportcert", "-rfc"], Some(&secrets.certificate()));
        secrets
    }

    /// Returns the settings of a node that has a secure listener beside those it has anyway.
    pub(super) fn of_node(&self, ports: Ports, sent_to: u16) -> String {
        let Ports { client, controller, behind, secure } = ports;
        let (keys, certificate) = (self.keys(), self.certificate());
        format!(
            "listeners=PLAINTEXT://127.0.0.1:{client},BEHIND://127.0.0.1:{behind},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{client},BEHIND://127.0.0.1:{sent_to},SECURE://127.0.0.1:{secure}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,BEHIND:PLAINTEXT,SECURE:SASL_SSL
inter.broker.listener.name=SECURE
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{BROKER}\" password=\"{PASSWORD}\";
ssl.keystore.type=PKCS12
ssl.keystore.location={}
ssl.keystore.password={PASSWORD}
ssl.truststore.type=PEM
ssl.truststore.location={}
",
            keys.display(),
            certificate.display(),
        )
    }

    /// Returns the arguments with which a node's storage learns names and passwords.
    pub(super) fn for_storage(&self) -> Vec<String> {
        let user = |name| format!("SCRAM-SHA-512=[name={name},password={PASSWORD}]");
        [BROKER, USER].into_iter().flat_map(|name| ["--add-scram".to_owned(), user(name)]).collect()
    }

    /// Returns what the program is told to come in.
    pub(super) fn of_program(&self) -> String {
        format!(
            "security = {{ ca_file = \"{}\" }}\nsasl = {{ mechanism = \"SCRAM-SHA-512\", \
             username = \"{USER}\", password_file = \"{}\" }}\n",
            self.certificate().display(),
            self.password().display(),
        )
    }

    fn keys(&self) -> PathBuf {
        self.0.join("keys.p12")
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    fn password(&self) -> PathBuf {
        self.0.join("password")
    }

    fn keytool(&self, what: &[&str], into: Option<&Path>) {
        let tool = std::env::var_os("JAVA_HOME")
            .map_or_else(|| PathBuf::from("keytool"), |home| Path::new(&home).join("bin/keytool"));
        let mut command = Command::new(tool);
        command.args(what).args(["-alias", "broker", "-storetype", "PKCS12"]);
        command.args(["-storepass", PASSWORD, "-keystore"]).arg(self.keys());
        if let Some(file) = into {
            command.arg("-file").arg(file);
        }
        let made = command.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    }
}
