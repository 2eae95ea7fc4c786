//! What a detector is about: rebuilding its state, or detecting.

use super::lanes::LaneName;
use super::restore::Restoring;
use super::resume::Replaying;
use crate::recovery::replay::Idle;

/// From a committed cut to the stream: restoring, then replaying, then live. A detector without
/// a past begins where there is something to do.
pub(super) enum Phase {
    /// The journal is read for its lane, or it is not known yet where the journal ends.
    Restoring {
        journal: Box<Restoring>,
        /// The replay of the input that follows, if there is one.
        then: Option<Box<Replaying>>,
    },
    /// Records of the input are read again, silently.
    Replaying(Box<Replaying>),
    /// What is found leaves.
    Live,
}

impl Phase {
    /// Returns the phase of a detector without a past.
    pub(super) fn new(journal: Option<Restoring>) -> Self {
        match journal {
            Some(journal) => Self::Restoring { journal: Box::new(journal), then: None },
            None => Self::Live,
        }
    }

    /// Has the input replayed, once the journal is read.
    pub(super) fn replay(&mut self, replaying: Replaying) {
        match self {
            Self::Restoring { then, .. } => *then = Some(Box::new(replaying)),
            Self::Replaying(_) | Self::Live => *self = Self::Replaying(Box::new(replaying)),
        }
    }

    /// Ends the reading of the journal, and returns what was known of it.
    pub(super) fn end_restoring(&mut self) -> Option<Restoring> {
        match std::mem::replace(self, Self::Live) {
            Self::Restoring { journal, then } => {
                *self = then.map_or(Self::Live, Self::Replaying);
                Some(*journal)
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// Returns where the replay ends that is under way.
    pub(super) fn replays_until(&self) -> Option<i64> {
        match self {
            Self::Replaying(replaying) => Some(replaying.until),
            Self::Restoring { .. } | Self::Live => None,
        }
    }

    /// Takes the next idle time of the replay that ran at this position or before.
    pub(super) fn take_idle(&mut self, position: i64) -> Option<Idle> {
        let Self::Replaying(replaying) = self else { return None };
        replaying.idle.pop_front_if(|idle| idle.position <= position)
    }

    /// Ends the replay: what is found leaves from now on.
    pub(super) fn go_live(&mut self) {
        *self = Self::Live;
    }

    /// Tells whether a lane sees the records that are being given.
    pub(super) fn shows_to(&self, lane: LaneName) -> bool {
        match self {
            Self::Restoring { .. } => lane == LaneName::Journal,
            Self::Replaying(_) => lane == LaneName::Input,
            Self::Live => true,
        }
    }

    /// Tells that no records of the past are wanted any more.
    pub(super) fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// Returns the reading of the journal.
    pub(super) fn restoring(&self) -> Option<&Restoring> {
        match self {
            Self::Restoring { journal, .. } => Some(journal),
            Self::Replaying(_) | Self::Live => None,
        }
    }

    /// Returns the reading of the journal, to go on with it.
    pub(super) fn restoring_mut(&mut self) -> Option<&mut Restoring> {
        match self {
            Self::Restoring { journal, .. } => Some(journal),
            Self::Replaying(_) | Self::Live => None,
        }
    }

    /// Returns the replay that is under way or will follow.
    pub(super) fn replaying(&self) -> Option<&Replaying> {
        match self {
            Self::Restoring { then, .. } => then.as_deref(),
            Self::Replaying(replaying) => Some(replaying),
            Self::Live => None,
        }
    }

    /// Returns the replay that is under way or will follow, to go on with it.
    pub(super) fn replaying_mut(&mut self) -> Option<&mut Replaying> {
        match self {
            Self::Restoring { then, .. } => then.as_deref_mut(),
            Self::Replaying(replaying) => Some(replaying),
            Self::Live => None,
        }
    }
}
