//! A real Apache Kafka (`KRaft`) on loopback: one broker, or three and a controller of their own.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka_sys::rd_kafka_AclOperation_t;
use rustix::process::Signal;

use super::acl;
use super::children::{Power, end, guarded, spawn};
use super::guard::Guard;
use super::jars;
pub(crate) use super::node::Pace;
use super::node::{Node, Role};
use super::ports::Port;
use super::reader::{consumer, led};
use super::wait::{GENEROUS, wait_for, wait_until};

const CONTROLLER_ID: i32 = 100;
const ASK: Duration = Duration::from_secs(2);
/// A start needs seconds when nothing else runs here.
const START: Duration = Duration::from_mins(2);

pub(crate) struct Kafka {
    brokers: Vec<Node>,
    controller: Option<Node>,
    voter: Port,
    pace: Pace,
    guard: Guard,
    probe: Mutex<Option<BaseConsumer>>,
}

impl Kafka {
    /// One broker that the tests of this process share; nobody harms it.
    pub(crate) fn single() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::up(1, Pace::Frugal))
    }

    /// One broker for one test at a time, which may harm it; whole again for the next.
    pub(crate) fn lone() -> MutexGuard<'static, Self> {
        static SHARED: OnceLock<Mutex<Kafka>> = OnceLock::new();
        Self::borrowed(SHARED.get_or_init(|| Mutex::new(Self::up(1, Pace::Frugal))))
    }

    /// The same with three brokers and a controller of their own.
    pub(crate) fn triple() -> MutexGuard<'static, Self> {
        static SHARED: OnceLock<Mutex<Kafka>> = OnceLock::new();
        Self::borrowed(SHARED.get_or_init(|| Mutex::new(Self::up(3, Pace::Frugal))))
    }

    fn borrowed(shared: &'static Mutex<Self>) -> MutexGuard<'static, Self> {
        let kafka = shared.lock().unwrap_or_else(PoisonError::into_inner);
        kafka.heal();
        kafka
    }

    pub(crate) fn up(brokers: i32, pace: Pace) -> Self {
        let kafka = Self::planned(brokers, pace);
        kafka.start();
        kafka
    }

    /// Its addresses are known and its disks are formatted; nothing runs yet.
    pub(crate) fn planned(brokers: i32, pace: Pace) -> Self {
        let dir = fresh_dir();
        let role = if brokers == 1 { Role::Both } else { Role::Broker };
        let kafka = Self {
            brokers: (0..brokers).map(|id| Node::planned(id, role, &dir)).collect(),
            controller: (brokers > 1).then(|| Node::planned(CONTROLLER_ID, Role::Controller, &dir)),
            voter: Port::reserve(),
            pace,
            guard: Guard::new(&dir.join("guard")),
            probe: Mutex::default(),
        };
        kafka.format();
        kafka
    }

    /// Where everybody may come in and do everything.
    pub(crate) fn bootstrap(&self) -> String {
        self.addresses(|node| &node.port)
    }

    /// Where one needs a certificate.
    pub(crate) fn tls(&self) -> String {
        self.addresses(|node| &node.tls)
    }

    /// Where one needs a password.
    pub(crate) fn sasl(&self) -> String {
        self.addresses(|node| &node.sasl)
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Allows `principal` to do something with a topic.
    pub(crate) fn allow(&self, principal: &str, topic: &str, operation: rd_kafka_AclOperation_t) {
        let admin = ClientConfig::new().set("bootstrap.servers", self.bootstrap()).create();
        acl::allow(&admin.expect("a plain client can be made"), principal, topic, operation);
    }

    /// What clients of this name may write, in bytes a second, of each broker.
    pub(crate) fn limit(&self, client_id: &str, bytes_per_second: u32) {
        let node = self.brokers.first().expect("a broker");
        let mut command = node.java(Pace::Frugal);
        command.args(["kafka.admin.ConfigCommand", "--bootstrap-server", &self.bootstrap()]);
        command.args(["--alter", "--entity-type", "clients", "--entity-name", client_id]);
        command.args(["--add-config", &format!("producer_byte_rate={bytes_per_second}")]);
        assert!(spawn(command).wait().expect("a child ends").success(), "a quota can be set");
    }

    fn addresses(&self, of: impl Fn(&Node) -> &Port) -> String {
        self.brokers.iter().map(|node| of(node).address()).collect::<Vec<_>>().join(",")
    }

    /// Starts all of it and waits until every broker serves.
    pub(crate) fn start(&self) {
        self.nodes().for_each(|node| node.start(self.pace));
        for node in &self.brokers {
            self.wait_ready(node);
        }
    }

    /// SIGKILL: the broker is gone at once.
    pub(crate) fn kill(&self, broker: usize) {
        if let Some(mut child) = self.brokers[broker].process().take() {
            end(&mut child);
        }
    }

    /// SIGSTOP: its connections stay open and nothing answers.
    pub(crate) fn freeze(&self, broker: usize) {
        self.brokers[broker].signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self, broker: usize) {
        self.brokers[broker].signal(Signal::CONT);
    }

    /// Starts a killed broker again and waits until it serves.
    pub(crate) fn restart(&self, broker: usize) {
        let node = &self.brokers[broker];
        node.start(self.pace);
        self.wait_ready(node);
    }

    /// Every broker at once; the controller, where it is one of its own, goes on.
    pub(crate) fn kill_all(&self) {
        (0..self.brokers.len()).for_each(|broker| self.kill(broker));
    }

    pub(crate) fn freeze_all(&self) {
        (0..self.brokers.len()).for_each(|broker| self.freeze(broker));
    }

    /// Whatever a test has done to it: every broker runs and serves.
    pub(crate) fn heal(&self) {
        let mut started = Vec::new();
        for (broker, node) in self.brokers.iter().enumerate() {
            self.thaw(broker);
            if node.is_dead() {
                node.start(self.pace);
                started.push(node);
            }
        }
        started.into_iter().for_each(|node| self.wait_ready(node));
    }

    pub(crate) fn runs(&self, broker: usize) -> bool {
        self.brokers[broker].process().is_some()
    }

    /// Where a broker keeps a partition.
    pub(crate) fn partition_dir(&self, broker: usize, topic: &str, partition: i32) -> PathBuf {
        self.brokers[broker].dir.join("data").join(format!("{topic}-{partition}"))
    }

    /// Where a broker writes what it has to say.
    pub(crate) fn log_of(&self, broker: usize) -> PathBuf {
        self.brokers[broker].log()
    }

    /// A new topic, replicated to all brokers; its name begins with `stem`.
    pub(crate) fn topic(&self, stem: &str, partitions: i32, configs: &[(&str, &str)]) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{stem}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.create(&name, partitions, configs);
        name
    }

    /// Creates the topic of this name and waits until it can be written.
    pub(crate) fn create(&self, name: &str, count: i32, configs: &[(&str, &str)]) {
        let replicas = i32::try_from(self.brokers.len()).expect("few brokers");
        let mut topic = NewTopic::new(name, count, TopicReplication::Fixed(replicas));
        topic.config.extend_from_slice(configs);
        // What a broker is asked that the others do not name yet, or not any more, has no answer.
        let created = wait_for("an answer about the new topic", GENEROUS, || {
            block_on(self.admin().create_topics([&topic], &AdminOptions::new())).ok()
        });
        for result in created {
            if let Err((name, error)) = result {
                let is_there = error == RDKafkaErrorCode::TopicAlreadyExists;
                assert!(is_there, "cannot create {name}: {error}");
            }
        }
        wait_for("leaders of the new topic", GENEROUS, || led(&self.metadata(Some(name))?));
    }

    #[allow(dead_code, reason = "the benches make many")]
    pub(crate) fn delete(&self, name: &str) {
        let deleted = block_on(self.admin().delete_topics(&[name], &AdminOptions::new()));
        for result in deleted.expect("the brokers answer") {
            result.unwrap_or_else(|(name, error)| panic!("cannot delete {name}: {error}"));
        }
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        let admin = ClientConfig::new().set("bootstrap.servers", self.bootstrap()).create();
        admin.expect("a plain admin client can be made")
    }

    /// The topic of this name has so many partitions from now on.
    pub(crate) fn add_partitions(&self, name: &str, count: usize) {
        let more = NewPartitions::new(name, count);
        let added = block_on(self.admin().create_partitions([&more], &AdminOptions::new()));
        for result in added.expect("the brokers answer") {
            result.unwrap_or_else(|(name, error)| panic!("cannot add to {name}: {error}"));
        }
        wait_until("leaders of the new partitions", GENEROUS, || {
            let found = self.metadata(Some(name)).and_then(|metadata| led(&metadata));
            found.is_some_and(|found| found.len() == count)
        });
    }

    /// Kafka's own console producer, which reads `input`.
    pub(crate) fn java_produces(&self, topic: &str, input: File, properties: &[&str]) {
        let mut command = guarded("java", Power::AsWeAre);
        command.args(Pace::Frugal.options()).arg("-Dfile.encoding=UTF-8");
        command.arg("-cp").arg(jars::lib().join("*"));
        command.args(["org.apache.kafka.tools.ConsoleProducer", "--topic", topic]);
        command.args(["--bootstrap-server", &self.bootstrap()]).args(properties);
        command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
        let ended = spawn(command).wait().expect("a child ends");
        assert!(ended.success(), "the console producer: {ended}");
    }

    /// Waits until every replica of the topic is in sync: the next broker may fail.
    pub(crate) fn wait_in_sync(&self, topic: &str) {
        wait_until("all replicas in sync", START, || {
            self.in_sync(topic) == Some(self.brokers.len())
        });
    }

    /// The replicas in sync of the topic's worst partition.
    pub(crate) fn in_sync(&self, topic: &str) -> Option<usize> {
        let metadata = self.metadata(Some(topic))?;
        let topic = metadata.topics().first()?;
        topic.partitions().iter().map(|partition| partition.isr().len()).min()
    }

    /// Which broker leads a partition.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<usize> {
        let metadata = self.metadata(Some(topic))?;
        let partitions = metadata.topics().first()?.partitions();
        let leader = partitions.iter().find(|found| found.id() == partition)?.leader();
        self.brokers.iter().position(|node| node.id == leader)
    }

    fn wait_ready(&self, node: &Node) {
        let log = node.log();
        let what = format!("broker {} (its log: {})", node.id, log.display());
        wait_until(&what, START, || {
            assert!(!node.is_dead(), "the broker ended, see {}", log.display());
            TcpStream::connect(node.port.address()).is_ok() && self.lists(node.id)
        });
    }

    pub(crate) fn lists(&self, id: i32) -> bool {
        let metadata = self.metadata(None);
        metadata.is_some_and(|metadata| metadata.brokers().iter().any(|broker| broker.id() == id))
    }

    /// Asks with a client that is kept while it gets answers: one that gets none may have lost all
    /// brokers, and would never ask again (confluentinc/librdkafka#5301).
    fn metadata(&self, topic: Option<&str>) -> Option<Metadata> {
        let mut probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = probe.get_or_insert_with(|| consumer(&self.bootstrap()));
        let answer = asked.fetch_metadata(topic, ASK).ok();
        if answer.is_none() {
            *probe = None;
        }
        answer
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.controller.iter().chain(&self.brokers)
    }

    fn format(&self) {
        let formats: Vec<Child> =
            self.nodes().map(|node| node.format(&self.properties(node))).collect();
        for mut child in formats {
            assert!(
                child.wait().expect("a child ends").success(),
                "Kafka's disks can be formatted"
            );
        }
    }

    fn properties(&self, node: &Node) -> String {
        let voter = self.controller.as_ref().map_or(0, |controller| controller.id);
        let replicas = self.brokers.len();
        let in_sync = replicas.div_ceil(2);
        format!(
            "{}\n\
             controller.quorum.voters={voter}@{}\n\
             log.dirs={}\n\
             default.replication.factor={replicas}\n\
             min.insync.replicas={in_sync}\n\
             offsets.topic.replication.factor={replicas}\n\
             transaction.state.log.replication.factor={replicas}\n\
             transaction.state.log.min.isr={in_sync}\n\
             {COMMON}{}",
            node.listeners(&self.voter.address()),
            self.voter.address(),
            node.dir.join("data").display(),
            self.guard.properties(),
        )
    }
}

/// Dead brokers are noticed within seconds, but not because this machine is busy.
const COMMON: &str = "\
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
auto.create.topics.enable=false
num.partitions=3
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
replica.lag.time.max.ms=6000
num.network.threads=2
num.io.threads=4
";

/// `target/tmp/kafka-PID-N`. What is shared by a whole process is never dropped, so what earlier
/// processes left behind is cleared here.
fn fresh_dir() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    if number == 0 {
        fs::read_dir(home)
            .expect("cargo makes it")
            .flatten()
            .for_each(|entry| clear_if_left(&entry.path()));
    }
    home.join(format!("kafka-{}-{number}", std::process::id()))
}

fn clear_if_left(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let owner = name.strip_prefix("kafka-").and_then(|rest| rest.split('-').next());
    if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
        fs::remove_dir_all(path).ok();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime of one thread").block_on(future)
}
