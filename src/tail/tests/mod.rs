//! The room's promises, each tried on real files.

mod bench;
mod budget;
mod deletion;
mod headers;
mod lines;
mod process;
mod restart;
mod rotation;
mod truncation;
mod walk;
