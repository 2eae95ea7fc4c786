//! How records are normalized, as the configuration says it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How records are normalized.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What tells hosts apart.
    pub host_key: HostKey,
    /// How much of a computer's name counts.
    pub host_names: HostNames,
    /// Other names of hosts: a name or id in lower case, and the name that is used instead. For
    /// hosts that some channels name by their short name and others by their full one, and for
    /// those whose shippers know different ids.
    pub host_aliases: BTreeMap<String, String>,
    /// Whether Elastic's quirks are kept.
    pub ecs_compat: EcsCompat,
}

/// What tells hosts apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostKey {
    /// `host.id`, unless it is another machine's; else the computer's name.
    #[default]
    Id,
    /// The computer's name; `host.id` only of records that name no computer. For hosts whose
    /// events come by several ways, of which some know no `host.id`, as through a collector.
    Name,
}

/// How much of a computer's name counts, always in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostNames {
    /// All of it.
    #[default]
    Full,
    /// What stands before the first dot: where short names are unique, and not every shipper and
    /// channel knows the domain.
    Short,
}

/// Whether the quirks of Elastic's own pipelines are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EcsCompat {
    /// They are: a rule sees what it would see there.
    #[default]
    Elastic,
    /// They are not: each value is what its name says.
    Fixed,
}
