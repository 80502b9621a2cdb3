//! Names of producer settings that are not ours: other names for the same, and names whose
//! meaning is somewhere else here.

use crate::config::section::planned;

/// librdkafka's names, or Kafka's own second ones, and the name used here.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("metadata.broker.list", "bootstrap.servers"),
    ("request.required.acks", "acks"),
    ("compression.codec", "compression.type"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("message.max.bytes", "max.request.size"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("message.send.max.retries", "retries"),
    ("socket.send.buffer.bytes", "send.buffer.bytes"),
    ("socket.receive.buffer.bytes", "receive.buffer.bytes"),
    ("topic.metadata.refresh.interval.ms", "metadata.max.age.ms"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"),
    ("sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"),
    (
        "sasl.oauthbearer.client.secret_file",
        "sasl.oauthbearer.client.credentials.client.secret_file",
    ),
    ("ssl.truststore.certificates", "ssl.ca.pem"),
    ("ssl.keystore.certificate.chain", "ssl.certificate.pem"),
    ("ssl.keystore.key", "ssl.key.pem"),
];

const PLANNED: &[&str] = &["transactional.id", "transaction.interval", "transaction.timeout.ms"];

/// The same; a name that ends in a dot stands for all that begin with it.
const LATER: &[&str] = &[
    "sasl.kerberos.",
    "sasl.oauthbearer.assertion.",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.header.urlencode",
    "sasl.oauthbearer.metadata.authentication.type",
];

/// What to use instead. A name that ends in a dot stands for all that begin with it.
const EQUALS: &[(&str, &str)] = &[
    ("message.timeout.ms", "`delivery.timeout.ms` rules"),
    ("queue.buffering.max.kbytes", "use `buffer.memory`"),
    ("queue.buffering.max.messages", "use `buffer.memory`, which counts bytes"),
    ("batch.num.messages", "use `batch.size`, which counts bytes"),
    ("compression.gzip.level", "use `compression.level`"),
    ("compression.lz4.level", "use `compression.level`"),
    ("compression.zstd.level", "use `compression.level`"),
    ("partitioner", "use `partition` of an input"),
    ("partitioner.class", "use `partition` of an input"),
    ("topic", "use `topic` of an input"),
    ("key.serializer", "records are bytes as they stand in the file"),
    ("value.serializer", "records are bytes as they stand in the file"),
    ("interceptor.classes", "there are no Java classes here"),
    ("metric.reporters", "there are no Java classes here"),
    ("statistics.interval.ms", "what it would tell is in the metrics"),
    ("enable.metrics.push", "brokers' collectors get nothing from here; the metrics have it"),
    ("socket.connection.setup.timeout.max.ms", "use `socket.connection.setup.timeout.ms`"),
    ("metadata.max.idle.ms", "a topic is asked about for as long as an input leads to it"),
    ("metadata.recovery.", "when no broker answers, the given servers are asked again at once"),
    ("reconnect.backoff.jitter.ms", "use `reconnect.backoff.ms`, which has a jitter"),
    ("ssl.keystore.type", "it is always PEM"),
    ("ssl.truststore.type", "it is always PEM"),
    ("ssl.keystore.location", "use `ssl.certificate.location` and `ssl.key.location` (PEM)"),
    ("ssl.keystore.password", "use `ssl.key.password` or `ssl.key.password_file`"),
    ("ssl.keystore.", "use `ssl.certificate.location` and `ssl.key.location` (PEM)"),
    ("ssl.truststore.", "use `ssl.ca.location` (PEM)"),
    ("ssl.engine.", "there are no Java classes here, and OpenSSL 3 has no engines"),
    ("ssl.provider", "OpenSSL's configuration decides"),
    ("ssl.keymanager.algorithm", "there are no Java classes here"),
    ("ssl.trustmanager.algorithm", "there are no Java classes here"),
    ("ssl.secure.random.implementation", "there are no Java classes here"),
    ("security.providers", "there are no Java classes here"),
    ("ssl.protocol", "OpenSSL's configuration decides"),
    ("ssl.enabled.protocols", "OpenSSL's configuration decides"),
    (
        "sasl.jaas.config",
        "use `sasl.username` and `sasl.password` or `sasl.password_file`; for OAUTHBEARER \
         `sasl.oauthbearer.*`",
    ),
    ("sasl.client.callback.handler.class", "there are no Java classes here"),
    ("sasl.login.class", "there are no Java classes here"),
    ("sasl.login.callback.handler.class", "there are no Java classes here"),
    ("sasl.oauthbearer.config", "use `sasl.oauthbearer.token.endpoint.url`"),
    ("sasl.oauthbearer.jwt.", "there are no Java classes here"),
    ("sasl.oauthbearer.jwks.", "brokers check tokens"),
    ("sasl.oauthbearer.expected.", "brokers check tokens"),
    ("sasl.oauthbearer.clock.skew.seconds", "brokers check tokens"),
    ("sasl.oauthbearer.scope.claim.name", "brokers check tokens"),
    ("sasl.oauthbearer.sub.claim.name", "brokers check tokens"),
    ("sasl.login.", "a token is renewed at 80 % of its time, and asked for again within 10 s"),
];

/// Why a key is not taken although Kafka or librdkafka has it.
pub(super) fn refusal(key: &str) -> Option<String> {
    let fits = |name: &str| key == name || (name.ends_with('.') && key.starts_with(name));
    if LATER.iter().any(|name| fits(name)) {
        return Some(format!("`{key}` is not supported by this version"));
    }
    let equal = EQUALS.iter().find(|(name, _)| fits(name));
    equal
        .map(|(_, instead)| format!("`{key}` is not taken: {instead}"))
        .or_else(|| planned(PLANNED, key))
}
