//! Windows channels without mappings of their own.

use crate::normalize::table::{Channel, Row};

const NOTHING: Row = Row { ids: &[], category: &[], types: &[], action: &[], maps: &[] };

/// The Application channel.
pub(super) static APPLICATION: Channel = Channel {
    name: "Application",
    dataset: Some("system.application"),
    module: Some(("system", "system")),
    maps: &[],
    rows: &[],
    other: NOTHING,
};

/// All channels that no table knows.
pub(in crate::normalize) static OTHER: Channel =
    Channel { name: "", dataset: None, module: None, maps: &[], rows: &[], other: NOTHING };
