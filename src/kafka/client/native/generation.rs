//! The generation of the group in which we are a member.

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};

/// Returns the generation of the group in which we are a member; nothing if we are in none.
pub(in crate::kafka::client) fn generation_of<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
) -> Option<i32> {
    let client = consumer.client().native_ptr();
    // SAFETY: the client is alive; the call returns null or a description that we own, and that
    // is not used after it has been destroyed.
    let generation = unsafe {
        let membership = sys::rd_kafka_consumer_group_metadata(client);
        if membership.is_null() {
            return None;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(membership);
        sys::rd_kafka_consumer_group_metadata_destroy(membership);
        generation
    };
    (generation >= 0).then_some(generation)
}
