//! Notes for people, on standard error: what keeps the running service from sending.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use super::{block_on, show};
use crate::config::ServiceConfig;
use crate::control::{self, Command};
use crate::pausing::PauseStatus;
use crate::service::status::{EntryStatus, Status};

/// The subject of a pause of all entries.
const ALL: &str = "all";
/// A note is not worth a longer wait.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Whether a person reads standard error. Scripts have no use for the notes.
pub(super) fn are_read() -> bool {
    io::stderr().is_terminal()
}

/// Says what keeps slots from being sent, and whether all entries are paused.
pub(super) fn complain(service: &ServiceConfig) {
    if !are_read() {
        return;
    }
    let Some(status) = status(service) else { return };
    for blockage in status.blockages() {
        show::complain(&format!("downbeat: warning: {blockage}"));
    }
    for pause in status.pauses.iter().filter(|pause| pause.subject == ALL) {
        complain_of_pause(pause);
    }
}

/// Mentions the pause of all entries, if that is why they are paused.
pub(super) fn complain_of_pauses(entries: &[EntryStatus]) {
    let pauses = || entries.iter().map(|entry| entry.paused.as_ref());
    let of_all = |pause: Option<&PauseStatus>| pause.is_some_and(|pause| pause.subject == ALL);
    if pauses().all(of_all)
        && let Some(pause) = pauses().flatten().next()
    {
        complain_of_pause(pause);
    }
}

fn complain_of_pause(pause: &PauseStatus) {
    show::complain(&format!("downbeat: all entries are paused {}", pause.in_words()));
}

/// The status of the service on this machine, if it has the settings of the command and answers.
fn status(service: &ServiceConfig) -> Option<Status> {
    for directory in service.runtime_dirs() {
        let asking = control::ask::<Status, String>(directory, &Command::Status, TIMEOUT);
        if let Some((identity, answer)) = block_on(asking).ok()?.ok()? {
            return answer.ok().filter(|_| service.differences(&identity).is_empty());
        }
    }
    None
}
