//! Any record of any shape is normalized without a panic and without growing out of proportion, and
//! has a document exactly if it can be decoded.

use maxspan::event::decode::{Decoder, Limits};
use maxspan::event::{Arena, FieldTable, Fields};
use maxspan::normalize::{Documents, Normalizer, Options};

/// Fields that every table of the normalizer has a source for.
const WANTED: [&str; 16] = [
    "event.action",
    "event.outcome",
    "event.type",
    "process.args",
    "process.command_line",
    "process.hash.sha256",
    "process.name",
    "process.parent.name",
    "registry.path",
    "dns.resolved_ip",
    "file.extension",
    "host.id",
    "network.direction",
    "related.user",
    "source.ip",
    "user.name",
];

/// How many times its size a record may grow to as a document, and how much on top of that.
const GROWTH: usize = 64;
const HEADROOM: usize = 64 << 10;

/// Takes a record.
pub fn run(data: &[u8]) {
    let mut table = FieldTable::default();
    WANTED.iter().for_each(|path| {
        table.intern(path);
    });
    let normalizer = Normalizer::new(&mut table, Options::default());
    let decoder = Decoder::new(&table, Limits { max_nesting: 64 });
    let arena = Arena::new();
    let mut fields = Fields::new(table.len(), &arena);
    let decoded = decoder.decode(data, &mut fields).is_ok();
    if decoded {
        let envelope = normalizer.normalize(&mut fields);
        let ordinal = normalizer.ordinal(&fields, &envelope, 7, None);
        assert_eq!(ordinal.offset, 7);
        let identity = normalizer.identity(&fields, &envelope, "topic", 0, 7);
        assert_eq!(identity, normalizer.identity(&fields, &envelope, "topic", 0, 7));
    }
    if let Some(document) = Documents::new(Options::default()).document(data) {
        let size = serde_json::to_vec(&document).expect("a document can be written").len();
        assert!(size <= data.len() * GROWTH + HEADROOM, "{} bytes became {size}", data.len());
    } else {
        assert!(!decoded, "a record that can be decoded has a document");
    }
}
