//! The `tailspool` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tailspool::cli::main(std::env::args_os())
}
