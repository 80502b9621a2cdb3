//! The room's promises, each tried on real files.

mod bench;
mod budget;
mod deletion;
mod labels;
mod lines;
mod model;
mod process;
mod removal;
mod restart;
mod rotation;
mod settings;
mod truncation;
