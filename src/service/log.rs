//! Writes the scheduler's events to the log.

use downbeat_time::UnixMs;
use tracing::{debug, error, info, warn};

use crate::core::{ANOTHER_SERVER, Log};
use crate::schedule::outcome::SkipReason;
use crate::schedule::planner::{Action, Ended, Item, Repaired};
use crate::schedule::{Kind, Schedule};
use crate::telemetry::BufferedLog;

/// Of slots whose registration ended, this many entries are logged; the rest are counted.
const MAX_LOGGED: usize = 1_000;

/// Writes the lines of one event.
pub(crate) fn write(event: &Log) {
    match event {
        Log::TookOver { term, entries, changes } => {
            info!(term = &**term, entries, changes, "took office");
        }
        Log::Recorded { schedule, items, at, recovered } => {
            let _buffered = (items.len() > 1).then(BufferedLog::start);
            for (item, task_id) in items {
                recorded(schedule, item, task_id, *at, *recovered);
            }
        }
        Log::Ended(ended) => write_ended(ended),
        Log::Repaired(repaired) => {
            let _buffered = (repaired.len() > 1).then(BufferedLog::start);
            for Repaired { entry, what } in repaired.iter().take(MAX_LOGGED) {
                warn!(entry = &**entry, %what, "repaired");
            }
        }
        Log::Unreadable { records, entry, what } => {
            warn!(records, entry = &**entry, %what, "unreadable records");
        }
        Log::RecordsMissing { remembered: true } => {
            error!("records are missing; what this process remembers is written again");
        }
        Log::RecordsMissing { remembered: false } => error!(
            "records are missing, and nobody remembers them: every entry starts now, and what was due \
             since its last record is counted `unknown`"
        ),
        Log::NothingKnown => {
            warn!("nothing is known of this namespace, as at a first start: every entry starts now")
        }
        Log::AllRecordsLost => {
            warn!("the broker has lost all records; going on from memory");
        }
        Log::RecordsLost => {
            warn!("the broker has lost records; what it does not know of is sent again");
        }
        Log::OthersRecorded(slots) => info!(slots, "another leader recorded slots meanwhile"),
        Log::JournalLost(slots) => error!(
            slots,
            "the journal was evicted or deleted: its history is lost; progress is written from memory"
        ),
        Log::JournalBegun => info!("a new journal has begun"),
        Log::CouldNotPublish { error, pause } => {
            warn!(%error, pause_ms = pause.as_millis(), "could not publish");
        }
        Log::Publishing => info!("publishing again"),
        Log::WroteNothing(reason) => warn!(reason, "wrote nothing: the broker knows better"),
        Log::AnotherServer => error!("{ANOTHER_SERVER}; connecting anew"),
        Log::Early => debug!("early by the broker's clock"),
        Log::ClockWentBack(back) => warn!(back_ms = back.as_millis(), "a clock went back"),
        Log::QueueRefuses { queue, error } => {
            warn!(%queue, %error, "the queue refuses messages; it is tried again");
        }
        Log::QueueAccepts(queue) => info!(%queue, "the queue takes messages again"),
        Log::LimitReached { entry, limit } => {
            info!(entry = &**entry, limit, "done: the limit is reached");
        }
        Log::NotRecorded { entry, slot, task_id } => {
            warn!(entry = &**entry, %slot, %task_id, "dispatched, but not recorded");
        }
        Log::MayHaveBeenSent { entry, slot, error } => {
            debug!(entry = &**entry, %slot, %error, "may have been sent");
        }
        Log::Folded { entries, left } => debug!(entries, left, "folded"),
        Log::CouldNotFold(error) => debug!(%error, "could not fold"),
        Log::Trimmed(slots) => debug!(slots, "trimmed the journal"),
        Log::Revised => debug!("somebody has paused or resumed"),
        Log::DroppedPauses(subjects) => debug!(subjects, "dropped pauses that have ended"),
        Log::CouldNotDropPauses(error) => {
            debug!(%error, "could not drop pauses that have ended");
        }
        Log::CouldNotTrim(error) => debug!(%error, "could not trim the journal"),
    }
}

/// Logs one line for each slot sent and each run of slots skipped.
fn recorded(schedule: &Schedule, item: &Item, task_id: &uuid::Uuid, at: UnixMs, recovered: bool) {
    let entry = &schedule.entries[item.entry as usize];
    let (name, slot) = (&*entry.name, item.slot);
    let lateness_ms = at.0.saturating_sub(entry.due(slot).0);
    match item.action {
        Action::Send(kind) => {
            let queue = &*entry.message.queue.name;
            let kind = (kind != Kind::Scheduled).then(|| kind.as_str());
            let recovered = recovered.then_some(true);
            info!(entry = name, queue, %slot, lateness_ms, %task_id, kind, recovered, "dispatched");
        }
        // Somebody paused it on purpose.
        Action::Skip { reason: reason @ SkipReason::Paused, count } => {
            info!(entry = name, %slot, %reason, count, "skipped");
        }
        Action::Skip { reason, count } => {
            warn!(entry = name, %slot, %reason, count, "skipped");
        }
    }
}

fn write_ended(ended: &[Ended]) {
    let _buffered = (ended.len() > 1).then(BufferedLog::start);
    for Ended { entry, slot, reason, count, .. } in ended.iter().take(MAX_LOGGED) {
        warn!(entry = &**entry, %slot, %reason, count, "skipped");
    }
    if let Some(rest) = ended.get(MAX_LOGGED..).filter(|rest| !rest.is_empty()) {
        let count: u64 = rest.iter().map(|ended| ended.count).sum();
        warn!(entries = rest.len(), count, "skipped slots of further entries");
    }
}
