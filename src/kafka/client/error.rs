//! What goes wrong in the client, in types of ours.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::settings::SecretError;

/// Why a client cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The client refuses its settings.
    #[error("kafka client: {}", .0.in_words())]
    Client(#[from] ClientError),
}

/// An error of the client. It is shown in words alone: the client's own error holds the value of a
/// setting, and that may be a secret.
#[derive(thiserror::Error)]
#[error("{}", self.in_words())]
pub struct ClientError {
    pub(super) error: KafkaError,
    /// Which right is missing, if that is known.
    right: Option<String>,
}

impl ClientError {
    /// Returns the code that the client or a broker gave; nothing if there is none.
    pub(in crate::kafka) fn code(&self) -> Option<Code> {
        self.error.rdkafka_error_code().map(Code)
    }

    /// Adds which right is missing.
    pub(super) fn with_right(self, right: Option<String>) -> Self {
        Self { right, ..self }
    }

    /// Returns the error without the client's type names, and without the value of a setting.
    pub(in crate::kafka) fn in_words(&self) -> String {
        if let Some(right) = &self.right {
            return right.clone();
        }
        match &self.error {
            KafkaError::ClientConfig(_, description, key, value) => {
                let quoted = format!("\"{value}\"");
                let description = description.replace(&quoted, "(not shown)");
                match (key.as_str(), value.len() > 3 && description.contains(value.as_str())) {
                    ("", _) => description,
                    (_, true) => format!("the value of `{key}` cannot be used"),
                    (_, false) => format!("`{key}`: {description}"),
                }
            }
            KafkaError::ClientCreation(description) => description.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> Self {
        Self { error, right: None }
    }
}

/// The answer of the client or of a broker, by its number.
///
/// What follows from it is said in [`super::outcome`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka) struct Code(pub(super) RDKafkaErrorCode);

impl Code {
    /// Tells whether it says that the next record is gone from the log.
    pub(in crate::kafka) fn is_record_gone(self) -> bool {
        matches!(self.0, RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
    }

    /// Tells whether the client can take no more records for now.
    pub(in crate::kafka) fn is_queue_full(self) -> bool {
        self.0 == RDKafkaErrorCode::QueueFull
    }

    /// Tells whether the record was given up together with its transaction.
    pub(in crate::kafka) fn is_purged(self) -> bool {
        matches!(self.0, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
    }

    /// Tells whether a right is missing; [`super::rights`] says which.
    pub(in crate::kafka) fn is_denied(self) -> bool {
        matches!(
            self.0,
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
        )
    }

    /// Tells whether a right on the group is missing.
    pub(in crate::kafka) fn is_group_denied(self) -> bool {
        self.0 == RDKafkaErrorCode::GroupAuthorizationFailed
    }

    /// Tells whether another member has the same static name.
    pub(in crate::kafka) fn is_fenced_instance(self) -> bool {
        self.0 == RDKafkaErrorCode::FencedInstanceId
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
