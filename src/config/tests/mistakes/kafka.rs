//! Mistakes in the section `kafka`.

use super::super::with_kafka;
use super::check;

#[test]
fn in_kafka() {
    check(IN_KAFKA, with_kafka);
}

const IN_KAFKA: &[(&str, &str)] = &[
    ("  compresion.type: zstd", "3:3 error: unknown key `compresion.type` => compression.type"),
    (
        "  compression.type: zsdt",
        "3:21 error: `compression.type`: `zsdt` is none of none, gzip, snappy, lz4, zstd => zstd",
    ),
    ("  acks: 2", "3:9 error: `acks`: `2` is none of all, 1, 0, -1"),
    // Neither does Kafka's own client take this.
    ("  acks: ALL", "3:9 error: `acks`: `ALL` is none of all, 1, 0, -1 => all"),
    ("  acks: [all]", "3:9 error: `acks` takes a single value, not a list"),
    (
        "  linger.ms: fast",
        "3:14 error: `linger.ms`: `fast` is not a duration (500ms, 30s, 5m, 2h, 7d)",
    ),
    (
        "  linger.ms: 5 s",
        "3:14 error: `linger.ms`: `5 s` is not a duration (500ms, 30s, 5m, 2h, 7d)",
    ),
    ("  linger.ms: -1", "3:14 error: `linger.ms`: `-1` is not a duration (500ms, 30s, 5m, 2h, 7d)"),
    (
        "  linger.ms: 1.5s",
        "3:14 error: `linger.ms`: `1.5s` is not a duration (500ms, 30s, 5m, 2h, 7d)",
    ),
    ("  linger.ms: 20m", "3:14 error: `linger.ms`: `20m` is more than 15m, the most possible"),
    (
        "  batch.size: 64k",
        "3:15 error: `batch.size`: `64k` is not a size (512, 64KiB, 32MiB, 1GiB) => 64KiB",
    ),
    (
        "  batch.size: big",
        "3:15 error: `batch.size`: `big` is not a size (512, 64KiB, 32MiB, 1GiB)",
    ),
    (
        "  batch.size: 2MiB",
        "3:15 warning: `batch.size` is more than `max.request.size`; batches end at 1000000",
    ),
    (
        "  buffer.memory: 1MiB",
        "3:18 error: `buffer.memory`: `1MiB` is less than 4MiB, the least possible",
    ),
    (
        "  max.request.size: 64MiB",
        "3:21 error: `max.request.size` (64MiB) is more than `buffer.memory` (32MiB)",
    ),
    (
        "  max.request.size: 10",
        "3:21 error: `max.request.size`: `10` is less than 1000, the least possible",
    ),
    ("  retries: many", "3:12 error: `retries`: `many` is not a whole number"),
    ("  retries: -1", "3:12 error: `retries`: `-1` is less than 0, the least possible"),
    ("  retries: 0", "3:12 error: `retries: 0` contradicts `enable.idempotence`"),
    ("  retries: 1.0", "3:12 error: `retries`: `1.0` is not a whole number"),
    (
        "  max.in.flight.requests.per.connection: 6",
        "3:42 error: `max.in.flight.requests.per.connection` is at most 5 with `enable.idempotence`",
    ),
    (
        "  max.in.flight: 6\n  enable.idempotence: false",
        "4:23 warning: without `enable.idempotence`, order and no repeats on a retry are not promised",
    ),
    (
        "  enable.idempotence: yes",
        "3:23 error: `enable.idempotence`: `yes` is neither true nor false => true",
    ),
    (
        "  enable.idempotence: true\n  acks: 1",
        "3:23 error: `enable.idempotence: true` needs `acks: all`",
    ),
    (
        "  acks: 0",
        "3:9 warning: `acks` below `all` turns `enable.idempotence` off: order and no repeats on a retry are not promised",
    ),
    (
        "  delivery.timeout.ms: 30s",
        "3:24 error: `delivery.timeout.ms` (30s) must be more than `linger.ms` + `request.timeout.ms` (30100ms)",
    ),
    (
        "  request.timeout.ms: 3m",
        "3:23 error: `delivery.timeout.ms` (2m) must be more than `linger.ms` + `request.timeout.ms` (180100ms)",
    ),
    (
        "  request.timeout.ms: 3m\n  delivery.timeout.ms: 2 hours",
        "4:24 error: `delivery.timeout.ms`: `2 hours` is not a duration (500ms, 30s, 5m, 2h, 7d)",
    ),
    (
        "  retry.backoff.ms: 2s",
        "3:21 error: `retry.backoff.ms` (2s) is more than `retry.backoff.max.ms` (1s)",
    ),
    (
        "  compression.level: 10\n  compression.type: gzip",
        "3:22 error: `compression.level`: 10 is more than 9, the most for gzip",
    ),
    (
        "  compression.level: 13",
        "3:22 error: `compression.level`: `13` is more than 12, the most possible",
    ),
    (
        "  compression.level: 3\n  compression.type: none",
        "3:22 warning: `compression.level` has no effect with this `compression.type`",
    ),
    (
        "  message.timeout.ms: 5000",
        "3:3 error: `message.timeout.ms` is not taken: `delivery.timeout.ms` rules",
    ),
    (
        "  queue.buffering.max.kbytes: 1024",
        "3:3 error: `queue.buffering.max.kbytes` is not taken: use `buffer.memory`",
    ),
    (
        "  queue.buffering.max.ms: 5\n  linger.ms: 5",
        "4:3 error: `linger.ms` and `queue.buffering.max.ms` mean the same, first on line 3",
    ),
    (
        "  reconnect.backoff.ms: 3s",
        "3:25 error: `reconnect.backoff.ms` (3s) is more than `reconnect.backoff.max.ms` (2s)",
    ),
    (
        "  socket.timeout.ms: 20s",
        "3:22 error: `socket.timeout.ms` (20s) is less than `request.timeout.ms` (30s): who takes that long would never be heard",
    ),
    (
        "  topic.metadata.refresh.interval.ms: 5\n  security.protocol: PLAINTEXT",
        "3:39 error: `metadata.max.age.ms`: `5` is less than 100ms, the least possible",
    ),
    (
        "  security.protocol: SSL\n  ssl.ca.location: /ca\n  ssl.truststore.certificates: x",
        "5:32 error: `ssl.ca.location` and `ssl.ca.pem` are both given",
    ),
    (
        "  security.protocol: SSL\n  ssl.certificate.pem: x",
        "4:24 error: `ssl.certificate.pem` needs `ssl.key.location`",
    ),
    (
        "  security.protocol: SSL\n  enable.ssl.certificate.verification: false",
        "4:40 warning: no certificate is looked at: anybody between here and the brokers can read the lines, and the password",
    ),
    (
        "  statistics.interval.ms: 1000",
        "3:3 error: `statistics.interval.ms` is not taken: what it would tell is in the metrics",
    ),
    ("  transactional.id: x", "3:3 error: `transactional.id` is not supported by this version"),
    (
        "  ssl.keystore.location: /x.jks",
        "3:3 error: `ssl.keystore.location` is not taken: use `ssl.certificate.location` and `ssl.key.location` (PEM)",
    ),
    (
        "  ssl.truststore.password: x",
        "3:3 error: `ssl.truststore.password` is not taken: use `ssl.ca.location` (PEM)",
    ),
    (
        "  sasl.jaas.config: x",
        "3:3 error: `sasl.jaas.config` is not taken: use `sasl.username` and `sasl.password` or `sasl.password_file`; for OAUTHBEARER `sasl.oauthbearer.*`",
    ),
    (
        "  partitioner.class: x",
        "3:3 error: `partitioner.class` is not taken: use `partition` of an input",
    ),
    (
        "  client.dns.lookup: use_all_dns_ip",
        "3:22 error: `client.dns.lookup`: `use_all_dns_ip` is none of use_all_dns_ips, resolve_canonical_bootstrap_servers_only => use_all_dns_ips",
    ),
    ("  client.id: ''", "3:14 error: `client.id`: must not be empty"),
    (
        "  allow.auto.create.topics: 1",
        "3:29 error: `allow.auto.create.topics`: `1` is neither true nor false => true",
    ),
    (
        "  send.buffer.bytes: 1GiB",
        "3:22 error: `send.buffer.bytes`: `1GiB` is more than 100000000, the most possible",
    ),
    (
        "  security.protocol: SSL_SASL",
        "3:22 error: `security.protocol`: `SSL_SASL` is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL => SSL",
    ),
    (
        "  security.protocol: SASL_SSL",
        "3:22 error: `security.protocol: SASL_SSL` needs `sasl.mechanism`\n3:22 error: `security.protocol: SASL_SSL` needs `sasl.username`\n3:22 error: `security.protocol: SASL_SSL` needs `sasl.password` or `sasl.password_file`",
    ),
    (
        "  security.protocol: SSL\n  ssl.key.location: /k",
        "4:21 error: `ssl.key.location` needs `ssl.certificate.location`",
    ),
    (
        "  sasl.mechanism: GSSAPI",
        "3:19 error: `sasl.mechanism`: `GSSAPI` is not supported by this version",
    ),
    (
        "  security.protocol: SASL_SSL\n  sasl.mechanism: GSSAPI",
        "4:19 error: `sasl.mechanism`: `GSSAPI` is not supported by this version",
    ),
    (
        "  security.protocol: SASL_SSL\n  sasl.mechanism: SCRAM-SHA-521",
        "4:19 error: `sasl.mechanism`: `SCRAM-SHA-521` is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER => SCRAM-SHA-512",
    ),
    (
        "  sasl.username: u",
        "3:18 warning: `sasl.username` has no effect with `security.protocol: PLAINTEXT`; SASL_SSL uses it",
    ),
    (
        "  security.protocol: SASL_PLAINTEXT\n  sasl.mechanism: PLAIN\n  sasl.username: u\n  sasl.password: ${PASSWORD}",
        "3:22 warning: the password crosses the network in the clear; use SASL_SSL or SCRAM",
    ),
    (
        "  security.protocol: SSL\n  ssl.endpoint.identification.algorithm: none",
        "4:42 warning: any certificate of a trusted authority can pose as the broker",
    ),
    (
        "  security.protocol: SSL\n  ssl.key.password_file: key",
        "4:26 error: `ssl.key.password_file`: a path that is not absolute is looked up in $CREDENTIALS_DIRECTORY, which is not set",
    ),
    (
        "  security.protocol: SSL\n  ssl.key.password_file: /nowhere/key",
        "4:26 error: `ssl.key.password_file`: cannot read `/nowhere/key`: No such file or directory (os error 2)",
    ),
    ("  linger_ms: 5", "3:3 error: unknown key `linger_ms` => linger.ms"),
    ("  bootstrap: {servers: [k1]}", "3:3 error: unknown key `bootstrap` => bootstrap.servers"),
    ("  ? [a]\n  : 1", "3:5 error: a key must be a word"),
    ("  acks: !all x", "3:14 error: tags such as `!all` have no meaning here"),
    (
        "  client.id: ${NOT_SET}",
        "3:14 error: the environment variable `NOT_SET` is not set; `${NOT_SET:-…}` gives a default",
    ),
    (
        "  client.id: ${1}",
        "3:14 error: `${…}` does not hold a variable's name; a literal `$` is written `$$`",
    ),
    ("  client.id: a${", "3:14 error: `${` without its `}`; a literal `$` is written `$$`"),
    (
        "  linger.ms: ${TOPIC}",
        "3:14 error: `linger.ms`: `${TOPIC}` is not a duration (500ms, 30s, 5m, 2h, 7d)",
    ),
];
