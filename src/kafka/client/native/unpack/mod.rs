//! Unpacks batches in place of the client's own functions, which unpack them two or three times.
//!
//! The functions have the names of librdkafka's, and the linker takes the first one of a name that it finds: that
//! of whoever uses a library. They are called on the client's threads. [`install`] keeps them in the program.
//!
//! All functions of one of librdkafka's object files have to be replaced together. The first test below fails
//! with a new version of the client: then it is to be looked whether its functions are still called like this.

mod allowance;
mod buffer;
mod gzip;
mod zstd;

use std::ffi::{c_char, c_int, c_void};

/// Has all clients of the process unpack by our functions, an answer of a broker to about so many bytes at most;
/// to be called before there is a client.
pub(in crate::kafka) fn install(most_of_an_answer: usize) {
    allowance::limit(most_of_an_answer);
    type Gunzip = unsafe extern "C" fn(*const c_void, c_int, *mut u64) -> *mut c_void;
    type Unzstd = unsafe extern "C" fn(
        *mut c_void,
        *mut c_char,
        usize,
        *mut *mut c_void,
        *mut usize,
    ) -> c_int;
    // Nothing else of ours names them: they would not be linked.
    std::hint::black_box(gzip::rd_gz_decompress as Gunzip);
    std::hint::black_box(zstd::rd_kafka_zstd_decompress as Unzstd);
}

/// Tells whether what the client calls a batch that cannot be unpacked is one that would have been too much for one
/// answer: it comes again. Each refusal is told once.
pub(in crate::kafka) fn take_refusal() -> bool {
    allowance::take_refusal()
}

#[cfg(test)]
mod tests {
    use rdkafka::bindings as sys;

    #[test]
    fn client_is_the_one_whose_functions_were_looked_at() {
        // librdkafka 2.12.1: `src/rdgz.c`, `src/rdkafka_zstd.c`, and who calls what stands there.
        // SAFETY: the call takes nothing and returns a number.
        assert_eq!(unsafe { sys::rd_kafka_version() }, 0x020c_01ff);
    }
}
