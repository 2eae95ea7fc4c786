//! What follows from the answers of the brokers: a few pure decisions.
//!
//! Never calls the client.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::{ClientError, Code};
use crate::kafka::settings::Settings;
use crate::transaction::Answer;

/// What to do after a record was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Delivered {
    /// It is durable.
    Yes,
    /// Send it again; the reason is a constant word for metrics.
    Again(&'static str),
}

/// What to do after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Commit {
    /// It is durable.
    Done,
    /// The group is changing: wait for the new assignment, it is no fault.
    Rebalancing,
    /// Try again, and say that something is wrong.
    Again,
    /// Another instance has taken our place for good.
    Fenced,
}

/// Decides what follows from the answer to a record.
pub(in crate::kafka) fn on_delivery(answer: Code) -> Delivered {
    Delivered::Again(match answer.0 {
        RDKafkaErrorCode::NoError => return Delivered::Yes,
        RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition => "no_topic",
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge => {
            "too_large"
        }
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => "not_allowed",
        RDKafkaErrorCode::NotEnoughReplicas | RDKafkaErrorCode::NotEnoughReplicasAfterAppend => {
            "not_enough_replicas"
        }
        RDKafkaErrorCode::MessageTimedOut
        | RDKafkaErrorCode::OperationTimedOut
        | RDKafkaErrorCode::RequestTimedOut => "timeout",
        RDKafkaErrorCode::QueueFull => "queue_full",
        RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown => "no_broker",
        _ => "other",
    })
}

/// Decides what follows from the answer to a commit.
pub(in crate::kafka) fn on_commit(answer: Code) -> Commit {
    match answer.0 {
        // "No offset" means that there was nothing new to commit.
        RDKafkaErrorCode::NoError | RDKafkaErrorCode::NoOffset => Commit::Done,
        _ if is_rebalance(answer) => Commit::Rebalancing,
        RDKafkaErrorCode::FencedInstanceId | RDKafkaErrorCode::FencedMemberEpoch => Commit::Fenced,
        _ => Commit::Again,
    }
}

/// Tells whether an answer only means that the group is changing.
pub(in crate::kafka) fn is_rebalance(answer: Code) -> bool {
    matches!(
        answer.0,
        RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::RebalanceInProgress
            | RDKafkaErrorCode::AssignmentLost
            | RDKafkaErrorCode::StaleMemberEpoch
    )
}

/// Decides what an error of a transactional call means.
pub(in crate::kafka) fn on_transaction(error: &ClientError) -> Answer {
    let KafkaError::Transaction(fault) = &error.error else {
        return match error.error.rdkafka_error_code() {
            // The client's own flush before a commit: it goes on in the background.
            Some(RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::RequestTimedOut) => {
                Answer::Again
            }
            _ => Answer::Broken,
        };
    };
    on_fault(fault.code(), fault.is_fatal(), fault.txn_requires_abort(), fault.is_retriable())
}

fn on_fault(
    code: RDKafkaErrorCode,
    is_fatal: bool,
    requires_abort: bool,
    is_retriable: bool,
) -> Answer {
    match code {
        RDKafkaErrorCode::Fenced
        | RDKafkaErrorCode::ProducerFenced
        | RDKafkaErrorCode::InvalidProducerEpoch
            if is_fatal =>
        {
            Answer::Fenced
        }
        // A static member whose name somebody else uses.
        RDKafkaErrorCode::FencedInstanceId => Answer::Fenced,
        _ if is_fatal => Answer::Broken,
        _ if requires_abort => Answer::Abort,
        RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::InProgress => Answer::Again,
        // A call in the wrong order: what the client thinks of the transaction is unknown.
        RDKafkaErrorCode::State => Answer::Broken,
        _ if is_retriable => Answer::Again,
        _ => Answer::Abort,
    }
}

/// Says why a consumer cannot go on, and what to do.
pub(in crate::kafka) fn failed_for_good(code: Code, settings: &Settings) -> String {
    match (code.0, &settings.group_instance_id) {
        (
            RDKafkaErrorCode::FencedInstanceId | RDKafkaErrorCode::UnreleasedInstanceId,
            Some(name),
        ) => {
            format!(
                "another member of group `{}` has the same `kafka.group_instance_id`, `{name}`: \
                 give each instance a name of its own",
                settings.group
            )
        }
        _ => format!("the consumer has failed for good: {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rebalance_is_no_fault() {
        assert_eq!(on_commit(Code(RDKafkaErrorCode::IllegalGeneration)), Commit::Rebalancing);
        assert_eq!(on_commit(Code(RDKafkaErrorCode::RebalanceInProgress)), Commit::Rebalancing);
        assert_eq!(on_commit(Code(RDKafkaErrorCode::NoError)), Commit::Done);
        assert_eq!(on_commit(Code(RDKafkaErrorCode::CoordinatorNotAvailable)), Commit::Again);
        assert_eq!(on_commit(Code(RDKafkaErrorCode::FencedInstanceId)), Commit::Fenced);
    }

    #[test]
    fn fault_of_a_transaction_says_how_to_go_on() {
        assert_eq!(on_fault(RDKafkaErrorCode::Fenced, true, false, false), Answer::Fenced);
        assert_eq!(
            on_fault(RDKafkaErrorCode::OutOfOrderSequenceNumber, true, false, false),
            Answer::Broken
        );
        assert_eq!(
            on_fault(RDKafkaErrorCode::IllegalGeneration, false, true, false),
            Answer::Abort
        );
        assert_eq!(
            on_fault(RDKafkaErrorCode::OperationTimedOut, false, false, true),
            Answer::Again
        );
        assert_eq!(on_fault(RDKafkaErrorCode::State, false, false, false), Answer::Broken);
    }

    #[test]
    fn only_an_acknowledged_record_is_durable() {
        assert_eq!(on_delivery(Code(RDKafkaErrorCode::NoError)), Delivered::Yes);
        assert_eq!(
            on_delivery(Code(RDKafkaErrorCode::MessageSizeTooLarge)),
            Delivered::Again("too_large")
        );
        assert_eq!(
            on_delivery(Code(RDKafkaErrorCode::MessageTimedOut)),
            Delivered::Again("timeout")
        );
    }
}
