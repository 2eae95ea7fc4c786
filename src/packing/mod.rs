//! Packs the records that the state keeps: zstd, with a dictionary of what records of Windows say anyway.
//!
//! The same record always gives the same bytes, whatever came before it: who leaves at a limit must not
//! depend on that.

use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::event::admitted::Packer;

/// Records of several kinds, the most frequent ones last, as Winlogbeat writes them.
const RECORDS: &[u8] = include_bytes!("records.ndjson");
/// What costs a few microseconds a record. Higher levels cost several times that and save little.
const LEVEL: i32 = 3;
/// Smaller records are kept as they are.
const SMALL: usize = 256;
/// What each of zstd's frames begins with. It need not be kept.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

static FOR_PACKING: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(RECORDS, LEVEL));
static FOR_UNPACKING: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(RECORDS));

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
                *compressor = Compressor::with_prepared_dictionary(&FOR_PACKING).ok();
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
