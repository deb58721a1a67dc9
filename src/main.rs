//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;
use downbeat::cli::Cli;
use downbeat::commands;

fn main() -> ExitCode {
    commands::execute(Cli::parse()).into()
}
