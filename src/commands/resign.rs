//! `resign`: makes the running service hand over the lead to another replica.

use std::time::Duration;

use super::{Exit, Failure, ask_service, configuration, no_service, show};
use crate::cli::ServiceFlags;
use crate::config::Caller;
use crate::control::Command;

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn resign(flags: ServiceFlags) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    match ask_service(&service, &Command::Resign, TIMEOUT)? {
        Some(Ok::<(), String>(())) => {
            show::line("resigned")?;
            Ok(Exit::Fine)
        }
        Some(Err(reason)) => Err(Failure::new(Exit::No, reason)),
        None => Err(no_service(&service)),
    }
}
