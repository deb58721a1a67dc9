//! Keeps the files of each accepted schedule for a start that finds them invalid, outside the loop.

use downbeat_time::UnixMs;
use tokio::sync::watch;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::clock;
use crate::config::{KeepError, KeptFiles, ScheduleFile};

/// The result of keeping the last accepted schedule; initially none.
pub(super) type Outcome = Option<KeptSchedule>;

/// Whether the files of a schedule were kept.
#[derive(Clone, Debug)]
pub(super) struct KeptSchedule {
    /// The content hash.
    pub(super) hash: Uuid,
    /// When they were accepted, or why they were not kept.
    pub(super) accepted_at: Result<UnixMs, NotKept>,
}

/// Why the files of the schedule could not be kept.
#[derive(Clone, Debug)]
pub(super) struct NotKept {
    /// The error.
    pub(super) why: String,
    /// When the files of an earlier schedule, which are still kept, were accepted.
    pub(super) older: Option<UnixMs>,
}

/// Keeps accepted schedule files.
#[derive(Debug)]
pub(super) struct Keeper {
    /// The newest accepted schedule; earlier ones need not be kept any more.
    newest: watch::Sender<Option<(Uuid, Vec<ScheduleFile>)>>,
    outcome: watch::Receiver<Outcome>,
}

impl Keeper {
    /// A keeper that writes one copy at a time on a thread for blocking calls, and a receiver of its
    /// results.
    pub(super) fn new(copy: KeptFiles) -> (Keeper, watch::Receiver<Outcome>) {
        let (newest, accepted) = watch::channel(None);
        let (outcomes, outcome) = watch::channel(None);
        tokio::spawn(write_copies(copy, accepted, outcomes));
        (Keeper { newest, outcome: outcome.clone() }, outcome)
    }

    /// Requests that these files are kept, unless they already are.
    pub(super) fn keep(&self, hash: Uuid, files: Vec<ScheduleFile>) {
        let has_failed =
            self.outcome.borrow().as_ref().is_some_and(|kept| kept.accepted_at.is_err());
        self.newest.send_if_modified(|newest| {
            let is_new = newest.as_ref().is_none_or(|(newest, _)| *newest != hash) || has_failed;
            if is_new {
                *newest = Some((hash, files));
            }
            is_new
        });
    }
}

async fn write_copies(
    copy: KeptFiles,
    mut accepted: watch::Receiver<Option<(Uuid, Vec<ScheduleFile>)>>,
    outcomes: watch::Sender<Outcome>,
) {
    while accepted.changed().await.is_ok() {
        let Some((hash, files)) = accepted.borrow_and_update().clone() else { continue };
        let copy = copy.clone();
        let write = move || {
            let kept = copy.keep(hash, &files, clock::wall());
            // A failed write leaves the previous copy.
            kept.map_err(|error| (error, copy.accepted_at()))
        };
        let Ok(kept) = tokio::task::spawn_blocking(write).await else { return };
        let failure = |kept: &KeptSchedule| kept.accepted_at.clone().err();
        let before = outcomes.borrow().as_ref().and_then(failure).map(|failure| failure.why);
        log(&kept, before.as_deref());
        let accepted_at = kept.map_err(|(error, older)| NotKept { why: error.to_string(), older });
        outcomes.send_replace(Some(KeptSchedule { hash, accepted_at }));
    }
}

/// Logs a repeated failure only once.
fn log(kept: &Result<UnixMs, (KeepError, Option<UnixMs>)>, failure_before: Option<&str>) {
    let (error, older) = match kept {
        Ok(accepted_at) => return debug!(%accepted_at, "the schedule files are kept"),
        Err((error, _)) if failure_before == Some(&error.to_string()) => return,
        Err((error, older)) => (error, older),
    };
    let then = match older {
        Some(accepted_at) => format!("will run the schedule accepted at {accepted_at}"),
        None => "will fail".to_owned(),
    };
    match error {
        KeepError::Changed(_) | KeepError::NoFolder { .. } => {
            info!(%error, "the schedule files are not kept: a start that finds them invalid {then}");
        }
        KeepError::Unwritable { .. } => {
            warn!(%error, "the schedule files are not kept: a start that finds them invalid {then}");
        }
    }
}
