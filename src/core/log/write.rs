//! The words of the scheduler's log events.

use downbeat_time::UnixMs;
use tracing::{debug, error, info, warn};

use super::Log;
use super::skips::{SkipRuns, Skipped};
use crate::core::ANOTHER_SERVER;
use crate::schedule::pause::Pause;
use crate::schedule::planner::{Action, Ended, Item, Repaired};
use crate::schedule::{Kind, Schedule};

/// Of slots whose registration ended, this many entries are logged; the rest are counted.
const MAX_LOGGED: usize = 1_000;

impl Log {
    /// Whether the event has many lines, which are better written at once.
    #[must_use]
    pub fn is_burst(&self) -> bool {
        matches!(self, Log::Recorded { items, .. } if items.len() > 1)
            || matches!(self, Log::Ended(ended) if ended.len() > 1)
            || matches!(self, Log::Repaired(repaired) if repaired.len() > 1)
    }

    /// Writes the event's lines to the log. A skip that continues one of `runs` has no line of its own.
    pub fn write(&self, runs: &mut SkipRuns) {
        match self {
            Log::TookOver { term, entries, changes, began, retired } => {
                let (began, retired) = (began.as_deref(), retired.as_deref());
                info!(term = &**term, entries, changes, began, retired, "became leader");
            }
            Log::Recorded { schedule, items, at, recovered } => {
                for (item, task_id) in items {
                    recorded(schedule, item, task_id, *at, *recovered, runs);
                }
            }
            Log::Ended(ended) => write_ended(ended, runs),
            Log::Repaired(repaired) => {
                for Repaired { entry, what } in repaired.iter().take(MAX_LOGGED) {
                    warn!(entry = &**entry, %what, "repaired a record");
                }
            }
            Log::Unreadable { records, entry, what } => {
                warn!(records, entry = &**entry, %what, "found unreadable records");
            }
            Log::RecordsMissing { remembered: true } => {
                error!("found records missing; restoring them from memory");
            }
            Log::RecordsMissing { remembered: false } => error!(
                "found records missing that no replica remembers; every entry starts now, and slots due since its \
                 last record count as unknown"
            ),
            Log::NothingKnown => {
                warn!("found no records; every entry starts now")
            }
            Log::AllRecordsLost => {
                warn!("found all records lost; continuing from memory");
            }
            Log::RecordsLost => {
                warn!("found records lost; sending again what the broker does not know of");
            }
            Log::OthersRecorded(slots) => info!(slots, "read slots that another leader recorded"),
            Log::JournalLost(slots) => {
                error!(slots, "lost the journal and its history; restoring progress from memory")
            }
            Log::JournalBegun => info!("began a new journal"),
            Log::CouldNotPublish { error, pause } => {
                warn!(%error, pause_ms = pause.as_millis(), "failed to publish");
            }
            Log::Publishing => info!("resumed publishing"),
            Log::WroteNothing(reason) => warn!(reason, "broker rejected a write"),
            Log::AnotherServer => error!(error = ANOTHER_SERVER, "reconnecting to the broker"),
            Log::Early => debug!("broker rejected a slot as early"),
            Log::ClockWentBack(back) => warn!(back_ms = back.as_millis(), "clock went back"),
            Log::QueueRefuses { queue, error } => {
                warn!(%queue, %error, "queue refused messages; retrying");
            }
            Log::QueueAccepts(queue) => info!(%queue, "queue accepted messages again"),
            Log::LimitReached { entry, limit } => {
                info!(entry = &**entry, limit, "reached the limit");
            }
            Log::NoResultSeen(entry) => {
                warn!(entry = &**entry, "saw no result of any task of this entry");
            }
            Log::NotRecorded { entry, slot, task_id } => {
                warn!(entry = &**entry, %slot, %task_id, "failed to record a slot that was sent");
            }
            Log::MayHaveBeenSent { entry, slot, error } => {
                debug!(entry = &**entry, %slot, %error, "failed to confirm a dispatch");
            }
            Log::Folded { entries, left } => debug!(entries, left, "folded progress"),
            Log::CouldNotFold(error) => debug!(%error, "failed to fold progress"),
            Log::Trimmed(slots) => debug!(slots, "trimmed the journal"),
            Log::Revised => debug!("read changed pauses"),
            Log::AllPaused(Pause { until, by, note, .. }) => {
                let until = until.map(tracing::field::display);
                let (by, note) = (by.as_deref(), note.as_deref());
                warn!(until, by, note, "all entries are paused");
            }
            Log::AllResumed => info!("all entries are resumed"),
            Log::DroppedPauses(subjects) => debug!(subjects, "dropped ended pauses"),
            Log::CouldNotDropPauses(error) => {
                debug!(%error, "failed to drop ended pauses");
            }
            Log::CouldNotTrim(error) => debug!(%error, "failed to trim the journal"),
        }
    }
}

/// Logs one line for each slot sent and each run of equal skips.
fn recorded(
    schedule: &Schedule,
    item: &Item,
    task_id: &uuid::Uuid,
    at: UnixMs,
    recovered: bool,
    runs: &mut SkipRuns,
) {
    let entry = &schedule.entries[item.entry as usize];
    let (name, slot) = (&*entry.name, item.slot);
    let lateness_ms = at.0.saturating_sub(entry.due(slot).0);
    match item.action {
        Action::Send(kind) => {
            runs.end(name).into_iter().for_each(|rest| rest.write(name));
            let queue = &*entry.message.queue.name;
            let kind = (kind != Kind::Scheduled).then(|| kind.as_str());
            let recovered = recovered.then_some(true);
            info!(entry = name, queue, %slot, lateness_ms, %task_id, kind, recovered, "dispatched");
        }
        Action::Skip { reason, count } => {
            let lines = runs.skip(&entry.name, Skipped::new(slot, reason, count), at);
            lines.into_iter().flatten().for_each(|line| line.write(name));
        }
    }
}

fn write_ended(ended: &[Ended], runs: &mut SkipRuns) {
    for one in ended.iter().take(MAX_LOGGED) {
        let Ended { entry, slot, reason, count, at_least, .. } = one;
        runs.end(entry).into_iter().for_each(|rest| rest.write(entry));
        let (slot, reason, count, at_least) = (*slot, *reason, *count, *at_least);
        Skipped { slot, reason, count, at_least }.write(entry);
    }
    if let Some(rest) = ended.get(MAX_LOGGED..).filter(|rest| !rest.is_empty()) {
        let count: u64 = rest.iter().map(|ended| ended.count).sum();
        let at_least = rest.iter().any(|ended| ended.at_least).then_some(true);
        warn!(entries = rest.len(), count, at_least, "skipped slots of further entries");
    }
}
