//! Three brokers that want TLS and a name.

use super::*;
use crate::broker::{Entrance, Plan};
use crate::exact::{Way, finds_exactly_what_is_there};

#[test]
fn c34_exactly_once_by_tls_and_scram() {
    let plan = Plan { nodes: 3, entrance: Entrance::Secure, more: "" };
    let Some(cluster) = Broker::start_as_or_not_run(plan, "three brokers with TLS") else { return };
    let began = Instant::now();
    let flags = &["--lag", "--dup", "0.02"];
    let (shape, delivery) = ("raw", "exactly_once");
    finds_exactly_what_is_there(&cluster, Way { corpus: "lag-dup", flags, shape, delivery });
    done(began, "three brokers with TLS and SCRAM-SHA-512");
}
