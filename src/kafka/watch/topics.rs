//! Looks whether the topics exist with enough partitions, and says how to create those that do not.
//!
//! On a thread of its own: brokers that are away answer late. Never creates a topic.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::advice::{PARTITIONS, Trouble, Use, advice};
use crate::kafka::client::{Audience, ClientError, Code, Consumer, TopicAnswer};
use crate::kafka::settings::Settings;
use crate::kafka::state::{Concern, Output, Shared};

/// How long one question to the brokers may take.
const QUESTION: Duration = Duration::from_secs(2);
/// When to look again: if something is wrong, and if not.
const WHILE_MISSING: Duration = Duration::from_secs(2);
const WHILE_THERE: Duration = Duration::from_secs(60);
/// How often it is looked whether the service is stopping.
const NAP: Duration = Duration::from_millis(100);

/// Looks for the topics now and then.
struct TopicWatch {
    shared: Arc<Shared>,
    consumer: Consumer,
}

/// Starts to look, until the service stops. The thread owns the consumer too: who closes it waits for
/// the thread first.
pub(in crate::kafka) fn watch(
    shared: &Arc<Shared>,
    consumer: &Consumer,
) -> std::io::Result<JoinHandle<()>> {
    let watch = TopicWatch { shared: Arc::clone(shared), consumer: consumer.clone() };
    std::thread::Builder::new().name("topics".to_owned()).spawn(move || watch.run())
}

impl TopicWatch {
    fn run(self) {
        while !self.is_stopping() {
            let looked = Instant::now();
            let is_complete = self.look();
            while looked.elapsed() < self.pause(is_complete) && !self.is_stopping() {
                std::thread::sleep(NAP);
            }
        }
    }

    /// Brokers that are away are asked soon, however they were missed.
    fn pause(&self, is_complete: bool) -> Duration {
        match is_complete && !self.shared.health.has(Concern::Brokers) {
            true => WHILE_THERE,
            false => WHILE_MISSING,
        }
    }

    /// Looks for all topics; tells whether all of them are there.
    fn look(&self) -> bool {
        let health = &self.shared.health;
        match self.troubles() {
            Ok(troubles) => {
                health.set_answered();
                health.clear(Concern::Login);
                if health.clear(Concern::Brokers) {
                    tracing::info!("brokers answer");
                }
                note(&self.shared, &troubles);
                troubles.is_empty()
            }
            Err(error) => {
                let brokers = self.shared.settings.bootstrap_servers();
                // The log may name the brokers; what probes show may not.
                if !self.is_stopping() && health.raise(Concern::Brokers, "no broker answers") {
                    let protocol = self.shared.settings.protocol().name();
                    tracing::error!(protocol, %error, "no broker answers at `{brokers}`");
                }
                false
            }
        }
    }

    /// Returns what is wrong with the topics; an error means that no broker has answered.
    fn troubles(&self) -> Result<Vec<Trouble<'_>>, ClientError> {
        let Settings { topics, alerts_topic, dead_letter_topic, .. } = &self.shared.settings;
        let inputs = topics.iter().map(|topic| (topic.as_str(), Use::Input));
        let outputs = [alerts_topic, dead_letter_topic].map(|topic| (topic.as_str(), Use::Output));
        let between = self.shared.settings.rekey_topic().map(|topic| (topic, Use::Between));
        let (mut found, mut most) = (Vec::new(), 0);
        for (topic, use_of) in inputs.chain(outputs).chain(between) {
            match self.consumer.questions().topic(topic, QUESTION)? {
                TopicAnswer::Partitions(count) => {
                    note_partitions(&self.shared, topic, use_of, count);
                    most = most.max(if use_of == Use::Input { count } else { 0 });
                }
                answer => found.push(Trouble { topic, use_of, refusal: refusal(answer) }),
            }
        }
        found.extend(self.trouble_of_journal(most)?);
        Ok(found)
    }

    /// Returns what is wrong with the journal topic, given how many partitions an input has.
    fn trouble_of_journal(&self, most: usize) -> Result<Option<Trouble<'_>>, ClientError> {
        let Some(memory) = self.shared.journal_memory() else { return Ok(None) };
        let topic = self.shared.settings.journal.topic.as_str();
        let answer = self.consumer.questions().topic(topic, QUESTION)?;
        let use_of = match answer {
            TopicAnswer::Partitions(found) if found >= most => return Ok(None),
            TopicAnswer::Partitions(found) => Use::SmallJournal { partitions: most, found },
            _ => Use::Journal { partitions: most.max(PARTITIONS), memory },
        };
        Ok(Some(Trouble { topic, use_of, refusal: refusal(answer) }))
    }

    fn is_stopping(&self) -> bool {
        self.shared.requests.is_stopping()
    }
}

fn refusal(answer: TopicAnswer) -> Option<Code> {
    match answer {
        TopicAnswer::Refused(code) => Some(code),
        TopicAnswer::Partitions(_) | TopicAnswer::Missing => None,
    }
}

fn note_partitions(shared: &Shared, topic: &str, use_of: Use, count: usize) {
    if use_of != Use::Output {
        let gauge = shared.metrics.kafka.topic_partitions.with_label_values(&[topic]);
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    match use_of {
        Use::Input => shared.topics.placement.set_partitions(topic, count),
        Use::Between => note_size(shared, topic, count),
        _ => {}
    }
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

fn note(shared: &Shared, troubles: &[Trouble<'_>]) {
    let told = |audience| -> Vec<String> {
        troubles.iter().map(|trouble| advice(trouble, &shared.settings, audience)).collect()
    };
    let messages = told(Audience::Probes);
    shared.topics.set_output(output(troubles, &messages));
    if messages.is_empty() {
        if shared.health.clear(Concern::Topics) {
            tracing::info!("all topics exist");
        }
        return;
    }
    if shared.health.raise(Concern::Topics, messages.join("; ")) {
        for message in told(Audience::Log) {
            tracing::error!("{message}");
        }
    }
}

/// Alerts and positions may go on while only an input is missing.
fn output(troubles: &[Trouble<'_>], messages: &[String]) -> Output {
    let Some(first) = troubles.iter().find(|trouble| trouble.use_of != Use::Input) else {
        return Output::Open;
    };
    let reason = match first.refusal {
        Some(code) if code.is_denied() => "not_allowed",
        Some(_) => "other",
        None => "no_topic",
    };
    Output::Withheld { reason, message: messages.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_waits_for_its_own_topics_only() {
        let output = |use_of| {
            let trouble = Trouble { topic: "t", use_of, refusal: None };
            output(&[trouble], &["why".to_owned()])
        };
        assert_eq!(output(Use::Input), Output::Open);
        let message = "why".to_owned();
        assert_eq!(output(Use::Output), Output::Withheld { reason: "no_topic", message });
    }
}
