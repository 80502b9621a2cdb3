//! The only room that speaks to Kafka, and the only one that learns what became of a record.

mod proof;

pub use proof::{Delivered, Run, Slot};
