//! Keeps the files of each accepted schedule for a start that finds them invalid, outside the loop.

use std::sync::Arc;

use downbeat_time::UnixMs;
use tokio::sync::watch;
use tracing::{debug, info, warn};
use uuid::Uuid;

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
#[derive(Clone, Debug, thiserror::Error)]
#[error("the files are not kept: {source}")]
pub(super) struct NotKept {
    pub(super) source: Arc<KeepError>,
    /// When the files of an earlier schedule, which are still kept, were accepted.
    pub(super) older: Option<UnixMs>,
}

/// Accepted schedule files.
#[derive(Clone, Debug)]
struct Accepted {
    hash: Uuid,
    files: Vec<ScheduleFile>,
    at: UnixMs,
}

/// Keeps accepted schedule files.
#[derive(Debug)]
pub(super) struct Keeper {
    /// The newest accepted schedule; earlier ones need not be kept any more.
    newest: watch::Sender<Option<Accepted>>,
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

    /// Requests that these files, accepted at that time, are kept, unless they already are.
    pub(super) fn keep(&self, hash: Uuid, files: Vec<ScheduleFile>, at: UnixMs) {
        let has_failed =
            self.outcome.borrow().as_ref().is_some_and(|kept| kept.accepted_at.is_err());
        self.newest.send_if_modified(|newest| {
            let is_new = newest.as_ref().is_none_or(|newest| newest.hash != hash) || has_failed;
            if is_new {
                *newest = Some(Accepted { hash, files, at });
            }
            is_new
        });
    }
}

async fn write_copies(
    copy: KeptFiles,
    mut accepted: watch::Receiver<Option<Accepted>>,
    outcomes: watch::Sender<Outcome>,
) {
    while accepted.changed().await.is_ok() {
        let newest = accepted.borrow_and_update().clone();
        let Some(Accepted { hash, files, at }) = newest else { continue };
        let copy = copy.clone();
        let write = move || {
            let kept = copy.keep(hash, &files, at);
            // A failed write leaves the previous copy.
            kept.map_err(|error| NotKept { source: Arc::new(error), older: copy.accepted_at() })
        };
        let Ok(accepted_at) = tokio::task::spawn_blocking(write).await else { return };
        let failure = |kept: &KeptSchedule| kept.accepted_at.clone().err();
        let before = outcomes.borrow().as_ref().and_then(failure);
        log(&accepted_at, before.as_ref());
        outcomes.send_replace(Some(KeptSchedule { hash, accepted_at }));
    }
}

/// Logs a repeated failure only once. A start that finds invalid files runs the `older` schedule, or fails without
/// one.
fn log(kept: &Result<UnixMs, NotKept>, failure_before: Option<&NotKept>) {
    let NotKept { source: error, older } = match kept {
        Ok(accepted_at) => return debug!(%accepted_at, "kept the schedule files"),
        Err(error) => error,
    };
    if failure_before.is_some_and(|before| before.source.to_string() == error.to_string()) {
        return;
    }
    let older = older.map(tracing::field::display);
    match &**error {
        KeepError::Changed(_) | KeepError::NoFolder { .. } => {
            info!(%error, older, "failed to keep the schedule files");
        }
        KeepError::Unwritable { .. } => {
            warn!(%error, older, "failed to keep the schedule files");
        }
    }
}
