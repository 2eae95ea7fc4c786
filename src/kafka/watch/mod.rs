//! What is looked up beside the stream: topics, how long they keep records, where records lie, how long
//! replays take.
//!
//! The poll thread calls `look` of [`TopicWatch`], [`PlacementWatch`] and [`ReplayWatch`] as often as it likes; each
//! knows when it is time to. [`retention::watch`] has a thread of its own. Never changes a topic, and
//! never touches a partition.

mod journal_retention;
mod placement;
mod replays;
pub(super) mod retention;
mod topics;

pub(super) use placement::PlacementWatch;
pub(super) use replays::ReplayWatch;
pub(super) use topics::TopicWatch;
