//! The compiled rule set: immutable, shared by all partitions.

/// All rules that run.
#[derive(Debug, Default)]
pub struct RuleSet {}
