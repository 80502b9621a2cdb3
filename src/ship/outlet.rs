//! The outputs that lines lead to: of each its producer, and what is known of its cluster.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::REPLAY_SHARE;
use super::throttle::Throttles;
use super::topics::Topics;
use crate::budget::Budget;
use crate::clock;
use crate::metrics::Counters;
use crate::partition::Spread;
use crate::produce::{Cause, CreateError, Producer, Report, Trouble};
use crate::settings::{self, Output, Settings};
use crate::spool;

/// What the bytes of a batch take of memory: as they were read, and what their records take beside,
/// of lines of a hundred bytes.
const BATCH_TAKES: usize = 3;

#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a state of its own, set and left by its own events"
)]
pub(super) struct Outlet {
    pub(super) output: Output,
    pub(super) kafka: settings::Kafka,
    /// None of an output that is not configured any more: what waits for it stays in the spool,
    /// and goes nowhere else.
    pub(super) producer: Option<Producer>,
    pub(super) topics: Topics,
    /// What giving back from the spool may take of memory.
    pub(super) replay_budget: Budget,
    /// Ways whose backlog is being given back, as counted last.
    pub(super) replaying: usize,
    /// The producer takes nothing any more and is replaced once it has given everything back.
    pub(super) is_fatal: bool,
    /// It was said that no new one can be started.
    cannot_rebuild: bool,
    is_reachable: bool,
    /// Why brokers do not let us in, as said last.
    refusal: Option<String>,
    throttles: Throttles,
    /// By topic, where any partition will do.
    pub(super) spreads: HashMap<Arc<str>, Spread>,
    /// What was handed over just now is not to wait for more.
    pub(super) hurries: bool,
    /// Memory of the blocks just read of which librdkafka has something. That is not free before
    /// the cluster has answered.
    pub(super) handed: usize,
    /// Ways that wait for there to be less of it, in their order.
    pub(super) line: VecDeque<usize>,
}

impl Outlet {
    fn new(
        output: Output,
        kafka: Option<&settings::Kafka>,
        replay_bytes_max: usize,
    ) -> Result<Self, CreateError> {
        Ok(Self {
            output,
            producer: kafka.map(Producer::new).transpose()?,
            kafka: kafka.cloned().unwrap_or_default(),
            topics: Topics::default(),
            replay_budget: Budget::new(replay_bytes_max, || {}),
            replaying: 0,
            is_fatal: false,
            cannot_rebuild: false,
            is_reachable: true,
            refusal: None,
            throttles: Throttles::default(),
            spreads: HashMap::new(),
            hurries: false,
            handed: 0,
            line: VecDeque::new(),
        })
    }

    /// Whether batches to a partition that has so much of memory can be full.
    pub(super) fn batches(&self, bytes: usize) -> bool {
        bytes >= BATCH_TAKES * self.kafka.batch_size_bytes
    }

    /// How many partitions a topic has, once that is known.
    pub(super) fn partitions(&mut self, topic: &str) -> Option<NonZeroU32> {
        self.producer.as_ref()?;
        self.topics.partitions(topic)
    }

    /// Until when who leads a partition has told us to wait, or had.
    pub(super) fn throttled_until(&self, topic: &str, partition: Option<i32>) -> Option<Instant> {
        self.throttles.until(topic, partition?)
    }

    /// What became of records; what is said of brokers is taken in.
    pub(super) fn hear(&mut self, counters: &Counters) -> Vec<Report> {
        let Some(producer) = &mut self.producer else { return Vec::new() };
        let (reports, troubles) = producer.hear();
        let now = clock::now();
        for throttled in producer.throttled() {
            self.throttles.note(&self.output, throttled, now, counters);
        }
        self.throttles.look(&self.output, now, counters);
        if producer.take_lost() {
            let (output, servers) = (&self.output, self.kafka.bootstrap_servers.join(","));
            producer.ask_again(&servers);
            tracing::warn!(%output, servers, "no broker was left to ask; the given ones are asked again");
        }
        for trouble in &troubles {
            self.trouble(trouble);
        }
        reports
    }

    fn trouble(&mut self, trouble: &Trouble) {
        let (output, is_new) = (&self.output, self.refusal.as_deref() != Some(trouble.gist()));
        if trouble.is_unreachable() && self.is_reachable {
            self.is_reachable = false;
            let servers = self.kafka.bootstrap_servers.join(",");
            tracing::warn!(%output, servers, "kafka is not reachable; lines wait until it is");
        } else if trouble.is_refusal() && is_new {
            let shown = self.producer.as_ref().map(Producer::certificates).unwrap_or_default();
            let (reason, advice) = (&trouble.reason, trouble.advice_to(shown));
            tracing::error!(%output, reason, advice, "kafka does not let us in; lines wait");
            self.refusal = Some(trouble.gist().to_owned());
            self.is_reachable = false;
        } else {
            let (code, reason) = (trouble.code, &trouble.reason);
            tracing::debug!(%output, ?code, reason, "trouble with kafka");
        }
    }

    /// Nobody answers, or lets us in, as far as we know.
    pub(super) fn is_away(&self) -> bool {
        !self.is_reachable
    }

    /// A broker has acknowledged something.
    pub(super) fn is_heard(&mut self) {
        if !self.is_reachable {
            self.is_reachable = true;
            self.refusal = None;
            tracing::info!(output = %self.output, "kafka is reachable");
        }
    }

    /// The producer is of no more use once it has given everything back.
    pub(super) fn fail(&mut self, cause: Cause) {
        if !self.is_fatal {
            self.is_fatal = true;
            let output = &self.output;
            tracing::error!(%output, %cause, "the producer failed for good; a new one takes over");
        }
    }

    /// A new producer for one that has failed and given everything back, if so.
    pub(super) fn rebuild(&mut self) -> Option<()> {
        self.producer.as_ref().filter(|old| self.is_fatal && old.in_flight() == 0)?;
        match Producer::new(&self.kafka) {
            Ok(producer) => {
                self.producer = Some(producer);
                (self.is_fatal, self.cannot_rebuild) = (false, false);
                Some(())
            }
            Err(error) => {
                let output = &self.output;
                if !std::mem::replace(&mut self.cannot_rebuild, true) {
                    tracing::error!(%output, %error, "cannot start a new producer; trying again");
                }
                None
            }
        }
    }
}

/// All outputs that an input leads to, or something in the spool; by number, which stays.
pub(super) struct Outlets {
    all: Vec<Outlet>,
    numbers: HashMap<Output, usize>,
}

impl Outlets {
    /// Must be called inside a tokio runtime.
    pub(super) fn new(
        settings: &Settings,
        recovered: Option<&spool::Recovered>,
    ) -> Result<Self, CreateError> {
        let mut outputs: Vec<&Output> = settings.inputs.iter().map(|input| &input.output).collect();
        outputs.extend(recovered.into_iter().flat_map(|all| &all.lanes).map(|b| &b.lane.output));
        outputs.sort_unstable();
        outputs.dedup();
        // Each has a part of its own: one that does not get on must not keep the others' backlog.
        let replay_bytes_max =
            settings.kafka.buffer_memory_bytes / REPLAY_SHARE / outputs.len().max(1);
        let new = |output: &&Output| {
            Outlet::new((*output).clone(), settings.output(output), replay_bytes_max)
        };
        let all = outputs.iter().map(new).collect::<Result<_, _>>()?;
        let numbers = outputs.into_iter().cloned().zip(0..).collect();
        Ok(Self { all, numbers })
    }

    pub(super) fn number(&self, output: &Output) -> usize {
        let Some(number) = self.numbers.get(output) else {
            unreachable!("inputs and spool lead to no other output than those at the start")
        };
        *number
    }

    pub(super) fn get(&self, number: usize) -> &Outlet {
        let Some(outlet) = self.all.get(number) else { unreachable!("outlets stay") };
        outlet
    }

    pub(super) fn get_mut(&mut self, number: usize) -> &mut Outlet {
        let Some(outlet) = self.all.get_mut(number) else { unreachable!("outlets stay") };
        outlet
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Outlet> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Outlet> {
        self.all.iter_mut()
    }

    /// Waits until one of the producers may have something to tell. Cancelling it loses nothing.
    pub(super) async fn readable(&self) {
        poll_fn(|task| {
            let mut producers = self.all.iter().filter_map(|outlet| outlet.producer.as_ref());
            let is_ready = producers.any(|producer| producer.poll_readable(task).is_ready());
            if is_ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Sends what was handed over and is not to wait for more.
    pub(super) fn hurry(&mut self) {
        for outlet in &mut self.all {
            if std::mem::take(&mut outlet.hurries) {
                outlet.producer.iter().for_each(Producer::hurry);
            }
        }
    }

    /// Counts for each how many ways have a backlog that is being given back.
    pub(super) fn count_replaying(&mut self, outlets: impl Iterator<Item = usize>) {
        for outlet in &mut self.all {
            outlet.replaying = 0;
        }
        for number in outlets {
            self.get_mut(number).replaying += 1;
        }
    }
}
