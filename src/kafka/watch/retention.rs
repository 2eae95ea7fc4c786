//! Looks whether the input topics, and the journal, keep their records for as long as a restart may need
//! them.
//!
//! On a thread of its own: it asks the brokers, at the start and every hour. Never changes a topic,
//! and says nothing where it may not look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::journal_retention;
use crate::event::TimeSpan;
use crate::kafka::client::{TopicConfiguration, configurations_of};
use crate::kafka::state::{Concern, Degradation, Shared};

/// How long one question to the brokers may take.
const QUESTION: Duration = Duration::from_secs(10);
/// When to look again: if all is well, or nothing can be learnt; and if not.
const EVERY: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_secs(30);
/// How often it is looked whether the service is stopping.
const NAP: Duration = Duration::from_millis(500);
/// For how long nobody may run before records are missed that were not yet processed.
const DOWNTIME: TimeSpan = TimeSpan::from_secs(3_600);

/// How a topic keeps its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keeping {
    is_compacted: bool,
    /// Nothing if they are kept for ever.
    time: Option<TimeSpan>,
}

/// What follows for a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It keeps what is needed.
    Enough,
    /// It keeps records for less time than this.
    TooShort(TimeSpan),
    /// Kafka removes records from its middle.
    Compacted,
}

/// Returns what a restart reads back, and what piles up while nobody runs.
fn needed(reach: TimeSpan) -> TimeSpan {
    reach + DOWNTIME
}

fn judge(keeping: Keeping, reach: TimeSpan) -> Verdict {
    match keeping.time {
        _ if keeping.is_compacted => Verdict::Compacted,
        Some(time) if time < needed(reach) => Verdict::TooShort(needed(reach)),
        _ => Verdict::Enough,
    }
}

/// Starts to look, until the service stops.
pub(in crate::kafka) fn watch(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    let thread = std::thread::Builder::new().name("retention".to_owned());
    // Nobody waits for its end: a question to absent brokers takes long.
    thread.spawn(move || run(&shared)).map(drop)
}

fn run(shared: &Shared) {
    loop {
        let looked = Instant::now();
        let again = if look(shared) { EVERY } else { SOON };
        while looked.elapsed() < again {
            if shared.requests.is_stopping() {
                return;
            }
            std::thread::sleep(NAP);
        }
    }
}

/// Looks at all input topics; tells whether all is well as far as can be known.
fn look(shared: &Shared) -> bool {
    match ask(shared) {
        Ok(found) => {
            let reach = shared.longest_reach().map_or(TimeSpan::ZERO, |(_, reach)| reach);
            let mut compacted = Vec::new();
            let mut is_well = true;
            for (topic, keeping) in found {
                let verdict = judge(keeping, reach);
                is_well &= verdict == Verdict::Enough;
                publish(shared, &topic, keeping);
                tell(shared, &topic, keeping, verdict);
                if verdict == Verdict::Compacted {
                    compacted.push(topic);
                }
            }
            refuse(shared, compacted);
            journal_retention::judge(shared) && is_well
        }
        Err(reason) => {
            tracing::debug!(reason, "how long topics keep their records cannot be learnt");
            false
        }
    }
}

fn publish(shared: &Shared, topic: &str, keeping: Keeping) {
    let seconds = keeping.time.map_or(f64::INFINITY, |time| time.millis() as f64 / 1_000.0);
    shared.metrics.kafka.retention.with_label_values(&[topic]).set(seconds);
}

fn tell(shared: &Shared, topic: &str, keeping: Keeping, verdict: Verdict) {
    let Verdict::TooShort(needed) = verdict else {
        if shared.recover(Degradation::Retention, topic) {
            tracing::info!(topic, "the topic keeps its records for long enough");
        }
        return;
    };
    let rule = shared.longest_reach().map_or("", |(rule, _)| rule);
    let kept = keeping.time.unwrap_or(TimeSpan::ZERO);
    let message = format!(
        "topic `{topic}` keeps records for {kept}, and a restart may need those of {needed} (rule \
         `{rule}` remembers longest): raise its `retention.ms` to {} at least",
        needed.millis()
    );
    if shared.degrade(Degradation::Retention, topic, message.clone()) {
        tracing::warn!(topic, "{message}");
    }
}

/// Has the topics that are compacted left out.
fn refuse(shared: &Shared, compacted: Vec<String>) {
    match compacted.as_slice() {
        [] => {
            if shared.health.clear(Concern::Input) {
                tracing::info!("all topics can be read as streams");
            }
        }
        topics => {
            let message = format!(
                "topic `{}` is compacted (`cleanup.policy`): Kafka removes records from its middle, \
                 so that sequences would be missed; it is not read until that is `delete`",
                topics.join("`, `")
            );
            if shared.health.raise(Concern::Input, message.as_str()) {
                tracing::error!("{message}");
            }
        }
    }
    if shared.topics.set_refused(compacted) {
        shared.requests.ask_for_rejoin();
    }
}

fn ask(shared: &Shared) -> Result<Vec<(String, Keeping)>, String> {
    let topics: Vec<&str> = shared.settings.topics.iter().map(String::as_str).collect();
    let answers = configurations_of(&shared.settings, &topics, QUESTION)?;
    let mut found = Vec::new();
    for (topic, answer) in topics.into_iter().zip(answers) {
        match answer {
            Ok(configuration) => found.push((topic.to_owned(), keeping(&configuration))),
            // A topic that is missing is told elsewhere; what we may not see we cannot judge.
            Err(code) => tracing::debug!(topic, %code, "the topic's configuration is not shown"),
        }
    }
    Ok(found)
}

fn keeping(configuration: &TopicConfiguration) -> Keeping {
    let policy = configuration.value("cleanup.policy").unwrap_or_default();
    let millis = configuration.value("retention.ms").and_then(|text| text.parse::<i64>().ok());
    Keeping {
        is_compacted: policy.split(',').any(|part| part.trim() == "compact"),
        time: millis.filter(|millis| *millis >= 0).map(TimeSpan::from_millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: TimeSpan = TimeSpan::from_secs(60);

    #[test]
    fn retention_must_cover_a_restart_and_some_downtime() {
        let kept = |minutes| Keeping { is_compacted: false, time: Some(MINUTE.times(minutes)) };
        assert_eq!(judge(kept(90), MINUTE.times(30)), Verdict::Enough);
        assert_eq!(judge(kept(89), MINUTE.times(30)), Verdict::TooShort(MINUTE.times(90)));
        let for_ever = Keeping { is_compacted: false, time: None };
        assert_eq!(judge(for_ever, MINUTE.times(1_000_000)), Verdict::Enough);
    }

    #[test]
    fn compacted_topic_is_refused_however_long_it_keeps_records() {
        let compacted = Keeping { is_compacted: true, time: None };
        assert_eq!(judge(compacted, MINUTE), Verdict::Compacted);
    }
}
