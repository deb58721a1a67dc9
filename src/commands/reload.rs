//! `reload`: makes the running service load its schedule files again.

use std::time::Duration;

use super::{Exit, Failure, ask_service, configuration, no_service, show};
use crate::cli::ServiceFlags;
use crate::config::Caller;
use crate::control::Command;

/// A schedule of a million entries takes seconds to load.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn reload(flags: ServiceFlags, wait: bool) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    match ask_service(&service, &Command::Reload { wait }, TIMEOUT)? {
        Some(Ok::<String, String>(difference)) => {
            show::line(&difference)?;
            Ok(Exit::Fine)
        }
        Some(Err(problems)) => {
            let message = "reload refused; the old schedule stays in effect";
            Err(Failure { picture: Some(problems), ..Failure::new(Exit::No, message) })
        }
        None => Err(no_service(&service)),
    }
}
