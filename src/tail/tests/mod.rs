//! The room's promises, each tried on real files.

mod bench;
mod budget;
mod deletion;
mod lines;
mod model;
mod removal;
mod restart;
mod rotation;
mod settings;
mod truncation;
