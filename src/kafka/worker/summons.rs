//! How a worker has something committed before the next regular commit.

use crate::transaction::Bundle;

/// One worker's way to whoever commits.
pub(in crate::kafka) trait Summons: Send {
    /// Tells whether cuts would be taken at once. By the time they come that may have changed: then they wait.
    fn is_free(&self) -> bool;

    /// Hands cuts over that nobody has asked for.
    fn hand_over(&self, bundles: Vec<Bundle>);

    /// Has the worker be asked for its cuts soon; costs nothing when that has been said already.
    fn call(&self);
}
