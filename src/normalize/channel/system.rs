//! The System channel: services, and its own clearing.

use crate::normalize::convert::Convert;
use crate::normalize::names;
use crate::normalize::table::{Channel, Map, Row, copy, each, first};

/// The channel's table.
pub(super) static CHANNEL: Channel = Channel {
    name: "System",
    dataset: Some("system.system"),
    module: Some(("system", "system")),
    maps: &[],
    rows: &[
        Row {
            ids: &[7045],
            category: &["iam", "configuration"],
            types: &["admin", "change"],
            action: &["service-installed"],
            maps: &[INSTALLED],
        },
        Row {
            ids: &[7036],
            category: &["configuration"],
            types: &["change"],
            action: &["service-state-changed"],
            maps: &[NAMED],
        },
        Row {
            ids: &[7040],
            category: &["configuration"],
            types: &["change"],
            action: &["service-start-type-changed"],
            maps: &[NAMED],
        },
        Row {
            ids: &[104],
            category: &["iam"],
            types: &["admin", "change"],
            action: &["event-log-cleared"],
            maps: &[CLEARED],
        },
    ],
    other: Row { ids: &[], category: &[], types: &[], action: &[], maps: &[] },
};

const PATH: &[&str] = &["ImagePath"];

static INSTALLED: &[Map] = &[
    copy("service.name", &["ServiceName"]),
    first("service.type", &["ServiceType"], Convert::Named(names::SERVICE_TYPES)),
    copy("maxspan.service.image_path", PATH),
    copy("maxspan.service.start_type", &["StartType"]),
    copy("maxspan.service.account", &["AccountName"]),
    copy("user.id", &["winlog.user.identifier"]),
    copy("user.name", &["winlog.user.name"]),
    copy("user.domain", &["winlog.user.domain"]),
    each("related.user", &["winlog.user.name"], Convert::Text),
];

static NAMED: &[Map] = &[copy("service.name", &["param1"])];

static CLEARED: &[Map] = &[
    copy("user.name", &["winlog.user_data.SubjectUserName", "SubjectUserName"]),
    copy("user.domain", &["winlog.user_data.SubjectDomainName", "SubjectDomainName"]),
    each("related.user", &["winlog.user_data.SubjectUserName", "SubjectUserName"], Convert::Text),
];
