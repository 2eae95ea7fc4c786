//! Three brokers that want TLS and a name.

use super::*;
use crate::broker::{Entrance, Plan};
use crate::exact::{Way, finds_exactly_what_is_there};
use crate::support::corpus::{Settings, Shape};

#[test]
fn c34_exactly_once_by_tls_and_scram() {
    let plan = Plan { nodes: 3, entrance: Entrance::Secure, more: "" };
    let Some(cluster) = Broker::start_as_or_not_run(plan, "three brokers with TLS") else { return };
    let began = Instant::now();
    let (name, settings) = ("late-doubled", Settings::MANY_ATTACKS.late().doubled(20));
    let (shape, delivery) = (Shape::Raw, "exactly_once");
    finds_exactly_what_is_there(&cluster, Way { name, settings, shape, delivery });
    done(began, "three brokers with TLS and SCRAM-SHA-512");
}
