//! The calls into librdkafka that the binding has no safe form of.
//!
//! Handing over a block's lines in one call costs half of handing them over one by one
//! (`docs/benchmarks.md`), and a queue that writes to a descriptor when it fills lets the owner
//! of delivery state wait for reports and for everything else at once. A flush that serves no reports
//! may be left to another thread. A token may come from another thread, and with extensions.

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
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::context::Context;
use super::token::Token;
use crate::clock;

/// A topic of one producer, which it keeps alive.
pub(super) struct Topic {
    raw: NonNull<sys::rd_kafka_topic_t>,
    _producer: Arc<BaseProducer<Context>>,
}

// SAFETY: librdkafka's topic handles may be used from any thread.
unsafe impl Send for Topic {}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `rd_kafka_topic_new` and is destroyed once, before the
        // producer, which `self._producer` still holds.
        unsafe { sys::rd_kafka_topic_destroy(self.raw.as_ptr()) }
    }
}

/// One record to hand over.
pub(super) struct Outgoing<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: &'a [u8],
    pub(super) opaque: usize,
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
        Some(Self { raw: NonNull::new(raw)?, _producer: Arc::clone(producer) })
    }

    /// Hands records over, in order, to one partition; librdkafka copies them. Returns for each
    /// record, in order, whether it was taken: once the queue is full, all that follow are not.
    #[allow(single_use_lifetimes, reason = "impl Trait cannot elide it yet")]
    pub(super) fn produce<'a>(
        &self,
        partition: i32,
        batch: &mut Batch,
        records: impl Iterator<Item = Outgoing<'a>>,
    ) -> impl Iterator<Item = Result<(), RDKafkaErrorCode>> {
        batch.0.clear();
        batch.0.extend(records.map(|record| message(&record)));
        let len = i32::try_from(batch.0.len()).unwrap_or(i32::MAX);
        // SAFETY: the array has `len` messages whose payloads and keys are borrowed for this
        // call, which copies them (F_COPY); the topic is alive.
        unsafe {
            sys::rd_kafka_produce_batch(
                self.raw.as_ptr(),
                partition,
                sys::RD_KAFKA_MSG_F_COPY,
                batch.0.as_mut_ptr(),
                len,
            );
        }
        batch.0.drain(..).map(|message| {
            let taken = message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
            if taken { Ok(()) } else { Err(message.err.into()) }
        })
    }
}

fn message(record: &Outgoing<'_>) -> sys::rd_kafka_message_t {
    sys::rd_kafka_message_t {
        err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: std::ptr::null_mut(),
        partition: 0,
        // Not null even when empty, or the record would be a tombstone.
        payload: record.value.as_ptr().cast_mut().cast(),
        len: record.value.len(),
        // An empty key is one; none is null.
        key: record.key.map_or(std::ptr::null_mut(), |key| key.as_ptr().cast_mut().cast()),
        key_len: record.key.map_or(0, <[u8]>::len),
        offset: 0,
        _private: std::ptr::without_provenance_mut(record.opaque),
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
