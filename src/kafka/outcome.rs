//! What follows from the answers of the brokers: a few pure decisions.
//!
//! Never calls the client.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::transaction::Answer;

/// What to do after a record was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// It is durable.
    Yes,
    /// Send it again; the reason is a constant word for metrics.
    Again(&'static str),
}

/// What to do after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commit {
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
pub(super) fn on_delivery(answer: Code) -> Delivered {
    Delivered::Again(match answer {
        Code::NoError => return Delivered::Yes,
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => "no_topic",
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => "too_large",
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => "not_allowed",
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => "not_enough_replicas",
        Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut => "timeout",
        Code::QueueFull => "queue_full",
        Code::BrokerTransportFailure | Code::AllBrokersDown => "no_broker",
        _ => "other",
    })
}

/// Decides what follows from the answer to a commit.
pub(super) fn on_commit(answer: Code) -> Commit {
    match answer {
        // "No offset" means that there was nothing new to commit.
        Code::NoError | Code::NoOffset => Commit::Done,
        code if is_rebalance(code) => Commit::Rebalancing,
        Code::FencedInstanceId | Code::FencedMemberEpoch => Commit::Fenced,
        _ => Commit::Again,
    }
}

/// Tells whether an answer only means that the group is changing.
pub(super) fn is_rebalance(answer: Code) -> bool {
    matches!(
        answer,
        Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::RebalanceInProgress
            | Code::AssignmentLost
            | Code::StaleMemberEpoch
    )
}

/// Decides what an error of a transactional call means.
pub(super) fn on_transaction(error: &KafkaError) -> Answer {
    let KafkaError::Transaction(fault) = error else {
        return match error.rdkafka_error_code() {
            // The client's own flush before a commit: it goes on in the background.
            Some(Code::OperationTimedOut | Code::RequestTimedOut) => Answer::Again,
            _ => Answer::Broken,
        };
    };
    on_fault(fault.code(), fault.is_fatal(), fault.txn_requires_abort(), fault.is_retriable())
}

fn on_fault(code: Code, is_fatal: bool, requires_abort: bool, is_retriable: bool) -> Answer {
    match code {
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch if is_fatal => {
            Answer::Fenced
        }
        // A static member whose name somebody else uses.
        Code::FencedInstanceId => Answer::Fenced,
        _ if is_fatal => Answer::Broken,
        _ if requires_abort => Answer::Abort,
        Code::OperationTimedOut | Code::InProgress => Answer::Again,
        // A call in the wrong order: what the client thinks of the transaction is unknown.
        Code::State => Answer::Broken,
        _ if is_retriable => Answer::Again,
        _ => Answer::Abort,
    }
}

/// Returns how long to wait before the attempt after this many failed ones.
pub(super) fn backoff(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => Duration::from_millis(100 << (n - 1).min(6)).min(Duration::from_secs(5)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rebalance_is_no_fault() {
        assert_eq!(on_commit(Code::IllegalGeneration), Commit::Rebalancing);
        assert_eq!(on_commit(Code::RebalanceInProgress), Commit::Rebalancing);
        assert_eq!(on_commit(Code::NoError), Commit::Done);
        assert_eq!(on_commit(Code::CoordinatorNotAvailable), Commit::Again);
        assert_eq!(on_commit(Code::FencedInstanceId), Commit::Fenced);
    }

    #[test]
    fn fault_of_a_transaction_says_how_to_go_on() {
        assert_eq!(on_fault(Code::Fenced, true, false, false), Answer::Fenced);
        assert_eq!(on_fault(Code::OutOfOrderSequenceNumber, true, false, false), Answer::Broken);
        assert_eq!(on_fault(Code::IllegalGeneration, false, true, false), Answer::Abort);
        assert_eq!(on_fault(Code::OperationTimedOut, false, false, true), Answer::Again);
        assert_eq!(on_fault(Code::State, false, false, false), Answer::Broken);
    }

    #[test]
    fn only_an_acknowledged_record_is_durable() {
        assert_eq!(on_delivery(Code::NoError), Delivered::Yes);
        assert_eq!(on_delivery(Code::MessageSizeTooLarge), Delivered::Again("too_large"));
        assert_eq!(on_delivery(Code::MessageTimedOut), Delivered::Again("timeout"));
    }

    #[test]
    fn backoff_grows_to_five_seconds() {
        let millis: Vec<u128> = [0, 1, 2, 6, 7, 99].map(|n| backoff(n).as_millis()).into();
        assert_eq!(millis, [0, 100, 200, 3_200, 5_000, 5_000]);
    }
}
