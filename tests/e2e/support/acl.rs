//! Access lists, for which the binding has no safe call.
#![allow(unsafe_code, reason = "calls into librdkafka; each block says what it relies on")]

use std::ffi::CString;

use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka_sys as sys;

/// Allows `principal` an operation on the topic; returns once the brokers have heard of it.
pub(crate) fn allow(
    admin: &BaseProducer,
    principal: &str,
    topic: &str,
    operation: sys::rd_kafka_AclOperation_t,
) {
    let [name, principal, host] =
        [topic, principal, "*"].map(|text| CString::new(text).expect("no NUL"));
    let client = admin.client().native_ptr();
    // SAFETY: the client is alive, the strings outlive the call that copies them, no room for a
    // message is offered, and what is made here is destroyed here.
    let error = unsafe {
        let mut binding = sys::rd_kafka_AclBinding_new(
            sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC,
            name.as_ptr(),
            sys::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
            principal.as_ptr(),
            host.as_ptr(),
            operation,
            sys::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
            std::ptr::null_mut(),
            0,
        );
        let queue = sys::rd_kafka_queue_new(client);
        sys::rd_kafka_CreateAcls(client, &raw mut binding, 1, std::ptr::null(), queue);
        let event = sys::rd_kafka_queue_poll(queue, 60_000);
        assert!(!event.is_null(), "the brokers answer");
        let error = sys::rd_kafka_event_error(event);
        sys::rd_kafka_event_destroy(event);
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_AclBinding_destroy(binding);
        error
    };
    assert_eq!(error, sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
}
