//! Handing over, to brokers that are not there.

use std::sync::Arc;

use rdkafka::producer::Producer as _;

use super::*;
use crate::budget::Budget;
use crate::clock;
use crate::record::tests::buffer;
use crate::record::{
    Block, Generation, Label, LineageId, Mark, Offset, Remarks, Slice, Slot, SourceId, Tally, Times,
};

/// What librdkafka queues at most with the least memory.
const QUEUED_MAX: u32 = 1000;

fn producer() -> Producer {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tailspool.yaml");
    let text = "kafka: {bootstrap.servers: 'localhost:1', max.request.size: 2000}\ninputs: [{id: a, paths: [/a], topic: t, max_line: 1000}]\n";
    std::fs::write(&path, text).unwrap();
    let loaded = crate::config::load(&path).map_err(|error| error.to_string()).unwrap();
    let mut kafka = loaded.settings.kafka;
    kafka.buffer_memory_bytes = 1;
    Producer::new(&kafka).unwrap()
}

/// A block of records of one byte, but for those at `large`.
fn block(records: u32, large: &[u32], label: Label, remarks: Remarks) -> Block {
    let (mut bytes, mut slices) = (Vec::new(), Vec::new());
    for number in 0..records {
        let from = u32::try_from(bytes.len()).unwrap();
        bytes.resize(bytes.len() + if large.contains(&number) { 3000 } else { 1 }, b'x');
        let to = u32::try_from(bytes.len()).unwrap();
        slices.push(Slice { from, to, end: u64::from(to) });
    }
    Block {
        source: SourceId { lineage: LineageId(0), generation: Generation::FIRST },
        start: Mark::START,
        end: Mark { offset: Offset(bytes.len() as u64), ..Mark::START },
        bytes: buffer(&bytes),
        records: slices,
        is_ragged: false,
        tally: Tally::default(),
        label: Arc::new(label),
        remarks,
        times: Times::Read(clock::wall_ms().cast_signed()),
        read_at: clock::now(),
        permit: Budget::new(1 << 20, || {}).take_now(1),
    }
}

fn plain() -> Label {
    Label { key: Some(b"key".to_vec()), ..Label::to("t".into()) }
}

fn headed() -> Label {
    Label { headers: vec![("env".into(), b"prod".to_vec())], ..plain() }
}

/// A producer is made inside of one.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Together or one by one: what was taken, what was refused and what was not reached is the same.
#[test]
fn handing_over_ends_at_a_full_queue_and_not_at_a_refused_record() {
    let runtime = runtime();
    let _inside = runtime.enter();
    for label in [plain(), headed()] {
        let mut producer = producer();
        let first = block(300, &[7, 299], label.clone(), Remarks::default());
        let handed = producer.send(0, Slot(0), &first, None, 5..300);
        assert_eq!((handed.done, handed.stopped), (295, None), "{label:?}");
        let refused: Vec<_> = handed.refused.iter().map(|(record, _)| *record).collect();
        assert_eq!(refused, [7, 299]);
        assert!(handed.refused.iter().all(|(_, cause)| cause.name() == "MESSAGE_TOO_LARGE"));
        let taken = 293;
        let second = block(1200, &[1100], label.clone(), Remarks::default());
        let handed = producer.send(0, Slot(1), &second, None, 0..1200);
        assert_eq!((handed.done, handed.refused.len()), (QUEUED_MAX - taken, 0), "{label:?}");
        assert!(matches!(handed.stopped, Some(Cause::Passing(_))), "{:?}", handed.stopped);
    }
}

#[test]
fn a_record_with_remarks_that_is_too_large_is_refused_by_itself() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let remarks = Remarks { cut_from: Some(9000), ..Remarks::default() };
    let handed = producer().send(0, Slot(0), &block(1, &[0], plain(), remarks), None, 0..1);
    assert_eq!((handed.done, handed.refused.len(), handed.stopped), (1, 1, None));
}

/// librdkafka reads records where they lie, together or one by one.
#[test]
fn a_block_is_lent_until_the_client_is_gone_or_has_reported_its_records() {
    let runtime = runtime();
    let _inside = runtime.enter();
    for label in [plain(), headed()] {
        let mut producer = producer();
        let [some, none] =
            [1, 0].map(|large| block(2, &[large], label.clone(), Remarks::default()));
        assert_eq!(producer.send(0, Slot(0), &some, None, 0..2).taken(), 1);
        assert_eq!(producer.send(0, Slot(1), &none, None, 0..1).taken(), 0);
        assert_eq!([&some, &none].map(|block| Arc::strong_count(&block.bytes)), [2, 1]);
        drop(producer);
        assert_eq!(Arc::strong_count(&some.bytes), 1);
    }
}

#[test]
fn a_client_takes_tokens_and_says_once_why_there_is_none() {
    let mut config = rdkafka::ClientConfig::new();
    config.set("security.protocol", "SASL_PLAINTEXT").set("sasl.mechanisms", "OAUTHBEARER");
    let client: rdkafka::producer::BaseProducer<_> =
        config.create_with_context(context::Context::new()).unwrap();
    let hour = std::time::Duration::from_hours(1);
    let token = token::Token { text: "opaque".into(), principal: None, lifetime: hour };
    let named = |name: &str| vec![(name.to_owned(), "a b".to_owned()); 2];
    assert_eq!(native::set_token(&client, &token, &named("team")), Ok(()));
    assert!(native::set_token(&client, &token, &named("te-am")).is_err());
    for _ in 0..2 {
        native::set_token_failure(&client, "the issuer \0is away");
    }
    // One event each; some are others.
    (0..100).for_each(|_| client.poll(std::time::Duration::ZERO));
    let (_, troubles) = client.context().take();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert!(troubles.iter().all(|t| t.lacks_token() && t.reason.ends_with("the issuer is away")));
}
