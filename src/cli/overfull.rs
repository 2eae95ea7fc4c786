//! What a command over files says when a recording does not fit into memory.

use anyhow::bail;

use crate::detect::Detector;

/// Checks that what a detector holds of a bounded input fits.
///
/// # Errors
/// If it does not: an answer without what is missing would look whole.
pub(super) fn check(detector: &Detector) -> anyhow::Result<()> {
    let Some(rule) = detector.overfull_rule() else { return Ok(()) };
    let rule = &detector.rules().rules()[rule];
    bail!(
        "`{}` does not fit into `state.max_total_bytes`: most of it is taken by the rule `{}` ({}). Raise \
         the limit, split the recording, or replay it as a stream with `--emit eager`",
        detector.origin().topic,
        rule.metadata.id,
        rule.metadata.name,
    )
}
