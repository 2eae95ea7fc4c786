//! Which right is missing when a broker says that something is not allowed, and how to give it.
//!
//! Never asks a broker: it knows what each call needs.

use rdkafka::error::RDKafkaErrorCode;

use super::error::Code;
use crate::kafka::settings::Settings;
use crate::kafka::state::{Concern, Health};

/// What was not allowed.
#[derive(Clone, Copy, Debug)]
pub(in crate::kafka) enum Attempt<'a> {
    /// To look a topic up.
    LookUp(&'a str),
    /// To read the input as a member of the group.
    Join,
    /// To read a topic.
    Read(&'a str),
    /// To write to a topic.
    Write(&'a str),
    /// To write to one of our topics, it is not known which.
    WriteAny,
}

/// Who is told. Whoever reaches the probes is shown neither addresses nor users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Audience {
    /// Readers of the log.
    Log,
    /// Readers of the probes.
    Probes,
}

/// Says which right is missing on what, and with which command it is given; nothing if the answer
/// says something else.
pub(in crate::kafka) fn missing_right(
    code: Code,
    attempt: Attempt<'_>,
    settings: &Settings,
    audience: Audience,
) -> Option<String> {
    let group = settings.group.as_str();
    let (kind, flag, right, names) = match code.0 {
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            let (right, topics) = right_on_topics(attempt, settings);
            ("topic", "--topic", right, topics)
        }
        RDKafkaErrorCode::GroupAuthorizationFailed => {
            ("consumer group", "--group", "Read", vec![group.to_owned()])
        }
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed => {
            let id = settings.transactional_id();
            ("transactional id", "--transactional-id", "Write", vec![id])
        }
        RDKafkaErrorCode::ClusterAuthorizationFailed => {
            ("cluster", "--cluster", "IdempotentWrite", vec!["kafka-cluster".to_owned()])
        }
        _ => return None,
    };
    let what = match names.len() {
        1 => format!("on {kind} `{}`", names[0]),
        _ => format!("on one of the {kind}s `{}`", names.join("`, `")),
    };
    let resources: Vec<String> = names.iter().map(|name| format!("{flag} {name}")).collect();
    let (brokers, user) = match audience {
        Audience::Log => (settings.bootstrap_servers(), settings.sasl.username.as_deref()),
        Audience::Probes => ("…".to_owned(), None),
    };
    Some(format!(
        "the right `{right}` is missing {what} ({code:?}); give it with: kafka-acls.sh \
         --bootstrap-server {brokers} --add --allow-principal User:{} --operation {right} {}",
        user.unwrap_or("…"),
        resources.join(" "),
    ))
}

/// Notes that a right is missing, until whoever finds it given clears the concern; tells it once.
pub(in crate::kafka) fn note_missing_right(
    health: &Health,
    settings: &Settings,
    concern: Concern,
    code: Code,
    attempt: Attempt<'_>,
) {
    let told = |audience| missing_right(code, attempt, settings, audience);
    let (Some(shown), Some(logged)) = (told(Audience::Probes), told(Audience::Log)) else { return };
    if health.raise(concern, shown) {
        tracing::error!("{logged}");
    }
}

fn right_on_topics(attempt: Attempt<'_>, settings: &Settings) -> (&'static str, Vec<String>) {
    let owned = |topics: Vec<&str>| topics.into_iter().map(str::to_owned).collect();
    match attempt {
        Attempt::LookUp(topic) => ("Describe", owned(vec![topic])),
        Attempt::Join => ("Read", owned(settings.subscription())),
        Attempt::Read(topic) => ("Read", owned(vec![topic])),
        Attempt::Write(topic) => ("Write", owned(vec![topic])),
        Attempt::WriteAny => {
            let mut topics = vec![&*settings.alerts_topic, &*settings.dead_letter_topic];
            topics.extend(settings.journal.enabled.then_some(&*settings.journal.topic));
            topics.extend(settings.rekey_topic());
            ("Write", owned(topics))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_to(audience: Audience, code: RDKafkaErrorCode, attempt: Attempt<'_>) -> String {
        let mut settings = Settings { brokers: vec!["k:9092".to_owned()], ..Settings::default() };
        settings.instance_id = Some("a".to_owned());
        settings.sasl.username = Some("reader".to_owned());
        missing_right(Code(code), attempt, &settings, audience).unwrap_or_default()
    }

    fn told(code: RDKafkaErrorCode, attempt: Attempt<'_>) -> String {
        told_to(Audience::Log, code, attempt)
    }

    #[test]
    fn probes_show_neither_addresses_nor_users() {
        let denied = RDKafkaErrorCode::TopicAuthorizationFailed;
        let text = told_to(Audience::Probes, denied, Attempt::Read("in"));
        assert!(text.starts_with("the right `Read` is missing on topic `in`"), "{text}");
        assert!(!text.contains("k:9092") && !text.contains("reader"), "{text}");
    }

    #[test]
    fn missing_right_names_the_resource_and_the_command() {
        let command = "kafka-acls.sh --bootstrap-server k:9092 --add --allow-principal User:reader --operation";
        assert_eq!(
            told(RDKafkaErrorCode::TopicAuthorizationFailed, Attempt::LookUp("in")),
            format!(
                "the right `Describe` is missing on topic `in` (TopicAuthorizationFailed); give it \
                 with: {command} Describe --topic in"
            )
        );
        let ends_with = |code, attempt, end: &str| {
            let text = told(code, attempt);
            assert!(text.ends_with(&format!("{command} {end}")), "{text}");
        };
        ends_with(
            RDKafkaErrorCode::TopicAuthorizationFailed,
            Attempt::WriteAny,
            "Write --topic maxspan-alerts --topic maxspan-dead-letter --topic maxspan-journal",
        );
        let group = RDKafkaErrorCode::GroupAuthorizationFailed;
        ends_with(group, Attempt::Join, "Read --group maxspan");
        let id = RDKafkaErrorCode::TransactionalIdAuthorizationFailed;
        ends_with(id, Attempt::WriteAny, "Write --transactional-id maxspan-a");
    }

    #[test]
    fn other_answers_are_no_question_of_rights() {
        assert_eq!(told(RDKafkaErrorCode::LeaderNotAvailable, Attempt::Join), "");
    }
}
