//! The calls into librdkafka that the binding has no safe form of.
//!
//! Handing over a block's lines in one call costs half of handing them over one by one, and leaving
//! them where they are a seventh less than having them copied (`docs/benchmarks.md`). A queue that
//! writes to a descriptor when it fills lets the owner of delivery state wait for reports and for
//! everything else at once. A flush that serves no reports may be left to another thread. A token may
//! come from another thread, and with extensions.

#![allow(unsafe_code, reason = "calls into librdkafka; each block says what it relies on")]

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_vtype_t as Part;
use rdkafka_sys::rd_kafka_vu_s__bindgen_ty_1 as Value;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::context::{Context, opaque};
use super::token::Token;
use crate::clock;
use crate::record::{Block, Slot};

/// A topic of one producer, which it keeps alive.
pub(super) struct Topic {
    raw: NonNull<sys::rd_kafka_topic_t>,
    producer: Arc<BaseProducer<Context>>,
}

// SAFETY: librdkafka's topic handles may be used from any thread.
unsafe impl Send for Topic {}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `rd_kafka_topic_new` and is destroyed once, before the
        // producer, which `self.producer` still holds.
        unsafe { sys::rd_kafka_topic_destroy(self.raw.as_ptr()) }
    }
}

/// One record of a block to hand over.
pub(super) struct Outgoing<'a> {
    pub(super) number: u32,
    pub(super) key: Option<&'a [u8]>,
}

/// Room for the messages of one call, kept between calls.
#[derive(Default)]
pub(super) struct Batch(Vec<sys::rd_kafka_message_t>);

// SAFETY: the messages hold pointers only during `Topic::produce`, which empties them.
unsafe impl Send for Batch {}

impl Topic {
    pub(super) fn new(producer: &Arc<BaseProducer<Context>>, name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the client pointer is valid as long as `producer` lives, the name is a C
        // string, and no configuration is passed whose ownership would move.
        let raw = unsafe {
            sys::rd_kafka_topic_new(
                producer.client().native_ptr(),
                name.as_ptr(),
                std::ptr::null_mut(),
            )
        };
        Some(Self { raw: NonNull::new(raw)?, producer: Arc::clone(producer) })
    }

    /// Hands records of a block over, in order, to one partition. Returns for each record, in order,
    /// whether it was taken: once the queue is full, all that follow are not.
    #[allow(single_use_lifetimes, reason = "impl Trait cannot elide it yet")]
    pub(super) fn produce<'a>(
        &self,
        partition: i32,
        (slot, block): (Slot, &Block),
        batch: &mut Batch,
        records: impl Iterator<Item = Outgoing<'a>>,
    ) -> impl Iterator<Item = Result<(), RDKafkaErrorCode>> {
        batch.0.clear();
        batch.0.extend(records.map(|record| message(slot, block, &record)));
        let (count, context) = (batch.0.len(), self.producer.client().context());
        let len = i32::try_from(count).unwrap_or(i32::MAX);
        context.lend(slot, &block.bytes, count);
        // SAFETY: the topic is alive. The array has `len` messages. Their keys are borrowed for this
        // call, which copies them. Their payloads lie in the block's bytes, which never change and
        // are lent: until a message is reported, after which librdkafka does not read it, or else
        // until the client is destroyed, whose context is dropped behind it.
        let taken = unsafe {
            let (raw, messages) = (self.raw.as_ptr(), batch.0.as_mut_ptr());
            sys::rd_kafka_produce_batch(raw, partition, IN_PLACE, messages, len)
        };
        context.take_back(slot, len.abs_diff(taken));
        batch.0.drain(..).map(|message| {
            let taken = message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
            if taken { Ok(()) } else { Err(message.err.into()) }
        })
    }

    /// Hands one record over, with headers and a time of its own.
    pub(super) fn produce_one<'a>(
        &self,
        partition: i32,
        (slot, block): (Slot, &Block),
        record: &Outgoing<'_>,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        time_ms: i64,
    ) -> Result<(), RDKafkaErrorCode> {
        let (message, context) = (message(slot, block, record), self.producer.client().context());
        let headers = Headers::of(headers);
        let memory = |ptr, size| sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size };
        let parts = [
            (Part::RD_KAFKA_VTYPE_RKT, Value { rkt: self.raw.as_ptr() }),
            (Part::RD_KAFKA_VTYPE_PARTITION, Value { i32_: partition }),
            (Part::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: IN_PLACE }),
            (Part::RD_KAFKA_VTYPE_VALUE, Value { mem: memory(message.payload, message.len) }),
            (Part::RD_KAFKA_VTYPE_KEY, Value { mem: memory(message.key, message.key_len) }),
            (Part::RD_KAFKA_VTYPE_TIMESTAMP, Value { i64_: time_ms }),
            (Part::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: message._private }),
            (Part::RD_KAFKA_VTYPE_HEADERS, Value { headers: headers.0 }),
        ]
        .map(|(vtype, u)| sys::rd_kafka_vu_t { vtype, u });
        context.lend(slot, &block.bytes, 1);
        // SAFETY: as with a batch. Each part has the member of the union that its type says. The
        // headers belong to librdkafka once it has taken the record.
        let error = unsafe {
            let client = self.producer.client().native_ptr();
            let error = sys::rd_kafka_produceva(client, parts.as_ptr(), parts.len());
            if error.is_null() {
                std::mem::forget(headers);
                return Ok(());
            }
            // A producer that failed names the cause where a batch names that it has failed.
            let has_failed = sys::rd_kafka_error_is_fatal(error) != 0;
            let code = sys::rd_kafka_error_code(error);
            sys::rd_kafka_error_destroy(error);
            if has_failed { RDKafkaRespErr::RD_KAFKA_RESP_ERR__FATAL } else { code }
        };
        context.take_back(slot, 1);
        Err(error.into())
    }
}

/// Neither copied nor freed.
const IN_PLACE: i32 = 0;

fn message(slot: Slot, block: &Block, record: &Outgoing<'_>) -> sys::rd_kafka_message_t {
    let value = block.record(record.number);
    sys::rd_kafka_message_t {
        err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: std::ptr::null_mut(),
        partition: 0,
        // Not null even when empty, or the record would be a tombstone.
        payload: value.as_ptr().cast_mut().cast(),
        len: value.len(),
        // An empty key is one; none is null.
        key: record.key.map_or(std::ptr::null_mut(), |key| key.as_ptr().cast_mut().cast()),
        key_len: record.key.map_or(0, <[u8]>::len),
        offset: 0,
        _private: std::ptr::without_provenance_mut(opaque(slot, record.number)),
    }
}

/// What one record carries; null if that is nothing.
struct Headers(*mut sys::rd_kafka_headers_t);

impl Headers {
    fn of<'a>(pairs: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut list: *mut sys::rd_kafka_headers_t = std::ptr::null_mut();
        for (name, value) in pairs {
            // SAFETY: the list is made here. Name and value are copied, as long as they are said to
            // be; no slice is longer than the lengths' type holds.
            unsafe {
                if list.is_null() {
                    list = sys::rd_kafka_headers_new(8);
                }
                sys::rd_kafka_header_add(
                    list,
                    name.as_ptr().cast(),
                    name.len().cast_signed(),
                    value.as_ptr().cast(),
                    value.len().cast_signed(),
                );
            }
        }
        Self(list)
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it belongs to us until a record with it was taken, which forgets it.
            unsafe { sys::rd_kafka_headers_destroy(self.0) }
        }
    }
}

/// For so long, or until all is delivered, librdkafka sends what it has without waiting for more.
/// Reports are not served meanwhile, so any thread may call this.
pub(super) fn flush(producer: &BaseProducer<Context>, time: Duration) {
    let ms = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive. The binding has librdkafka report by events, so that this only
    // waits (`rd_kafka_flush`).
    unsafe { sys::rd_kafka_flush(producer.client().native_ptr(), ms) };
}

/// Has a client know these brokers, `host:port` each and commas between, if it does not.
pub(super) fn add_brokers(producer: &BaseProducer<Context>, servers: &str) {
    let Ok(servers) = CString::new(servers) else { return };
    // SAFETY: the client is alive, and the call copies the list, a C string.
    unsafe { sys::rd_kafka_brokers_add(producer.client().native_ptr(), servers.as_ptr()) };
}

/// Gives a client the token that it shows to brokers from now on, at once to those that wait for
/// one.
pub(super) fn set_token<C: ProducerContext>(
    client: &BaseProducer<C>,
    token: &Token,
    extensions: &[(String, String)],
) -> Result<(), String> {
    let owned = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let (text, principal) = (owned(&token.text)?, token.principal.as_deref().map(owned));
    // Only for its own log.
    let principal = principal.and_then(Result::ok).unwrap_or_else(|| c"tailspool".into());
    let pairs = extensions.iter().flat_map(|(name, value)| [name, value]);
    let pairs: Vec<CString> = pairs.map(|part| owned(part)).collect::<Result<_, _>>()?;
    let mut pairs: Vec<*const c_char> = pairs.iter().map(|part| part.as_ptr()).collect();
    let ends_ms = clock::unix_ms()
        .saturating_add_unsigned(u64::try_from(token.lifetime.as_millis()).unwrap_or(u64::MAX));
    let mut wrong = [0; 512];
    // SAFETY: the client is alive; the texts are C strings and, like the list of pointers to them,
    // outlive the call, which copies them; `wrong` has the length that is given.
    unsafe {
        let code = sys::rd_kafka_oauthbearer_set_token(
            client.client().native_ptr(),
            text.as_ptr(),
            ends_ms,
            principal.as_ptr(),
            pairs.as_mut_ptr(),
            pairs.len(),
            wrong.as_mut_ptr(),
            wrong.len(),
        );
        if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        // It has ended what it wrote with a zero.
        Err(CStr::from_ptr(wrong.as_ptr()).to_string_lossy().into_owned())
    }
}

/// Has the client say why it has no token, if that is another reason than before.
pub(super) fn set_token_failure<C: ProducerContext>(client: &BaseProducer<C>, reason: &str) {
    let reason = CString::new(reason.replace('\0', "")).unwrap_or_default();
    // SAFETY: the client is alive, and the text is copied. It fails only for a client that needs no
    // token.
    unsafe {
        sys::rd_kafka_oauthbearer_set_token_failure(client.client().native_ptr(), reason.as_ptr());
    }
}

/// The producer's queue of events, writing to a descriptor when it fills.
pub(super) struct Queue {
    raw: NonNull<sys::rd_kafka_queue_t>,
    fd: OwnedFd,
    _producer: Arc<BaseProducer<Context>>,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}
// SAFETY: the same.
unsafe impl Sync for Queue {}

/// What an eventfd takes: a count to add.
static ONE: u64 = 1;

impl Queue {
    /// `fd` is an eventfd; it becomes readable when the empty queue gets an event.
    pub(super) fn new(producer: &Arc<BaseProducer<Context>>, fd: OwnedFd) -> Option<Self> {
        // SAFETY: the client is alive; the queue's reference is given back in `drop`.
        let raw = unsafe { sys::rd_kafka_queue_get_main(producer.client().native_ptr()) };
        let raw = NonNull::new(raw)?;
        // SAFETY: `fd` lives as long as the queue's interest in it, which `drop` ends; the
        // payload is copied by the call.
        unsafe {
            sys::rd_kafka_queue_io_event_enable(
                raw.as_ptr(),
                fd.as_raw_fd(),
                (&raw const ONE).cast(),
                size_of::<u64>(),
            );
        }
        Some(Self { raw, fd, _producer: Arc::clone(producer) })
    }

    /// Registers the descriptor with the tokio runtime that this is called in.
    pub(super) fn watched(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the queue owns the descriptor, never replaces it, and closes it after the
        // `AsyncFd` has taken it out of the runtime again.
        unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) }
            .map_err(io::Error::from)
    }

    pub(super) fn is_empty(&self) -> bool {
        // SAFETY: the queue is alive.
        unsafe { sys::rd_kafka_queue_length(self.raw.as_ptr()) == 0 }
    }
}

impl AsRawFd for Queue {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.fd.as_raw_fd()
    }
}

impl std::os::fd::AsFd for Queue {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is alive, a descriptor of -1 ends its interest, and the reference
        // taken in `new` is given back once.
        unsafe {
            sys::rd_kafka_queue_io_event_enable(self.raw.as_ptr(), -1, std::ptr::null(), 0);
            sys::rd_kafka_queue_destroy(self.raw.as_ptr());
        }
    }
}
