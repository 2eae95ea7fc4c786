//! Rights that are missing, one at a time, and are given while the program runs.

use super::*;
use crate::acl::{Operation, Resource, allow};
use crate::broker::{Entrance, Plan};

const USER: &str = "maxspan";

/// Whoever comes in plain is the operator; who comes with a name may do what he has been allowed.
const SETTINGS: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
     super.users=User:ANONYMOUS;User:broker\n";

/// One broker that asks for rights serves all cases.
fn guarded() -> Option<(&'static Broker, MutexGuard<'static, ()>)> {
    static GUARDED: OnceLock<Option<Broker>> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let plan = Plan { nodes: 1, entrance: Entrance::Secure, more: SETTINGS };
    let broker =
        GUARDED.get_or_init(|| Broker::start_as_or_not_run(plan, "rights on a real Kafka"));
    let turn = TURN.lock().unwrap_or_else(|failed| failed.into_inner());
    broker.as_ref().map(|broker| (broker, turn))
}

#[test]
fn c35_input_may_not_be_described() {
    right_is_missing("in", Operation::Describe);
}

#[test]
fn c35_input_may_not_be_read() {
    right_is_missing("in", Operation::Read);
}

#[test]
fn c35_alerts_may_not_be_described() {
    right_is_missing("alerts", Operation::Describe);
}

#[test]
fn c35_alerts_may_not_be_written() {
    right_is_missing("alerts", Operation::Write);
}

#[test]
fn c35_dead_letters_may_not_be_written() {
    right_is_missing("dead", Operation::Write);
}

/// All that the program needs on its topics. Who may read or write may describe as well.
const NEEDED: [(&str, Operation); 3] =
    [("in", Operation::Read), ("alerts", Operation::Write), ("dead", Operation::Write)];

/// Not even to describe a topic is the want of all rights on it.
fn right_is_missing(kind: &str, operation: Operation) {
    let Some((broker, _turn)) = guarded() else { return };
    let began = Instant::now();
    let name = format!("no-{operation:?}-{kind}").to_lowercase();
    let setup = setup(broker, &name);
    let address = broker.bootstrap();
    allow(&address, USER, Resource::Group(&name), Operation::Read);
    for operation in [Operation::Write, Operation::Describe] {
        allow(&address, USER, Resource::TransactionalIds(&name), operation);
    }
    let topic = |kind: &str| format!("{name}-{kind}");
    let give = |(kind, operation): (&str, Operation)| {
        allow(&address, USER, Resource::Topic(&topic(kind)), operation);
    };
    NEEDED.into_iter().filter(|(other, _)| *other != kind).for_each(give);
    if operation != Operation::Describe {
        give((kind, Operation::Describe));
    }
    let mut instance = setup.instance(0);
    under_load(&setup, || {
        instance.wait_for("names what is missing", |i| says_what_is_missing(i, &topic(kind)));
    });
    assert_eq!(instance.get("/startupz").map(|(status, _)| status), Some(200), "it has started");
    assert!(instance.child.try_wait().unwrap().is_none(), "it goes on");
    NEEDED.into_iter().filter(|(other, _)| *other == kind).for_each(give);
    instance.wait_ready();
    check(&setup);
    end([instance]);
    done(began, &format!("without {operation:?} on the topic `{kind}`, until it is given"));
}

/// Not ready, for want of rights on this topic and for no other reason.
fn says_what_is_missing(instance: &Instance, topic: &str) -> bool {
    let Some((503, body)) = instance.get("/readyz") else { return false };
    let line = body.lines().find(|line| line.contains(topic)).unwrap_or_default().to_lowercase();
    let words = ["authoriz", "right", "permission", "may not", "not allowed", "acl"];
    words.iter().any(|word| line.contains(word)) && !body.contains("no broker answers")
}
