//! `completions`: prints shell completions for commands, options and values.

use clap_complete::Shell;
use clap_complete::env::Shells;

use super::{Exit, Failure, show};
use crate::cli::COMPLETE_VAR;

/// Prints a script by which the shell asks this program for candidates.
pub(super) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let failed = |why: String| Failure::new(Exit::No, why);
    let shells = Shells::builtins();
    let shell = shell.to_string();
    let script =
        shells.completer(&shell).ok_or_else(|| failed(format!("no script for {shell}")))?;
    let mut text = Vec::new();
    script
        .write_registration(COMPLETE_VAR, "downbeat", "downbeat", "downbeat", &mut text)
        .map_err(|error| failed(error.to_string()))?;
    show::own(String::from_utf8_lossy(&text).trim_end()).map(|()| Exit::Fine)
}
