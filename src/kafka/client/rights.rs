//! Which right is missing when a broker says that something is not allowed, and how to give it.
//!
//! Never asks a broker: it knows what each call needs.

use rdkafka::error::RDKafkaErrorCode;

use super::error::Code;
use crate::kafka::settings::Settings;

/// What was not allowed.
#[derive(Clone, Copy, Debug)]
pub(in crate::kafka) enum Attempt<'a> {
    /// To look a topic up.
    LookUp(&'a str),
    /// To read the input as a member of the group.
    Read,
    /// To write to a topic.
    Write(&'a str),
    /// To write to one of our topics, it is not known which.
    WriteAny,
}

/// Says which right is missing on what, and with which command it is given; nothing if the answer
/// says something else.
pub(in crate::kafka) fn missing_right(
    code: Code,
    attempt: Attempt<'_>,
    settings: &Settings,
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
    let user = settings.sasl.username.as_deref().unwrap_or("NAME");
    Some(format!(
        "the right `{right}` is missing {what} ({:?}); give it with: kafka-acls.sh \
         --bootstrap-server {} --add --allow-principal User:{user} --operation {right} {}",
        code,
        settings.bootstrap_servers(),
        resources.join(" "),
    ))
}

fn right_on_topics(attempt: Attempt<'_>, settings: &Settings) -> (&'static str, Vec<String>) {
    let owned = |topics: Vec<&str>| topics.into_iter().map(str::to_owned).collect();
    match attempt {
        Attempt::LookUp(topic) => ("Describe", owned(vec![topic])),
        Attempt::Read => ("Read", owned(settings.subscription())),
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

    fn told(code: RDKafkaErrorCode, attempt: Attempt<'_>) -> String {
        let mut settings = Settings { brokers: vec!["k:9092".to_owned()], ..Settings::default() };
        settings.instance_id = Some("a".to_owned());
        settings.sasl.username = Some("reader".to_owned());
        missing_right(Code(code), attempt, &settings).unwrap_or_default()
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
        ends_with(group, Attempt::Read, "Read --group maxspan");
        let id = RDKafkaErrorCode::TransactionalIdAuthorizationFailed;
        ends_with(id, Attempt::WriteAny, "Write --transactional-id maxspan-a");
    }

    #[test]
    fn other_answers_are_no_question_of_rights() {
        assert_eq!(told(RDKafkaErrorCode::LeaderNotAvailable, Attempt::Read), "");
    }
}
