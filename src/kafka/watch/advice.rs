//! What to say about topics that are missing, too small, or not shown to us.
//!
//! Never asks a broker.

use crate::event::TimeSpan;
use crate::kafka::client::{Attempt, Audience, Code, missing_right};
use crate::kafka::settings::Settings;

/// What is wrong with a topic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble<'a> {
    pub(super) topic: &'a str,
    pub(super) use_of: Use,
    /// Why the brokers do not say whether it exists; nothing if it does not, or is too small.
    pub(super) refusal: Option<Code>,
}

/// What a topic is for, and what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
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

/// Says what is wrong with a topic, and with which command it is mended.
pub(super) fn advice(trouble: &Trouble<'_>, settings: &Settings, audience: Audience) -> String {
    let topic = trouble.topic;
    let brokers = match audience {
        Audience::Log => settings.bootstrap_servers(),
        Audience::Probes => "…".to_owned(),
    };
    if let Some(code) = trouble.refusal {
        let right = missing_right(code, Attempt::LookUp(topic), settings, audience);
        return right.unwrap_or_else(|| format!("topic `{topic}` cannot be looked up: {code}"));
    }
    let tool = format!("kafka-topics.sh --bootstrap-server {brokers}");
    let missing_one = |partitions: usize, more: &str| {
        format!(
            "topic `{topic}` does not exist; create it with: {tool} --create --topic {topic} \
             --partitions {partitions}{more}"
        )
    };
    match trouble.use_of {
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
pub(super) const PARTITIONS: usize = 12;
/// For how long nobody may run before entries of the journal are lost that are still needed.
const DOWNTIME: TimeSpan = TimeSpan::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_the_command_that_creates_the_topic() {
        let settings = Settings { brokers: vec!["k:9092".to_owned()], ..Settings::default() };
        let advice = |topic: &str, use_of: Use| {
            let trouble = Trouble { topic, use_of, refusal: None };
            advice(&trouble, &settings, Audience::Log)
        };
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
