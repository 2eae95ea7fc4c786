//! Two instances on one cluster, whichever it is: together they find exactly what a corpus holds.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;

use crate::broker::Broker;
use crate::live::*;
use crate::support::corpus::{Corpus, Settings, Shape};

/// A generated corpus and how it goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'w> {
    pub(crate) name: &'w str,
    pub(crate) settings: Settings,
    pub(crate) shape: Shape,
    pub(crate) delivery: &'w str,
}

/// Sends a corpus through two instances, and looks that each known answer comes out once.
pub(crate) fn finds_exactly_what_is_there(broker: &Broker, way: Way<'_>) {
    let Way { name, settings, shape, delivery } = way;
    let corpus = Corpus::make(settings);
    let topics = format!("exact-{name}-{}", shape.name());
    let mut setup = Setup::new(broker, &topics, &overrides("exact"));
    setup.kafka = format!("delivery = \"{delivery}\"\n");
    let instances = [setup.instance(0), setup.instance(1)];
    instances.iter().for_each(Instance::wait_ready);
    wait_both_work(&instances);
    setup.send_file(&corpus.file(shape), |_| ());
    let truth = truth(&corpus);
    let records = setup.read("alerts", |records| by_final(records).len() >= truth.len());
    let found: BTreeSet<_> = by_final(&records).into_keys().collect();
    assert_eq!(found, truth, "{name}");
    assert_eq!(records.len(), truth.len(), "{name}: without a crash each comes once");
    for instance in instances {
        assert_eq!(instance.terminate(), Some(0));
    }
}

fn wait_both_work(instances: &[Instance; 2]) {
    let shares = || instances.iter().map(|i| i.metric("maxspan_partitions_assigned", ""));
    instances[0].wait_for("both share the partitions", |_| {
        shares().all(|share| share > 0.0) && shares().sum::<f64>() == f64::from(PARTITIONS)
    });
}
