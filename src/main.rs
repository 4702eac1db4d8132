//! The `sealgate` program: parses the command line, runs one command, answers with its exit code.

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;
use sealgate::cli::Cli;

/// Takes a tenth less of the processor for small requests than the system's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    sealgate::cli::run(Cli::parse())
}
