//! Drives the program as its users do: real files, a real process, a real Kafka.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a test prints is its report")]

mod bad_input;
mod chaos;
mod check;
mod confirm;
mod containers;
mod embedded;
mod full_disk;
mod harness;
mod ids;
mod inputs;
mod labels;
mod logrotate;
mod many;
mod mock;
mod names;
mod oauth;
mod outage;
mod outputs;
mod packed;
mod processors;
mod producer;
mod records;
mod refused;
mod security;
mod send;
mod soak;
mod stop;
mod support;
mod throttle;
mod times;
mod walk;
mod ways;
