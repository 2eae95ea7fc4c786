//! Tells about topics whose records do not lie where a hash of their host would put them.
//!
//! The workers count ([`crate::kafka::state::Sampler`]); this asks what the counts mean, and says so.

use crate::kafka::state::alignment::{Function, Verdict};
use crate::kafka::state::clock::now_millis;
use crate::kafka::state::{Degradation, Shared};
use crate::rule::compile::CompiledRule;

/// How often, in milliseconds, it is judged.
const EVERY: u64 = 1_000;

/// Tells about topics whose records do not lie by host.
#[derive(Default)]
pub(in crate::kafka) struct PlacementWatch {
    judged_at: u64,
}

impl PlacementWatch {
    /// Judges if it is time to: metrics, one warning, a condition of health.
    pub(in crate::kafka) fn look(&mut self, shared: &Shared) {
        let now = now_millis();
        if now < self.judged_at + EVERY {
            return;
        }
        self.judged_at = now;
        shared.topics.placement.for_each_topic(now, |topic, window, hosts| {
            let metrics = &shared.metrics.kafka;
            metrics.hosts_on_several.with_label_values(&[topic]).set(hosts);
            let ratios = window.ratios(now);
            for (function, ratio) in Function::ALL.into_iter().zip(ratios.iter().flatten()) {
                metrics.alignment.with_label_values(&[topic, function.name()]).set(*ratio);
            }
            let verdict = ratios.and_then(|ratios| window.judge(now, &ratios));
            tell(shared, topic, verdict, hosts);
        });
    }
}

fn tell(shared: &Shared, topic: &str, verdict: Option<Verdict>, hosts: i64) {
    // Single events need no company, and what is re-keyed is brought together.
    let needs = |rule: &CompiledRule| rule.is_sequence && !rule.is_rekeyed;
    let joins = shared.rules().rules().iter().any(needs);
    let what = match verdict {
        _ if !joins => None,
        _ if hosts > 0 => {
            Some(format!("events of one host lie in several partitions of topic `{topic}`"))
        }
        Some(Verdict::Scattered(function, ratio)) => Some(format!(
            "records of topic `{topic}` do not lie where a hash of their key would put them \
             (nearest: {}, {:.0} %)",
            function.name(),
            ratio * 100.0
        )),
        // Nothing to judge by: what was found last still holds.
        None => return,
        Some(Verdict::Aligned(_)) => None,
    };
    match what {
        Some(what) => {
            let message = format!("{what}: {ADVICE}");
            if shared.degrade(Degradation::Partitioning, topic, message) {
                tracing::warn!(topic, hosts, "{what}: {ADVICE}");
            }
        }
        None => {
            if shared.recover(Degradation::Partitioning, topic) {
                tracing::info!(topic, "records lie by host again");
            }
        }
    }
}

const ADVICE: &str = "sequences join events of one partition, so matches are missed; give every \
     record its host as key (in Winlogbeat `key: '%{[host.id]}'`) with one kind of producer for \
     each host, or have the topic re-keyed (`[kafka.rekey]`)";
