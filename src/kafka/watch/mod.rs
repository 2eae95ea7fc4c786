//! What is looked up beside the stream: topics, how long they keep records, where records lie, how long
//! replays take.
//!
//! The poll thread calls `look` of [`PlacementWatch`] and [`ReplayWatch`] as often as it likes; each knows
//! when it is time to, and none asks a broker. [`topics::watch`] and [`retention::watch`] do, on threads
//! of their own. Never changes a topic, and never touches a partition.

mod advice;
mod journal_retention;
mod placement;
mod replays;
pub(super) mod retention;
pub(super) mod topics;

pub(super) use placement::PlacementWatch;
pub(super) use replays::ReplayWatch;
