//! The room's promises, each tried on real files.

mod bench;
mod budget;
mod deletion;
mod labels;
mod lines;
mod many;
mod process;
mod restart;
mod rotation;
mod truncation;
mod walk;
