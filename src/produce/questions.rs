//! Questions to a cluster that change nothing, which the binding has no safe form of: they also
//! tell what we are allowed to do.

#![allow(unsafe_code, reason = "calls into librdkafka; each block says what it relies on")]

use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_AclOperation_t as Acl;
use rdkafka_sys::rd_kafka_ResourceType_t as Resource;
use rdkafka_sys::rd_kafka_admin_op_t as Op;
use thiserror::Error;

use super::survey::Ear;
use crate::clock;
use crate::cluster::{Answer, Broker, Cluster, Configs, Facts, Operation, Partition, Topic};
use sys::rd_kafka_resp_err_t as RawCode;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unanswered(pub(super) String);

/// Whose settings are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    Topic(&'a str),
    Broker(i32),
}

/// A client's queue for answers, which have to come before the deadline.
pub(super) struct Questions<'c> {
    client: &'c BaseProducer<Ear>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    deadline: Instant,
}

impl Drop for Questions<'_> {
    fn drop(&mut self) {
        // SAFETY: the queue came from `rd_kafka_queue_new` and is destroyed once, before the
        // client that `self.client` borrows.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// An answer; what it points into lives as long as it does.
struct Event(NonNull<sys::rd_kafka_event_t>);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event came from `rd_kafka_queue_poll` and is destroyed once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

struct Options(NonNull<sys::rd_kafka_AdminOptions_t>);

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: the options came from `rd_kafka_AdminOptions_new` and are destroyed once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0.as_ptr()) }
    }
}

impl<'c> Questions<'c> {
    pub(super) fn new(client: &'c BaseProducer<Ear>, deadline: Instant) -> Option<Self> {
        // SAFETY: the client is alive for as long as it is borrowed.
        let queue = unsafe { sys::rd_kafka_queue_new(client.client().native_ptr()) };
        Some(Self { client, queue: NonNull::new(queue)?, deadline })
    }

    /// Which cluster it is, who belongs to it, and what we may do to it.
    pub(super) fn cluster(&self) -> Result<Cluster, Unanswered> {
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER)?;
        options.ask_for_permissions();
        // SAFETY: client, options and queue are alive; the call copies the options.
        unsafe {
            sys::rd_kafka_DescribeCluster(self.raw(), options.0.as_ptr(), self.queue.as_ptr());
        }
        let event = self.answer()?;
        // SAFETY: the event is the result that was asked for; all that is read lives in it and is
        // copied.
        unsafe {
            let result = sys::rd_kafka_event_DescribeCluster_result(event.0.as_ptr());
            let mut count = 0;
            let nodes = sys::rd_kafka_DescribeCluster_result_nodes(result, &raw mut count);
            let brokers = slice(nodes, count).iter().map(|node| Broker {
                id: sys::rd_kafka_Node_id(*node),
                host: text(sys::rd_kafka_Node_host(*node)).unwrap_or_default(),
                port: sys::rd_kafka_Node_port(*node),
            });
            let brokers = brokers.collect();
            let id = text(sys::rd_kafka_DescribeCluster_result_cluster_id(result));
            let allowed =
                sys::rd_kafka_DescribeCluster_result_authorized_operations(result, &raw mut count);
            let allowed = operations(allowed, count);
            Ok(Cluster { id, brokers, produce_version: None, allowed, configs: None })
        }
    }

    /// Topics, without their settings; in the order of `names`. None is created by asking.
    pub(super) fn topics(&self, names: &[String]) -> Result<Vec<Topic>, Unanswered> {
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS)?;
        options.ask_for_permissions();
        let strings: Vec<CString> =
            names.iter().filter_map(|n| CString::new(n.as_str()).ok()).collect();
        let mut pointers: Vec<*const c_char> = strings.iter().map(|s| s.as_ptr()).collect();
        // SAFETY: the names outlive the call, which copies them; the collection is destroyed
        // after the question that copies it.
        unsafe {
            let topics =
                sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            sys::rd_kafka_DescribeTopics(
                self.raw(),
                topics,
                options.0.as_ptr(),
                self.queue.as_ptr(),
            );
            sys::rd_kafka_TopicCollection_destroy(topics);
        }
        let event = self.answer()?;
        // SAFETY: as in `cluster`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
            let mut count = 0;
            let found = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            Ok(slice(found, count).iter().map(|topic| topic_of(*topic)).collect())
        }
    }

    /// Settings by name; empty for a topic that is not there.
    pub(super) fn configs(&self, whose: Whose<'_>) -> Result<Configs, Unanswered> {
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS)?;
        let (kind, name) = match whose {
            Whose::Topic(name) => (Resource::RD_KAFKA_RESOURCE_TOPIC, name.to_owned()),
            Whose::Broker(id) => (Resource::RD_KAFKA_RESOURCE_BROKER, id.to_string()),
        };
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: the name outlives the call, which copies it; the resource is destroyed after
        // the question that copies it.
        unsafe {
            let mut resource = sys::rd_kafka_ConfigResource_new(kind, name.as_ptr());
            sys::rd_kafka_DescribeConfigs(
                self.raw(),
                &raw mut resource,
                1,
                options.0.as_ptr(),
                self.queue.as_ptr(),
            );
            sys::rd_kafka_ConfigResource_destroy(resource);
        }
        let event = self.answer()?;
        // SAFETY: as in `cluster`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConfigs_result(event.0.as_ptr());
            let mut count = 0;
            let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
            let Some(resource) = slice(resources, count).first() else {
                return Ok(Configs::default());
            };
            let code = sys::rd_kafka_ConfigResource_error(*resource);
            let reason = text(sys::rd_kafka_ConfigResource_error_string(*resource));
            failed(code, reason)?;
            let entries = sys::rd_kafka_ConfigResource_configs(*resource, &raw mut count);
            let entry = |entry: &*const sys::rd_kafka_ConfigEntry_t| {
                let name = text(sys::rd_kafka_ConfigEntry_name(*entry))?;
                Some((name, text(sys::rd_kafka_ConfigEntry_value(*entry))?))
            };
            Ok(Configs(slice(entries, count).iter().filter_map(entry).collect()))
        }
    }

    fn raw(&self) -> *mut sys::rd_kafka_t {
        self.client.client().native_ptr()
    }

    fn options(&self, op: Op) -> Result<Options, Unanswered> {
        // SAFETY: the client is alive.
        let options = unsafe { sys::rd_kafka_AdminOptions_new(self.raw(), op) };
        let unable = || Unanswered(format!("the Kafka client cannot ask {op:?}"));
        let options = Options(NonNull::new(options).ok_or_else(unable)?);
        // librdkafka takes an hour at most.
        let timeout_ms =
            i32::try_from(self.left().as_millis()).unwrap_or(i32::MAX).clamp(1, 3_600_000);
        // SAFETY: the options are alive; no message is asked for, so there is no buffer to write.
        unsafe {
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options.0.as_ptr(),
                timeout_ms,
                std::ptr::null_mut(),
                0,
            );
        }
        Ok(options)
    }

    /// Waits for the answer, and hears what else the client has to say meanwhile. If all
    /// brokers fail, they are not waited for.
    fn answer(&self) -> Result<Event, Unanswered> {
        const LOOK: Duration = Duration::from_millis(20);
        loop {
            self.client.poll(LOOK);
            // SAFETY: the queue is alive; the event is owned by what is made of it.
            let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), 0) };
            if let Some(event) = NonNull::new(event) {
                let event = Event(event);
                // SAFETY: the event is alive, and its text is copied.
                let (code, reason) = unsafe {
                    let raw = event.0.as_ptr();
                    (sys::rd_kafka_event_error(raw), text(sys::rd_kafka_event_error_string(raw)))
                };
                return failed(code, reason).map(|()| event);
            }
            if self.client.context().is_hopeless() {
                return Err(Unanswered("no broker can be talked to".to_owned()));
            }
            if clock::now() >= self.deadline {
                return Err(Unanswered("no answer in time".to_owned()));
            }
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(clock::now())
    }
}

impl Options {
    fn ask_for_permissions(&self) {
        // SAFETY: the options are alive; an error is ours to destroy, and null is none.
        unsafe {
            let error =
                sys::rd_kafka_AdminOptions_set_include_authorized_operations(self.0.as_ptr(), 1);
            if !error.is_null() {
                sys::rd_kafka_error_destroy(error);
            }
        }
    }
}

fn failed(code: RawCode, reason: Option<String>) -> Result<(), Unanswered> {
    if code == RawCode::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    Err(Unanswered(reason.unwrap_or_else(|| Code::from(code).to_string())))
}

/// # Safety
/// `topic` is alive.
#[allow(clippy::wildcard_enum_match_arm, reason = "the list grows with librdkafka")]
unsafe fn topic_of(topic: *const sys::rd_kafka_TopicDescription_t) -> Topic {
    // SAFETY: all that is read lives as long as the topic, and is copied.
    unsafe {
        let name = text(sys::rd_kafka_TopicDescription_name(topic)).unwrap_or_default();
        let error = sys::rd_kafka_TopicDescription_error(topic);
        // Null is no error, and librdkafka's functions take it as that.
        let code = Code::from(sys::rd_kafka_error_code(error));
        let answer = match code {
            Code::NoError => {
                let mut count = 0;
                let found = sys::rd_kafka_TopicDescription_partitions(topic, &raw mut count);
                let partitions = slice(found, count).iter().map(|p| partition_of(*p)).collect();
                let allowed =
                    sys::rd_kafka_TopicDescription_authorized_operations(topic, &raw mut count);
                let allowed = operations(allowed, count);
                Answer::There(Facts { partitions, allowed, configs: None })
            }
            Code::UnknownTopicOrPartition | Code::UnknownTopic => Answer::Missing,
            Code::TopicAuthorizationFailed => Answer::Denied,
            code => Answer::Failed(code.to_string()),
        };
        Topic { name, answer }
    }
}

/// # Safety
/// `partition` is alive.
unsafe fn partition_of(partition: *const sys::rd_kafka_TopicPartitionInfo_t) -> Partition {
    let (mut replicas, mut in_sync) = (0, 0);
    // SAFETY: as the caller promises; the counts are written, the lists not looked into.
    let leader = unsafe {
        sys::rd_kafka_TopicPartitionInfo_replicas(partition, &raw mut replicas);
        sys::rd_kafka_TopicPartitionInfo_isr(partition, &raw mut in_sync);
        sys::rd_kafka_TopicPartitionInfo_leader(partition)
    };
    Partition { has_leader: !leader.is_null(), replicas, in_sync }
}

/// # Safety
/// `operations` is null, or has `count` entries and is alive.
#[allow(clippy::wildcard_enum_match_arm, reason = "the list grows with librdkafka")]
unsafe fn operations(operations: *const Acl, count: usize) -> Option<Vec<Operation>> {
    if operations.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    let operations = unsafe { std::slice::from_raw_parts(operations, count) };
    let operation = |acl: &Acl| match *acl {
        Acl::RD_KAFKA_ACL_OPERATION_WRITE => Operation::Write,
        Acl::RD_KAFKA_ACL_OPERATION_CREATE => Operation::Create,
        Acl::RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE => Operation::IdempotentWrite,
        _ => Operation::Other,
    };
    Some(operations.iter().map(operation).collect())
}

/// # Safety
/// `first` is null, or has `count` entries and is alive for as long as the slice is used.
unsafe fn slice<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if first.is_null() {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// # Safety
/// `text` is null or a C string that is alive.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises; it is copied.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
