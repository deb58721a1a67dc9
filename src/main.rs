//! Arguments in, exit code out.

use std::process::ExitCode;

use downbeat::cli::Cli;
use downbeat::commands;

fn main() -> ExitCode {
    commands::execute(Cli::read()).into()
}
