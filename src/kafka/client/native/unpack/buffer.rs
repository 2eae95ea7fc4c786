//! A buffer of the client.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::slice;

use rdkafka::bindings as sys;

/// A buffer as the client allocates and frees it; empty until it is said to be filled.
pub(super) struct Buffer {
    bytes: NonNull<u8>,
    capacity: usize,
    /// INVARIANT: not more than there is room for, and initialised.
    filled: usize,
}

impl Buffer {
    /// Returns a buffer with room for so many bytes; nothing if there is no memory for it.
    pub(super) fn of(capacity: usize) -> Option<Self> {
        // One more, for the zero behind it.
        let room = capacity.checked_add(1)?;
        // SAFETY: the call takes any size; null means that there is no memory.
        let bytes = unsafe { sys::rd_kafka_mem_malloc(ptr::null_mut(), room) };
        NonNull::new(bytes.cast()).map(|bytes| Self { bytes, capacity, filled: 0 })
    }

    /// Returns a buffer that holds so many zeros; nothing if there is no memory for it.
    pub(super) fn zeroed(size: usize) -> Option<Self> {
        let mut buffer = Self::of(size)?;
        // SAFETY: there is room for so many, and it is ours.
        unsafe { buffer.bytes.write_bytes(0, size) };
        buffer.filled = size;
        Some(buffer)
    }

    /// Takes a buffer over; nothing if it is null.
    ///
    /// # Safety
    ///
    /// It was allocated by the client, holds so many bytes, all of them initialised, and is nobody else's.
    #[cfg(test)]
    pub(super) unsafe fn from_raw(bytes: *mut c_void, size: usize) -> Option<Self> {
        NonNull::new(bytes.cast()).map(|bytes| Self { bytes, capacity: size, filled: size })
    }

    /// Returns a buffer with the same bytes and no more room than they need; nothing if there is no memory for it.
    pub(super) fn shrunk(&self) -> Option<Self> {
        let mut copy = Self::zeroed(self.filled)?;
        copy.as_mut().copy_from_slice(self.as_ref());
        Some(copy)
    }

    /// Returns where its first byte is: so many bytes as there is room for may be written from there on.
    pub(super) fn start(&self) -> *mut u8 {
        self.bytes.as_ptr()
    }

    /// Returns for how many bytes there is room.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns how many bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.filled
    }

    /// Notes how many bytes it holds.
    ///
    /// # Safety
    ///
    /// So many have been written, and there was room for them.
    pub(super) unsafe fn set_filled(&mut self, filled: usize) {
        debug_assert!(filled <= self.capacity, "beyond the buffer");
        self.filled = filled;
    }

    /// Gives the buffer away, a zero behind what it holds: the client puts one there, too.
    pub(super) fn into_raw(self) -> *mut c_void {
        // SAFETY: there is room for one byte more.
        unsafe { self.bytes.add(self.filled).write(0) };
        let bytes = self.bytes.as_ptr().cast();
        std::mem::forget(self);
        bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: so many bytes are initialised, and they are ours.
        unsafe { slice::from_raw_parts(self.bytes.as_ptr(), self.filled) }
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes are initialised, and they are ours alone.
        unsafe { slice::from_raw_parts_mut(self.bytes.as_ptr(), self.filled) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the buffer was allocated by the call that belongs to this one, and is ours.
        unsafe { sys::rd_kafka_mem_free(ptr::null_mut(), self.bytes.as_ptr().cast()) };
    }
}
