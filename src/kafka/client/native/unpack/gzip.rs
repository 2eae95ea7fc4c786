//! `rd_gz_decompress`: a batch that was packed with gzip, in one pass.
//!
//! librdkafka's own unpacks each batch twice with zlib, the first time through a buffer of 512 bytes and only to
//! learn how large it is. A gzip member ends with that size, so that one pass with libdeflate does.

use std::ffi::{c_int, c_void};
use std::io::{self, Read};
use std::ptr::NonNull;

use libdeflate_sys as deflate;

use super::allowance::admits;
use super::buffer::Buffer;

/// Deflate packs a thousandfold at most: a size beyond that is no size.
const MOST_PACKED: usize = 1_032;
/// Head and end of a gzip member, without what it holds.
const LEAST_GZIP: usize = 18;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Returns what is packed in a buffer that the client owns then, and its size; null if nothing can be unpacked.
///
/// Also takes what is packed by zlib, without gzip's head, as the client's function does.
///
/// # Safety
///
/// `packed` points to `packed_len` bytes, `size` to a place that can be read and written.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn rd_gz_decompress(
    packed: *const c_void,
    packed_len: c_int,
    size: *mut u64,
) -> *mut c_void {
    let (Ok(length), false) = (usize::try_from(packed_len), packed.is_null()) else {
        return std::ptr::null_mut();
    };
    // SAFETY: the caller promises it; nobody writes to what is packed.
    let packed = unsafe { std::slice::from_raw_parts(packed.cast::<u8>(), length) };
    let Some(unpacked) = unpack(packed) else {
        return std::ptr::null_mut();
    };
    // SAFETY: the caller promises that it can be written to.
    unsafe { *size = unpacked.len() as u64 };
    unpacked.into_raw()
}

/// Nothing if it cannot be unpacked, or is not admitted.
fn unpack(packed: &[u8]) -> Option<Buffer> {
    match told_size(packed) {
        Some(size) if !admits(packed, size) => None,
        Some(size) => at_once(packed, size).or_else(|| in_two_passes(packed)),
        None => in_two_passes(packed).filter(|unpacked| admits(packed, unpacked.len())),
    }
}

/// Unpacks a gzip member that is said to hold so many bytes; nothing if that does not work.
fn at_once(packed: &[u8], size: usize) -> Option<Buffer> {
    let mut unpacked = Buffer::of(size)?;
    let decoder = Decoder::new()?;
    let mut written = 0;
    // SAFETY: the decoder is valid, `packed` is a slice, and there is room for `size` bytes, of which the call
    // tells how many it has written.
    let result = unsafe {
        deflate::libdeflate_gzip_decompress(
            decoder.0.as_ptr(),
            packed.as_ptr().cast(),
            packed.len(),
            unpacked.start().cast(),
            size,
            &raw mut written,
        )
    };
    if result != deflate::libdeflate_result_LIBDEFLATE_SUCCESS {
        return None;
    }
    // SAFETY: the decoder has written so many bytes.
    unsafe { unpacked.set_filled(written) };
    Some(unpacked)
}

/// Returns the size that a gzip member ends with; nothing if it cannot be true.
fn told_size(packed: &[u8]) -> Option<usize> {
    if packed.len() < LEAST_GZIP || !packed.starts_with(&GZIP_MAGIC) {
        return None;
    }
    let size = u32::from_le_bytes(*packed.last_chunk()?);
    let size = usize::try_from(size).ok()?;
    (size <= packed.len().saturating_mul(MOST_PACKED)).then_some(size)
}

/// Unpacks as the client does: first to know the size, then for good. For what [`at_once`] does not take, and to
/// compare it with.
fn in_two_passes(packed: &[u8]) -> Option<Buffer> {
    let size = io::copy(&mut decoder(packed), &mut io::sink()).ok()?;
    let mut unpacked = Buffer::zeroed(usize::try_from(size).ok()?)?;
    decoder(packed).read_exact(unpacked.as_mut()).ok()?;
    Some(unpacked)
}

fn decoder(packed: &[u8]) -> Box<dyn Read + '_> {
    match packed.starts_with(&GZIP_MAGIC) {
        true => Box::new(flate2::read::GzDecoder::new(packed)),
        false => Box::new(flate2::read::ZlibDecoder::new(packed)),
    }
}

/// What libdeflate needs to work.
struct Decoder(NonNull<deflate::libdeflate_decompressor>);

impl Decoder {
    fn new() -> Option<Self> {
        // SAFETY: the call returns a decoder that we own, or null.
        NonNull::new(unsafe { deflate::libdeflate_alloc_decompressor() }).map(Self)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the decoder is ours and not used afterwards.
        unsafe { deflate::libdeflate_free_decompressor(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    /// What the client calls: by its name.
    fn by_name(packed: &[u8]) -> Option<Vec<u8>> {
        unsafe extern "C" {
            #[link_name = "rd_gz_decompress"]
            fn function(packed: *const c_void, packed_len: c_int, size: *mut u64) -> *mut c_void;
        }
        let mut size = 0;
        // SAFETY: the slice is valid, and so is the place for the size.
        let bytes =
            unsafe { function(packed.as_ptr().cast(), packed.len() as c_int, &raw mut size) };
        // SAFETY: what comes from there is a buffer of the client, with so many bytes.
        unsafe { Buffer::from_raw(bytes, size as usize) }.map(|unpacked| unpacked.as_ref().to_vec())
    }

    fn twin(packed: &[u8]) -> Option<Vec<u8>> {
        in_two_passes(packed).map(|unpacked| unpacked.as_ref().to_vec())
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(4));
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn texts() -> Vec<Vec<u8>> {
        let events = |count: usize| -> Vec<u8> {
            let event = |n| format!("{{\"event\":{{\"code\":\"{n}\"}},\"user\":\"u{}\"}}\n", n * n);
            (0..count).flat_map(|n| event(n).into_bytes()).collect()
        };
        vec![Vec::new(), b"x".to_vec(), events(3), events(5_000), vec![0; 3_000_000]]
    }

    #[test]
    fn client_unpacks_by_our_function_what_was_packed() {
        for text in texts() {
            let packed = gzip(&text);
            assert_eq!(told_size(&packed), Some(text.len()));
            assert!(at_once(&packed, text.len()).is_some(), "{} bytes", text.len());
            assert_eq!(by_name(&packed).as_ref(), Some(&text));
            assert_eq!(twin(&packed), Some(text));
        }
    }

    #[test]
    fn zlib_format_and_wrong_sizes_take_two_passes() {
        for text in texts() {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&text).unwrap();
            assert_eq!(by_name(&encoder.finish().unwrap()).as_ref(), Some(&text));
        }
        // Of several members the client unpacks the first one; the size at the end is that of the last one.
        for (first, second) in [("many words", "few"), ("few", "many words")] {
            let members = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
            assert_eq!(by_name(&members).as_deref(), Some(first.as_bytes()));
            assert_eq!(twin(&members).as_deref(), Some(first.as_bytes()));
        }
    }

    #[test]
    fn broken_input_gives_nothing() {
        let packed = gzip(&texts()[2]);
        for broken_at in 0..packed.len() {
            let mut broken = packed.clone();
            broken[broken_at] ^= 0x55;
            // Some bytes of the head tell nothing.
            assert!(by_name(&broken).is_none_or(|text| text == texts()[2]), "at {broken_at}");
            assert_eq!(by_name(&packed[..broken_at]), None, "cut at {broken_at}");
        }
        assert_eq!(by_name(b""), None);
        let mut promises = vec![0; 40];
        promises[..2].copy_from_slice(&GZIP_MAGIC);
        promises[36..].fill(0xff);
        assert_eq!(told_size(&promises), None, "four GiB are not in forty bytes");
    }
}
