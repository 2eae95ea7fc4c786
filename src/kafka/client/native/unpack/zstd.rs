//! `rd_kafka_zstd_decompress`: a batch that was packed with Zstandard, in one pass.
//!
//! Producers that pack as they go do not write how large a batch is. librdkafka's own then tries with twice the
//! packed size, six times, eighteen times, each time from the start and with a new context. Zstandard's blocks
//! tell a bound, so that one pass does, and each thread keeps its context.
//!
//! `rd_kafka_zstd_compress` is here because it stands in the same file of librdkafka.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx, WriteBuf};

use super::allowance::admits;
use super::buffer::Buffer;

/// A batch that unpacks to more is refused: what the client's `receive.message.max.bytes` is by default.
const MOST_UNPACKED: usize = 100_000_000;
/// How much of a bound may be unused before what is left over is given back.
const MOST_UNUSED: usize = 256 << 10;

thread_local! {
    static CONTEXT: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// Unpacks into a buffer that the client owns then.
///
/// # Safety
///
/// `packed` points to `packed_len` bytes, `unpacked` and `size` to places that can be written to.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn rd_kafka_zstd_decompress(
    _broker: *mut c_void,
    packed: *mut c_char,
    packed_len: usize,
    unpacked: *mut *mut c_void,
    size: *mut usize,
) -> c_int {
    // SAFETY: the caller promises it; nobody writes to what is packed.
    let packed = unsafe { std::slice::from_raw_parts(packed.cast::<u8>(), packed_len) };
    let Some(found) = at_once(packed) else {
        return Code::RD_KAFKA_RESP_ERR__BAD_COMPRESSION as c_int;
    };
    // SAFETY: the caller promises that both can be written to.
    unsafe {
        *size = found.len();
        *unpacked = found.into_raw();
    }
    Code::RD_KAFKA_RESP_ERR_NO_ERROR as c_int
}

fn at_once(packed: &[u8]) -> Option<Buffer> {
    if packed.is_empty() {
        // The library would say that nothing is packed in it.
        return None;
    }
    let bound = usize::try_from(zstd_safe::decompress_bound(packed).ok()?).ok()?;
    if !admits(packed, bound) {
        return None;
    }
    let mut buffer = Buffer::of(bound.min(MOST_UNPACKED))?;
    CONTEXT.with_borrow_mut(|context| context.decompress(&mut buffer, packed)).ok()?;
    match buffer.capacity() - buffer.len() > MOST_UNUSED {
        true => buffer.shrunk(),
        false => Some(buffer),
    }
}

// SAFETY: as much as `capacity` can be written from `as_mut_ptr` on; what was written is what `as_slice` shows.
unsafe impl WriteBuf for Buffer {
    fn as_slice(&self) -> &[u8] {
        self.as_ref()
    }

    fn capacity(&self) -> usize {
        self.capacity()
    }

    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start()
    }

    unsafe fn filled_until(&mut self, written: usize) {
        // SAFETY: the caller promises it.
        unsafe { self.set_filled(written) };
    }
}

/// Packs what a slice of the client holds into a buffer that the client owns then.
///
/// # Safety
///
/// `slice` is one of the client's, `packed` and `size` point to places that can be written to.
#[unsafe(no_mangle)]
unsafe extern "C" fn rd_kafka_zstd_compress(
    _broker: *mut c_void,
    level: c_int,
    slice: *mut c_void,
    packed: *mut *mut c_void,
    size: *mut usize,
) -> c_int {
    // SAFETY: the caller promises it.
    let whole = unsafe { read_whole(slice) };
    let Some(found) = pack(&whole, level) else {
        return Code::RD_KAFKA_RESP_ERR__BAD_COMPRESSION as c_int;
    };
    // SAFETY: the caller promises that both can be written to.
    unsafe {
        *size = found.len();
        *packed = found.into_raw();
    }
    Code::RD_KAFKA_RESP_ERR_NO_ERROR as c_int
}

/// # Safety
///
/// `slice` is one of the client's.
unsafe fn read_whole(slice: *mut c_void) -> Vec<u8> {
    unsafe extern "C" {
        /// Gives the next stretch of a slice; 0 at its end.
        fn rd_slice_reader(slice: *mut c_void, bytes: *mut *const c_void) -> usize;
    }
    let mut whole = Vec::new();
    loop {
        let mut bytes = ptr::null();
        // SAFETY: the caller promises that it is a slice.
        let count = unsafe { rd_slice_reader(slice, &raw mut bytes) };
        if count == 0 {
            return whole;
        }
        // SAFETY: the client gives so many bytes, and they live as long as the slice.
        whole.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes.cast(), count) });
    }
}

fn pack(whole: &[u8], level: c_int) -> Option<Buffer> {
    let mut buffer = Buffer::of(zstd_safe::compress_bound(whole.len()))?;
    let mut context = CCtx::try_create()?;
    context.set_parameter(CParameter::CompressionLevel(level)).ok()?;
    context.compress2(&mut buffer, whole).ok()?;
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What the client calls: by its name.
    fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
        unsafe extern "C" {
            #[link_name = "rd_kafka_zstd_decompress"]
            fn by_name(
                broker: *mut c_void,
                packed: *mut c_char,
                packed_len: usize,
                unpacked: *mut *mut c_void,
                size: *mut usize,
            ) -> c_int;
        }
        let (mut bytes, mut size) = (ptr::null_mut(), 0);
        // SAFETY: the slice is valid, and so are the places for buffer and size.
        let code = unsafe {
            let packed_at = packed.as_ptr().cast_mut().cast();
            by_name(ptr::null_mut(), packed_at, packed.len(), &raw mut bytes, &raw mut size)
        };
        let is_error = code != Code::RD_KAFKA_RESP_ERR_NO_ERROR as c_int;
        assert_eq!(is_error, bytes.is_null());
        // SAFETY: what comes from there is a buffer of the client, with so many bytes.
        unsafe { Buffer::from_raw(bytes, size) }.map(|unpacked| unpacked.as_ref().to_vec())
    }

    /// Packed as it goes: how large it is stands nowhere.
    fn streamed(text: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        text.chunks(10_000).for_each(|chunk| encoder.write_all(chunk).unwrap());
        encoder.finish().unwrap()
    }

    fn texts() -> Vec<Vec<u8>> {
        let events = |count: usize| -> Vec<u8> {
            let event = |n| format!("{{\"event\":{{\"code\":\"{n}\"}},\"user\":\"u{}\"}}\n", n * n);
            (0..count).flat_map(|n| event(n).into_bytes()).collect()
        };
        vec![Vec::new(), b"x".to_vec(), events(3), events(50_000), vec![0; 3_000_000]]
    }

    #[test]
    fn client_unpacks_by_our_function_what_was_packed() {
        for text in texts() {
            assert_eq!(unpack(&streamed(&text)).as_ref(), Some(&text));
            let packed = pack(&text, 3).unwrap();
            assert_eq!(unpack(packed.as_ref()).as_ref(), Some(&text));
            assert_eq!(zstd::decode_all(packed.as_ref()).unwrap(), text);
        }
    }

    #[test]
    fn broken_input_gives_nothing_or_what_the_library_gives() {
        let packed = streamed(&texts()[2]);
        for broken_at in 0..packed.len() {
            let mut broken = packed.clone();
            broken[broken_at] ^= 0x55;
            let found = unpack(&broken);
            assert!(found.is_none() || found == zstd::decode_all(&*broken).ok(), "at {broken_at}");
            let cut = &packed[..broken_at];
            assert_eq!(unpack(cut), None, "cut at {broken_at}");
        }
    }

    #[test]
    fn batch_of_more_than_a_client_takes_is_refused() {
        let packed = streamed(&vec![0; MOST_UNPACKED + 1]);
        assert!(packed.len() < 1 << 20);
        assert_eq!(unpack(&packed), None);
    }
}
