//! Packs the records that the state keeps: zstd, with a dictionary of what records of Windows say anyway.
//!
//! The same record always gives the same bytes, whatever came before it: who leaves at a limit must not
//! depend on that.

use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

use crate::event::admitted::Packer;

/// Trained on made-up records of Winlogbeat, raw and as ECS, and on the golden records of the tests:
/// `zstd --train RECORDS... --maxdict=16384 -3`. Another dictionary changes what limits drive out, and
/// nothing else: packed records are never written anywhere.
const DICTIONARY: &[u8] = include_bytes!("dictionary.zstd");
/// What costs a few microseconds a record. Higher levels cost several times that and save little.
const LEVEL: i32 = 3;
/// Smaller records are kept as they are.
const SMALL: usize = 256;
/// What each of zstd's frames begins with. It need not be kept.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

static FOR_PACKING: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static FOR_UNPACKING: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// Packs with zstd. Each thread has memory of its own for it, from its first record on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zstd;

impl Packer for Zstd {
    fn pack(&self, record: &[u8]) -> Option<Box<[u8]>> {
        if record.len() < SMALL {
            return None;
        }
        let frame = COMPRESSOR.with_borrow_mut(|compressor| {
            if compressor.is_none() {
                *compressor = new_compressor().ok();
            }
            compressor.as_mut()?.compress(record).ok()
        })?;
        let packed = frame.strip_prefix(&MAGIC)?;
        (packed.len() < record.len()).then(|| packed.into())
    }

    fn unpack(&self, packed: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut decompressor = Decompressor::with_prepared_dictionary(&FOR_UNPACKING).ok()?;
        let frame = [&MAGIC, packed].concat();
        decompressor.decompress(&frame, size).ok().filter(|record| record.len() == size)
    }
}

fn new_compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&FOR_PACKING)?;
    // There is no other dictionary.
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    Ok(compressor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden records of the tests, each in one line.
    fn records() -> Vec<Vec<u8>> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/normalize");
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let inputs = files.filter(|path| path.to_string_lossy().ends_with(".in.json"));
        let record = |path: std::path::PathBuf| {
            let text = std::fs::read(path).unwrap();
            let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
            document.to_string().into_bytes()
        };
        inputs.map(record).filter(|record| record.len() >= SMALL).collect()
    }

    #[test]
    fn records_come_back_as_they_were_and_small() {
        let records = records();
        assert!(records.len() > 10);
        let (mut before, mut after) = (0, 0);
        for record in records {
            let packed = Zstd.pack(&record).unwrap();
            (before, after) = (before + record.len(), after + packed.len());
            assert_eq!(Zstd.unpack(&packed, record.len()), Some(record));
        }
        assert!(after * 3 < before, "{after} of {before}");
    }

    #[test]
    fn a_record_gives_the_same_bytes_whatever_came_before_it() {
        let record = "{\"message\":\"".to_owned() + &"no two are alike, ".repeat(40) + "\"}";
        let alone = std::thread::scope(|scope| {
            scope.spawn(|| Zstd.pack(record.as_bytes())).join().unwrap().unwrap()
        });
        for other in records() {
            Zstd.pack(&other);
            assert_eq!(Zstd.pack(record.as_bytes()).as_deref(), Some(&*alone));
        }
    }

    #[test]
    fn what_gains_nothing_is_left_as_it_is() {
        assert_eq!(Zstd.pack(&[b' '; SMALL - 1]), None);
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(4_000)
        .collect();
        assert_eq!(Zstd.pack(&noise), None);
    }

    #[test]
    fn other_bytes_are_no_record() {
        let packed = Zstd.pack(&[b' '; 2_000]).unwrap();
        assert_eq!(Zstd.unpack(&packed, 1_999), None);
        assert_eq!(Zstd.unpack(&packed[..packed.len() / 2], 2_000), None);
        assert_eq!(Zstd.unpack(b"", 2_000), None);
    }
}
