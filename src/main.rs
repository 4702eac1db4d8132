//! The `sealgate` program: parses the command line, runs one command, answers with its exit code.

use std::process::ExitCode;

use clap::Parser as _;
use sealgate::cli::Cli;

fn main() -> ExitCode {
    sealgate::cli::run(Cli::parse())
}
