//! Looks whether the topics exist with enough partitions, and says how to create those that do not.
//!
//! Never creates one.

use std::time::{Duration, Instant};

use super::journal_retention;
use crate::event::TimeSpan;
use crate::kafka::client::{ClientError, Consumer};
use crate::kafka::settings::Settings;
use crate::kafka::state::{Concern, Shared};

const QUESTION: Duration = Duration::from_secs(2);
const WHILE_MISSING: Duration = Duration::from_secs(2);
const WHILE_THERE: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(3_600);

/// Looks for the topics now and then.
pub(in crate::kafka) struct TopicWatch {
    next: Instant,
    /// When to ask again how long the journal is kept.
    retention: Instant,
}

impl TopicWatch {
    /// Returns a watch that looks at once.
    pub(in crate::kafka) fn new() -> Self {
        Self { next: Instant::now(), retention: Instant::now() }
    }

    /// Looks for the topics if it is time to.
    pub(in crate::kafka) fn look(&mut self, consumer: &Consumer, shared: &Shared) {
        if Instant::now() < self.next {
            return;
        }
        let is_complete = match missing(consumer, shared) {
            Ok(missing) => {
                shared.health.set_started();
                shared.health.clear(Concern::Login);
                if shared.health.clear(Concern::Brokers) {
                    tracing::info!("brokers answer");
                }
                note(shared, &missing);
                missing.is_empty()
            }
            Err(error) => {
                let brokers = shared.settings.bootstrap_servers();
                // The log may name the brokers; what probes show may not.
                if shared.health.raise(Concern::Brokers, "no broker answers") {
                    let protocol = shared.settings.protocol().name();
                    tracing::error!(protocol, %error, "no broker answers at `{brokers}`");
                }
                false
            }
        };
        if is_complete && Instant::now() >= self.retention {
            journal_retention::judge(shared);
            self.retention = Instant::now() + RETENTION;
        }
        self.next = Instant::now() + if is_complete { WHILE_THERE } else { WHILE_MISSING };
    }
}

/// What is wrong with a topic.
#[derive(Debug, PartialEq, Eq)]
struct Missing<'a> {
    topic: &'a str,
    use_of: Use,
}

/// What a topic is for, and what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Input,
    Output,
    /// Both: the topic of re-keyed events.
    Between,
    /// Of so many partitions, with entries that are needed for so long.
    Journal {
        partitions: usize,
        memory: TimeSpan,
    },
    /// It exists, and has fewer partitions than this.
    SmallJournal {
        partitions: usize,
        found: usize,
    },
}

fn missing<'a>(consumer: &Consumer, shared: &'a Shared) -> Result<Vec<Missing<'a>>, ClientError> {
    let Settings { topics, alerts_topic, dead_letter_topic, .. } = &shared.settings;
    let inputs = topics.iter().map(|topic| (topic.as_str(), Use::Input));
    let outputs = [alerts_topic, dead_letter_topic].map(|topic| (topic.as_str(), Use::Output));
    let between = shared.settings.rekey_topic().map(|topic| (topic, Use::Between));
    let (mut found, mut most) = (Vec::new(), 0);
    for (topic, use_of) in inputs.chain(outputs).chain(between) {
        let Some(count) = consumer.questions().partitions_of(topic, QUESTION)? else {
            found.push(Missing { topic, use_of });
            continue;
        };
        if use_of != Use::Output {
            let gauge = shared.metrics.kafka.topic_partitions.with_label_values(&[topic]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        match use_of {
            Use::Input => {
                most = most.max(count);
                shared.topics.placement.set_partitions(topic, count);
            }
            Use::Between => note_size(shared, topic, count),
            _ => {}
        }
    }
    if let Some(memory) = shared.journal_memory() {
        let topic = shared.settings.journal.topic.as_str();
        match consumer.questions().partitions_of(topic, QUESTION)? {
            None => {
                let use_of = Use::Journal { partitions: most.max(PARTITIONS), memory };
                found.push(Missing { topic, use_of });
            }
            Some(found_here) if found_here < most => {
                let use_of = Use::SmallJournal { partitions: most, found: found_here };
                found.push(Missing { topic, use_of });
            }
            Some(_) => {}
        }
    }
    Ok(found)
}

/// Compares the size of the topic of re-keyed events with what it was.
fn note_size(shared: &Shared, topic: &str, count: usize) {
    let Some(known) = shared.topics.rekey_partitions() else { return };
    if usize::try_from(known).is_ok_and(|known| known == count) {
        shared.health.clear(Concern::RekeyTopic);
        return;
    }
    let reason = format!(
        "topic `{topic}` had {known} partitions and has {count} now: keys move to other partitions \
         when instances start again; restart all of them, and expect sequences that are open then \
         to be cut"
    );
    if shared.health.raise(Concern::RekeyTopic, reason.as_str()) {
        tracing::error!(reason, "keys are about to move");
    }
}

fn note(shared: &Shared, missing: &[Missing<'_>]) {
    let told = |brokers: &str| -> Vec<String> {
        missing.iter().map(|missing| advice(missing, brokers)).collect()
    };
    // The log may name the brokers; what probes show may not.
    let (messages, logged) = (told("…"), told(&shared.settings.bootstrap_servers()));
    if messages.is_empty() {
        shared.topics.set_missing(None);
        if shared.health.clear(Concern::Topics) {
            tracing::info!("all topics exist");
        }
        return;
    }
    let is_news = shared.health.raise(Concern::Topics, messages.join("; "));
    // Alerts and positions may go on while only an input is missing.
    let is_output_missing = missing.iter().any(|missing| missing.use_of != Use::Input);
    shared.topics.set_missing(is_output_missing.then(|| messages.join("; ")));
    if is_news {
        for message in logged {
            tracing::error!("{message}");
        }
    }
}

fn advice(missing: &Missing<'_>, brokers: &str) -> String {
    let topic = missing.topic;
    let tool = format!("kafka-topics.sh --bootstrap-server {brokers}");
    let missing_one = |partitions: usize, more: &str| {
        format!(
            "topic `{topic}` does not exist; create it with: {tool} --create --topic {topic} \
             --partitions {partitions}{more}"
        )
    };
    match missing.use_of {
        // Hosts are spread over an input's partitions; one or two take all alerts of any estate.
        Use::Input => missing_one(PARTITIONS, ""),
        Use::Output => missing_one(1, ""),
        Use::Between => {
            let hint = "; its number of partitions has to stay what it is: choose it for years";
            missing_one(PARTITIONS, " --config message.timestamp.type=LogAppendTime") + hint
        }
        Use::Journal { partitions, memory } => {
            let keep = memory.millis().saturating_add(DOWNTIME.millis());
            missing_one(
                partitions,
                &format!(" --config cleanup.policy=delete --config retention.ms={keep}"),
            )
        }
        Use::SmallJournal { partitions, found } => format!(
            "topic `{topic}` has {found} partitions and an input topic has {partitions}; add the \
             others with: {tool} --alter --topic {topic} --partitions {partitions}"
        ),
    }
}

/// Partitions of a topic over which hosts are spread.
const PARTITIONS: usize = 12;
/// For how long nobody may run before entries of the journal are lost that are still needed.
const DOWNTIME: TimeSpan = TimeSpan::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_the_command_that_creates_the_topic() {
        let advice = |topic: &str, use_of: Use| advice(&Missing { topic, use_of }, "k:9092");
        let message = advice("maxspan-alerts", Use::Output);
        assert_eq!(
            message,
            "topic `maxspan-alerts` does not exist; create it with: kafka-topics.sh \
             --bootstrap-server k:9092 --create --topic maxspan-alerts --partitions 1"
        );
        let memory = TimeSpan::from_secs(3_600);
        let message = advice("journal", Use::Journal { partitions: 24, memory });
        let configuration = "--config cleanup.policy=delete --config retention.ms=90000000";
        assert!(message.ends_with(&format!("--partitions 24 {configuration}")), "{message}");
        let message = advice("journal", Use::SmallJournal { partitions: 24, found: 12 });
        assert!(message.ends_with("--alter --topic journal --partitions 24"), "{message}");
    }
}
