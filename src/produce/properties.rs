//! Kafka's producer settings in librdkafka's words.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::login;
use crate::settings::{Acks, Compression, Kafka};

/// What librdkafka keeps beside a record's payload, in bytes (`docs/design.md`, Memory).
pub const RECORD_OVERHEAD_BYTES: usize = 192;

const SOCKET_TIMEOUT_MAX: Duration = Duration::from_mins(5);

pub(super) fn of(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    connection(&mut config, kafka);
    delivery(&mut config, kafka);
    batching(&mut config, kafka);
    for (name, value) in kafka.security.0.iter().filter(|(name, _)| !login::is_own(name)) {
        config.set(name, value);
    }
    config
}

/// How often librdkafka says who throttles us: before a deadline could be missed for it.
pub(super) fn statistics_ms(kafka: &Kafka) -> String {
    ms((kafka.delivery_timeout / 4).clamp(Duration::from_secs(1), Duration::from_secs(2)))
}

fn connection(config: &mut ClientConfig, kafka: &Kafka) {
    config
        .set("bootstrap.servers", kafka.bootstrap_servers.join(","))
        .set("client.id", &kafka.client_id)
        .set("client.dns.lookup", &kafka.client_dns_lookup)
        .set("socket.send.buffer.bytes", kafka.send_buffer_bytes.to_string())
        .set("socket.receive.buffer.bytes", kafka.receive_buffer_bytes.to_string())
        .set("socket.keepalive.enable", kafka.socket_keepalive.to_string())
        .set("allow.auto.create.topics", kafka.allow_auto_create_topics.to_string())
        .set("reconnect.backoff.ms", ms(kafka.reconnect_backoff))
        .set("reconnect.backoff.max.ms", ms(kafka.reconnect_backoff_max))
        // What Java calls metadata.max.age.ms; librdkafka's of that name is how long it believes
        // what it has heard, and three times this.
        .set("topic.metadata.refresh.interval.ms", ms(kafka.metadata_max_age))
        .set("enable.metrics.push", "false");
    if let Some(idle) = kafka.connections_max_idle {
        config.set("connections.max.idle.ms", ms(idle));
    }
}

fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn delivery(config: &mut ClientConfig, kafka: &Kafka) {
    let acks = match kafka.acks {
        Acks::None => "0",
        Acks::Leader => "1",
        Acks::All => "all",
    };
    let request = kafka.request_timeout;
    // A connection that a dead network swallowed holds back those that would work now.
    let setup = request.clamp(Duration::from_secs(1), Duration::from_secs(10));
    // librdkafka waits this long for an answer; it allows 5 minutes at most.
    let answer = (request + Duration::from_secs(1)).min(SOCKET_TIMEOUT_MAX);
    config
        .set("acks", acks)
        .set(
            "socket.connection.setup.timeout.ms",
            ms(kafka.connection_setup_timeout.unwrap_or(setup)),
        )
        .set("enable.idempotence", kafka.enable_idempotence.to_string())
        // For ever: our own deadline rules, because only librdkafka knows what the broker has.
        .set("message.timeout.ms", "0")
        .set("request.timeout.ms", ms(request))
        .set("socket.timeout.ms", ms(kafka.socket_timeout.unwrap_or(answer)))
        .set("retries", kafka.retries.to_string())
        .set("retry.backoff.ms", ms(kafka.retry_backoff))
        .set("retry.backoff.max.ms", ms(kafka.retry_backoff_max))
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
    // What is replayed has an eighth beside it, or one entry.
    let bytes_max = kafka.buffer_memory_bytes / 4 * 5 + 2 * kafka.max_request_size_bytes;
    let kbytes_max = bytes_max / 1024 + 1024;
    config
        .set("compression.type", compression)
        .set("linger.ms", ms(kafka.linger))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Properties;

    /// What librdkafka itself says it has, once all was given to it.
    fn had(kafka: &Kafka, name: &str) -> String {
        of(kafka).create_native_config().unwrap().get(name).unwrap()
    }

    #[test]
    fn every_setting_reaches_librdkafka() {
        let seconds = Duration::from_secs;
        let mut kafka = Kafka {
            socket_timeout: Some(seconds(77)),
            connection_setup_timeout: Some(seconds(7)),
            connections_max_idle: Some(seconds(8)),
            reconnect_backoff: Duration::from_millis(55),
            reconnect_backoff_max: seconds(9),
            metadata_max_age: seconds(66),
            socket_keepalive: false,
            ..Kafka::example()
        };
        let security = [
            ("ssl.cipher.suites", "ECDHE-RSA-AES256-GCM-SHA384"),
            ("ssl.curves.list", "P-256"),
            ("ssl.sigalgs.list", "ECDSA+SHA256"),
            ("enable.ssl.certificate.verification", "false"),
            ("ssl.ca.pem", "a"),
            ("ssl.certificate.pem", "c"),
            ("ssl.key.pem", "k"),
        ];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        kafka.security = Properties(security.map(own).into());
        let plain = [
            ("socket.timeout.ms", "77000"),
            ("socket.connection.setup.timeout.ms", "7000"),
            ("connections.max.idle.ms", "8000"),
            ("reconnect.backoff.ms", "55"),
            ("reconnect.backoff.max.ms", "9000"),
            ("topic.metadata.refresh.interval.ms", "66000"),
            ("socket.keepalive.enable", "false"),
        ];
        for (name, value) in plain.into_iter().chain(security) {
            assert_eq!(had(&kafka, name), value, "{name}");
        }
    }

    #[test]
    fn what_is_not_given_follows_the_request_timeout() {
        let kafka = Kafka { request_timeout: Duration::from_secs(4), ..Kafka::example() };
        assert_eq!(had(&kafka, "socket.timeout.ms"), "5000");
        assert_eq!(had(&kafka, "socket.connection.setup.timeout.ms"), "4000");
        let kafka = Kafka { request_timeout: Duration::from_mins(10), ..Kafka::example() };
        assert_eq!(had(&kafka, "socket.timeout.ms"), "300000");
        assert_eq!(had(&kafka, "socket.connection.setup.timeout.ms"), "10000");
    }

    /// A mistake that only OpenSSL finds is found without a broker.
    #[test]
    fn settings_that_cannot_work_are_found_before_the_start() {
        let with = |name: &str, value: &str| {
            let pairs = [("security.protocol", "SSL"), (name, value)];
            let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let kafka = Kafka { security: Properties(pairs.map(own).into()), ..Kafka::example() };
            crate::produce::client::try_settings(&kafka)
        };
        assert!(with("ssl.cipher.suites", "ECDHE-RSA-AES256-GCM-SHA384").is_ok());
        assert!(with("ssl.cipher.suites", "TLS_OF_JAVA").is_err());
        assert!(with("ssl.curves.list", "no-such-curve").is_err());
        let error = with("ssl.key.pem", "canary").unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }
}
