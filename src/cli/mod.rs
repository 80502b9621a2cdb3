//! The command line: what was typed, what it does, and the exit code that says how it went.

mod check;
mod dead_letters;
mod demo;
mod exit;
mod interrupt;
mod log;
mod run;
mod send;
mod spool;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

pub use exit::Exit;

/// Where packages put it.
const DEFAULT_CONFIG: &str = "/etc/tailspool/tailspool.yaml";

/// Ships log files to Kafka and loses nothing.
#[derive(Debug, Parser)]
#[command(name = "tailspool", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Run(RunArgs),
    /// Show the whole story on a Kafka inside this process
    Demo(DemoArgs),
    /// The daemon of a demo
    #[command(hide = true)]
    DemoDaemon(RunArgs),
    /// Find what is wrong with a configuration
    Check(CheckArgs),
    /// Send the standard input to a topic, line by line
    Send(send::Args),
    /// Look at records that Kafka will never take
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Look at records that wait on disk for Kafka
    #[command(subcommand)]
    Spool(SpoolCommand),
}

#[derive(Debug, clap::Args)]
struct ConfigArg {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Ship what is there, wait until all of it is acknowledged, and exit
    #[arg(long)]
    once: bool,
    /// With --once: exit with 69 if that takes longer, e.g. 30s
    #[arg(long, value_name = "TIME", requires = "once", value_parser = duration)]
    deadline: Option<Duration>,
    /// Start a Kafka inside this process, print its address, and ship to it
    #[arg(long)]
    embedded: bool,
}

#[derive(Debug, clap::Args)]
struct DemoArgs {
    /// Log files to ship instead of ones that the demo writes
    paths: Vec<PathBuf>,
    /// Lines to write
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    lines: u64,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Do not ask the cluster
    #[arg(long)]
    offline: bool,
    /// How long the cluster may take to answer
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    timeout: Duration,
    /// Write a record to each topic, to see that it can be done
    #[arg(long, conflicts_with = "offline")]
    produce: bool,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// List them, oldest first
    Ls {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        output: OutputArg,
    },
}

#[derive(Debug, Subcommand)]
enum SpoolCommand {
    /// List the lanes in it: records, bytes, age
    Ls {
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        output: OutputArg,
    },
}

#[derive(Debug, clap::Args)]
struct OutputArg {
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Runs the command that `args` name, and returns what the process should exit with.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::heap::share();
    let command = match Cli::try_parse_from(args) {
        Ok(cli) => cli.command,
        Err(error) => {
            // Nothing is left to say if even this cannot be printed.
            drop(error.print());
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let Ok(result) = std::panic::catch_unwind(|| execute(command)) else {
        return Exit::Bug.into();
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            drop(writeln!(io::stderr(), "tailspool: {failure}"));
            failure.exit().into()
        }
    }
}

fn execute(command: Command) -> Result<Exit, exit::Failure> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::DemoDaemon(args) => demo::daemon(&args),
        Command::Check(args) => check::check(&args),
        Command::Send(args) => send::send(&args),
        Command::DeadLetters(DeadLettersCommand::Ls { config, output }) => {
            dead_letters::ls(&config.config, output.output)
        }
        Command::Spool(SpoolCommand::Ls { config, output }) => {
            spool::ls(&config.config, output.output)
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::config::duration(text)
        .ok_or_else(|| "not a duration such as 500ms, 30s or 5m".to_owned())
}
