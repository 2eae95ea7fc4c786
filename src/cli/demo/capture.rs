//! The recorded attack: unpacks it, and keys each record by its host as Winlogbeat should.

use std::io::{BufRead, BufReader};

use serde::Deserialize;

/// See the README beside it for where it comes from.
const CAPTURE: &[u8] = include_bytes!("attack.ndjson.gz");

/// One record of the capture.
pub(super) struct Record {
    /// `host.id`.
    pub(super) key: String,
    /// The event, as Winlogbeat wrote it.
    pub(super) value: String,
}

#[derive(Deserialize)]
struct Event {
    host: Host,
}

#[derive(Deserialize)]
struct Host {
    id: String,
}

/// Returns the records in the order in which the collector received them.
pub(super) fn records() -> anyhow::Result<Vec<Record>> {
    BufReader::new(flate2::read::GzDecoder::new(CAPTURE))
        .lines()
        .map(|line| {
            let value = line?;
            let event: Event = serde_json::from_str(&value)?;
            Ok(Record { key: event.host.id, value })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn capture_holds_more_than_the_attack() {
        let records = super::records().unwrap();
        let hosts: std::collections::BTreeSet<_> = records.iter().map(|r| &r.key).collect();
        assert!(records.len() > 100 && hosts.len() > 1, "{} of {hosts:?}", records.len());
    }
}
