//! Kafka's producer settings in librdkafka's words.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::settings::{Acks, Compression, Kafka};

/// What librdkafka keeps beside a record's payload, in bytes (`docs/design.md`, Memory).
pub const RECORD_OVERHEAD_BYTES: usize = 192;

pub(super) fn of(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    connection(&mut config, kafka);
    delivery(&mut config, kafka);
    batching(&mut config, kafka);
    for (name, value) in &kafka.security.0 {
        config.set(name, value);
    }
    config
}

fn connection(config: &mut ClientConfig, kafka: &Kafka) {
    config
        .set("bootstrap.servers", kafka.bootstrap_servers.join(","))
        .set("client.id", &kafka.client_id)
        .set("client.dns.lookup", &kafka.client_dns_lookup)
        .set("socket.send.buffer.bytes", kafka.send_buffer_bytes.to_string())
        .set("socket.receive.buffer.bytes", kafka.receive_buffer_bytes.to_string())
        .set("socket.keepalive.enable", "true")
        .set("allow.auto.create.topics", kafka.allow_auto_create_topics.to_string())
        // An outage ends for us two seconds after it ends for the brokers, at most.
        .set("reconnect.backoff.max.ms", "2000")
        // A topic that was missing or denied heals within this.
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set("enable.metrics.push", "false");
}

fn delivery(config: &mut ClientConfig, kafka: &Kafka) {
    let acks = match kafka.acks {
        Acks::None => "0",
        Acks::Leader => "1",
        Acks::All => "all",
    };
    let request_timeout_ms = kafka.request_timeout.as_millis();
    // A connection that a dead network swallowed holds back those that would work now.
    let setup_timeout_ms = request_timeout_ms.clamp(1000, 10_000);
    config
        .set("acks", acks)
        .set("socket.connection.setup.timeout.ms", setup_timeout_ms.to_string())
        .set("enable.idempotence", kafka.enable_idempotence.to_string())
        // For ever: our own deadline rules, because only librdkafka knows what the broker has.
        .set("message.timeout.ms", "0")
        .set("request.timeout.ms", request_timeout_ms.to_string())
        // librdkafka waits this long for an answer; it allows 5 minutes at most.
        .set("socket.timeout.ms", (request_timeout_ms + 1000).min(300_000).to_string())
        .set("retries", kafka.retries.to_string())
        .set("retry.backoff.ms", kafka.retry_backoff.as_millis().to_string())
        .set("retry.backoff.max.ms", kafka.retry_backoff_max.as_millis().to_string())
        .set("max.in.flight.requests.per.connection", kafka.max_in_flight_requests.to_string());
}

fn batching(config: &mut ClientConfig, kafka: &Kafka) {
    let compression = match kafka.compression_type {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    };
    // A backstop: the byte budget, which counts the same, is used up first.
    let messages_max = (kafka.buffer_memory_bytes / RECORD_OVERHEAD_BYTES).max(1000);
    let kbytes_max = (kafka.buffer_memory_bytes / 1024 + 1024).max(kafka.max_request_size_bytes);
    config
        .set("compression.type", compression)
        .set("linger.ms", kafka.linger.as_millis().to_string())
        .set("batch.size", kafka.batch_size_bytes.to_string())
        // Bytes decide, not lines.
        .set("batch.num.messages", "100000")
        .set("message.max.bytes", kafka.max_request_size_bytes.to_string())
        .set("queue.buffering.max.messages", messages_max.to_string())
        .set("queue.buffering.max.kbytes", kbytes_max.min(2_147_483_647).to_string());
    if let Some(level) = kafka.compression_level {
        config.set("compression.level", level.to_string());
    }
}
