//! How a partition starts: with which state, and from where it is read.
//!
//! First [`originate`] decides what to resume, from what is committed and what the log holds. Then
//! [`revive`] returns the detector. Then [`read_from`] says which record to read first, and
//! [`note_start`] tells the operator. Never asks a broker: whoever is given the partition does.

mod origination;
mod revival;

pub(super) use origination::{Origination, originate, read_from};
pub(super) use revival::{Start, note_start, rebuild, revive};
