//! Secrets are never shown: a marker is put into every place where one may stand, beside all kinds of
//! faults, and looked for in all that the program says.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MARKER: &str = "hunter2-MARKER";

/// What may stand in a configuration file and hold a secret, right or wrong.
const PLACES: &[&str] = &[
    "[kafka.properties]\n\"sasl.password\" = \"hunter2-MARKER\"\n",
    "[kafka.properties]\n\"ssl.key.password\" = 'hunter2-MARKER'\n",
    "[kafka.properties]\n\"ssl.keystore.password\" = \"hunter2-MARKER\"\n",
    "[kafka.properties]\n\"sasl.oauthbearer.client.secret\" = \"hunter2-MARKER\"\n",
    "[kafka.properties]\n\"sasl.oauthbearer.config\" = \"secret=hunter2-MARKER\"\n",
    "[kafka.properties]\n\"ssl.key.pem\" = \"\"\"\n-----BEGIN PRIVATE KEY-----\nhunter2-MARKER\n\"\"\"\n",
    "[kafka.properties]\n\"ssl.key.pem\" = \"\"\"\n-----BEGIN PRIVATE KEY-----\nhunter2-MARKER\n",
    "[kafka.properties]\n\"no.such.password\" = \"hunter2-MARKER\"\n",
    "[kafka.properties]\n\"no.such\" = \"hunter2-MARKER\"\n",
    "[kafka.properties]\n\"sasl.password\" = [\"hunter2-MARKER\"]\n",
    "[kafka.properties]\nsasl.password = \"hunter2-MARKER\"\n",
    "[kafka.properties.sasl]\npassword = \"hunter2-MARKER\"\n",
    "[kafka.sasl]\npassword = \"hunter2-MARKER\"\n",
    "[kafka.sasl]\npasword = \"hunter2-MARKER\"\nmechanism = 5\n",
    "[kafka.sasl]\npassword = \"hunter2-MARKER\n",
    "[kafka.sasl]\npassword = hunter2-MARKER\n",
    "[kafka.sasl]\npassword = \"a\"hunter2-MARKER\"\n",
    "[kafka.security]\nkey_password = \"hunter2-MARKER\"\n",
    "[kafka]\nsasl = { mechanism = \"LOUD\", password = \"hunter2-MARKER\", username = 5 }\n",
    "kafka.sasl.password = \"hunter2-MARKER\"\n",
    "password = \"hunter2-MARKER\"\n[kafka]\n",
];

/// What may be wrong beside it.
const NEIGHBOURS: &[&str] =
    &["", "[log]\nlevel = \"loud\"\n", "[state]\nx = \n", "[http]\nlisten = 5\n"];

struct Said(String);

impl Said {
    fn hides_it(&self, what: &str) {
        assert!(!self.0.contains("MARKER"), "{what}:\n{}", self.0);
    }
}

fn program(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maxspan"));
    command.current_dir(directory).args(arguments).envs(variables.iter().copied());
    command
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said(format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

fn rules(directory: &Path) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules");
    std::os::unix::fs::symlink(shipped, directory.join("rules")).unwrap();
}

#[test]
fn no_secret_of_a_configuration_file_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    rules(directory.path());
    let path = directory.path().join("maxspan.toml");
    for place in PLACES {
        for neighbour in NEIGHBOURS {
            let text = format!("{place}{neighbour}");
            std::fs::write(&path, &text).unwrap();
            for arguments in [
                &["check", "maxspan.toml"][..],
                &["check", "--format", "json", "maxspan.toml"],
                &["run", "--config", "maxspan.toml", "--set", "kafka.brokers=127.0.0.1:1"],
                &["replay", "--config", "maxspan.toml", "/dev/null"],
            ] {
                // A configuration that is taken would be run: none of these is, but for an unknown
                // property, which only the client refuses.
                let said = said(&mut program(directory.path(), arguments, &[]));
                said.hides_it(&format!("{arguments:?} with\n{text}"));
            }
        }
    }
}

#[test]
fn no_secret_of_the_environment_or_the_command_line_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    rules(directory.path());
    let run = ["run", "--set", "kafka.brokers=127.0.0.1:1"];
    for variable in [
        "MAXSPAN_KAFKA__SASL__PASSWORD",
        "MAXSPAN_KAFKA__SASL",
        "MAXSPAN_KAFKA__SECURITY__KEY_PASSWORD",
        "MAXSPAN_KAFKA__PROPERTIES__SASL_PASSWORD",
        "MAXSPAN_KAFKA__PROPERTIES__SSL_KEY_PEM",
        "MAXSPAN_KAFKA__PROPERTIES__NO_SUCH",
        "MAXSPAN_KAFKA__PROPERTIES",
        "MAXSPAN_PASSWORD",
    ] {
        let said = said(&mut program(directory.path(), &run, &[(variable, MARKER)]));
        assert!(said.0.contains("error"), "{variable}: {}", said.0);
        said.hides_it(variable);
    }
    for key in [
        "kafka.sasl.password",
        "kafka.sasl",
        "kafka.properties.\"sasl.password\"",
        "kafka.properties.\"no.such\"",
        "kafka.properties.\"linger.ms\"",
        "password",
        "kafka..password",
    ] {
        let argument = format!("{key}={MARKER}");
        let arguments = [&run[..], &["--set", &argument]].concat();
        let said = said(&mut program(directory.path(), &arguments, &[]));
        assert!(said.0.contains("error"), "{key}: {}", said.0);
        said.hides_it(key);
    }
}

/// The password is used, and all that client and service can be made to log does not hold it.
#[test]
fn no_secret_of_a_file_is_logged() {
    let directory = tempfile::tempdir().unwrap();
    rules(directory.path());
    std::fs::write(directory.path().join("password"), format!("{MARKER}\n")).unwrap();
    // A port that takes connections and never answers: the client goes on to try.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        for protocol in ["sasl_plaintext", "sasl_ssl"] {
            let config = format!(
                "[kafka]\nbrokers = \"{}\"\n[kafka.security]\nprotocol = \"{protocol}\"\n[kafka.sasl]\n\
                 mechanism = \"{mechanism}\"\nusername = \"u\"\npassword_file = \"password\"\n\
                 [kafka.properties]\ndebug = \"all\"\n[rules]\npaths = \"rules\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\n\
                 level = \"trace\"\n",
                silent.local_addr().unwrap()
            );
            std::fs::write(directory.path().join("maxspan.toml"), config).unwrap();
            let log = directory.path().join("log");
            let mut service = program(directory.path(), &["run", "--config", "maxspan.toml"], &[])
                .stderr(std::fs::File::create(&log).unwrap())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let text = wait_for_connection(&mut service, &log, protocol);
            service.kill().unwrap();
            service.wait().unwrap();
            let warned = text.contains("the password goes over the network in the clear");
            assert_eq!(warned, (mechanism, protocol) == ("PLAIN", "sasl_plaintext"), "{text}");
            Said(text).hides_it(&format!("{mechanism} over {protocol}"));
        }
    }
}

/// Waits until the client has tried to connect, and returns the log.
fn wait_for_connection(service: &mut Child, log: &Path, protocol: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    let connected = format!("{protocol}://127.0.0.1");
    loop {
        let text = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
        assert_eq!(service.try_wait().unwrap(), None, "{text}");
        // The settings have been logged (`debug = "all"`), and a connection is under way.
        if text.contains(&connected) && text.contains("started") && text.contains("CONNECT") {
            return text;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
