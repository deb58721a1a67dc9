//! Keeps the files of each accepted schedule for a start that finds them invalid, away from the loop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::clock;
use crate::config::{KeepError, KeptFiles, ScheduleFile};
use crate::schedule::UnixMs;

/// What came of keeping the last accepted schedule; at first nothing.
pub(super) type Outcome = Option<KeptSchedule>;

/// Whether the files of a schedule are kept.
#[derive(Clone, Debug)]
pub(super) struct KeptSchedule {
    /// The content hash.
    pub(super) hash: Uuid,
    /// When they were accepted, or why they are not kept.
    pub(super) accepted_at: Result<UnixMs, String>,
}

/// Writes the copy.
#[derive(Debug)]
pub(super) struct Keeper {
    copy: Arc<KeptFiles>,
    /// The number of the schedule that was accepted last; earlier ones need not be kept any more.
    newest: Arc<AtomicU64>,
    /// One copy is written at a time.
    writing: Arc<Mutex<()>>,
    outcome: watch::Sender<Outcome>,
}

impl Keeper {
    /// A keeper, and what comes of its work.
    pub(super) fn new(copy: KeptFiles) -> (Keeper, watch::Receiver<Outcome>) {
        let (outcome, outcomes) = watch::channel(None);
        let (newest, writing) = <(Arc<AtomicU64>, Arc<Mutex<()>>)>::default();
        (Keeper { copy: Arc::new(copy), newest, writing, outcome }, outcomes)
    }

    /// Starts to write; a copy of the same files is left as it is.
    pub(super) fn keep(&self, hash: Uuid, files: Vec<ScheduleFile>) {
        let number = self.newest.fetch_add(1, Ordering::Relaxed) + 1;
        let (copy, outcome) = (Arc::clone(&self.copy), self.outcome.clone());
        let (newest, writing) = (Arc::clone(&self.newest), Arc::clone(&self.writing));
        tokio::task::spawn_blocking(move || {
            let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
            if newest.load(Ordering::Relaxed) != number {
                return;
            }
            let kept = copy.keep(hash, &files, clock::wall());
            let before = outcome.borrow().clone();
            log(&kept, before.and_then(|before| before.accepted_at.err()).as_deref());
            let accepted_at = kept.map_err(|error| error.to_string());
            outcome.send_replace(Some(KeptSchedule { hash, accepted_at }));
        });
    }
}

/// The same failure is logged once.
fn log(kept: &Result<UnixMs, KeepError>, failure_before: Option<&str>) {
    let error = match kept {
        Ok(accepted_at) => return debug!(%accepted_at, "the schedule files are kept"),
        Err(error) if failure_before == Some(&error.to_string()) => return,
        Err(error) => error,
    };
    const NOT_KEPT: &str =
        "the schedule files are not kept: a start that finds them invalid will fail";
    match error {
        KeepError::Changed(_) | KeepError::NoFolder { .. } => info!(%error, "{NOT_KEPT}"),
        KeepError::Unwritable { .. } => warn!(%error, "{NOT_KEPT}"),
    }
}
