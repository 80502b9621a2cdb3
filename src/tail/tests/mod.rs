//! The room's promises, each tried on real files.

mod alike;
mod bench;
mod budget;
mod completed;
mod deletion;
mod headers;
mod holes;
mod labels;
mod lines;
mod many;
mod meanwhile;
mod names;
mod packed;
mod packer;
mod process;
mod removal;
mod restart;
mod rotation;
mod settings;
mod truncation;
mod walk;
