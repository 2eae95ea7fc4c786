//! What a worker is asked to do.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::detect::{Cut, Detector, Origin};
use crate::kafka::client::Records;
use crate::kafka::state::{Lease, PartitionState};
use crate::transaction::Bundle;

/// What a worker is asked to do.
pub(in crate::kafka) enum Command {
    /// Own a partition from now on.
    Adopt(Box<Adoption>),
    /// Start a partition anew with another detector, under another lease. Records at these offsets
    /// are not shown to it.
    Restart(Origin, Lease, Box<Detector>, Vec<i64>),
    /// Go on at an offset: what lies before it is gone.
    Skip(Origin, i64),
    /// Take no more records of these partitions.
    Freeze(Vec<Origin>),
    /// Cut every partition that has no cut on its way, and answer with this worker's index.
    Cut(Sender<Cuts>),
    /// Forget output: its cut is committed.
    Accept(Vec<Accepted>),
    /// Give partitions up, with their state.
    Release(Vec<Origin>, Keep, Sender<()>),
    /// End.
    Stop,
}

/// Cuts of a worker.
pub(in crate::kafka) struct Cuts {
    /// Its index.
    pub(in crate::kafka) worker: usize,
    pub(in crate::kafka) bundles: Vec<Bundle>,
    /// Whether they were asked for.
    pub(in crate::kafka) is_answer: bool,
}

/// A cut that is committed, and under which lease it was made.
pub(in crate::kafka) struct Accepted {
    pub(in crate::kafka) origin: Origin,
    pub(in crate::kafka) lease: u64,
    pub(in crate::kafka) cut: Cut,
}

/// What becomes of the state of a partition that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Keep {
    /// It is kept for a while, if all of it is committed.
    Warm,
    /// It is dropped.
    Nothing,
}

/// A partition on its way to its worker.
pub(in crate::kafka) struct Adoption {
    pub(in crate::kafka) origin: Origin,
    pub(in crate::kafka) lease: Lease,
    pub(in crate::kafka) queue: Box<dyn Records>,
    pub(in crate::kafka) detector: Detector,
    pub(in crate::kafka) state: Arc<PartitionState>,
    /// Offsets of records that are not shown to the detector.
    pub(in crate::kafka) poisoned: Vec<i64>,
    /// The committed position and metadata, if there are any.
    pub(in crate::kafka) committed: Option<(i64, String)>,
}
