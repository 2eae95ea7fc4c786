//! The entries of a list of partitions, whose metadata need not be UTF-8.

use std::ffi::CStr;
use std::ptr::NonNull;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::error::RDKafkaErrorCode;

use crate::detect::Origin;

/// One entry of a list of partitions, copied out.
pub(in crate::kafka::client) struct Entry {
    pub(in crate::kafka::client) origin: Origin,
    /// librdkafka's number; negative if there is none.
    pub(in crate::kafka::client) offset: i64,
    /// Nothing if it is absent or not UTF-8 (another tool wrote it).
    pub(in crate::kafka::client) metadata: Option<String>,
    pub(in crate::kafka::client) error: RDKafkaErrorCode,
}

/// Returns the entries of a list.
pub(in crate::kafka::client) fn entries_of(list: &TopicPartitionList) -> Vec<Entry> {
    // SAFETY: the list's pointer is valid as long as the list.
    unsafe { entries(list.ptr()) }
}

/// # Safety
///
/// `list` is null or points to a valid list.
pub(super) unsafe fn entries(list: *mut sys::rd_kafka_topic_partition_list_t) -> Vec<Entry> {
    // SAFETY: the caller promises it.
    let Some(list) = (unsafe { list.as_ref() }) else { return Vec::new() };
    let count = usize::try_from(list.cnt).unwrap_or(0);
    // An empty list may have no elements to point at.
    if count == 0 || list.elems.is_null() {
        return Vec::new();
    }
    // SAFETY: librdkafka keeps `cnt` elements at `elems`.
    let elements = unsafe { std::slice::from_raw_parts(list.elems, count) };
    elements
        .iter()
        .map(|element| {
            // SAFETY: an element's topic is a C string; its metadata has `metadata_size` bytes.
            let (topic, metadata) = unsafe {
                let topic = CStr::from_ptr(element.topic);
                let metadata = NonNull::new(element.metadata.cast::<u8>())
                    .map(|bytes| std::slice::from_raw_parts(bytes.as_ptr(), element.metadata_size));
                (topic, metadata)
            };
            Entry {
                origin: Origin {
                    topic: topic.to_string_lossy().into(),
                    partition: element.partition,
                },
                offset: element.offset,
                metadata: metadata
                    .and_then(|bytes| std::str::from_utf8(bytes).ok())
                    .map(str::to_owned),
                error: element.err.into(),
            }
        })
        .collect()
}
