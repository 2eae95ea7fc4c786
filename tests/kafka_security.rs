//! TLS, client certificates and logins, against a real Apache Kafka.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/live.rs"]
mod live;
mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use broker::Broker;
use live::{Instance, Setup};

const PASSWORD: &str = "hunter2-MARKER";

/// Where clients come to, by what is asked of them.
struct Ports {
    certificate: u16,
    login: u16,
    clear: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn openssl(directory: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(directory).args(arguments.split(' '));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes an authority, a certificate for the broker and one for the client, whose key has a password.
fn certificates(directory: &Path) {
    std::fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    std::fs::write(directory.join("password"), format!("{PASSWORD}\n")).unwrap();
    openssl(
        directory,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=authority -days 2",
    );
    for name in ["broker", "client"] {
        openssl(
            directory,
            &format!(
                "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ),
        );
        openssl(
            directory,
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out {name}.crt \
                 -days 2 -extfile names"
            ),
        );
    }
    openssl(
        directory,
        &format!("pkcs8 -topk8 -in client.key -out client.locked.key -passout pass:{PASSWORD}"),
    );
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    std::fs::write(directory.join("broker.pem"), read("broker.key") + &read("broker.crt")).unwrap();
}

fn listeners(directory: &Path, ports: &Ports) -> String {
    let Ports { certificate, login, clear } = ports;
    let at = directory.display();
    let mut settings = format!(
        "listeners=PLAINTEXT://127.0.0.1:@client@,CONTROLLER://127.0.0.1:@controller@,\
         TLS://127.0.0.1:{certificate},LOGIN://127.0.0.1:{login},CLEAR://127.0.0.1:{clear}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:@client@,\
         TLS://127.0.0.1:{certificate},LOGIN://127.0.0.1:{login},CLEAR://127.0.0.1:{clear}\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,TLS:SSL,\
         LOGIN:SASL_SSL,CLEAR:SASL_PLAINTEXT\n\
         ssl.keystore.type=PEM\nssl.keystore.location={at}/broker.pem\n\
         ssl.truststore.type=PEM\nssl.truststore.location={at}/ca.crt\n\
         listener.name.tls.ssl.client.auth=required\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n"
    );
    let modules = "org.apache.kafka.common.security";
    for listener in ["login", "clear"] {
        settings.push_str(&format!(
            "listener.name.{listener}.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required \
             user_maxspan=\"{PASSWORD}\";\n"
        ));
        for scram in ["scram-sha-256", "scram-sha-512"] {
            settings.push_str(&format!(
                "listener.name.{listener}.{scram}.sasl.jaas.config=\
                 {modules}.scram.ScramLoginModule required;\n"
            ));
        }
    }
    settings
}

fn login(mechanism: &str) -> String {
    format!(
        "[kafka.sasl]\nmechanism = \"{mechanism}\"\nusername = \"maxspan\"\npassword_file = \"password\"\n"
    )
}

#[test]
fn every_way_to_secure_a_connection_works() {
    let what = "TLS and logins against a real Kafka";
    let directory = tempfile::tempdir().unwrap();
    if Command::new("openssl").arg("version").output().is_err() {
        return support::replay::not_run(what, "no openssl: install openssl");
    }
    certificates(directory.path());
    let ports = Ports { certificate: free_port(), login: free_port(), clear: free_port() };
    let settings = listeners(directory.path(), &ports);
    let Some(broker) = Broker::start_with_or_not_run(1, &settings, what) else { return };
    broker.add_user("maxspan", PASSWORD);

    let tls = "[kafka.security]\nca_file = \"ca.crt\"\n";
    let certificate = "certificate_file = \"client.crt\"\nkey_file = \"client.key\"\n";
    let locked = "certificate_file = \"client.crt\"\nkey_file = \"client.locked.key\"\n\
                  key_password_file = \"password\"\n";
    let clear = "[kafka.security]\nprotocol = \"sasl_plaintext\"\n";
    let ways = [
        ("certificate", ports.certificate, format!("{tls}{certificate}"), "ssl"),
        ("locked-key", ports.certificate, format!("{tls}{locked}"), "ssl"),
        ("plain", ports.login, format!("{tls}{}", login("PLAIN")), "sasl_ssl"),
        ("scram-256", ports.login, format!("{tls}{}", login("SCRAM-SHA-256")), "sasl_ssl"),
        ("scram-512", ports.login, format!("{tls}{}", login("SCRAM-SHA-512")), "sasl_ssl"),
        ("clear", ports.clear, format!("{clear}{}", login("SCRAM-SHA-512")), "sasl_plaintext"),
    ];
    for (name, port, lines, protocol) in ways {
        let (setup, instance) = start(&broker, directory.path(), name, port, &lines);
        instance.wait_ready();
        let log = std::fs::read_to_string(&instance.log).unwrap();
        assert!(log.contains(protocol), "{name}: {log}");
        assert!(!log.contains("MARKER"), "{name}: {log}");
        assert_eq!(instance.terminate(), Some(0), "{name}");
        drop(setup);
    }
    // A wrong password, and no certificate where one is asked for: never ready, and the log says why.
    std::fs::write(directory.path().join("password"), "wrong-MARKER").unwrap();
    let wrong = [
        ("wrong", ports.login, format!("{tls}{}", login("SCRAM-SHA-512"))),
        ("no-certificate", ports.certificate, tls.to_owned()),
    ];
    for (name, port, lines) in wrong {
        let (_setup, instance) = start(&broker, directory.path(), name, port, &lines);
        instance.wait_for("says that nobody answers", |instance| {
            std::fs::read_to_string(&instance.log)
                .unwrap()
                .contains("no broker answers at `127.0.0.1:")
        });
        assert_eq!(instance.get("/readyz").map(|(status, _)| status), Some(503), "{name}");
        let log = std::fs::read_to_string(&instance.log).unwrap();
        assert!(!log.contains("MARKER"), "{name}: {log}");
    }
}

/// Starts an instance whose configuration stands beside the certificates.
fn start<'b>(
    broker: &'b Broker,
    files: &Path,
    name: &str,
    port: u16,
    lines: &str,
) -> (Setup<'b>, Instance) {
    let mut setup = Setup::of_one_partition(broker, name);
    for file in ["ca.crt", "client.crt", "client.key", "client.locked.key", "password"] {
        std::fs::copy(files.join(file), setup.directory.path().join(file)).unwrap();
    }
    setup.kafka = format!("journal = {{ enabled = false }}\n{lines}");
    let instance = setup.instance_at(&format!("127.0.0.1:{port}"), 0, "");
    (setup, instance)
}
