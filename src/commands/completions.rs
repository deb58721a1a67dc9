//! `completions`: prints shell completions for commands, flags and values.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Exit, Failure, show};
use crate::cli::Cli;

pub(super) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "downbeat", &mut script);
    show::own(String::from_utf8_lossy(&script).trim_end()).map(|()| Exit::Fine)
}
