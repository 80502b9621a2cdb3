//! tailspool tails log files into Kafka and loses nothing.
//!
//! `watch` finds files, `tail` reads them into blocks, `ship` owns what is on its way, `produce`
//! is the only room that speaks to Kafka; a block's fate comes back as a proof, which `ledger`
//! turns into a frontier, and `checkpoint` keeps frontiers. `docs/architecture.md` draws the map.

pub mod budget;
pub mod checkpoint;
pub mod checkup;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod container;
pub mod daemon;
pub mod dead_letter;
pub mod decode;
pub mod encode;
pub mod frame;
pub mod heap;
pub mod lane;
pub mod ledger;
pub mod metrics;
pub mod multiline;
pub mod partition;
pub mod path_text;
pub mod process;
pub mod processors;
pub mod produce;
pub mod record;
pub mod roll;
pub mod settings;
pub mod ship;
pub mod spool;
pub mod state_dir;
pub mod tail;
pub mod template;
pub mod time_text;
pub mod watch;
