//! Asks how long the journal topic keeps its entries, and says so if that is too short.
//!
//! Never changes a topic, and is content if it may not ask.

use std::time::Duration;

use crate::event::TimeSpan;
use crate::kafka::client::{Code, TopicConfiguration, configurations_of};
use crate::kafka::state::Shared;

const QUESTION: Duration = Duration::from_secs(5);

/// How a topic keeps its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Keeping {
    retention_ms: Option<i64>,
    cleanup: Option<String>,
}

/// Compares what the journal topic keeps with what the rules need; tells whether that is all that can be
/// learnt.
pub(super) fn judge(shared: &Shared) -> bool {
    let Some(memory) = shared.journal_memory() else { return true };
    let topic = shared.settings.journal.topic.as_str();
    let keeping = match ask(shared, topic) {
        Ok(Ok(keeping)) => keeping,
        Ok(Err(code)) => {
            tracing::debug!(topic, %code, "the topic's configuration is not shown");
            return code.is_denied();
        }
        Err(reason) => {
            tracing::debug!(topic, reason, "the topic's configuration is not known");
            return false;
        }
    };
    let metrics = &shared.metrics.kafka;
    let seconds = |millis: i64| if millis < 0 { f64::INFINITY } else { millis as f64 / 1_000.0 };
    metrics.journal_needed.set(seconds(memory.millis()));
    if let Some(kept) = keeping.retention_ms {
        metrics.journal_retention.set(seconds(kept));
    }
    if let Some(advice) = advice(topic, &keeping, memory) {
        tracing::warn!(topic, "{advice}");
    }
    true
}

fn advice(topic: &str, keeping: &Keeping, memory: TimeSpan) -> Option<String> {
    let set = |setting: &str| {
        format!(
            "kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {setting}"
        )
    };
    if keeping.cleanup.as_ref().is_some_and(|policy| policy.contains("compact")) {
        return Some(format!(
            "the journal is compacted, which may take entries away that a restart needs: {}",
            set("cleanup.policy=delete")
        ));
    }
    let kept = keeping.retention_ms.filter(|kept| (0..memory.millis()).contains(kept))?;
    Some(format!(
        "the journal keeps entries for {}, and a restart reads {memory} back: {}",
        TimeSpan::from_millis(kept),
        set(&format!("retention.ms={}", memory.millis()))
    ))
}

fn ask(shared: &Shared, topic: &str) -> Result<Result<Keeping, Code>, String> {
    let mut answers = configurations_of(&shared.settings, &[topic], QUESTION)?;
    let answer = answers.pop().ok_or("no answer")?;
    Ok(answer.map(|configuration| keeping(&configuration)))
}

fn keeping(configuration: &TopicConfiguration) -> Keeping {
    let retention_ms = configuration.value("retention.ms").and_then(|value| value.parse().ok());
    Keeping { retention_ms, cleanup: configuration.value("cleanup.policy").map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_retention_and_compaction_are_told() {
        let told = |retention_ms, cleanup: &str| {
            let keeping = Keeping { retention_ms, cleanup: Some(cleanup.to_owned()) };
            advice("j", &keeping, TimeSpan::from_secs(60)).unwrap_or_default()
        };
        assert_eq!(told(Some(60_000), "delete"), "");
        assert_eq!(told(Some(-1), "delete"), "", "for ever");
        assert_eq!(told(None, "delete"), "");
        assert!(told(Some(59_999), "delete").ends_with("--add-config retention.ms=60000"));
        assert!(told(Some(-1), "compact,delete").ends_with("--add-config cleanup.policy=delete"));
    }
}
