//! A way of making cuts durable.

use std::time::{Duration, Instant};

use super::outside::Outside;
use crate::detect::Origin;
use crate::kafka::state::Leases;
use crate::transaction::Bundle;

/// How long one cycle waits for the workers' cuts, the acknowledgements, the commit's answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A way of making cuts durable.
///
/// The committer adds cuts while [`Way::takes_more`], and calls [`Way::deliver`] until all is done.
pub(in crate::kafka) trait Way: Send {
    /// Tells whether cuts may be added now; only such of partitions that have none on its way.
    fn takes_more(&self) -> bool;

    /// Adds cuts.
    fn add(&mut self, bundles: Vec<Bundle>);

    /// Goes on with all that is under way, until it is done or it is `deadline`, and tells
    /// whether all is done.
    fn deliver(&mut self, outside: &Outside, deadline: Instant) -> bool;

    /// Forgets the cuts whose lease has ended.
    fn drop_ended(&mut self, leases: &Leases);

    /// Tells whether a cut of one of these partitions is under way.
    fn holds(&self, origins: &[Origin]) -> bool;

    /// Tells whether anything at all is under way.
    fn is_idle(&self) -> bool;
}
