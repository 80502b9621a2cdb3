//! How much of a topic was acknowledged when: what a crash may make a shipper send again.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use tailspool::clock;

use super::reader::{consumer, partitions};
use super::wait::{GENEROUS, wait_for};

const BEAT: Duration = Duration::from_millis(100);
const ASK: Duration = Duration::from_secs(1);

pub(crate) struct Pulse {
    beats: Arc<Mutex<Vec<Beat>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy)]
struct Beat {
    at: Instant,
    records: u64,
}

impl Pulse {
    pub(crate) fn of(bootstrap: &str, topic: &str) -> Self {
        let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
        let beats = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = channel();
        let into = Arc::clone(&beats);
        let thread = std::thread::spawn(move || {
            let marks = Marks::of(&bootstrap, &topic);
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                let at = clock::now();
                if let Some(records) = marks.records() {
                    into.lock().expect("nobody panics with it").push(Beat { at, records });
                }
            }
        });
        Self { beats, stop: Some(stop), thread: Some(thread) }
    }

    /// What was acknowledged from `since` on; too much rather than too little, where the brokers
    /// could not be asked at that moment.
    pub(crate) fn acknowledged_since(&self, since: Instant) -> u64 {
        let asked = clock::now();
        let latest = wait_for("a watermark", GENEROUS, || self.last(|beat| beat.at >= asked));
        let before = self.last(|beat| beat.at <= since).map_or(0, |beat| beat.records);
        latest.records.saturating_sub(before)
    }

    fn last(&self, fits: impl Fn(&Beat) -> bool) -> Option<Beat> {
        self.beats
            .lock()
            .expect("nobody panics with it")
            .iter()
            .rev()
            .find(|beat| fits(beat))
            .copied()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// The high watermarks of a topic: how much it holds.
pub(crate) struct Marks {
    consumer: BaseConsumer,
    topic: String,
    partitions: Vec<i32>,
}

impl Marks {
    /// Waits for the topic.
    pub(crate) fn of(bootstrap: &str, topic: &str) -> Self {
        let consumer = consumer(bootstrap);
        let partitions = wait_for("the topic", GENEROUS, || partitions(&consumer, topic));
        Self { consumer, topic: topic.to_owned(), partitions }
    }

    /// Of all partitions together; `None` while a broker does not answer.
    pub(crate) fn records(&self) -> Option<u64> {
        let high = |partition: &i32| {
            let marks = self.consumer.fetch_watermarks(&self.topic, *partition, ASK);
            marks.ok().map(|(_, high)| high)
        };
        let sum: Option<i64> = self.partitions.iter().map(high).sum();
        u64::try_from(sum?).ok()
    }
}
