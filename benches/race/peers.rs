//! The peers that may be installed, each with settings that let it be fast and still wait for all
//! replicas: large batches, a queue that does not stop it, what it keeps of itself in its own folder.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use crate::arguments::text;
use crate::course::Heat;
use crate::entrant::Entrant;
use crate::support::children::{Power, guarded, spawn};

/// Program, name, start.
type Peer = (&'static str, &'static str, fn(&Heat<'_>) -> Vec<Child>);

const PEERS: [Peer; 6] = [
    ("kcat", "kcat -P", kcat),
    ("rsyslogd", "rsyslog", rsyslog),
    ("syslog-ng", "syslog-ng", syslog_ng),
    ("fluent-bit", "Fluent Bit", fluent_bit),
    ("vector", "Vector", vector),
    ("filebeat", "Filebeat", filebeat),
];

/// Those asked for with `--peers`, by program or name; else all that are on the PATH.
pub(crate) fn asked() -> Vec<Entrant> {
    let asked = text("--peers");
    let is_asked = |program: &str| match &asked {
        Some(list) => list.split(',').any(|name| name == program),
        None => is_installed(program),
    };
    let peers = PEERS.iter().filter(|(program, ..)| is_asked(program));
    peers.map(|(_, name, start)| Entrant::peer(name, *start)).collect()
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

impl Heat<'_> {
    /// Codec and level as librdkafka calls them, each with what is around it.
    fn compression(&self, around: impl Fn(&str, &str) -> String) -> Vec<String> {
        let level = self.plan.level.as_ref().map(|level| around("compression.level", level));
        [Some(around("compression.codec", &self.plan.codec)), level].into_iter().flatten().collect()
    }

    fn glob(&self) -> String {
        self.log_dir.join("*.log").display().to_string()
    }
}

fn kcat(heat: &Heat<'_>) -> Vec<Child> {
    let mut cat = guarded("cat", Power::AsWeAre);
    cat.args(&heat.logs).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut cat = spawn(cat);
    let mut command = guarded("kcat", Power::AsWeAre);
    command.args(["-P", "-b", &heat.bootstrap, "-t", &heat.topic]);
    let settings = ["acks=all", "linger.ms=100", "queue.buffering.max.messages=500000"];
    let settings = settings.map(str::to_owned).into_iter();
    for setting in settings.chain(heat.compression(|name, value| format!("{name}={value}"))) {
        command.args(["-X", &setting]);
    }
    command.stdin(cat.stdout.take().expect("piped")).stdout(Stdio::null()).stderr(Stdio::null());
    vec![cat, spawn(command)]
}

fn rsyslog(heat: &Heat<'_>) -> Vec<Child> {
    let compression = heat.compression(|name, value| format!(r#","{name}={value}""#)).concat();
    let (glob, bootstrap, topic) = (heat.glob(), &heat.bootstrap, &heat.topic);
    let dir = heat.dir.display();
    let config = heat.write(
        "rsyslog.conf",
        &format!(
            r#"global(workDirectory="{dir}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="omkafka")
template(name="line" type="string" string="%msg%")
ruleset(name="ship" queue.type="LinkedList" queue.size="100000" queue.dequeueBatchSize="4096") {{
  action(type="omkafka" broker=["{bootstrap}"] topic="{topic}" template="line" partitions.auto="on"
    resubmitOnFailure="on" keepFailedMessages="on" failedMsgFile="{dir}/failed"
    confParam=["acks=all","linger.ms=100","queue.buffering.max.messages=500000"{compression}])
}}
input(type="imfile" file="{glob}" tag="race" ruleset="ship" readMode="0" persistStateInterval="10000")
"#
        ),
    );
    let pid = heat.dir.join("pid").display().to_string();
    vec![heat.spawn("rsyslogd", &["-n", "-f", &config, "-i", &pid])]
}

fn syslog_ng(heat: &Heat<'_>) -> Vec<Child> {
    let compression = heat.compression(|name, value| format!(r#" {name}("{value}")"#)).concat();
    let (logs, bootstrap, topic) = (heat.log_dir.display(), &heat.bootstrap, &heat.topic);
    let config = heat.write(
        "syslog-ng.conf",
        &format!(
            r#"@version: 3.38
options {{ keep-hostname(yes); use-dns(no); stats-freq(0); log-msg-size(1048576); }};
source logs {{
  wildcard-file(base-dir("{logs}") filename-pattern("*.log") flags(no-parse) follow-freq(1)
    max-files(200) log-iw-size(20000000) log-fetch-limit(10000));
}};
destination kafka {{
  kafka-c(bootstrap-servers("{bootstrap}") topic("{topic}") message("${{MESSAGE}}") workers(2)
    log-fifo-size(2000000) config(acks("all") linger.ms("100") partitioner("consistent_random")
    queue.buffering.max.messages("1000000"){compression}));
}};
log {{ source(logs); destination(kafka); flags(flow-control); }};
"#
        ),
    );
    let own = |name: &str| heat.dir.join(name).display().to_string();
    let (persist, pid, control) = (own("persist"), own("pid"), own("control"));
    let arguments = ["-F", "--no-caps", "-f", &config, "-R", &persist, "-p", &pid, "-c", &control];
    vec![heat.spawn("syslog-ng", &arguments)]
}

fn fluent_bit(heat: &Heat<'_>) -> Vec<Child> {
    let compression =
        heat.compression(|name, value| format!("  rdkafka.{name} {value}\n")).concat();
    let (glob, bootstrap, topic) = (heat.glob(), &heat.bootstrap, &heat.topic);
    let dir = heat.dir.display();
    let config = heat.write(
        "fluent-bit.conf",
        &format!(
            "[SERVICE]
  Flush 0.2
  Log_Level error
[INPUT]
  Name tail
  Path {glob}
  Read_from_Head true
  DB {dir}/places.db
  Mem_Buf_Limit 64MB
  Buffer_Chunk_Size 1M
  Buffer_Max_Size 2M
  Threaded on
[OUTPUT]
  Name kafka
  Match *
  Brokers {bootstrap}
  Topics {topic}
  Format raw
  raw_log_key log
  workers 1
  rdkafka.acks all
  rdkafka.linger.ms 100
  rdkafka.queue.buffering.max.messages 500000
{compression}"
        ),
    );
    vec![heat.spawn("fluent-bit", &["-q", "-c", &config])]
}

fn vector(heat: &Heat<'_>) -> Vec<Child> {
    let (glob, bootstrap, topic) = (heat.glob(), &heat.bootstrap, &heat.topic);
    let (dir, codec) = (heat.dir.display(), &heat.plan.codec);
    let level = heat.plan.level(|level| format!("\n      compression.level: '{level}'"));
    let config = heat.write(
        "vector.yaml",
        &format!(
            "data_dir: {dir}
sources:
  logs: {{type: file, include: ['{glob}'], read_from: beginning, max_read_bytes: 1048576}}
sinks:
  kafka:
    type: kafka
    inputs: [logs]
    bootstrap_servers: '{bootstrap}'
    topic: {topic}
    encoding: {{codec: text}}
    compression: {codec}
    acknowledgements: {{enabled: true}}
    buffer: {{type: memory, max_events: 10000, when_full: block}}
    librdkafka_options:
      acks: all
      linger.ms: '100'
      queue.buffering.max.messages: '500000'{level}
"
        ),
    );
    vec![heat.spawn("vector", &["-q", "-c", &config])]
}

fn filebeat(heat: &Heat<'_>) -> Vec<Child> {
    let (glob, bootstrap, topic) = (heat.glob(), &heat.bootstrap, &heat.topic);
    let (dir, codec) = (heat.dir.display(), &heat.plan.codec);
    let level = heat.plan.level(|level| format!("\n  compression_level: {level}"));
    let config = heat.write(
        "filebeat.yml",
        &format!(
            "path.home: {dir}
path.data: {dir}/data
logging.level: error
queue.mem: {{events: 32768, flush.min_events: 4096, flush.timeout: 0.1s}}
filebeat.inputs:
  - {{type: filestream, id: race, paths: ['{glob}'], buffer_size: 131072}}
output.kafka:
  hosts: ['{bootstrap}']
  topic: {topic}
  required_acks: -1
  compression: {codec}{level}
  bulk_max_size: 4096
  channel_buffer_size: 4096
  partition.round_robin: {{group_events: 1024}}
  codec.format.string: '%{{[message]}}'
"
        ),
    );
    fs::set_permissions(&config, Permissions::from_mode(0o600)).expect("a file of ours");
    vec![heat.spawn("filebeat", &["-c", &config, "--strict.perms=false"])]
}
