//! Where the values of a field can come from: what must stand in a record for the field to have one.
//!
//! Reads the mapping tables as data and never a record. Whoever adds a way in which normalizing fills a
//! field adds it here: `tests/prefilter.rs` finds what is missing.

use std::collections::BTreeSet;

use super::channel;
use super::options::EcsCompat;
use super::shape::nxlog;
use super::table::{How, full_name};

/// One way in which a field comes by a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// From a value that the record has at this path.
    Record {
        /// The dotted path; in the record it is nested, dotted, or both.
        path: String,
        /// Whether the field's text stands in that value as it is, apart from letter case; what stands
        /// on both sides of a backslash may come from two values.
        keeps_text: bool,
    },
    /// From a table: it is one of these texts, whatever the record holds.
    Constant(Vec<&'static str>),
    /// In a way that says nothing about the record.
    Unknown,
}

/// Returns all ways in which normalizing, under this setting, gives a field a value.
pub fn origins(field: &str, compat: EcsCompat) -> BTreeSet<Origin> {
    let mut search = Search { compat, found: BTreeSet::new(), seen: BTreeSet::new() };
    search.field(field, Change::None);
    search.found
}

/// What has been done to a value on its way into a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// Nothing.
    None,
    /// A part of its text was taken.
    Part,
    /// It became another one.
    Whole,
}

struct Search {
    compat: EcsCompat,
    found: BTreeSet<Origin>,
    seen: BTreeSet<(String, Change)>,
}

impl Search {
    /// Adds the origins of a field from which a value is taken with a change.
    fn field(&mut self, field: &str, change: Change) {
        if !self.seen.insert((field.to_owned(), change)) {
            return;
        }
        self.record(field, change);
        for path in nxlog::sources(field) {
            self.record(&path, change);
        }
        self.written_beside_tables(field, change);
        for (target, sources, how) in channel::ways(self.compat) {
            if target == field {
                self.way(sources, how, change);
            }
        }
    }

    fn record(&mut self, path: &str, change: Change) {
        let keeps_text = change != Change::Whole;
        self.found.insert(Origin::Record { path: path.to_owned(), keeps_text });
    }

    fn way(&mut self, sources: &[&str], how: How, change: Change) {
        let (of_way, sources) = match how {
            How::First(convert) | How::Each(convert) | How::Path(convert) => {
                let of_way = if convert.keeps_text() { Change::Part } else { Change::Whole };
                (of_way, sources)
            }
            // All of them are needed: one says enough.
            How::CommunityId => (Change::Whole, &sources[..1]),
            How::Text(texts) => return self.constant(texts, change),
            How::Module(beats, agent) => return self.constant(&[beats, agent], change),
        };
        for source in sources {
            self.field(&full_name(source), change.max(of_way));
        }
    }

    fn constant(&mut self, texts: &[&'static str], change: Change) {
        self.found.insert(match change {
            Change::None => Origin::Constant(texts.to_vec()),
            Change::Part | Change::Whole => Origin::Unknown,
        });
    }

    /// Adds what the normalizer itself writes.
    fn written_beside_tables(&mut self, field: &str, change: Change) {
        match field {
            "host.os.type" => self.constant(&["windows"], change),
            // Rewritten, and from several fields at once.
            "@timestamp" | "event.created" | "host.id" => {
                self.found.insert(Origin::Unknown);
            }
            "event.dataset" | "data_stream.dataset" => {
                let datasets: Vec<_> = channel::datasets().collect();
                self.constant(&datasets, change);
                self.record("event.dataset", change);
                self.record("data_stream.dataset", change);
            }
            // NXLog's records have it without a key of that name.
            nxlog::DATA => {
                self.found.insert(Origin::Unknown);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(field: &str) -> Vec<(String, bool)> {
        let paths =
            origins(field, EcsCompat::Elastic).into_iter().filter_map(|origin| match origin {
                Origin::Record { path, keeps_text } => Some((path, keeps_text)),
                Origin::Constant(_) | Origin::Unknown => None,
            });
        paths.collect()
    }

    fn has(field: &str, path: &str, keeps_text: bool) -> bool {
        paths(field).contains(&(path.to_owned(), keeps_text))
    }

    #[test]
    fn a_field_comes_from_its_own_path_and_from_those_of_the_tables() {
        assert!(has("process.parent.name", "process.parent.name", true));
        assert!(has("process.parent.name", "winlog.event_data.ParentImage", true));
        assert!(has("process.parent.name", "ParentProcessName", true), "as NXLog has it");
        assert!(has("network.direction", "winlog.event_data.Initiated", false));
        assert!(has("process.args", "winlog.event_data.CommandLine", false), "quotes go");
        assert!(has("network.community_id", "winlog.event_data.SourceIp", false));
        assert!(has("event.code", "EventID", true));
        assert_eq!(paths("no.such"), [("no.such".to_owned(), true)]);
    }

    #[test]
    fn what_needs_no_key_is_told() {
        let has_constant = |field: &str, text| {
            let mut origins = origins(field, EcsCompat::Elastic).into_iter();
            origins.any(|origin| matches!(origin, Origin::Constant(texts) if texts.contains(&text)))
        };
        assert!(has_constant("event.category", "process"));
        assert!(has_constant("event.type", "start"));
        assert!(has_constant("host.os.type", "windows"));
        assert!(has_constant("event.dataset", "windows.sysmon_operational"));
        assert!(has_constant("event.module", "sysmon") && has_constant("event.module", "windows"));
        for field in ["host.id", "@timestamp", "winlog.event_data"] {
            assert!(origins(field, EcsCompat::Elastic).contains(&Origin::Unknown), "{field}");
        }
    }

    #[test]
    fn a_setting_decides_about_quirks() {
        let is_filled = |compat| {
            origins("file.code_signature.signed", compat).into_iter().any(
                |origin| matches!(origin, Origin::Record { path, .. } if path.ends_with(".Signed")),
            )
        };
        assert!(is_filled(EcsCompat::Fixed) && !is_filled(EcsCompat::Elastic));
    }
}
